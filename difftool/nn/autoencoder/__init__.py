"""Autoencoders: an encoder, a bottleneck and a decoder, in one, two or three dimensions."""
