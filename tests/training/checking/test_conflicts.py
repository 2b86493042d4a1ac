"""Conflicts: overlaps of classes, polygons that no pixel shows, names written twice; with their places."""

from pathlib import Path

import numpy as np
import pytest
import shapely

from geoseg.grid.geobox import GeoBox
from geoseg.legend import Legend
from geoseg.raster.admit import admit
from geoseg.training.checking.conflicts import alike_names, conflicts, places_of
from geoseg.training.data.draw import Drawing
from tests.helpers.jobs import scene_file

LEGEND = Legend.of({1: "water", 4: "crop"})


@pytest.fixture
def geobox(tmp_path: Path) -> GeoBox:
    return admit(scene_file(tmp_path / "scene.tif")).geobox


def drawn(*boxes: tuple[tuple[float, float, float, float], int]) -> Drawing:
    shapes = np.array([shapely.box(*corners) for corners, _ in boxes])
    values = np.array([value for _, value in boxes], np.uint8)
    return Drawing.of(shapes, values, np.arange(len(boxes)), background=0, touched=False)


def test_overlaps_of_different_classes_are_found_with_their_places(geobox: GeoBox) -> None:
    drawing = drawn(((2, 2, 10, 10), 1), ((8, 8, 14, 14), 4), ((9, 2, 12, 5), 1), ((9.95, 5, 13, 8), 4))
    (finding,) = conflicts(drawing, geobox, LEGEND, "l.gpkg")
    assert finding.code == "OVERLAP" and finding.numbers == {"pairs": 1, "pixels": 4.0}
    assert "water and crop" in finding.what
    (place,) = finding.places
    assert place["type"] == "Polygon"
    lon, lat = np.array(place["coordinates"][0]).mean(axis=0)
    assert (lon, lat) == (pytest.approx(9.001, abs=0.01), pytest.approx(45.15, abs=0.01))


def test_neighbours_and_one_class_do_not_conflict(geobox: GeoBox) -> None:
    assert conflicts(drawn(((2, 2, 10, 10), 1), ((10, 2, 14, 10), 4), ((3, 3, 8, 8), 1)), geobox, LEGEND, "x") == []


def test_polygons_that_no_pixel_shows_are_found(geobox: GeoBox) -> None:
    drawing = drawn(((2.6, 2.6, 3.4, 3.4), 1), ((5.2, 5.2, 5.7, 5.7), 4), ((20.6, 2, 21.4, 6), 1))
    (finding,) = conflicts(drawing, geobox, LEGEND, "x")
    assert finding.code == "TOO_SMALL" and finding.what.startswith("2 polygons") and len(finding.places) == 2
    touched = Drawing.of(drawing.shapes, drawing.values, drawing.owners, background=0, touched=True)
    assert conflicts(touched, geobox, LEGEND, "x") == []


def test_names_that_are_nearly_alike_are_found() -> None:
    found = alike_names(["forest", "Forest", "forrest", "water", "wetland", "built"], "x")
    assert len(found) == 2 and all(finding.code == "NAMES_ALIKE" for finding in found)
    assert alike_names(["tree", "water", "crop", "crops 2", "bare"], "x") == []


def test_places_are_in_degrees_and_few(geobox: GeoBox) -> None:
    many = np.array([shapely.Point(i % 60, 3) for i in range(2000)])
    places = places_of(many, geobox)
    assert len(places) == 1000 and places[0]["type"] == "Point"
