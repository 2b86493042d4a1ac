"""Every format holds the same polygons and attributes, exactly where it can, and nothing where it fails."""

from __future__ import annotations

import json
import sqlite3
import struct
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import geopandas
import numpy as np
import pyarrow.parquet as pq
import pyogrio
import pyproj
import pytest
import shapely
from pyproj import CRS

from geoseg.errors import ResourceError, UsageError
from geoseg.grid.geobox import GeoBox
from geoseg.legend import Legend
from geoseg.vector import shapefile, table
from geoseg.vector.polygonize import iter_polygons, polygonize
from geoseg.vector.regions import Regions
from geoseg.vector.select import select_regions
from geoseg.vector.write import FORMATS, standing, write_polygons
from tests.helpers.vectortiles import doubled_area, read_archive, read_tile

NAMES = {1: 'Wälder, "licht"', 2: "=SUM(A1)", 3: "ü" * 200, 700: "far"}
LEGEND = Legend.of(NAMES)
MASK = np.random.default_rng(1).choice(np.array([0, 1, 2, 3, 700], np.uint16), (40, 50))
BOX = GeoBox(MASK.shape, (10.0, 0.0, 5e5, 0.0, -10.0, 5e6), CRS.from_epsg(32632).to_wkt())
EXACT = [".gpkg", ".shp", ".parquet", ".fgb"]


def regions(box: GeoBox = BOX, mask: np.ndarray = MASK, **options) -> Regions:
    return polygonize(lambda window: mask[window.slices], box, **options)


def read(path: Path) -> geopandas.GeoDataFrame:
    if path.suffix == ".parquet":
        return geopandas.read_parquet(path)
    return pyogrio.read_dataframe(path, layer=None if path.suffix == ".shp" else "landcover")


def _ordered(geometries: np.ndarray) -> np.ndarray:
    return np.lexsort([*shapely.bounds(geometries).T, shapely.area(geometries), shapely.length(geometries)])


@pytest.mark.parametrize("connectivity", [4, 8])
@pytest.mark.parametrize("ending", EXACT)
def test_geometries_and_attributes_come_back(tmp_path: Path, ending: str, connectivity: int) -> None:
    made = regions(connectivity=connectivity, confidence=lambda window: np.full(window.shape, 40, np.uint8))
    path = tmp_path / f"p{ending}"
    assert write_polygons(path, made, BOX, LEGEND) == len(made)
    back = read(path)
    columns = ["class_id", "class_name", "area_m2", "area_ha", "perim_m", "n_pixels", "conf_mean"]
    assert [name for name in back.columns if name not in ("geometry", "bbox")] == columns
    assert CRS(back.crs).equals(CRS.from_epsg(32632)) or ending == ".shp"
    theirs, own = (_ordered(geometries) for geometries in (back.geometry.to_numpy(), made.geometries(BOX)))
    back = back.iloc[theirs]
    assert shapely.equals(back.geometry.to_numpy(), made.geometries(BOX)[own]).all()
    assert (back.class_id.to_numpy() == made.values[own]).all()
    assert (back.n_pixels.to_numpy() == made.n_pixels[own]).all() and (back.conf_mean == 40).all()
    short = {
        value: name.encode()[:254].decode(errors="ignore") if ending == ".shp" else name
        for value, name in NAMES.items()
    }
    assert set(zip(back.class_id, back.class_name, strict=True)) == set(short.items())
    atol = 5.01e-4 if ending == ".shp" else 0
    assert np.allclose(back.area_m2, made.area_m2[own], rtol=0, atol=atol)
    assert np.allclose(back.perim_m, made.perim_m[own], rtol=0, atol=atol)


@pytest.mark.parametrize("ending", [e for e in FORMATS if e != ".gpkg"])
def test_the_same_polygons_give_the_same_bytes_however_they_come(tmp_path: Path, ending: str) -> None:
    write_polygons(tmp_path / "a" / f"p{ending}", regions(), BOX, LEGEND)
    batches = iter_polygons(lambda window: MASK[window.slices], BOX, block_size=20)
    write_polygons(tmp_path / "b" / f"p{ending}", batches, BOX, LEGEND)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name


@pytest.mark.parametrize("ending", FORMATS)
def test_no_polygon_gives_a_valid_empty_layer(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"p{ending}"
    assert write_polygons(path, iter([]), BOX, LEGEND) == 0
    if ending == ".parquet":
        assert len(geopandas.read_parquet(path)) == 0
    elif ending == ".pmtiles":
        assert [read_tile(tile) for tile in read_archive(path)[2].values()] == [[]]
    else:
        layer = None if ending == ".shp" else "landcover"
        assert pyogrio.read_info(path, layer=layer, force_feature_count=True)["features"] == 0


@pytest.mark.parametrize("name", ["p", "p.kml", "p.gpkg.zip", "p.tif"])
def test_an_unknown_extension_is_refused_with_the_known_ones(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"FORMAT.*\.gpkg, \.shp, \.parquet, \.fgb, \.geojson, \.pmtiles"):
        write_polygons(tmp_path / name, regions(), BOX, LEGEND)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    """In a process of its own, because the limit is the process's; one for all formats, because it takes long to start."""
    code = f"""
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from tests.vector.test_formats import *
made, free = regions(), resource.RLIM_INFINITY
for ending in FORMATS:
    path = Path({str(tmp_path)!r}) / ("p" + ending)
    resource.setrlimit(resource.RLIMIT_FSIZE, (free, free))
    write_polygons(path, made, BOX, LEGEND)
    size = path.stat().st_size
    for old in path.parent.iterdir():
        old.unlink()
    for limit in (1, size // 4, size // 2, size - 1):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, free))
        try:
            write_polygons(path, made, BOX, LEGEND)
            print(ending, "written", limit)
        except ResourceError as error:
            print(ending, error.code, *(left.name for left in path.parent.iterdir()))
"""
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines() == [f"{ending} DISK" for ending in FORMATS for _ in range(4)], done.stderr


# Shapefile


def test_a_shapefile_has_its_parts_its_encoding_and_clockwise_shells(tmp_path: Path) -> None:
    made = regions()
    write_polygons(tmp_path / "p.shp", made, BOX, LEGEND)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".cpg", ".dbf", ".prj", ".shp", ".shx"]
    assert (tmp_path / "p.cpg").read_text() == "UTF-8"
    raw = (tmp_path / "p.shp").read_bytes()
    at, seen = 100, 0
    while at < len(raw):
        _, words, kind = struct.unpack(">ii", raw[at : at + 8]) + struct.unpack("<i", raw[at + 8 : at + 12])
        n, points = struct.unpack("<ii", raw[at + 44 : at + 52])
        starts = [*struct.unpack(f"<{n}i", raw[at + 52 : at + 52 + 4 * n]), points]
        xy = np.frombuffer(raw, "<f8", 2 * points, at + 52 + 4 * n).reshape(-1, 2)
        turns = [shapely.is_ccw(shapely.LinearRing(xy[a:b])) for a, b in pairwise(starts)]
        assert kind == 5 and not turns[0] and all(turns[1:])
        at, seen = at + 8 + 2 * words, seen + 1
    assert seen == len(made)


def test_a_shapefile_that_would_be_too_large_is_refused_and_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = regions()
    monkeypatch.setattr(shapefile, "LIMIT", 60_000)
    with pytest.raises(ResourceError, match=r"TOO_BIG.*--split"):
        write_polygons(tmp_path / "p.shp", made, BOX, LEGEND)
    assert list(tmp_path.iterdir()) == []
    for old in ("p_1.qix", "p_9.shp"):
        (tmp_path / old).touch()
    assert write_polygons(tmp_path / "p.shp", made, BOX, LEGEND, split=True) == len(made)
    parts = sorted(path for path in tmp_path.glob("p_*.shp") if path.stat().st_size)
    assert [path.name for path in parts] == [f"p_{i}.shp" for i in range(1, len(parts) + 1)] and len(parts) > 2
    assert all(path.stat().st_size <= 60_000 for path in tmp_path.iterdir())
    assert not (tmp_path / "p_1.qix").exists() and (tmp_path / "p_9.shp").exists()
    back = np.concatenate([pyogrio.read_dataframe(path).geometry for path in parts])
    assert (shapely.normalize(back) == shapely.normalize(made.geometries(BOX))).all()
    assert standing(tmp_path / "p.shp", split=True)[: len(parts)] == parts

    monkeypatch.setattr(shapefile, "LIMIT", 150_000)  # fewer parts: the older ones go
    write_polygons(tmp_path / "p.shp", made, BOX, LEGEND, split=True)
    left = sorted(path for path in tmp_path.glob("p_*.shp") if path.stat().st_size)
    assert left == parts[: len(left)] and len(left) < len(parts)
    monkeypatch.setattr(shapefile, "LIMIT", 500)
    with pytest.raises(ResourceError, match=r"TOO_BIG.*another format"):
        write_polygons(tmp_path / "q.shp", made, BOX, LEGEND, split=True)
    assert not list(tmp_path.glob("*q*"))


def test_only_a_shapefile_is_split(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="SPLIT"):
        write_polygons(tmp_path / "p.gpkg", regions(), BOX, LEGEND, split=True)


def test_a_journal_of_an_older_geopackage_does_not_outlive_it(tmp_path: Path) -> None:
    (tmp_path / "p.gpkg-wal").write_bytes(b"old")
    write_polygons(tmp_path / "p.gpkg", regions(), BOX, LEGEND)
    assert [path.name for path in tmp_path.iterdir()] == ["p.gpkg"]
    file = sqlite3.connect(tmp_path / "p.gpkg")
    assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    file.close()


# GeoParquet


def test_geoparquet_says_what_readers_want(tmp_path: Path) -> None:
    made = regions()
    write_polygons(tmp_path / "p.parquet", made, BOX, LEGEND)
    file = pq.ParquetFile(tmp_path / "p.parquet")
    geo = json.loads(file.metadata.metadata[b"geo"])
    column = geo["columns"]["geometry"]
    assert (geo["version"], geo["primary_column"], column["encoding"]) == ("1.1.0", "geometry", "WKB")
    assert column["geometry_types"] == ["Polygon"]
    assert CRS.from_json_dict(column["crs"]) == CRS.from_epsg(32632)
    assert column["bbox"] == list(shapely.total_bounds(made.geometries(BOX)))
    boxes = file.read(["bbox"]).column("bbox").to_pylist()
    assert [tuple(box.values()) for box in boxes] == [geometry.bounds for geometry in made.geometries(BOX)]
    near = geopandas.read_parquet(tmp_path / "p.parquet", bbox=(5e5, 4999900, 500100, 5e6))
    assert 0 < len(near) < len(made)


# GeoJSON

PLACES = {
    "utm": ((40, 60), (100.0, 0, 400000, 0, -100.0, 7e6), 32633),
    "south up": ((40, 60), (100.0, 0, 400000, 0, 100.0, 7e6), 32633),
    "rotated": ((40, 60), (70.0, 70.0, 400000, 70.0, -70.0, 7e6), 32633),
    "antimeridian": ((40, 60), (10000.0, 0, 600000, 0, -10000.0, 7e6), 32660),
    "mercator": ((30, 40), (100000.0, 0, 2.0037508342789244e7 - 2e6, 0, -100000.0, 5e6), 3857),
    "world": ((45, 90), (4.0, 0, -180, 0, -4.0, 90), 4326),
    "world from 0": ((45, 90), (4.0, 0, 0, 0, -4.0, 90), 4326),
    "north pole": ((60, 60), (20000.0, 0, -6e5, 0, -20000.0, 6e5), 3413),
    "pole in a pixel": ((61, 61), (20000.0, 0, -6.1e5, 0, -20000.0, 6.1e5), 3413),
    "south pole": ((60, 60), (20000.0, 0, -6e5, 0, -20000.0, 6e5), 3031),
}


@pytest.mark.parametrize("place", PLACES)
def test_geojson_is_where_rfc_7946_wants_it(tmp_path: Path, place: str) -> None:
    shape, transform, epsg = PLACES[place]
    box = GeoBox(shape, transform, CRS.from_epsg(epsg).to_wkt())
    small = np.random.default_rng(1).integers(1, 5, (shape[0] // 3 + 1, shape[1] // 3 + 1)).astype(np.uint8)
    mask = np.kron(small, np.ones((3, 3), np.uint8))[: shape[0], : shape[1]]
    made = regions(box, mask)
    write_polygons(tmp_path / "p.geojson", made, box, LEGEND)
    told = json.loads((tmp_path / "p.geojson").read_text("utf-8"))
    assert "crs" not in told and len(told["features"]) == len(made)
    shapes = [shapely.geometry.shape(feature["geometry"]) for feature in told["features"]]
    west, south, east, north = shapely.total_bounds(shapes)
    assert west >= -180 and east <= 180 and south >= -90 and north <= 90
    pieces = [piece for shape in shapes for piece in shapely.get_parts(shape)]
    assert all(piece.exterior.is_ccw and not any(hole.is_ccw for hole in piece.interiors) for piece in pieces)
    assert all(piece.bounds[2] - piece.bounds[0] <= 360 for piece in pieces)
    geod = pyproj.Geod(ellps="WGS84")
    areas = [abs(geod.geometry_area_perimeter(shapely.segmentize(shape, 0.2))[0]) for shape in shapes]
    assert sum(areas) == pytest.approx(made.area_m2.sum(), rel=2e-4)
    assert np.allclose(areas, made.area_m2, rtol=2e-2)
    valid = shapely.make_valid(np.array(shapes))
    assert shapely.area(valid).sum() == pytest.approx(shapely.union_all(valid).area, rel=1e-4)  # none twice


def test_geojson_has_seven_decimals_and_the_names_as_they_are(tmp_path: Path) -> None:
    write_polygons(tmp_path / "p.geojson", regions(), BOX, LEGEND)
    told = json.loads((tmp_path / "p.geojson").read_text("utf-8"), parse_float=str)
    assert {f["properties"]["class_name"] for f in told["features"]} == set(NAMES.values())
    numbers = [c for f in told["features"] for ring in f["geometry"]["coordinates"] for point in ring for c in point]
    assert all(len(str(number).partition(".")[2]) <= 7 for number in numbers)


# PMTiles


def test_tiles_hold_every_polygon_at_the_largest_zoom_and_cover_the_ground(tmp_path: Path) -> None:
    made = regions()
    write_polygons(tmp_path / "p.pmtiles", made, BOX, LEGEND)
    header, metadata, tiles = read_archive(tmp_path / "p.pmtiles")
    low, high = header["zooms"]
    assert metadata["vector_layers"][0]["id"] == "landcover"
    first = (4**high - 1) // 3
    found = [feature for number, tile in tiles.items() if number >= first for feature in read_tile(tile)]
    key = lambda at: (at["class_id"], at["class_name"], at["area_m2"], at["perim_m"], at["n_pixels"])  # noqa: E731
    assert {key(at) for at, _ in found} == {
        (int(v), NAMES[int(v)], a, p, n)
        for v, a, p, n in zip(made.values, made.area_m2, made.perim_m, made.n_pixels.tolist(), strict=True)
    }
    assert all(rings and doubled_area(rings[0]) > 0 for _, rings in found)
    side = shapely.box(0, 0, 4096, 4096)
    unit = 40075016.686 / 2**high / 4096 * np.cos(np.radians(45.15))
    inside = [
        shapely.intersection(shapely.make_valid(shapely.Polygon(rings[0], rings[1:])), side) for _, rings in found
    ]
    area = shapely.area(inside).sum() * unit**2
    assert area == pytest.approx(made.area_m2.sum(), rel=1e-2)
    assert pyogrio.read_info(tmp_path / "p.pmtiles", layer="landcover")["crs"] == "EPSG:3857"
    assert low <= high


def test_batches_of_many_vertices_are_halved_and_a_polygon_of_too_many_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = regions()
    monkeypatch.setattr(table, "MOST_VERTICES", 200)
    write_polygons(tmp_path / "p.gpkg", made, BOX, LEGEND)
    assert (read(tmp_path / "p.gpkg").geometry.to_numpy() == made.geometries(BOX)).all()
    monkeypatch.setattr(table, "MOST_VERTICES", 4)
    with pytest.raises(ResourceError, match="TOO_BIG"):
        write_polygons(tmp_path / "q.gpkg", made, BOX, LEGEND)
    assert [path.name for path in tmp_path.iterdir()] == ["p.gpkg"]


# Selecting


@pytest.mark.parametrize("connectivity", [4, 8])
def test_selected_regions_are_those_that_were_asked_for(connectivity: int) -> None:
    made = regions(connectivity=connectivity)
    keep = made.values == 2
    some = select_regions(made, keep)
    assert (some.geometries() == made.geometries()[keep]).all() and (some.area_m2 == made.area_m2[keep]).all()
    assert len(select_regions(made, np.zeros(len(made), bool))) == 0
    assert select_regions(made, np.ones(len(made), bool)) is made
