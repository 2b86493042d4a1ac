"""Footprints: valid GeoJSON for grids anywhere on Earth."""

import math

import pytest
import shapely
from rasterio.crs import CRS

from geoseg.grid.geobox import GeoBox
from geoseg.report.footprint import footprint


def grid(epsg: int, left: float, top: float, res: float, shape: tuple[int, int]) -> GeoBox:
    return GeoBox(shape, (res, 0, left, 0, -res, top), CRS.from_epsg(epsg).to_wkt())


@pytest.mark.parametrize(
    ("geobox", "kind", "bbox"),
    [
        (grid(4326, 10, 50, 0.01, (100, 200)), "Polygon", [10, 49, 12, 50]),
        (grid(4326, -180, 90, 1, (180, 360)), "Polygon", [-180, -90, 180, 90]),
        (grid(4326, 0, 90, 1, (180, 360)), "Polygon", [-180, -90, 180, 90]),
        (grid(4326, 170, 10, 1, (20, 20)), "MultiPolygon", [170, -10, -170, 10]),
        (grid(4326, 190, 10, 1, (20, 20)), "Polygon", [-170, -10, -150, 10]),
        (grid(32617, 500_000, 4e6, 30, (1000, 1000)), "Polygon", [-81, 35.87, -80.66, 36.15]),
        (grid(32701, 100_000, 8e6, 100, (3000, 3000)), "MultiPolygon", [179.1, -20.8, -177.9, -18]),
        (grid(3031, -3e6, 3e6, 1000, (6000, 6000)), "Polygon", [-180, -90, 180, -52.32]),
        (grid(3413, -2e6, 2e6, 1000, (4000, 4000)), "Polygon", [-180, 64.31, 180, 90]),
        (grid(3413, -2e6, 3e6, 1000, (2000, 4000)), "Polygon", None),
        (grid(3857, -20037508.34, 20037508.34, 10_000, (4007, 4007)), "Polygon", [-180, -85.05, 180, 85.05]),
    ],
    ids=["plain", "world", "world-0-360", "antimeridian", "beyond-180", "utm", "utm-antimeridian", "south-pole",
         "north-pole", "beside-the-pole", "web-mercator"],
)  # fmt: skip
def test_footprints_are_valid_anywhere(geobox: GeoBox, kind: str, bbox: list[float] | None) -> None:
    found = footprint(geobox)
    assert found is not None
    geometry, box = found
    shape = shapely.geometry.shape(geometry)
    assert shape.is_valid
    if bbox is not None:
        assert geometry["type"] == kind
        assert box == pytest.approx(bbox, abs=0.1)
    west, south, east, north = shape.bounds
    assert west >= -180 and east <= 180 and south >= -90 and north <= 90
    assert (box[1], box[3]) == (south, north)
    parts = shape.geoms if geometry["type"] == "MultiPolygon" else [shape]
    assert all(part.exterior.is_ccw for part in parts)
    middle = CRS.from_epsg(4326), CRS.from_wkt(geobox.crs)
    from rasterio.warp import transform

    rows, cols = geobox.shape
    for row, col in ((rows / 2, cols / 2), (rows * 0.1, cols * 0.1), (rows * 0.9, cols * 0.2)):
        x, y = geobox.affine @ (col, row)
        lon, lat = (axis[0] for axis in transform(middle[1], middle[0], [x], [y]))
        assert shape.buffer(1e-6).contains(shapely.Point((lon + 180) % 360 - 180, lat))


def test_a_rotated_grid_keeps_its_four_sides() -> None:
    turn = math.radians(30)
    a, b = 30 * math.cos(turn), 30 * math.sin(turn)
    found = footprint(GeoBox((100, 100), (a, b, 5e5, b, -a, 4e6), CRS.from_epsg(32617).to_wkt()))
    assert found is not None
    assert 0.4 < shapely.geometry.shape(found[0]).area / shapely.geometry.box(*found[1]).area < 0.7
