"""The networks and schedulers of diffusers as parts of difftool."""
