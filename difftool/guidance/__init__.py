"""Guidance: from a denoiser and its conditions to what a sampler solves, one idea in each file."""
