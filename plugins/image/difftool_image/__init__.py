"""difftool-image: the plugin for pictures."""
