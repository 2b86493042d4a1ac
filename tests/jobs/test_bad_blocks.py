"""Blocks that cannot be done: the run stops with the reason, or leaves them out, names them and says so by its exit code."""

from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest
import rasterio
import zarr

from geoseg.errors import DoneInPart, InputRefused
from geoseg.jobs.segment import segment
from geoseg.raster.scene import open_scene
from tests.helpers.runs import BANDS, finish, pixel_bundle, products, start, write_scene

OPTIONS = {"only": "mask", "backend": "torch", "precision": "fp32", "block_size": 128}


@pytest.fixture
def damaged(tmp_path):
    """A scene of LZW tiles, one of which, in block (1, 1), is rubbish."""
    plain = write_scene(tmp_path / "plain.tif")
    path = tmp_path / "scene.tif"
    with rasterio.open(plain) as source:
        profile = {**source.profile, "compress": "lzw"}
        with rasterio.open(path, "w", **profile) as out:
            out.write(source.read())
            out.descriptions = source.descriptions
    with rasterio.open(path) as dataset:
        place, size = (int(dataset.get_tag_item(f"BLOCK_{kind}_1_1", "TIFF", bidx=1)) for kind in ("OFFSET", "SIZE"))
    shutil.copy(path, path.with_suffix(".good"))
    with path.open("r+b") as file:
        file.seek(place)
        file.write(b"\xff" * (size // 2))
    return path


def test_an_unreadable_block_stops_the_run_and_nothing_is_left(damaged, tmp_path):
    with pytest.raises(InputRefused, match="READ: "):
        segment(damaged, pixel_bundle(tmp_path / "bundle"), tmp_path / "out", **OPTIONS)
    assert not (tmp_path / "out" / "mask.tif").exists()


def test_an_unreadable_block_can_be_left_out_and_is_named(damaged, tmp_path):
    bundle = pixel_bundle(tmp_path / "bundle")
    with pytest.raises(DoneInPart, match="1 of 12 blocks failed"):
        segment(damaged, bundle, tmp_path / "out", on_bad_block="nodata", **OPTIONS)
    run = json.loads((tmp_path / "out" / "run.json").read_text())
    assert list(run["blocks"]["failed"]) == ["r00001c00001"]
    whole = segment(tmp_path / "plain.tif", bundle, tmp_path / "whole", **OPTIONS)
    with rasterio.open(tmp_path / "out" / "mask.tif") as part, rasterio.open(whole.mask) as other:
        found, wanted = part.read(1), other.read(1)
    wanted[128:256, 128:256] = 0
    assert np.array_equal(found, wanted)


def repair(damaged):
    """Put the good bytes back and keep the file's times: it reads as if the disk had failed for a moment."""
    before = damaged.stat()
    damaged.write_bytes(damaged.with_suffix(".good").read_bytes())
    os.utime(damaged, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("more", [{"filters": {"majority": 1}}, {"probabilities": True}, {"mask_with": "clouds"}])
def test_a_block_that_succeeds_later_is_in_everything_made_of_it(damaged, tmp_path, monkeypatch, more):
    plain, bundle = tmp_path / "plain.tif", pixel_bundle(tmp_path / "bundle")
    monkeypatch.setattr("geoseg.raster.scene.sample_file", lambda path: "the same")
    scene = damaged
    if "mask_with" in more:  # only the bundle of the clouds reads the damaged file
        scene = open_scene([plain, damaged], bands=[*BANDS, *"abcd"])
        clouds = pixel_bundle(tmp_path / "clouds", bands=list("abcd"))
        more = {"mask_with": clouds.path, "mask_classes": ("class 1",)}
    options = {**OPTIONS, **more, "on_bad_block": "nodata"}
    with pytest.raises(DoneInPart):
        segment(scene, bundle, tmp_path / "out", **options)
    repair(damaged)
    part = segment(scene, bundle, tmp_path / "out", **options)
    whole = segment(scene, bundle, tmp_path / "whole", **options)
    assert products(part.folder) == products(whole.folder)
    if "probabilities" in more:
        found, wanted = (zarr.open_array(r.folder / "probabilities.zarr", mode="r")[:] for r in (part, whole))
        assert np.array_equal(found, wanted)


def test_the_command_says_done_in_part_and_tries_only_the_failed_block_again(damaged, tmp_path):
    bundle = pixel_bundle(tmp_path / "bundle")
    words = [
        "segment",
        damaged,
        tmp_path / "out",
        "--bundle",
        bundle.path,
        "--on-bad-block",
        "nodata",
        "--only",
        "mask",
    ]
    words += ["--backend", "torch", "--precision", "fp32", "--block-size", 128, "--workers", 0]
    for resumed in (0, 11):
        code, err = finish(start(*words))
        assert code == 8
        assert err.startswith("geoseg: BLOCKS: ")
        blocks = json.loads((tmp_path / "out" / "run.json").read_text())["blocks"]
        assert blocks["resumed"] == resumed
        assert list(blocks["failed"]) == ["r00001c00001"]
