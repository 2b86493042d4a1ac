import threading
from pathlib import Path

import numpy as np
import pyproj
import pytest
from affine import Affine

from geoseg.grid.geobox import GeoBox
from geoseg.raster.mercator import (
    SIDE,
    map_bounds,
    native_zoom,
    positions,
    read_small,
    read_tile,
    thin,
    value_at,
)
from geoseg.raster.write import write_mask
from tests.helpers.mapped import LEGEND, PLACES, UTM, halves, source_of, tile_at
from tests.helpers.rasters import write_raster

_HALF = 20_037_508.342789244


def slow_positions(geobox: GeoBox, tile: tuple[int, int, int]) -> np.ndarray:
    """Every point by itself, through EPSG:3857."""
    z, x, y = tile
    at = (np.arange(SIDE) + 0.5) / SIDE
    east, north = np.meshgrid((x + at) / 2**z * 2 * _HALF - _HALF, _HALF - (y + at) / 2**z * 2 * _HALF)
    change = pyproj.Transformer.from_crs("EPSG:3857", geobox.crs, always_xy=True)
    xs, ys = change.transform(east, north, errcheck=False)
    if pyproj.CRS.from_wkt(geobox.crs).is_geographic:
        left, _, right, _ = geobox.bounds
        xs = (left + right) / 2 - 180 + (xs - (left + right) / 2 + 180) % 360
    if pyproj.CRS.from_wkt(geobox.crs).to_epsg() == 3857:
        middle = (geobox.bounds[0] + geobox.bounds[2]) / 2
        xs = middle - _HALF + (xs - middle + _HALF) % (2 * _HALF)
    return np.array(~geobox.affine @ (np.where(np.isfinite(xs), xs, np.nan), np.where(np.isfinite(ys), ys, np.nan)))


@pytest.mark.parametrize("place", PLACES)
def test_a_tile_shows_the_pixel_that_each_point_lies_in(tmp_path: Path, place: str) -> None:
    geobox = PLACES[place]
    mask = halves(geobox.shape)
    write_mask(tmp_path / "mask.tif", geobox, LEGEND, [(0, mask)])
    source = source_of(tmp_path / "mask.tif")
    west, south, east, north = map_bounds(geobox)
    seen = 0
    for z in range(max(native_zoom([geobox]) - 2, 0), native_zoom([geobox]) + 2):
        for share in (0.2, 0.5, 0.8):
            tile = tile_at(west + share * (east - west), south + share * (north - south), z)
            found = read_tile(source, tile)
            col, row = np.floor(slow_positions(geobox, tile))
            inside = (col >= 0) & (row >= 0) & (col < geobox.shape[1]) & (row < geobox.shape[0])
            wanted = np.zeros((SIDE, SIDE), np.uint8)
            wanted[inside] = mask[row[inside].astype(int), col[inside].astype(int)]
            values = np.zeros((SIDE, SIDE), np.uint8) if found is None else np.where(found[1], found[0], 0)
            assert (values != wanted).mean() < 0.02, tile
            seen += int((wanted > 0).sum())
    assert seen > 1000


@pytest.mark.parametrize("place", PLACES)
def test_positions_are_within_an_eighth_of_a_point(place: str) -> None:
    geobox = PLACES[place]
    west, south, east, north = map_bounds(geobox)
    for z in (0, 3, native_zoom([geobox]), native_zoom([geobox]) + 2):
        tile = tile_at((west + east) / 2, (south + north) / 2, z)
        found, wanted = positions(geobox, tile), slow_positions(geobox, tile)
        col, row = wanted
        inside = (col >= 0) & (row >= 0) & (col < geobox.shape[1]) & (row < geobox.shape[0])
        if not inside.any():
            continue
        down, across = (np.hypot(*np.gradient(wanted, axis=axis)) for axis in (1, 2))
        assert (np.hypot(*(found - wanted)) / np.minimum(down, across))[inside].max() < 0.25


def test_bounds_go_round_the_short_way() -> None:
    west, _, east, _ = map_bounds(PLACES["degrees beyond 180"])
    assert (west, east) == (pytest.approx(178), pytest.approx(182))
    west, _, east, _ = map_bounds(PLACES["utm across the antimeridian"])
    assert 170 < west < 180 < east < 190
    assert map_bounds(PLACES["round the pole"])[::2] == (-180, 180)
    assert map_bounds(PLACES["the whole world"])[::2] == (-180, 180)


def test_small_zooms_come_from_overviews_and_without_them_from_one_thinned_look(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    mask = rng.integers(1, 3, (8, 8)).astype(np.uint8).repeat(600, 0).repeat(600, 1)
    geobox = GeoBox.of(mask.shape, UTM.affine, UTM.crs)
    write_raster(tmp_path / "plain.tif", mask[None], transform=geobox.affine, tiled=True, compress="deflate")
    write_mask(tmp_path / "cog.tif", geobox, LEGEND, [(0, mask)])
    plain, cog = source_of(tmp_path / "plain.tif"), source_of(tmp_path / "cog.tif")
    assert plain.needs_thinning and not cog.needs_thinning and cog.overviews
    thinned = thin(plain, threading.Event())
    assert thinned is not None and thinned.step == 2 and thinned.values.shape == (2400, 2400)
    west, south, east, north = map_bounds(geobox)
    tile = tile_at((west + east) / 2, (south + north) / 2, native_zoom([geobox]) - 4)
    one, other, third = read_tile(plain, tile, thinned), read_tile(cog, tile), read_tile(plain, tile)
    assert one is not None and other is not None and third is not None
    assert (one[0] != third[0]).mean() < 0.02 and (one[0] != other[0]).mean() < 0.05
    stopped = threading.Event()
    stopped.set()
    assert thin(plain, stopped) is None


def test_values_and_statistics(tmp_path: Path) -> None:
    write_mask(tmp_path / "mask.tif", PLACES["degrees beyond 180"], LEGEND, [(0, halves((60, 80)))])
    source = source_of(tmp_path / "mask.tif")
    assert value_at(source, 179, -17) == 1 and value_at(source, -178.5, -18.5) == 2
    assert value_at(source, 178.01, -16.01) is None and value_at(source, 0, 0) is None
    values, valid = read_small(source)
    assert valid.sum() == (halves((60, 80)) > 0).sum() and set(np.unique(values[valid])) == {1, 2}


def test_a_mask_and_nodata_inside_a_scene_are_transparent(tmp_path: Path) -> None:
    image = np.full((1, 64, 64), 7, np.uint16)
    image[0, :, :16] = 0
    there = np.ones((64, 64), bool)
    there[:16] = False
    path = write_raster(tmp_path / "a.tif", image, transform=Affine(10, 0, 600_000, 0, -10, 5_400_000), mask=there)
    source = source_of(path)
    west, south, east, north = map_bounds(source.geobox)
    found = read_tile(source, tile_at((west + east) / 2, (south + north) / 2, 15))
    assert found is not None and 0.1 < found[1].mean() < 0.9
