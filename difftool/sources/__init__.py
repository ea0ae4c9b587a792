"""Sources of data: folders, and archives of files."""
