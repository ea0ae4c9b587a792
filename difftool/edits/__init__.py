"""The built-in edits: ways to change examples that exist."""
