"""Samplers: free functions ``(denoise, x, sigmas, noise, **knobs) -> Iterator[Step]``. They only scale and add."""
