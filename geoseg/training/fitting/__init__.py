"""Fitting: losses, the loop, and what it keeps on the disk."""
