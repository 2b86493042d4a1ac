"""A shift that is known is found."""

import math

import numpy as np
import pytest
from affine import Affine
from pyproj import CRS

from geoseg.compare.shift import MapShift, class_layers, measure_shift
from geoseg.grid.geobox import GeoBox, Window

SIDE = 256
GRID = GeoBox.of((SIDE, SIDE), Affine(10, 0, 0, 0, -10, 0), CRS.from_epsg(32632).to_wkt())


def field(row: float, col: float, side: int = SIDE) -> np.ndarray:
    """A smooth land whose content is moved down and right, sampled at the middles of pixels."""
    rng = np.random.default_rng(4)
    r, c = np.ogrid[:side, :side]
    out = np.zeros((side, side))
    for _ in range(60):
        length, angle, phase = rng.uniform(7, 60), rng.uniform(0, math.pi), rng.uniform(0, 7)
        along = (r - row) * math.sin(angle) + (c - col) * math.cos(angle)
        out += length / 30 * np.cos(2 * math.pi * along / length + phase)
    return out


def classes(row: float, col: float, noise: int) -> np.ndarray:
    """Classes of that land, with 3 % of the pixels of any class."""
    found = np.digitize(field(row, col), [-3, 0, 3]).astype(np.uint8) + np.uint8(1)
    rng = np.random.default_rng(noise)
    return np.where(rng.random(found.shape) < 0.03, rng.integers(1, 5, found.shape), found).astype(np.uint8)


def measured(before: np.ndarray, after: np.ndarray, grid: GeoBox = GRID, **options: int):  # type: ignore[no-untyped-def]
    def reader(values: np.ndarray):  # type: ignore[no-untyped-def]
        return lambda w: values[(slice(None), *w.slices)]

    return measure_shift(reader(before), reader(after), grid, **options)


@pytest.mark.parametrize("shift", [(0, 0), (0.25, 0), (0, -0.5), (0.5, 0.5), (-1.3, 0.8), (6.2, -4.7)])
def test_shifted_classes(shift: tuple[float, float]) -> None:
    layers = (class_layers(classes(*at, noise), range(1, 5)) for noise, at in enumerate([(0, 0), shift]))
    found = measured(*layers, block=128)
    assert (found.rows, found.cols) == pytest.approx(shift, abs=0.06)
    assert found.px == pytest.approx(math.hypot(found.rows, found.cols))
    assert found.metres == pytest.approx(10 * found.px)
    assert found.blocks == 4
    assert found.spread < 0.1


@pytest.mark.parametrize(("hole", "close"), [(slice(0), 0.02), (slice(40, 90), 0.15)])
@pytest.mark.parametrize("shift", [(0.25, 0), (0.5, -0.5), (3.4, 2.1)])
def test_shifted_images_of_other_light_with_holes(shift: tuple[float, float], hole: slice, close: float) -> None:
    rng = np.random.default_rng(3)
    one, other = field(0, 0)[None].astype(np.float32), (5 + 0.6 * field(*shift)[None]).astype(np.float32)
    other = other + rng.normal(0, 0.3, other.shape).astype(np.float32)
    one[:, hole, 100:180] = np.nan
    found = measured(one, other)
    assert (found.rows, found.cols) == pytest.approx(shift, abs=close)


def test_a_raster_smaller_than_a_block_and_none_at_all() -> None:
    one, other = (class_layers(classes(0, col, 0)[:90, :70], range(1, 5)) for col in (0, 0.5))
    small = GRID.crop(Window(0, 0, 90, 70))
    found = measured(one, other, small)
    assert found.blocks == 1
    assert found.cols == pytest.approx(0.5, abs=0.2)
    flat = np.ones((1, 90, 70), np.float32)
    assert measured(flat, flat, small) is None
    assert measured(flat * np.nan, flat, small) is None
    apart = np.stack([one[0], 0 * one[0]]), np.stack([0 * other[0], other[0]])
    assert measured(*apart, small) is None, "maps without a common class have no shift"
    strange = np.random.default_rng(1).normal(size=(2, 1, SIDE, SIDE)).astype(np.float32)
    assert measured(*strange) is None, "nor have pictures of nothing"
    one_pixel = GRID.crop(Window(0, 0, 1, 1))
    assert measured(flat[:, :1, :1], flat[:, :1, :1], one_pixel) is None


def test_blocks_lie_inside_large_rasters_and_are_few() -> None:
    wide, seen = GeoBox.of((5000, 40_000), GRID.affine, GRID.crs), []

    def read(window: Window) -> np.ndarray:
        seen.append(window)
        return np.full((1, *window.shape), np.nan, np.float32)

    assert measure_shift(read, read, wide) is None
    assert 32 <= len(seen) / 2 <= 64
    assert all(w.row + w.height <= 5000 and w.col + w.width <= 40_000 for w in seen)
    assert max(w.col for w in seen) > 38_000


def test_blocks_reach_every_edge() -> None:
    seen = []

    def read(window: Window) -> np.ndarray:
        seen.append(window)
        return np.full((1, *window.shape), np.nan, np.float32)

    measure_shift(read, read, GeoBox.of((377, 697), GRID.affine, GRID.crs))
    covered = np.zeros((377, 697), bool)
    for window in seen:
        covered[window.slices] = True
    assert covered.all()


def test_blocks_that_disagree_do_not_make_a_sure_shift() -> None:
    assert MapShift(0, 3.0, 3.0, 30.0, 6, 0.2).least == pytest.approx(3 - 0.4 / math.sqrt(6))
    assert MapShift(0, 3.0, 3.0, 30.0, 6, 18.0).least < 0
