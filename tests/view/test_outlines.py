from pathlib import Path

import numpy as np
import pytest
from affine import Affine

import geoseg.view.outlines as outlines_module
from geoseg.errors import InputRefused
from geoseg.grid.geobox import GeoBox
from geoseg.raster.georef import lonlat
from geoseg.raster.mercator import map_bounds, native_zoom, read_tile
from geoseg.vector.lookup import PolygonFile
from geoseg.view.outlines import Outlines
from tests.helpers.mapped import PLACES, UTM, halves, make_change, make_run, source_of, tile_at
from tests.helpers.vectortiles import doubled_area
from tests.helpers.vectortiles import read_tile as read_vector_tile


def outlines_of(run: Path, geobox: GeoBox) -> Outlines:
    return Outlines(PolygonFile.open(run / "polygons.gpkg"), geobox, native_zoom([geobox]))


def areas(data: bytes) -> dict[int, float]:
    """Share of the tile that each class covers (a little more than the tile: there is a buffer)."""
    found: dict[int, float] = {}
    for attributes, rings in read_vector_tile(data):
        value = int(attributes["class_id"])
        found[value] = found.get(value, 0.0) + sum(doubled_area(ring) for ring in rings) / 2 / 4096**2
    return found


@pytest.mark.parametrize("place", PLACES)
def test_outlines_lie_where_the_class_map_does(tmp_path: Path, place: str) -> None:
    geobox = PLACES[place]
    run = make_run(tmp_path / "run", geobox, scene=False)
    outlines, source = outlines_of(run, geobox), source_of(run / "mask.tif")
    west, south, east, north = map_bounds(geobox)
    seen = 0
    for z in (native_zoom([geobox]), native_zoom([geobox]) + 1):
        for share in (0.3, 0.6):
            tile = tile_at(west + share * (east - west), south + share * (north - south), max(z, 0))
            found, pixels = areas(outlines.tile(tile)), read_tile(source, tile)
            for value in (1, 2):
                wanted = 0.0 if pixels is None else float(((pixels[0] == value) & pixels[1]).mean())
                room = 0.02 + 0.065 * wanted  # tiles reach beyond their edges
                assert found.get(value, 0.0) == pytest.approx(wanted, abs=room), (tile, value)
                seen += wanted > 0.04
    assert seen


@pytest.mark.parametrize("place", ["utm", "degrees beyond 180", "turned", "utm across the antimeridian"])
def test_the_polygon_at_a_place_has_its_class(tmp_path: Path, place: str) -> None:
    geobox, mask = PLACES[place], halves((60, 80))
    run = make_run(tmp_path / "run", geobox, scene=False)
    outlines = outlines_of(run, geobox)
    for row, col in np.random.default_rng(0).integers(0, 60, (30, 2)):
        ((lon, lat),) = lonlat(geobox, [(row + 0.5, col + 0.5)])
        fid = outlines.at((lon + 180) % 360 - 180, lat)
        assert (0 if fid is None else outlines.facts(fid)["class_id"]) == mask[row, col]


def test_facts_and_outline_of_a_polygon(tmp_path: Path) -> None:
    outlines = outlines_of(make_run(tmp_path / "run"), UTM)
    ((lon, lat),) = lonlat(UTM, [(24.5, 62.5)])
    fid = outlines.at(lon, lat)
    assert fid is not None
    facts = outlines.facts(fid)
    assert facts["class_name"] == "water" and facts["n_pixels"] == 100 and facts["conf_mean"] == 40
    assert facts["area_ha"] == pytest.approx(1.0, rel=0.01)
    shown = outlines.outline(fid, 15)
    assert shown is not None and shown["geometry"]["type"] == "MultiPolygon"
    ring = np.array(shown["geometry"]["coordinates"][0][0])
    assert ring[:, 0].min() < lon < ring[:, 0].max() and ring[:, 1].min() < lat < ring[:, 1].max()
    assert outlines.at(0, 0) is None and outlines.at(0, -90) is None


def test_large_polygons_are_cut_from_tile_to_tile_with_the_same_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path / "run", scene=False)
    west, south, east, north = map_bounds(UTM)
    tile = tile_at((west + east) / 2, (south + north) / 2, native_zoom([UTM]))
    small = areas(outlines_of(run, UTM).tile(tile))
    monkeypatch.setattr(outlines_module, "_LARGE", 0)
    assert areas(outlines_of(run, UTM).tile(tile)) == pytest.approx(small)


def test_changes_tell_both_classes(tmp_path: Path) -> None:
    outlines = outlines_of(make_change(tmp_path / "run"), UTM)
    west, south, east, north = map_bounds(UTM)
    tile = tile_at((west + east) / 2, (south + north) / 2, 0)
    found = read_vector_tile(outlines.tile((0, 0, 0)))
    assert not found or found[0][0]["to_id"] == 2
    ((lon, lat),) = lonlat(UTM, [(37, 15)])
    fid = outlines.at(lon, lat)
    assert fid is not None and outlines.facts(fid)["from_name"] == "water" and tile[0] == 0


def test_many_polygons_are_shown_from_a_larger_zoom_on_and_tiles_stay_small(tmp_path: Path) -> None:
    mask = np.random.default_rng(0).integers(1, 3, (300, 300)).astype(np.uint8)
    geobox = GeoBox.of(mask.shape, Affine(10, 0, 600_000, 0, -10, 5_400_000), UTM.crs)
    outlines = outlines_of(make_run(tmp_path / "run", geobox, mask, scene=False), geobox)
    assert outlines.n > 8000 and 0 < outlines.zooms[0] <= outlines.zooms[1]
    west, south, east, north = map_bounds(geobox)
    tile = tile_at((west + east) / 2, (south + north) / 2, outlines.zooms[0])
    assert 100 < len(read_vector_tile(outlines.tile(tile))) <= 4000


def test_polygons_of_another_place_and_files_that_are_none_are_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", scene=False)
    elsewhere = GeoBox.of((60, 80), Affine(10, 0, 100_000, 0, -10, 900_000), UTM.crs)
    with pytest.raises(InputRefused, match="PLACE"):
        outlines_of(run, elsewhere)
    (tmp_path / "none.gpkg").write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    (tmp_path / "text.gpkg").write_text("no database")
    for name in ("none.gpkg", "text.gpkg", "missing.gpkg"):
        with pytest.raises(InputRefused, match="OPEN"):
            PolygonFile.open(tmp_path / name)
