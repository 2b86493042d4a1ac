"""geoseg: large satellite scenes to class maps, polygons and areas.

A scene is admitted and described (raster), cut into overlapping chips and blocks (grid), read and normalized (raster),
predicted (model), stitched (mask), committed block by block on Dask workers (cluster), assembled into one GeoTIFF
(raster), polygonized and measured (vector), and reported (report). ``geoseg.jobs.segment`` reads top to bottom in this
order.
"""

__version__ = "0.1.0"
