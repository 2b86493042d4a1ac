"""Mask: class rasters as arrays: stitching, filters, sieve, seam score."""
