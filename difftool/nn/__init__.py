"""Networks. They see x, c_noise, signals and a mask; never sigma, a formulation or a modality."""
