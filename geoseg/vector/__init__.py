"""Vector: polygons from masks, their areas and their files."""
