"""GeoPackages are complete, styled, indexed, and the same each time."""

from __future__ import annotations

import resource
import sqlite3
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import shapely
from pyproj import CRS

from geoseg.errors import ResourceError
from geoseg.grid.geobox import GeoBox
from geoseg.legend import Legend
from geoseg.vector.polygonize import iter_polygons, polygonize
from geoseg.vector.style import polygon_qml
from geoseg.vector.write import write_polygons

LEGEND = Legend.of({1: "water", 2: 'tree & "shrub" <x>', 3: "bare"}, {1: (1, 2, 3)})
MASK = np.random.default_rng(0).integers(0, 5, (60, 50)).astype(np.uint8)
BOX = GeoBox(MASK.shape, (10.0, 0.0, 5e5, 0.0, -10.0, 5e6), CRS.from_epsg(32632).to_wkt())


def regions(mask: np.ndarray = MASK, **options):
    return polygonize(lambda window: mask[window.slices], BOX, **options)


def test_columns_types_and_values(tmp_path: Path) -> None:
    made = regions()
    assert write_polygons(tmp_path / "p.gpkg", made, BOX, LEGEND) == len(made)
    info = pyogrio.read_info(tmp_path / "p.gpkg", layer="landcover")
    assert list(info["fields"]) == ["class_id", "class_name", "area_m2", "area_ha", "perim_m", "n_pixels"]
    assert (info["geometry_type"], info["features"]) == ("Polygon", len(made))
    assert CRS(info["crs"]) == CRS.from_epsg(32632)
    back = pyogrio.read_dataframe(tmp_path / "p.gpkg", layer="landcover")
    assert (back.geometry.to_numpy() == made.geometries(BOX)).all()
    assert list(back.class_id) == list(made.values)
    assert set(zip(back.class_id, back.class_name, strict=True)) == {
        (1, "water"),
        (2, 'tree & "shrub" <x>'),
        (3, "bare"),
        (4, "4"),
    }
    assert (back.area_m2 == made.area_m2).all() and (back.perim_m == made.perim_m).all()
    assert (back.area_ha == made.area_m2 / 1e4).all() and (back.n_pixels == made.n_pixels).all()


def test_mean_confidence_is_a_column_where_it_is_known(tmp_path: Path) -> None:
    made = regions(confidence=lambda window: np.full(window.shape, 40, np.uint8))
    write_polygons(tmp_path / "p.gpkg", made, BOX, LEGEND)
    assert (pyogrio.read_dataframe(tmp_path / "p.gpkg", layer="landcover").conf_mean == 40).all()


def test_the_same_polygons_give_the_same_bytes_however_they_come(tmp_path: Path) -> None:
    write_polygons(tmp_path / "a" / "p.gpkg", regions(), BOX, LEGEND)
    batches = iter_polygons(lambda window: MASK[window.slices], BOX, block_size=30)
    write_polygons(tmp_path / "b" / "p.gpkg", batches, BOX, LEGEND)
    assert (tmp_path / "a" / "p.gpkg").read_bytes() == (tmp_path / "b" / "p.gpkg").read_bytes()


def test_no_polygon_gives_an_empty_layer(tmp_path: Path) -> None:
    assert write_polygons(tmp_path / "p.gpkg", iter([]), BOX, LEGEND) == 0
    info = pyogrio.read_info(tmp_path / "p.gpkg", layer="landcover")
    assert (info["features"], info["geometry_type"], len(info["fields"])) == (0, "Polygon", 6)


def test_style_and_spatial_index_lie_inside(tmp_path: Path) -> None:
    made = regions()
    write_polygons(tmp_path / "p.gpkg", made, BOX, LEGEND)
    file = sqlite3.connect(tmp_path / "p.gpkg")
    try:
        assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert file.execute("SELECT count(*) FROM rtree_landcover_geom").fetchone() == (len(made),)
        rows = file.execute(
            "SELECT f_table_name, f_geometry_column, useAsDefault, styleQML FROM layer_styles"
        ).fetchall()
    finally:
        file.close()
    assert rows == [("landcover", "geom", 1, polygon_qml(LEGEND))]


def test_the_style_has_a_category_and_a_colour_for_each_class() -> None:
    root = ET.fromstring(polygon_qml(LEGEND).partition(">")[2])
    renderer = root.find("renderer-v2")
    assert renderer is not None and renderer.get("attr") == "class_id"
    categories = [(c.get("value"), c.get("label"), c.get("symbol")) for c in renderer.iter("category")]
    assert categories == [(str(c.value), c.name, str(i)) for i, c in enumerate(LEGEND.classes)]
    colours = [o.get("value") for o in renderer.iter("Option") if o.get("name") == "color"]
    assert colours == ["{},{},{},255".format(*c.colour) for c in LEGEND.classes]


def test_an_error_on_the_way_leaves_nothing(tmp_path: Path) -> None:
    def broken():
        yield regions()
        raise ResourceError.of("DISK", "mask", "cannot be read")

    with pytest.raises(ResourceError):
        write_polygons(tmp_path / "p.gpkg", broken(), BOX, LEGEND)
    assert list(tmp_path.iterdir()) == []


def test_memory_does_not_grow_with_the_number_of_batches(tmp_path: Path) -> None:
    made = regions(np.tile(MASK, (1, 1)))
    write_polygons(tmp_path / "p.gpkg", (made for _ in range(20)), BOX, LEGEND)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    write_polygons(tmp_path / "q.gpkg", (made for _ in range(200)), BOX, LEGEND)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert pyogrio.read_info(tmp_path / "q.gpkg", layer="landcover")["features"] == 200 * len(made)
    assert grown < 64 * 1024  # KiB: a batch or two, not the 300,000 polygons
    assert shapely.is_valid(made.geometries()).all()
