"""Metrics of examples that are dense along their axes, such as pictures and sound."""
