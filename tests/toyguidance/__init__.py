"""A plugin that exists only in tests: one small guidance of each of the three kinds of work."""
