"""Plugins: the specs of their parts, how plugins are found, and how parts are looked up."""
