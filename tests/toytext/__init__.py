"""A plugin that exists only here: captions as a condition, by tokens of a frozen table. It shows what text takes, which is nothing in the core."""
