"""Small places: those of the whole raster, whatever tiles it is cut into."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st

from geoseg.compare.places import PlaceFinder, small_places
from geoseg.grid.geobox import GeoBox
from geoseg.mask.sieve import Tiles
from geoseg.vector.lattice import lattice_of
from tests.helpers.changes import changed, codes_of, patchy, without_small

BEFORE = patchy((60, 83), seed=2)
CODES = codes_of(BEFORE, changed(BEFORE, seed=2, share=0.6))
PLACES = [(Affine(10, 0, 500_000, 0, -10, 5_400_000), "EPSG:32632"), (Affine(0.3, 0, 170, 0, -0.3, 70), "EPSG:4326")]


def settled(codes: np.ndarray, box: GeoBox, least: np.ndarray, size: tuple[int, int], connectivity: int):
    """Codes without small places, by tiles."""
    finder, tiles = PlaceFinder(box, connectivity), Tiles(codes.shape, size)
    gatherer = finder.gatherer()
    for tile in tiles:
        gatherer.add(tile, finder.describe(tile, codes[tile.slices]))
    small = small_places(gatherer, least)
    out = np.empty_like(codes)
    for tile, table in zip(tiles, small.tables, strict=True):
        out[tile.slices] = finder.settle(codes[tile.slices], table)
    return out, small


@pytest.mark.parametrize("place", PLACES, ids=["utm", "geographic, over the antimeridian"])
@pytest.mark.parametrize("connectivity", [4, 8])
@settings(max_examples=30)
@given(rows=st.integers(3, 70), cols=st.integers(3, 90), pixels=st.sampled_from([2, 5, 30]))
def test_the_tiles_do_not_matter(place, connectivity: int, rows: int, cols: int, pixels: int) -> None:
    box = GeoBox.of(CODES.shape, *place)
    lattice = lattice_of(box)
    t = lattice.table(0, box.shape[0])
    r, c = np.indices(box.shape)
    area = t.pixel[r // t.rows, c // t.cols].astype(np.float64)
    least = np.full(1 << 16, int(pixels * np.median(area)) - 1, np.int64)
    least[np.arange(1 << 16) & 255 == 3] *= 2  # one class needs twice as much
    out, small = settled(CODES, box, least, (rows, cols), connectivity)
    by_class = {new: float(least[new]) for new in range(1, 5)}
    assert np.array_equal(out, without_small(CODES, by_class, area, connectivity))
    assert small.n_pixels == np.count_nonzero(out != CODES) > 0 and small.places > 0


def test_what_is_dropped_keeps_its_class_before() -> None:
    box = GeoBox.of(CODES.shape, *PLACES[0])
    out, _ = settled(CODES, box, np.full(1 << 16, 1 << 62, np.int64), (16, 16), 4)
    assert np.array_equal(out >> 8, CODES >> 8) and ((out >> 8) == (out & 255)).all()


def test_nothing_is_small_without_a_minimum() -> None:
    box = GeoBox.of(CODES.shape, *PLACES[0])
    out, small = settled(CODES, box, np.zeros(1 << 16, np.int64), (16, 16), 4)
    assert np.array_equal(out, CODES) and (small.places, small.n_pixels) == (0, 0) and set(small.tables) == {None}
