"""Grids: geobox, chips, blocks. Integers and affines; no files, no pixels."""
