"""Solid shapes for difftool."""
