"""Transformers over the positions of an example, in any number of dimensions."""
