"""Points for difftool."""
