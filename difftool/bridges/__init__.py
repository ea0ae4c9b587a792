"""Bridges of the core."""
