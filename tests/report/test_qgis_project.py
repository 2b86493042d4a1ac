"""QGIS projects: they open in QGIS itself at the run's extent, with its names and colours, also when the folder was moved."""

from __future__ import annotations

import shutil
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from PIL import Image

from geoseg.compare.change_legend import change_legend
from geoseg.compare.open_maps import open_pair
from geoseg.grid.geobox import GeoBox
from geoseg.legend import Legend
from geoseg.raster.overview import read_overview
from geoseg.raster.scene import Scene, open_scene
from geoseg.raster.write import RasterInfo, write_codes, write_mask
from geoseg.raster.write import write_raster as write_plain
from geoseg.report.qgis_run import PROJECT, confidence_qml, write_change_project, write_segment_project
from geoseg.report.qgis_scene import VRT, Seen
from geoseg.vector.polygonize import iter_polygons
from geoseg.vector.write import write_polygons
from tests.helpers.qgis_here import look
from tests.helpers.rasters import write_raster

SHAPE = (60, 80)
NAMES = {1: "water", 2: 'trees & <b>"shrubs"</b>; 100 %', 7: "建物 [% 1+1 %]", 200: "a\nb"}
COLOURS = {1: (38, 112, 184), 2: (28, 110, 60), 7: (200, 60, 60), 200: (250, 240, 10)}
LEGEND = Legend.of(NAMES, COLOURS)
SAID = ["water", 'trees & <b>"shrubs"</b>; 100 %', "建物 [ % 1+1 %]", "a b"]
VALUES = np.kron(np.array([[1, 2], [7, 200]], np.uint8), np.ones((30, 40), np.uint8))
BANDS = ("blue", "green", "red")


def box(crs: str = "EPSG:32632", corner: tuple[float, float] = (500_000, 5_000_000), res: float = 10) -> GeoBox:
    return GeoBox.of(SHAPE, Affine(res, 0, corner[0], 0, -res, corner[1]), crs)


def scene_in(folder: Path, geobox: GeoBox, *, files: bool = False) -> Scene:
    """Red grows to the right, green downwards, blue is the same everywhere; in one file, or in one for each band."""
    rows, cols = np.mgrid[: SHAPE[0], : SHAPE[1]]
    image = np.stack([rows * 0 + 100, rows * 50 + 1000, cols * 50 + 1000]).astype(np.uint16)
    image[0] += (rows < 30).astype(np.uint16)
    options = {"transform": geobox.affine, "crs": geobox.crs}
    if not files:
        return open_scene(write_raster(folder / "scene.tif", image, names=BANDS, **options))
    paths = [write_raster(folder / f"{name}.tif", image[i : i + 1], **options) for i, name in enumerate(BANDS)]
    return open_scene(paths, bands=BANDS)


def run_in(folder: Path, scene: Scene, legend: Legend = LEGEND, values: np.ndarray = VALUES) -> Path:
    """The files of a segment run with its project."""
    folder.mkdir(parents=True, exist_ok=True)
    geobox = scene.geobox
    write_mask(folder / "mask.tif", geobox, legend, [(0, values)])
    sure = np.full(SHAPE, 100, np.uint8)
    write_plain(folder / "confidence.tif", geobox, [(0, sure)], info=RasterInfo("confidence, percent"))
    (folder / "confidence.qml").write_text(confidence_qml(), encoding="utf-8")
    regions = iter_polygons(lambda window: values[window.slices], geobox)
    write_polygons(folder / "polygons.gpkg", regions, geobox, legend)
    write_segment_project(folder, folder, scene=scene, legend=legend, seen=Seen(*read_overview(scene)))
    return folder / PROJECT


At = Callable[[float, float], tuple[int, int, int]]
"""The colour that QGIS draws at a place."""


def seen(project: Path, tmp_path: Path, *pictures: str) -> tuple[dict[str, Any], list[At]]:
    """What QGIS says of a project, and the colours of some pictures: groups, an empty word for what is shown at first."""
    told = look("project", project, tmp_path / "drawn%.png", *pictures, home=tmp_path)
    left, _, right, top = told["drawn"]

    def colours_of(number: int) -> At:
        drawn = Image.open(tmp_path / f"drawn{number}.png").convert("RGB")
        scale = drawn.width / (right - left)

        def at(x: float, y: float) -> tuple[int, int, int]:
            colour = drawn.getpixel((int((x - left) * scale), int((top - y) * scale)))
            assert isinstance(colour, tuple)
            return colour[0], colour[1], colour[2]

        return at

    return told, [colours_of(number) for number in range(len(pictures) or 1)]


def layer(told: dict[str, Any], group: str) -> dict[str, Any]:
    (found,) = [item for item in told["layers"] if item.get("group") == group]
    return found


def xml_of(project: Path) -> ET.Element:
    with zipfile.ZipFile(project) as archive:
        (name,) = archive.namelist()
        assert name == "project.qgs"
        return ET.fromstring(archive.read(name).decode().partition("\n")[2])


def test_a_run_opens_with_its_groups_names_and_colours(tmp_path: Path) -> None:
    geobox = box()
    project = run_in(tmp_path / "run", scene_in(tmp_path, geobox))
    told, (first, polygons, confidence, scene) = seen(project, tmp_path, "", "polygons", "confidence", "scene")
    assert told["groups"] == ["polygons", "confidence", "map", "scene"]
    assert [(item["group"], item["ticked"], item["valid"]) for item in told["layers"]] == [
        ("polygons", False, True), ("confidence", False, True), ("map", True, True), ("scene", True, True),
    ]  # fmt: skip
    assert told["crs"] == "EPSG:32632" and {item["crs"] for item in told["layers"]} == {"EPSG:32632"}
    assert layer(told, "map")["legend"][-4:] == SAID
    assert layer(told, "polygons")["legend"] == SAID
    left, bottom, right, top = geobox.bounds
    view = told["view"]
    assert view[0] < left and view[2] > right and view[1] < bottom and view[3] > top
    assert view[2] - view[0] < 1.1 * (right - left)
    corners = {1: (100, -100), 2: (600, -100), 7: (100, -500), 200: (600, -500)}
    for at in (first, polygons):
        assert {value: at(left + x, top + y) for value, (x, y) in corners.items()} == COLOURS
    assert confidence(left + 100, top - 100) == (253, 231, 37), "100 %"
    assert scene(left + 5, top - 595)[0] < 40 < 200 < scene(left + 795, top - 5)[0], "red grows to the right"
    assert scene(left + 795, top - 5)[1] < 40 < 200 < scene(left + 5, top - 595)[1], "green grows downwards"


def test_a_folder_that_was_moved_with_its_scene_still_opens(tmp_path: Path) -> None:
    place = tmp_path / "ö & <x> 'q'"
    run_in(place / "run", scene_in(place, box(), files=True))
    assert (place / "run" / VRT).exists(), "a scene of several files needs one that joins them"
    place.rename(tmp_path / "elsewhere")
    told, (at,) = seen(tmp_path / "elsewhere/run" / PROJECT, tmp_path, "scene")
    assert all(item["valid"] for item in told["layers"])
    left, _, _, top = box().bounds
    assert at(left + 5, top - 595)[0] < 40 < 200 < at(left + 795, top - 5)[0], "red grows to the right"


@pytest.mark.slow
def test_a_run_folder_alone_opens_without_its_scene_and_twice_the_same(tmp_path: Path) -> None:
    project = run_in(tmp_path / "a/run", scene_in(tmp_path / "a", box("EPSG:4326", (7.0, 51.0), 0.001)))
    run_in(tmp_path / "b/run", scene_in(tmp_path / "b", box("EPSG:4326", (7.0, 51.0), 0.001)))
    assert project.read_bytes() == (tmp_path / "b/run" / PROJECT).read_bytes()
    shutil.rmtree(tmp_path / "b")
    project.parent.rename(tmp_path / "away")
    told, (at,) = seen(tmp_path / "away" / PROJECT, tmp_path)
    assert [item["valid"] for item in told["layers"]] == [True, True, True, False]
    assert told["crs"] == "EPSG:4326"
    assert at(7.01, 50.99) == COLOURS[1]


@pytest.mark.slow
def test_classes_without_end_and_a_crs_without_a_code(tmp_path: Path) -> None:
    crs = (
        'PROJCS["mine",GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],PRIMEM["Greenwich",0],\
UNIT["degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],PARAMETER["latitude_of_origin",0],\
PARAMETER["central_meridian",11.7],PARAMETER["scale_factor",0.99],PARAMETER["false_easting",500000],\
PARAMETER["false_northing",0],UNIT["metre",1],AXIS["Easting",EAST],AXIS["Northing",NORTH]]'
    )
    legend = Legend.of({value: f"class {value}" for value in range(1, 201)})
    values = np.arange(1, 201, dtype=np.uint8).repeat(24).reshape(SHAPE)
    project = run_in(tmp_path / "run", scene_in(tmp_path, box(crs)), legend, values)
    told, (at,) = seen(project, tmp_path, "polygons,map")
    assert layer(told, "map")["legend"][-200:] == layer(told, "polygons")["legend"] == list(legend.names.values())
    assert "lon_0=11.7" in told["proj"] and "k=0.99" in told["proj"]
    left, _, _, top = box(crs).bounds
    assert at(left + 5, top - 5) == legend.colours[1]


def test_a_mask_and_its_polygons_open_by_themselves(tmp_path: Path) -> None:
    run_in(tmp_path / "run", scene_in(tmp_path, box()))
    names = ("mask.tif", "polygons.gpkg", "confidence.tif")
    mask, polygons, sure = look(
        "files", tmp_path / "drawn%.png", *(tmp_path / "run" / name for name in names), home=tmp_path
    )
    assert mask["legend"][-4:] == polygons["legend"] == SAID
    assert sure["valid"]
    for number in (0, 1):
        drawn = Image.open(tmp_path / f"drawn{number}.png").convert("RGB")
        assert {colour for n, colour in drawn.getcolors() or [] if n > 1000} >= set(COLOURS.values())


def test_a_change_opens_with_both_maps(tmp_path: Path) -> None:
    geobox = box()
    after = np.where(VALUES == 2, 7, VALUES).astype(np.uint8)
    write_mask(tmp_path / "y2000.tif", geobox, LEGEND, [(0, VALUES)])
    write_mask(tmp_path / "y2020.tif", geobox, LEGEND, [(0, after)])
    pair = open_pair(tmp_path / "y2000.tif", tmp_path / "y2020.tif")
    codes = VALUES.astype(np.uint16) * 256 + after
    found, counts = np.unique(codes, return_counts=True)
    changes = change_legend(LEGEND, found.tolist())
    out = tmp_path / "out"
    known = dict(zip(found.tolist(), counts.tolist(), strict=True))
    out.mkdir()
    write_codes(out / "change.tif", geobox, [(0, codes)], legend=lambda: (changes, known), description="change")
    moved = np.where(codes >> 8 != codes & 255, codes, 0)
    legend = Legend(tuple(item for item in changes.classes if item.value == 2 * 256 + 7))
    regions = iter_polygons(lambda window: moved[window.slices], geobox)
    write_polygons(out / "polygons.gpkg", regions, geobox, legend, layer="change")
    write_change_project(out, out, pair, changes)

    told, (first, before, polygons) = seen(out / PROJECT, tmp_path, "", "before", "polygons")
    assert told["groups"] == ["polygons", "change", "after", "before"]
    assert all(item["valid"] for item in told["layers"])
    assert [item["name"] for item in told["layers"]] == ["polygons", "change", "y2020", "y2000"]
    assert layer(told, "polygons")["legend"] == [f"{SAID[1]}->{SAID[2]}"]
    assert len(layer(told, "change")["legend"]) == 1 + 4
    assert layer(told, "before")["legend"][-4:] == SAID
    left, _, _, top = geobox.bounds
    assert first(left + 600, top - 100) == changes.colours[2 * 256 + 7]
    assert before(left + 600, top - 100) == COLOURS[2]
    assert polygons(left + 600, top - 100) == changes.colours[2 * 256 + 7]
    assert polygons(left + 100, top - 100) == (255, 255, 255)


def test_paths_are_relative_and_addresses_stay_out(tmp_path: Path) -> None:
    scene = scene_in(tmp_path, box())
    sources = [node.text for node in xml_of(run_in(tmp_path / "run", scene)).iter("datasource")]
    assert sources == ["./polygons.gpkg|layername=landcover", "./confidence.tif", "./mask.tif", "../scene.tif"]
    far = replace(scene, bands=tuple(replace(b, path="https://x.test/s.tif?key=secret") for b in scene.bands))
    write_segment_project(
        tmp_path / "run", tmp_path / "run", scene=far, legend=LEGEND, seen=Seen(*read_overview(scene))
    )
    root = xml_of(tmp_path / "run" / PROJECT)
    text = ET.tostring(root, encoding="unicode")
    assert "secret" not in text and "https" not in text and str(tmp_path) not in text
    assert len(list(root.iter("maplayer"))) == 3


def test_a_run_without_pixels_to_look_at_has_no_scene(tmp_path: Path) -> None:
    run_in(tmp_path / "run", scene := scene_in(tmp_path, box()))
    (tmp_path / "run/polygons.gpkg").unlink()
    write_segment_project(tmp_path / "run", tmp_path / "run", scene=scene, legend=LEGEND, seen=None)
    groups = [node.get("name") for node in xml_of(tmp_path / "run" / PROJECT).iter("layer-tree-group")]
    assert groups == [None, "confidence", "map"]
