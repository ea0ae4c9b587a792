"""Representations that serve any kind of data."""
