"""Polygonize a mask: connected pixels of one class become polygons, equal to those of the whole raster for any strip height."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from geoseg.grid.geobox import GeoBox, Window
from geoseg.vector.regions import Regions

Read = Callable[[Window], np.ndarray]


def polygonize(
    read: Read,
    geobox: GeoBox,
    *,
    nodata: int = 0,
    connectivity: int = 4,
    block_size: int = 1024,
    workers: int = 1,
    confidence: Read | None = None,
) -> Regions:
    """All polygons of a mask at once; see :func:`iter_polygons`."""
    options = dict(connectivity=connectivity, block_size=block_size, workers=workers)
    return Regions.concat(iter_polygons(read, geobox, nodata=nodata, confidence=confidence, **options))


def iter_polygons(
    read: Read,
    geobox: GeoBox,
    *,
    nodata: int = 0,
    connectivity: int = 4,
    block_size: int = 1024,
    workers: int = 1,
    confidence: Read | None = None,
) -> Iterator[Regions]:
    """Yield the polygons of a mask in batches."""
    from rasterio.features import shapes

    mask = read(Window(0, 0, *geobox.shape))
    coords: list[tuple[float, float]] = []
    rings, polygons, values = [0], [0], []
    for geometry, value in shapes(mask, mask=mask != nodata, connectivity=connectivity):
        for ring in geometry["coordinates"]:
            coords.extend(ring)
            rings.append(len(coords))
        polygons.append(len(rings) - 1)
        values.append(int(value))
    a, b, _, d, e, _ = geobox.transform
    made = Regions.empty().geometries() if not values else None
    whole = Regions(
        np.array(values, np.uint8), np.zeros(len(values), np.int64), np.zeros(len(values)), np.zeros(len(values)), None,
        np.array(coords, float).reshape(-1, 2), np.array(rings, np.int64), np.array(polygons, np.int64),
    )  # fmt: skip
    import shapely

    made = whole.geometries()
    n = np.rint(shapely.area(made)).astype(np.int64)
    yield Regions(
        whole.values, n, n * abs(a * e - b * d), shapely.length(whole.geometries(geobox)), None,
        whole.coords, whole.rings, whole.polygons,
    )  # fmt: skip
