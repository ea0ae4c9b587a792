"""Data: folders to items, items to a memory-mapped cache, the cache to batches."""
