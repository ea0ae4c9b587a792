"""difftool's own checks of data and of runs."""
