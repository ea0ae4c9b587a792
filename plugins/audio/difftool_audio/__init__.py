"""difftool-audio: the plugin for sound."""
