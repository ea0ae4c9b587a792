"""difftool-molecule: diffusion models of molecules trained on their structures."""
