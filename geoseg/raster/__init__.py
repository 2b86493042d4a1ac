"""Raster: files to arrays and back; the only rasterio input and output."""
