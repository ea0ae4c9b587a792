"""Conditioners of the core: a label, a number, a vector. Each gives one global vector, and vectors of several add."""
