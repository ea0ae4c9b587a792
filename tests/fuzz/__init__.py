"""Mutated inputs and kills: what damaged, hostile or interrupted work meets."""
