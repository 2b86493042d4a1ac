"""Rich views: small, escaped, quick, and never an error."""

import base64
import io
import re
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image

import geoseg
from geoseg import notebook
from geoseg.errors import InputRefused
from geoseg.legend import LegendClass
from geoseg.raster.thumbnail import classes_thumbnail, scene_thumbnail
from tests.helpers.bundles import conv_bundle

EVIL = "<script>alert(1)</script>"


def write(path: Path, values: np.ndarray, **profile: object) -> Path:
    count, rows, cols = values.shape
    base = {"crs": "EPSG:32633", "transform": Affine(10, 0, 5e5, 0, -10, 5e6), "dtype": values.dtype, **profile}
    with rasterio.open(path, "w", "GTiff", cols, rows, count, **base) as file:
        file.write(values)
        file.descriptions = ("red", "green", "blue", "nir")[:count]
    return path


def picture(html: str) -> Image.Image:
    found = re.search(r'src="data:image/(?:jpeg|png);base64,([^"]+)"', html)
    assert found, html[:400]
    return Image.open(io.BytesIO(base64.b64decode(found[1])))


def test_a_scene_shows_its_facts_and_a_picture_of_a_few_kb(tmp_path: Path) -> None:
    values = np.full((4, 300, 600), 100, np.uint16)
    values[0, :, :300] = 900  # red at the left
    scene = geoseg.open_scene(write(tmp_path / "scene.tif", values))
    html = scene._repr_html_()
    assert len(html) < 30_000
    assert "300 x 600" in html and "EPSG:32633" in html and "red, green, blue, nir" in html
    image = np.asarray(picture(html).convert("RGB")).astype(int)
    assert image.shape == (80, 160, 3)
    assert image[40, 20, 0] > 200 > 80 > image[40, 140, 0]


def test_of_a_large_scene_without_overviews_the_middle_is_shown_quickly(tmp_path: Path) -> None:
    path = tmp_path / "large.tif"
    profile = {"crs": "EPSG:32633", "transform": Affine(10, 0, 5e5, 0, -10, 5e6), "dtype": "uint16"}
    with rasterio.open(path, "w", "GTiff", 30_000, 30_000, 3, sparse_ok=True, tiled=True, **profile) as file:
        file.descriptions = ("red", "green", "blue")
    scene = geoseg.open_scene(path)
    started = time.process_time()
    html = scene._repr_html_()
    assert time.process_time() - started < 5
    assert "the middle 512 x 512 of 30000 x 30000 pixels" in html


def test_names_are_text_and_never_markup(tmp_path: Path) -> None:
    scene = geoseg.open_scene(write(tmp_path / "scene.tif", np.ones((4, 8, 8), np.uint8)))
    legend = geoseg.Legend((LegendClass(1, EVIL, (1, 2, 3)),))
    bundle = replace(conv_bundle(tmp_path / "bundle"), name=EVIL, legend=legend, version=EVIL)
    evil = replace(scene, name=EVIL, notes=(EVIL, "line\nbreak\x07"), product=EVIL, datetime=EVIL)
    for html in (evil._repr_html_(), legend._repr_html_(), bundle._repr_html_()):
        assert "<script" not in html and "&lt;script&gt;" in html and "\x07" not in html


def test_looking_is_never_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "scene.tif", np.ones((4, 8, 8), np.uint8))
    scene, bundle = geoseg.open_scene(path), conv_bundle(tmp_path / "bundle")
    path.write_bytes(b"II*\0 is no TIFF any more")
    Path(bundle.sample or "").write_bytes(b"no tensors")
    assert "Scene scene" in scene._repr_html_() and "<img" not in scene._repr_html_()
    assert "Bundle tiny" in bundle._repr_html_()
    assert replace(bundle, scores="not JSON")._repr_html_().startswith("<pre>")
    path.unlink()
    assert "Scene scene" in scene._repr_html_()
    gone = geoseg.SegmentResult(tmp_path / "none", {})
    assert "none" in gone._repr_html_()
    assert notebook.shown(3, lambda: str(1 / 0)) == "<pre>3</pre>"


def test_a_plan_draws_its_blocks(tmp_path: Path) -> None:
    scene = geoseg.open_scene(write(tmp_path / "scene.tif", np.ones((4, 400, 200), np.uint16)), scale=1e-4)
    html = geoseg.plan(scene, conv_bundle(tmp_path / "bundle"), block_size=100)._repr_html_()
    drawn = base64.b64decode(re.search(r'src="data:image/svg\+xml;base64,([^"]+)"', html)[1]).decode()  # type: ignore[index]
    assert len(html) < 10_000 and drawn.count("M0 ") >= 3
    assert 'width="82.0" height="162.0"' in drawn


def test_a_picture_of_classes_has_the_legends_colours(tmp_path: Path) -> None:
    legend = geoseg.Legend.of({1: "a", 2: "b"}, {1: (250, 0, 0), 2: (0, 0, 250)})
    values = np.repeat([[1, 2]], 50, axis=1).repeat(60, axis=0)[None].astype(np.uint8)
    path = write(tmp_path / "mask.tif", values, nodata=0)
    assert classes_thumbnail(path) is None  # it says nothing of classes
    made = classes_thumbnail(path, legend)
    assert made is not None and len(made.uri) < 3000
    image = picture(f'src="{made.uri}"').convert("RGB")
    assert (
        image.size == (100, 60) and image.getpixel((10, 30)) == (250, 0, 0) and image.getpixel((90, 30)) == (0, 0, 250)
    )


def test_of_a_scene_elsewhere_nothing_is_fetched(tmp_path: Path) -> None:
    scene = geoseg.open_scene(write(tmp_path / "scene.tif", np.ones((4, 8, 8), np.uint8)))
    far = tuple(replace(band, path="https://example.invalid/scene.tif") for band in scene.bands)
    assert scene_thumbnail(replace(scene, bands=far, allow_remote=True)) is None


def test_long_tables_and_texts_are_cut() -> None:
    html = notebook.table(("a", "b"), [(i, "x" * 1000) for i in range(1000)], right=(0,))
    assert html.count("<tr") == 31 and "and 970 more" in html and len(html) < 30_000


def test_results_of_small_jobs_show_themselves(tmp_path: Path) -> None:
    land = geoseg.synth(tmp_path / "land", size=64)
    table = geoseg.area(land.truths[0])
    assert "Areas" in table._repr_html_() and all(row.class_name in table._repr_html_() for row in table.classes)
    with pytest.raises(InputRefused):
        geoseg.open_result(tmp_path)
