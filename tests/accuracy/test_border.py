"""Borders: near another class, in pixels and metres, against asking every pixel."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine

from geoseg.accuracy.border import near_another
from geoseg.accuracy.draw import Border, Frame, pixel_sizes
from geoseg.grid.geobox import GeoBox, Window
from geoseg.vector.lattice import Lattice
from tests.helpers.masks import ODD
from tests.helpers.sampling import near_slowly, patches


def frame_of(values: np.ndarray, box: GeoBox, border: Border, nodata: int = 0) -> Frame:
    def read(window: Window) -> np.ndarray:
        return np.ascontiguousarray(values[window.slices])

    return Frame(read, Lattice(GeoBox(values.shape, box.transform, box.crs)), nodata, border)


BOX = GeoBox.of((1, 1), Affine(10, 0, 500000, 0, -10, 5400000), "EPSG:32632")
DEGREES = GeoBox.of((1, 1), Affine(0.001, 0, 10, 0, -0.001, 65), "EPSG:4326")


@pytest.mark.parametrize("limit", [1.0, 1.5, 2.0, 4.3, 9.0])
@pytest.mark.parametrize("classes", [(1, 2, 3), (0, 1, 2), (0, 1, 2, 3, 700)])
def test_pixels_near_a_border_are_those_that_a_slow_search_finds(limit: float, classes: tuple[int, ...]) -> None:
    values = patches((41, 37), classes, size=9)
    ones = np.ones(len(values))
    near = near_another(values, 0, 0, int(limit), ones, ones, limit)
    assert (near == near_slowly(values, 0, limit, ones, ones)).all()
    assert 0 < near.sum() < near.size or limit > 5


@pytest.mark.parametrize("name", ODD)
def test_odd_masks_too(name: str) -> None:
    values = ODD[name].astype(np.uint16)
    ones = np.ones(len(values))
    assert (near_another(values, 0, 0, 2, ones, ones, 2.0) == near_slowly(values, 0, 2.0, ones, ones)).all()


@pytest.mark.parametrize("height", [1, 3, 7, 41])
def test_strips_know_what_lies_above_and_below(height: int) -> None:
    values = patches((41, 30), (0, 1, 2, 3), size=6)
    whole = near_slowly(values, 0, 3.0, np.ones(41), np.ones(41))
    frame = frame_of(values, BOX, Border(3.0, False, None, 3))
    parts = [frame.classes(row, min(height, 41 - row)) for row in range(0, 41, height)]
    assert (np.concatenate([near for _, near in parts]) == whole).all()
    assert (np.concatenate([own for own, _ in parts]) == values).all()


def test_metres_are_narrower_along_a_row_of_a_geographic_grid() -> None:
    values = patches((36, 40), (1, 2), size=12)
    lattice = Lattice(GeoBox(values.shape, DEGREES.transform, DEGREES.crs))
    across, down = pixel_sizes(lattice, 0, 36)
    # 0.001 degrees at 65 N: 47.2 m along, 111.5 m up (WGS 84)
    assert across == pytest.approx(np.full(36, 47.2), rel=2e-3)
    assert down == pytest.approx(np.full(36, 111.46), rel=2e-3)
    frame = frame_of(values, DEGREES, Border(150.0, True, None, 4))
    near = np.concatenate([frame.classes(row, 5)[1] for row in range(0, 35, 5)])
    assert (near == near_slowly(values, 0, 150.0, across, down)[:35]).all()


def test_around_a_class_only_others_are_near() -> None:
    values = patches((30, 30), (0, 1, 2, 3), size=5)
    around = np.zeros(65536, bool)
    around[2] = True
    _, near = frame_of(values, BOX, Border(2.0, False, around, 2)).classes(0, 30)
    assert near is not None
    asked = np.where(values == 0, 0, np.where(values == 2, 1, 2))
    wanted = near_slowly(asked.astype(np.uint16), 0, 2.0, np.ones(30), np.ones(30)) & (asked == 2)
    assert (near == wanted).all()
    assert not (near & (values == 2)).any()
