"""Zones: what is counted in a polygon, against polygons cut with every pixel, slow and obvious."""

from __future__ import annotations

import logging

import geopandas
import numpy as np
import pytest
import shapely
from affine import Affine
from pyproj import CRS, Geod

from geoseg.errors import InputRefused
from geoseg.grid.geobox import GeoBox
from geoseg.legend import Legend
from geoseg.vector.coverage import Centre, Coverage, Fraction
from geoseg.vector.geodesic import polygon_areas
from geoseg.vector.lattice import Lattice
from geoseg.vector.measure import AreaCounter
from geoseg.vector.zones import Zones, count_zones, read_zones

UTM = GeoBox.of((50, 70), Affine(10, 0, 500000, 0, -10, 5400000), CRS(32632).to_wkt())
VALUES = np.random.default_rng(5).integers(0, 4, UTM.shape).astype(np.uint8)


@pytest.fixture(params=["centre", "fraction"])
def rule(request: pytest.FixtureRequest) -> Coverage:
    if request.param == "centre":
        return Centre()
    pytest.importorskip("exactextract")
    return Fraction()


def zones_of(*shapes: shapely.Geometry) -> Zones:
    array, zeros = np.array(shapes), np.zeros(len(shapes))
    return Zones(tuple(range(len(shapes))), tuple(map(str, range(len(shapes)))), array, zeros, zeros)


def blob(rng: np.random.Generator, radius: float, holes: bool = True) -> shapely.Polygon:
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    reach = radius * (0.5 + rng.random(24))
    centre = rng.uniform((0, 0), (70, 50))
    shell = centre + np.column_stack([reach * np.cos(angle), reach * np.sin(angle)])
    inner = [centre + (shell - centre) * 0.3] if holes else []
    return shapely.Polygon(shell, inner)


SHAPES = [blob(np.random.default_rng(i), radius) for i, radius in enumerate([1, 3, 9, 9, 30, 90])]


def reference(shape: shapely.Geometry, rule: Coverage) -> dict[int, tuple[float, float]]:
    lattice = Lattice(UTM)
    table = lattice.table(0, UTM.shape[0])
    out: dict[int, tuple[float, float]] = {}
    for row in range(UTM.shape[0]):
        for col in range(UTM.shape[1]):
            if isinstance(rule, Centre):
                share = float(shapely.contains_xy(shape, col + 0.5, row + 0.5))
            else:
                share = shapely.area(shapely.intersection(shape, shapely.box(col, row, col + 1, row + 1)))
            if share:
                n, area = out.get(int(VALUES[row, col]), (0.0, 0.0))
                each = table.pixel[row // table.rows, col // table.cols] * lattice.unit_m2
                out[int(VALUES[row, col])] = n + share, area + share * each
    return out


@pytest.mark.parametrize("side", [7, 64])
def test_pixels_count_as_if_each_were_cut_with_the_zone(rule: Coverage, side: int) -> None:
    found = count_zones(lambda window: VALUES[window.slices], UTM, zones_of(*SHAPES), rule, side=side)
    for shape, got in zip(SHAPES, found, strict=True):
        truth = reference(shape, rule)
        assert got.keys() == truth.keys()
        for value, (n, area) in truth.items():
            assert got[value].n_pixels == pytest.approx(n, abs=2e-5)
            assert got[value].area_m2 == pytest.approx(area, abs=2e-3)


def test_a_zone_over_everything_has_the_areas_of_the_whole_raster(rule: Coverage) -> None:
    counter = AreaCounter(UTM, Legend.of(["a", "b", "c"]))
    counter.add(0, VALUES)
    (found,) = count_zones(
        lambda window: VALUES[window.slices], UTM, zones_of(shapely.box(-5, -5, 99, 99)), rule, side=16
    )
    for row in counter.rows():
        assert found[row.class_id].area_m2 == row.area_m2
        assert found[row.class_id].n_pixels == row.n_pixels


def test_neighbours_share_no_pixel_and_lose_none(rule: Coverage) -> None:
    cells = shapely.get_parts(
        shapely.voronoi_polygons(shapely.MultiPoint(np.random.default_rng(2).uniform(0, 70, (40, 2))))
    )
    cells = [shapely.intersection(cell, shapely.box(0, 0, 70, 50)) for cell in cells]
    cells = [cell for cell in cells if not shapely.is_empty(cell)]
    found = count_zones(lambda window: VALUES[window.slices], UTM, zones_of(*cells), rule, side=16)
    for value in range(4):
        total = sum(zone[value].n_pixels for zone in found if value in zone)
        assert total == pytest.approx((VALUES == value).sum(), abs=1e-4)


def test_each_window_is_read_once_and_only_where_zones_are() -> None:
    seen = []

    def read(window):
        seen.append(window)
        return VALUES[window.slices]

    count_zones(read, UTM, zones_of(*[shapely.box(i / 10, 1, i / 10 + 3, 4) for i in range(50)]), Centre(), side=10)
    assert len(seen) == len(set(seen)) == 1


def test_classes_of_sixteen_bits_are_counted(rule: Coverage) -> None:
    values = VALUES.astype(np.uint16) * 20000
    (found,) = count_zones(lambda window: values[window.slices], UTM, zones_of(shapely.box(3, 3, 33, 33)), rule)
    assert set(found) == {0, 20000, 40000, 60000}
    assert sum(entry.n_pixels for entry in found.values()) == 900


# Reading


def written(folder, shapes, crs="EPSG:32632", name="zones.gpkg", **columns):
    path = folder / name
    geopandas.GeoDataFrame(columns, geometry=list(shapes), crs=crs).to_file(path)
    return path


def test_zones_of_another_crs_have_their_place_and_area(tmp_path) -> None:
    box = shapely.box(500100, 5399700, 500300, 5399900)
    frame = geopandas.GeoDataFrame(geometry=[shapely.segmentize(box, 5)], crs="EPSG:32632")
    for crs in ("EPSG:4326", "EPSG:3857", "EPSG:3035"):
        frame.to_crs(crs).to_file(tmp_path / "zones.gpkg")
        zones = read_zones(tmp_path / "zones.gpkg", UTM)
        assert shapely.area(shapely.symmetric_difference(zones.shapes[0], shapely.box(10, 10, 30, 30))) < 5e-3
        truth = abs(Geod(ellps="WGS84").geometry_area_perimeter(frame.to_crs(4326).geometry[0])[0])
        assert zones.area_m2[0] == pytest.approx(truth, rel=1e-6)
        assert zones.outside_m2[0] == 0


def test_ids_are_the_features_and_names_a_column(tmp_path) -> None:
    path = written(tmp_path, [shapely.box(500000, 5399900, 500050, 5400000)] * 2, name="zones.gpkg", nom=["é", None])
    assert read_zones(path, UTM).ids == (1, 2)
    assert read_zones(path, UTM).names == ("1", "2")
    assert read_zones(path, UTM, field="nom").names[0] == "é"
    with pytest.raises(InputRefused, match=r"no column other. Its columns: nom"):
        read_zones(path, UTM, field="other")


def test_what_lies_off_the_raster_is_said(tmp_path) -> None:
    half = shapely.box(500600, 5399600, 500800, 5399900)  # the raster ends at 500700
    away = shapely.box(510000, 5399600, 510100, 5399900)
    zones = read_zones(written(tmp_path, [half, away]), UTM)
    assert zones.outside_m2[0] == pytest.approx(zones.area_m2[0] / 2, rel=1e-4)
    assert zones.outside_m2[1] == zones.area_m2[1]
    found = count_zones(lambda window: VALUES[window.slices], UTM, zones, Centre())
    assert sum(entry.n_pixels for entry in found[0].values()) == 300
    assert found[1] == {}


def test_a_bow_tie_is_repaired_and_said(tmp_path, caplog) -> None:
    x, y = 500000, 5400000
    tie = shapely.Polygon([(x, y), (x + 100, y - 100), (x + 100, y), (x, y - 100)])
    with caplog.at_level(logging.WARNING, "geoseg"):
        zones = read_zones(written(tmp_path, [tie]), UTM)
    assert "1 zones are repaired: 1 (Self-intersection" in caplog.text
    assert shapely.area(zones.shapes[0]) == pytest.approx(50)


def test_zones_without_a_shape_are_left_out_and_said(tmp_path, caplog) -> None:
    with caplog.at_level(logging.WARNING, "geoseg"):
        zones = read_zones(
            written(tmp_path, [None, shapely.box(500000, 5399900, 500050, 5400000), shapely.Polygon()]), UTM
        )
    assert zones.ids == (2,)
    assert "2 zones without a shape are left out: 1, 3" in caplog.text
    with pytest.raises(InputRefused, match="holds no polygons"):
        read_zones(written(tmp_path, [None, None], name="none.gpkg"), UTM)


@pytest.mark.parametrize("shape", [shapely.Point(5e5, 5.4e6), shapely.LineString([(5e5, 5.4e6), (5.1e5, 5.4e6)])])
def test_points_and_lines_are_refused(tmp_path, shape) -> None:
    with pytest.raises(InputRefused, match=r"GEOM_TYPE: .*zone 1 is a"):
        read_zones(written(tmp_path, [shape]), UTM)


def test_a_file_that_is_something_else_inside_is_refused(tmp_path) -> None:
    path = tmp_path / "zones.geojson"
    path.write_text(
        "<OGRVRTDataSource><OGRVRTLayer name='x'><SrcDataSource>/etc/x.shp</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>"
    )
    with pytest.raises(InputRefused, match="FORMAT"):
        read_zones(path, UTM)


@pytest.mark.parametrize(
    ("crs", "box", "area"),
    [
        ("EPSG:4326", (-180, -90, 180, 90), 510065621724088.44), ("EPSG:4326", (0, -90, 360, 90), 510065621724088.44),
        ("EPSG:4326", (170, 0, 190, 10), None), ("EPSG:3413", (-1e6, -1e6, 1e6, 1e6), None),
        ("EPSG:3031", (-1e6, 2e5, 1e6, 2e6), None), ("EPSG:32660", (6e5, 5e6, 12e5, 6e6), None),
        ("EPSG:3857", (0, 0, 5e6, 8e6), None), ("EPSG:4326", (-30, 89, 50, 90), None),
    ],
)  # fmt: skip
def test_areas_of_polygons_are_geodesic(crs: str, box: tuple[float, ...], area: float | None) -> None:
    shape = shapely.box(*box)
    if area is None:
        dense = shapely.segmentize(shape, max(box[2] - box[0], box[3] - box[1]) / 3000)
        frame = geopandas.GeoSeries([dense], crs=crs).to_crs(4326)
        lon, lat = shapely.get_coordinates(frame[0]).T
        area = abs(Geod(ellps="WGS84").polygon_area_perimeter(lon, lat)[0])
    assert polygon_areas(np.array([shape]), CRS(crs), "EPSG:4326")[0] == pytest.approx(area, rel=1e-6)


def test_zones_meet_a_raster_across_the_antimeridian(tmp_path, rule: Coverage) -> None:
    across = GeoBox.of((40, 40), Affine(0.05, 0, 179, 0, -0.05, 1), CRS(4326).to_wkt())
    both = shapely.MultiPolygon([shapely.box(179.5, 0, 180, 1), shapely.box(-180, 0, -179.5, 1)])
    zones = read_zones(written(tmp_path, [both, shapely.box(179.5, 0, 180.5, 1)], crs="EPSG:4326"), across)
    found = count_zones(lambda window: np.ones(window.shape, np.uint8), across, zones, rule)
    for i in (0, 1):
        assert found[i][1].n_pixels == pytest.approx(400, abs=1e-3)
        assert found[i][1].area_m2 == pytest.approx(zones.area_m2[i], rel=1e-5)
