"""geoseg plan: figures that hold, a halo by the seams, a grid that tiles the scene."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import shapely
from click.testing import CliRunner

from geoseg.cli.main import cli
from geoseg.config import SegmentSettings
from geoseg.jobs.plan import make_plan
from geoseg.model.bundle import open_bundle
from geoseg.raster.scene import open_scene
from tests.helpers.runs import pixel_bundle, write_scene


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plan")
    bundle = pixel_bundle(folder / "bundle", chip_size=64, halo=0)
    return [str(write_scene(folder / "scene.tif")), "--bundle", bundle.path]


def plan(words, *more):
    done = CliRunner().invoke(cli, ["plan", *words, *map(str, more)])
    return done.exit_code, done.stdout, done.stderr


def test_the_figures_of_a_plan(words):
    code, out, _ = plan(words, "--no-timing", "--block-size", 128)
    facts = json.loads(out)
    assert code == 0
    assert (facts["chips"], facts["blocks"], facts["stride"], facts["block_size"]) == (5 * 7, 3 * 4, 64, 128)
    assert facts["read_bytes"] >= 300 * 420 * 4 * 2
    assert facts["write_bytes"] == 2 * 300 * 420


def test_what_is_kept_beside_the_mask_is_planned_too(words):
    def memory(*more):
        return json.loads(plan(words, "--no-timing", *more)[1])["memory_per_worker_bytes"]

    assert memory() < memory("--confidence") < memory("--confidence", "--probabilities")
    assert memory() < memory("--blend", "hann")


def test_time_is_measured_on_the_network(words):
    code, out, _ = plan(words, "--backend", "torch", "--precision", "fp32")
    facts = json.loads(out)
    assert code == 0
    assert facts["seconds_per_chip"] > 0
    assert facts["estimated_seconds"] == pytest.approx(facts["seconds_per_chip"] * facts["chips"], abs=0.06)


def test_less_memory_gives_smaller_blocks_and_too_little_is_refused(words):
    scene, bundle = open_scene([words[0]]), open_bundle(words[2])
    large = replace(scene, geobox=replace(scene.geobox, shape=(20_000, 20_000)))
    sizes = [make_plan(large, bundle, SegmentSettings(ram=ram << 20)).grid.block_size for ram in (8000, 750)]
    assert sizes[0] == 2048
    assert 64 <= sizes[1] < 2048
    code, _, err = plan(words, "--no-timing", "--ram", "100MiB")
    assert code == 2
    assert "RAM" in err


@pytest.mark.parametrize(
    "more", [{"probabilities": True}, {"confidence": True}, {"blend": "hann"}, {"filters": {"crf": 1}}]
)
def test_what_blocks_carry_beside_the_mask_is_in_the_memory(words, more):
    scene, bundle = open_scene([words[0]]), open_bundle(words[2])
    least = make_plan(scene, bundle, SegmentSettings()).worker_bytes
    assert make_plan(scene, bundle, SegmentSettings.of(**more)).worker_bytes > least


def test_a_network_of_single_pixels_needs_no_halo_beyond_the_least(words):
    facts = json.loads(
        plan(words, "--halo", "auto", "--backend", "torch", "--precision", "fp32", "--chip-size", 128)[1]
    )
    assert facts["halo_auto"]["enough"]
    assert facts["halo_auto"]["share"] == 0
    assert facts["halo"] == facts["halo_auto"]["halo"]


def test_the_grid_as_geojson_tiles_the_scene(words):
    found = json.loads(plan(words, "--geojson", "--block-size", 128)[1])
    shapes = [shapely.from_geojson(json.dumps(feature["geometry"])) for feature in found["features"]]
    assert len(shapes) == 12
    assert all(shape.exterior.is_ccw for shape in shapes)
    whole = shapely.union_all(shapes)
    assert whole.area == pytest.approx(sum(shape.area for shape in shapes), rel=1e-3)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--halo", 33), "off the network's stride"),
        (("--chip-size", 64, "--halo", 32), "leaves no core"),
        (("--bands", "a,b"), ""),
    ],
)
def test_what_cannot_be_planned_is_one_line(words, more, said):
    code, out, err = plan(words, "--no-timing", *more)
    assert code in (2, 3)
    assert out == ""
    assert err.count("\n") == 1
    assert said in err
