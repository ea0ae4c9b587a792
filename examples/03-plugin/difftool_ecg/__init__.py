"""Heartbeats for difftool."""
