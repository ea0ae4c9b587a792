"""Objectives beside denoising: what is trained, and the loss that is minimised."""
