"""The judge: a small network, trained on the data, in whose features samples are measured."""
