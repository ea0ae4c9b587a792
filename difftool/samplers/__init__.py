"""Samplers: ``(denoise, x, sigmas, noise, **knobs) -> Iterator[Step]``. They only scale and add."""
