"""Metrics of examples that are dense along their axes, whatever they depict."""
