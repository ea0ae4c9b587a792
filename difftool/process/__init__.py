"""The Gaussian process in sigma coordinates, x = x0 + sigma * eps: the four independent columns of EDM's Table 1."""
