"""An objective that trains no denoiser, as a plugin: an autoencoder."""
