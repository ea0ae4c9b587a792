"""Vector drawings for difftool."""
