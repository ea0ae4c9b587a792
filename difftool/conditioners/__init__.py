"""Conditioners of the core: a label, several labels, a number, a vector, each as one global vector (those of several add), and channels beside x."""
