"""Optimizers: how gradients change the parameters."""
