"""Jobs: the main paths, readable top to bottom."""
