"""Areas and lengths are those on the ellipsoid, in any CRS."""

from __future__ import annotations

import csv
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import shapely
from pyproj import CRS, Transformer

from geoseg.grid.geobox import GeoBox
from geoseg.legend import Legend
from geoseg.vector.lattice import Lattice
from geoseg.vector.measure import AreaCounter, ClassArea, write_areas
from geoseg.vector.polygonize import polygonize

LEGEND = Legend.of(["a", "b", "c"])

BOXES = {
    "utm": ("EPSG:32632", (30, 0, 2e5, 0, -30, 6.4e6), (70, 90)),
    "utm edge of zone": ("EPSG:32601", (500, 0, 1e5, 0, -500, 9e6), (90, 70)),
    "lon/lat": ("EPSG:4326", (0.01, 0, 10, 0, -0.01, 60), (80, 60)),
    "lon/lat at the pole": ("EPSG:4326", (0.5, 0, -180, 0, -0.5, 90), (60, 720)),
    "lon/lat across the antimeridian": ("EPSG:4326", (0.01, 0, 179.7, 0, -0.01, -10), (50, 80)),
    "lon/lat rotated": ("EPSG:4326", (0.01, 0.004, 10, 0.003, -0.01, 50), (60, 60)),
    "lat/lon of another datum": ("EPSG:4267", (0.01, 0, -100, 0, -0.01, 40), (50, 50)),
    "web mercator": ("EPSG:3857", (100, 0, 1e6, 0, -100, 8e6), (100, 100)),
    "web mercator rotated": ("EPSG:3857", (90, 30, 1e6, 30, -90, 8e6), (80, 70)),
    "polar stereographic over the pole": ("EPSG:3031", (1000, 0, -32300, 0, -1000, 30100), (70, 60)),
    "polar stereographic with the pole at a corner": ("EPSG:3413", (25000, 0, -500000, 0, -25000, 500000), (40, 40)),
    "utm across the antimeridian": ("EPSG:32601", (1000, 0, 0.8e5, 0, -1000, 7.2e6), (80, 200)),
    "south up": ("EPSG:32733", (20, 0, 5e5, 0, 20, 8e6), (50, 60)),
    "equal area": ("EPSG:6933", (1000, 0, 1e6, 0, -1000, 5e6), (60, 60)),
    "equal area where lengths change along a row": ("ESRI:54008", (5000, 0, 8e6, 0, -5000, 6e6), (90, 80)),
    "azimuthal equal area": ("EPSG:3035", (20000, 0, 3e6, 0, -20000, 4e6), (80, 90)),
    "sphere": ("+proj=sinu +R=6371007.181 +units=m", (500, 0, 1e6, 0, -500, 6e6), (60, 60)),
    "feet of GRS 80": ("EPSG:2263", (100, 0, 9e5, 0, -100, 3e5), (50, 60)),
    "british grid (feet of Airy)": ("EPSG:27700", (25, 0, 4e5, 0, -25, 3e5), (50, 50)),
}


@pytest.fixture(params=list(BOXES), ids=list(BOXES))
def geobox(request: pytest.FixtureRequest) -> GeoBox:
    crs, transform, shape = BOXES[request.param]
    return GeoBox(shape, tuple(map(float, transform)), CRS.from_user_input(crs).to_wkt())


@cache
def to_geodetic(crs: str) -> Transformer:
    return Transformer.from_crs(CRS(crs), CRS(crs).geodetic_crs, always_xy=True)


def geodesic_of(geobox: GeoBox, cols: np.ndarray, rows: np.ndarray) -> tuple[float, float]:
    """Area and perimeter of a ring in pixel coordinates, densified, by GeographicLib: slow and obvious."""
    crs = CRS.from_user_input(geobox.crs)
    steps = np.linspace(0, 1, 40, endpoint=False)
    cols = np.concatenate([c0 + (c1 - c0) * steps for c0, c1 in pairwise(cols)])
    rows = np.concatenate([r0 + (r1 - r0) * steps for r0, r1 in pairwise(rows)])
    a, b, c, d, e, f = geobox.transform
    lon, lat = to_geodetic(geobox.crs).transform(c + a * cols + b * rows, f + d * cols + e * rows)
    area, length = crs.get_geod().polygon_area_perimeter(lon, np.clip(lat, -90, 90))
    return abs(area), length


def pixel_area(geobox: GeoBox, row: int, col: int) -> float:
    return geodesic_of(geobox, col + np.array([0, 0, 1, 1, 0.0]), row + np.array([0, 1, 1, 0, 0.0]))[0]


def checkered(shape: tuple[int, int]) -> np.ndarray:
    """Classes that change with the row, so that they feel the area change from row to row."""
    rows, cols = np.indices(shape)
    return ((rows * 3 // shape[0] + (cols // 8) % 2) % 4).astype(np.uint8)


def test_every_pixel_has_its_area_on_the_ellipsoid(geobox: GeoBox) -> None:
    lattice = Lattice(geobox)
    rows, cols = geobox.shape
    table = lattice.table(0, rows)
    rng = np.random.default_rng(0)
    places = [(0, 0), (0, cols - 1), (rows - 1, 0), (rows - 1, cols - 1)]
    places += [(int(rng.integers(rows)), int(rng.integers(cols))) for _ in range(30)]
    for row, col in places:
        got = table.pixel[row // table.rows - table.first, col // table.cols] * lattice.unit_m2
        assert got == pytest.approx(pixel_area(geobox, row, col), rel=5e-5)


def test_class_areas_are_those_on_the_ellipsoid(geobox: GeoBox) -> None:
    mask = checkered(geobox.shape)
    counter = AreaCounter(geobox, LEGEND)
    counter.add(0, mask)
    truth = np.zeros(4)
    for row, line in enumerate(mask):
        breaks = [0, *(np.flatnonzero(np.diff(line)) + 1), len(line)]
        for start, stop in pairwise(breaks):
            outline = np.array([start, start, stop, stop, start]), np.array([row, row + 1, row + 1, row, row])
            truth[line[start]] += geodesic_of(geobox, *outline)[0] if line[start] else 0
    for got in counter.rows():
        assert got.area_m2 == pytest.approx(truth[got.class_id], rel=1e-4)
        assert got.area_ha == got.area_m2 / 1e4
        assert got.n_pixels == (mask == got.class_id).sum()
    assert sum(row.share for row in counter.rows()) == pytest.approx(1)


def test_strips_in_any_order_give_the_same_bits(geobox: GeoBox) -> None:
    mask = checkered(geobox.shape)
    whole, pieces = AreaCounter(geobox, LEGEND), AreaCounter(geobox, LEGEND)
    whole.add(0, mask)
    for row in [*range(0, len(mask), 7)][::-1]:
        pieces.add(row, mask[row : row + 7])
    assert whole.rows() == pieces.rows()


def test_polygons_and_pixels_have_the_same_areas(geobox: GeoBox) -> None:
    mask = checkered(geobox.shape)
    counter = AreaCounter(geobox, LEGEND)
    counter.add(0, mask)
    regions = polygonize(lambda window: mask[window.slices], geobox, block_size=30)
    for row in counter.rows():
        assert regions.area_m2[regions.values == row.class_id].sum() == pytest.approx(row.area_m2, rel=1e-12)
        assert regions.n_pixels[regions.values == row.class_id].sum() == row.n_pixels


def test_areas_and_perimeters_of_polygons_are_geodesic(geobox: GeoBox) -> None:
    rng = np.random.default_rng(3)
    mask = np.kron(rng.integers(1, 4, (20, 20)), np.ones((9, 9)))[: geobox.shape[0], : geobox.shape[1]].astype(np.uint8)
    mask = np.pad(mask, [(0, geobox.shape[0] - mask.shape[0]), (0, geobox.shape[1] - mask.shape[1])])
    regions = polygonize(lambda window: mask[window.slices], geobox)
    polygons = regions.geometries()
    for i in rng.choice(len(regions), 6, replace=False):
        outline = [geodesic_of(geobox, *shapely.get_coordinates(ring).T) for ring in shapely.get_rings(polygons[i])]
        area = outline[0][0] - sum(hole[0] for hole in outline[1:])
        touches_pole = (
            geobox.crs.startswith("GEOGCRS") and shapely.bounds(polygons[i])[1] == 0 and geobox.transform[5] == 90
        )
        if not touches_pole:
            assert regions.area_m2[i] == pytest.approx(area, rel=1e-4)
            assert regions.perim_m[i] == pytest.approx(sum(ring[1] for ring in outline), rel=2e-4)


def test_long_edges_are_as_long_as_many_short_ones() -> None:
    """A polygon over the whole raster: its edges run through all that the metric changes."""
    for crs, transform, shape in [
        ("EPSG:4326", (0.5, 0, 10, 0, -0.5, 85), (340, 100)), ("EPSG:3035", (5000, 0, 2e6, 0, -5000, 5e6), (700, 800)),
        ("EPSG:3413", (20000, 0, -3e6, 0, -20000, 3e6), (300, 300)), ("EPSG:32660", (2000, 0, -4e5, 0, -2000, 7e6), (700, 800)),
    ]:  # fmt: skip
        box = GeoBox(shape, tuple(map(float, transform)), CRS(crs).to_wkt())
        regions = polygonize(lambda window, shape=shape: np.ones(shape, np.uint8)[window.slices], box)
        rows, cols = shape
        around = [(0, 0), (0, rows), (cols, rows), (cols, 0), (0, 0)]
        ring = shapely.get_coordinates(shapely.segmentize(shapely.LineString(around), 8))
        area, length = geodesic_of(box, *ring.T)
        assert regions.perim_m[0] == pytest.approx(length, rel=1e-4)
        assert regions.area_m2[0] == pytest.approx(area, rel=1e-4)


def test_a_crs_without_an_ellipsoid_is_measured_in_the_plane_and_says_so() -> None:
    local = 'ENGCRS["site",EDATUM["site"],CS[Cartesian,2],AXIS["x",east],AXIS["y",north],LENGTHUNIT["metre",1]]'
    counter = AreaCounter(GeoBox((4, 5), (2.0, 0, 0, 0, -2.0, 0), local), LEGEND)
    counter.add(0, np.ones((4, 5), np.uint8))
    assert counter.rows()[0].area_m2 == pytest.approx(80)
    assert counter.rows()[0].area_method == "planar"


def test_classes_of_sixteen_bits_are_counted() -> None:
    legend = Legend.of({311: "forest", 40000: "change"})
    counter = AreaCounter(GeoBox((2, 3), (10.0, 0, 5e5, 0, -10.0, 5e6), CRS(32632).to_wkt()), legend)
    counter.add(0, np.array([[311, 0, 40000], [311, 311, 7]], np.uint16))
    assert [(row.class_id, row.class_name, row.n_pixels) for row in counter.rows()] == [
        (311, "forest", 3), (40000, "change", 1), (7, "7", 1),
    ]  # fmt: skip
    assert sum(row.share for row in counter.rows()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("name", "cell"),
    [("=1+1", "'=1+1"), ("@SUM(A1)", "'@SUM(A1)"), ("-2", "-2"), ("+x", "'+x"), ("water", "water"), ("a=b", "a=b")],
)
def test_no_name_is_a_formula_in_a_table(tmp_path, name: str, cell: str) -> None:
    write_areas(tmp_path / "areas.csv", [ClassArea(1, name, 0, 0.0, 0.0, 0.0, "planar")])
    with (tmp_path / "areas.csv").open() as file:
        assert next(csv.DictReader(file))["class_name"] == cell


def test_areas_csv_has_a_line_for_each_class_of_the_legend(tmp_path) -> None:
    counter = AreaCounter(GeoBox((4, 5), (10.0, 0, 5e5, 0, -10.0, 5e6), CRS(32632).to_wkt()), LEGEND)
    counter.add(0, np.full((4, 5), 2, np.uint8))
    write_areas(tmp_path / "areas.csv", counter.rows())
    write_areas(tmp_path / "again.csv", counter.rows())
    assert (tmp_path / "areas.csv").read_bytes() == (tmp_path / "again.csv").read_bytes()
    with (tmp_path / "areas.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["class_id", "class_name", "n_pixels", "area_m2", "area_ha", "share", "area_method"]
    assert [(row["class_id"], row["n_pixels"]) for row in rows] == [("1", "0"), ("2", "20"), ("3", "0")]
    assert float(rows[1]["area_m2"]) == pytest.approx(2000, rel=2e-3)
    assert rows[1]["area_method"] == "ellipsoidal (WGS 84)"
