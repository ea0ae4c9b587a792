"""The Gaussian process x = x0 + sigma * eps: the four independent columns of EDM's Table 1."""
