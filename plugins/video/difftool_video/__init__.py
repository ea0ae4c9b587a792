"""difftool-video: diffusion models of clips trained on a folder of videos."""
