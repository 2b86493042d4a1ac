"""``geoseg sample``: what it draws from a mask or a change map, what it says, what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import geoseg
from geoseg.accuracy.samples_file import read_samples, write_samples
from geoseg.cli.main import run
from geoseg.grid.geobox import GeoBox
from geoseg.legend import Legend
from geoseg.raster.classes import open_classes
from tests.helpers.rasters import write_raster
from tests.helpers.sampling import LEGEND, patches, write_classes

VALUES = patches((120, 110), (0, 1, 1, 1, 2, 2, 3), size=13)
TRANSITIONS = {257: "water->water", 258: "water->tree", 513: "tree->water", 514: "tree->tree", 771: "bare->bare"}


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    return write_classes(tmp_path / "mask.tif", VALUES)


@pytest.fixture
def change(tmp_path: Path) -> Path:
    values = patches((120, 110), (257, 257, 514, 514, 258, 0), size=11)
    values[0, :5] = 513
    values[40:60, 40:60] = 771
    return write_classes(tmp_path / "change.tif", values, Legend.of(TRANSITIONS))


def test_the_design_is_that_of_the_mask(mask: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sample", str(mask), str(tmp_path / "s.gpkg"), "--total", "300", "--seed", "5"]) == 0
    out = capsys.readouterr()
    assert out.err == ""
    assert "300 samples to label" in out.out
    samples = read_samples(tmp_path / "s.gpkg")
    areas = {row.class_id: row for row in geoseg.area(mask).classes}
    assert [s.value for s in samples.strata] == [1, 2, 3]
    for stratum in samples.strata:
        assert (stratum.n_pixels, stratum.area_m2) == (areas[stratum.value].n_pixels, areas[stratum.value].area_m2)
        assert stratum.map_class == stratum.value
        assert stratum.name == LEGEND.names[stratum.value]
        own = samples.stratum == stratum.value
        assert own.sum() == stratum.sampled
        assert (samples.map_class[own] == stratum.value).all()
        assert samples.incl_prob[own] == pytest.approx(stratum.sampled / stratum.n_pixels)
    assert len(samples) == 300
    assert (samples.weight * samples.area_m2).sum() == pytest.approx(sum(a.area_m2 for a in areas.values()), rel=1e-4)
    assert (VALUES[samples.row, samples.col] == samples.map_class).all()
    assert not samples.labelled.any()
    assert samples.legend == LEGEND
    assert {"seed": "5", "mask": "mask.tif", "total": "300", "is_change": "false"}.items() <= samples.facts.items()
    assert samples.facts["area_method"] == "ellipsoidal (WGS 84)"
    assert str(tmp_path) not in json.dumps(samples.facts)


def test_points_lie_in_the_middle_of_their_pixels(mask: Path, tmp_path: Path) -> None:
    samples = geoseg.sample(mask, tmp_path / "s.gpkg", total=50).samples
    a, b, c, d, e, f = open_classes(mask).geobox.transform
    assert samples.x == pytest.approx(c + a * (samples.col + 0.5) + b * (samples.row + 0.5))
    assert samples.y == pytest.approx(f + d * (samples.col + 0.5) + e * (samples.row + 0.5))


def test_the_same_seed_gives_the_same_file_whatever_the_blocks_and_threads(mask: Path, tmp_path: Path) -> None:
    def made(name: str, **options: object) -> bytes:
        path = tmp_path / name / "s.gpkg"
        geoseg.sample(mask, path, total=200, buffer=2, **options)
        return path.read_bytes()

    assert made("a") == made("b", block_size=7, threads=1) == made("c", block_size=31, threads=3)
    assert made("a2") != made("d", seed=1)


def test_a_larger_sample_holds_the_smaller_one(mask: Path, tmp_path: Path) -> None:
    few, many = (
        set(zip(s.row.tolist(), s.col.tolist(), strict=True))
        for s in (geoseg.sample(mask, tmp_path / f"{n}.gpkg", total=n).samples for n in (60, 400))
    )
    assert few < many


def test_whoever_labels_the_first_ones_labels_some_of_every_stratum(mask: Path, tmp_path: Path) -> None:
    samples = geoseg.sample(mask, tmp_path / "s.gpkg", total=300, allocation="equal").samples
    first = samples.stratum[:60]
    assert all(10 <= (first == value).sum() <= 30 for value in (1, 2, 3))


def test_a_small_stratum_is_taken_whole_and_that_is_said(change: Path, tmp_path: Path, capsys) -> None:
    assert run(["sample", str(change), str(tmp_path / "s.gpkg"), "--total", "200", "--allocation", "equal"]) == 0
    assert "tree->water: all of its 5 pixels are taken, 40 were due" in capsys.readouterr().err
    samples = read_samples(tmp_path / "s.gpkg")
    assert len(samples) == 200
    small = next(s for s in samples.strata if s.value == 513)
    assert (small.n_pixels, small.sampled, small.incl_prob) == (5, 5, 1.0)
    assert sorted(samples.col[samples.stratum == 513].tolist()) == [0, 1, 2, 3, 4]


def test_more_than_there_is_takes_everything(tmp_path: Path, capsys) -> None:
    path = write_classes(tmp_path / "tiny.tif", np.array([[1, 2], [0, 1]], np.uint16))
    assert run(["sample", str(path), str(tmp_path / "s.gpkg"), "--total", "50"]) == 0
    assert "the map has 3 pixels, and all are taken: 50 were asked for" in capsys.readouterr().err
    samples = read_samples(tmp_path / "s.gpkg")
    assert sorted(zip(samples.row.tolist(), samples.col.tolist(), strict=True)) == [(0, 0), (0, 1), (1, 1)]


def test_strata_of_a_change_map_are_transitions_and_the_reference_may_be_any_pair(change: Path, tmp_path: Path) -> None:
    samples = geoseg.sample(change, tmp_path / "s.gpkg", total=200).samples
    assert samples.is_change
    assert {s.name for s in samples.strata} == set(TRANSITIONS.values())
    assert sorted(samples.legend.values) == [a * 256 + b for a in (1, 2, 3) for b in (1, 2, 3)]
    assert samples.legend.names[3 * 256 + 1] == "bare->water"
    assert read_samples(tmp_path / "s.gpkg").is_change


def test_beside_changes_lies_what_is_unchanged_near_them(change: Path, tmp_path: Path) -> None:
    samples = geoseg.sample(change, tmp_path / "s.gpkg", total=300, buffer=2).samples
    beside = samples.strata[-1]
    assert (beside.name, beside.map_class) == ("near change", None)
    assert set(beside.classes) == {257, 514, 771}
    values = open_classes(change).read(open_window(change))
    changed = np.argwhere((values == 258) | (values == 513))
    for row, col in zip(
        samples.row[samples.stratum == beside.value], samples.col[samples.stratum == beside.value], strict=True
    ):
        assert np.hypot(changed[:, 0] - row, changed[:, 1] - col).min() <= 2


def open_window(path: Path) -> geoseg.grid.geobox.Window:
    from geoseg.grid.geobox import Window

    return Window(0, 0, *open_classes(path).geobox.shape)


def test_classes_are_grouped_by_name_and_by_size(change: Path, tmp_path: Path) -> None:
    by_name = geoseg.sample(
        change, tmp_path / "a.gpkg", total=100, group={"no change": ["water->water", "tree->tree", "bare->bare"]}
    )
    assert [(s.name, s.map_class) for s in by_name.strata] == [
        ("water->tree", 258), ("tree->water", 513), ("no change", None),
    ]  # fmt: skip
    assert by_name.strata[2].classes == (257, 514, 771)
    small = geoseg.sample(change, tmp_path / "b.gpkg", total=100, group_below=50_000)
    assert [s.name for s in small.strata] == [
        "water->water",
        "water->tree",
        "tree->tree",
        "other changes",
        "other persistence",
    ]
    assert sum(s.n_pixels for s in small.strata) == sum(s.n_pixels for s in by_name.strata)


def test_only_the_classes_that_are_named_are_sampled(mask: Path, tmp_path: Path) -> None:
    found = geoseg.sample(mask, tmp_path / "s.gpkg", total=60, classes=["tree", 3])
    assert set(found.samples.map_class.tolist()) == {2, 3}


def test_neyman_and_the_size_for_a_standard_error(mask: Path, tmp_path: Path, capsys) -> None:
    told = ["sample", str(mask), str(tmp_path / "s.gpkg"), "--standard-error", "0.02", "--allocation", "neyman"]
    assert run([*told, "--users-accuracy", "0.9,bare=0.6", "--min-per-class", "2", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["expected_error"] == pytest.approx(0.02, rel=0.02)
    spread = {s["name"]: s["sampled"] / s["area_m2"] for s in facts["strata"]}
    assert spread["bare"] / spread["tree"] == pytest.approx((0.6 * 0.4 / (0.9 * 0.1)) ** 0.5, rel=0.05)


def test_numbers_beyond_all_bounds_are_the_whole_map_or_one_stratum(mask: Path, tmp_path: Path) -> None:
    made = geoseg.sample(mask, tmp_path / "a.gpkg", standard_error=1e-300, users_accuracy=0.8)
    assert made.total == (VALUES > 0).sum() == sum(s.n_pixels for s in made.strata)
    (one,) = geoseg.sample(mask, tmp_path / "b.gpkg", total=30, group_below=1e300).strata
    assert one.n_pixels == made.total


def test_the_minimum_of_a_class_is_kept(mask: Path, tmp_path: Path) -> None:
    found = geoseg.sample(mask, tmp_path / "s.gpkg", total=300, min_per_class=90)
    assert min(s.sampled for s in found.strata) == 90
    assert sum(s.sampled for s in found.strata) == 300


def test_a_folder_of_a_run_is_its_mask(mask: Path, change: Path, tmp_path: Path) -> None:
    for path, name in ((mask, "mask.tif"), (change, "change.tif")):
        folder = tmp_path / f"run {name}"
        folder.mkdir()
        path.rename(folder / name)
        samples = geoseg.sample(folder, tmp_path / f"{name}.gpkg", total=50).samples
        assert samples.facts["mask"] == name


def test_in_degrees_pixels_of_a_stratum_differ_and_their_sum_is_the_strata_area(tmp_path: Path) -> None:
    box = GeoBox((1, 1), (0.2, 0.0, 179.0, 0.0, -0.2, 70.0), "EPSG:4326")  # over the antimeridian
    path = write_classes(tmp_path / "deg.tif", patches((200, 60), (1, 2), size=10), box=box)
    found = geoseg.sample(path, tmp_path / "s.gpkg", total=12000)
    samples = found.samples
    assert samples.area_m2.max() / samples.area_m2.min() > 2
    for stratum in found.strata:
        assert samples.area_m2[samples.stratum == stratum.value].sum() == pytest.approx(stratum.area_m2, rel=1e-12)
    some = geoseg.sample(path, tmp_path / "some.gpkg", total=2000).samples
    for stratum in some.strata:
        own = some.stratum == stratum.value
        estimate = (some.weight * some.area_m2)[own].sum()
        error = some.area_m2[own].std() * stratum.n_pixels / own.sum() ** 0.5
        assert abs(estimate - stratum.area_m2) < 4 * error


def test_nothing_is_replaced_unasked_and_inputs_never(mask: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "s.gpkg"
    out.write_text("labels of a week")
    assert run(["sample", str(mask), str(out), "--total", "10"]) == 4
    assert out.read_text() == "labels of a week"
    assert run(["sample", str(mask), str(out), "--total", "10", "--overwrite"]) == 0
    moved = mask.rename(tmp_path / "mask.gpkg")
    assert run(["sample", str(moved), str(moved), "--total", "10", "--overwrite"]) == 4
    assert "INPUT" in capsys.readouterr().err


def test_labels_are_never_replaced_and_are_taken_over_into_a_larger_sample(mask: Path, tmp_path: Path, capsys) -> None:
    first, more = tmp_path / "first.gpkg", tmp_path / "more.gpkg"
    few = geoseg.sample(mask, first, total=60).samples
    reference = np.where(np.arange(60) < 40, few.map_class, -1)
    labelled = replace(few, reference=reference, notes=("seen",) + ("",) * 59)
    write_samples(first, labelled, open_classes(mask).geobox)
    assert run(["sample", str(mask), str(first), "--total", "200", "--overwrite"]) == 4
    assert "LABELLED" in capsys.readouterr().err
    assert run(["sample", str(mask), str(more), "--total", "200", "--labels", str(first)]) == 0
    assert "40 of 200 samples are labelled already" in capsys.readouterr().err
    found = read_samples(more)
    assert found.labelled.sum() == 40
    assert (found.reference == found.map_class)[found.labelled].all()
    assert sorted(found.notes)[-1] == "seen"
    assert (
        run(["sample", str(mask), str(tmp_path / "s.gpkg"), "--total", "60", "--seed", "9", "--labels", str(first)])
        == 0
    )
    assert "are of pixels that are not drawn now" in capsys.readouterr().err
    other = write_classes(tmp_path / "other.tif", VALUES[:50])
    assert run(["sample", str(other), str(tmp_path / "o.gpkg"), "--total", "60", "--labels", str(first)]) == 3
    assert "another grid" in capsys.readouterr().err


def test_errors_are_one_line(mask: Path, change: Path, tmp_path: Path, capsys) -> None:
    write_raster(tmp_path / "empty.tif", np.zeros((1, 4, 4), "uint8"), nodata=0)
    write_raster(tmp_path / "lost.tif", np.ones((1, 4, 4), "uint8"), crs=None)
    out, total = str(tmp_path / "s.gpkg"), ["--total", "30"]
    m, c = str(mask), str(change)
    for args, code, word in [
        ([str(tmp_path / "none.tif"), out, *total], 3, "NOT_FOUND"), ([str(tmp_path / "empty.tif"), out, *total], 3, "CLASSES"),
        ([str(tmp_path / "lost.tif"), out, *total], 3, "NO_CRS"), ([m, str(tmp_path / "s.csv"), *total], 2, "FORMAT"),
        ([m, out], 2, "USAGE"), ([m, out, *total, "--standard-error", "0.1"], 2, "USAGE"), ([m, out, "--total", "2"], 2, "TOTAL"),
        ([m, out, *total, "--min-per-class", "11"], 2, "TOTAL"), ([m, out, *total, "--allocation", "neyman"], 2, "SETTING"),
        ([m, out, *total, "--allocation", "neyman", "--users-accuracy", "90"], 2, "SETTING"),
        ([m, out, *total, "--allocation", "neyman", "--users-accuracy", "bare=0.9"], 2, "ACCURACY"),
        ([m, out, *total, "--users-accuracy", "0.8,lava=0.9"], 2, "LEGEND"), ([m, out, *total, "--class", "lava"], 2, "LEGEND"),
        ([m, out, *total, "--group", "g=water,lava"], 2, "LEGEND"), ([m, out, *total, "--group", "water"], 2, "USAGE"),
        ([m, out, *total, "--group", "a=water", "--group", "b=1,tree"], 2, "STRATA"),
        ([m, out, *total, "--group", "bare=water"], 2, "STRATA"), ([m, out, *total, "--change"], 2, "CHANGE"),
        ([m, out, *total, "--buffer", "0"], 2, "USAGE"), ([m, out, *total, "--buffer", "nanm"], 2, "USAGE"),
        ([m, out, *total, "--buffer", "100km"], 2, "USAGE"), ([m, out, *total, "--buffer", "900000m"], 2, "BUFFER"),
        ([m, out, *total, "--buffer", "4m"], 2, "BUFFER"), ([m, out, *total, "--buffer-around", "tree"], 2, "SETTING"),
        ([c, out, "--total", "99999999999"], 2, "SETTING"), ([m, str(tmp_path / "a;b.gpkg"), *total], 2, "NAME"),
        ([m, str(tmp_path / "a\nb.gpkg"), *total], 2, "NAME"),
    ]:  # fmt: skip
        assert run(["sample", *args]) == code, args
        err = capsys.readouterr().err
        assert err.startswith(f"geoseg: {word}:"), (args, err)
        assert err.count("\n") == 1
    assert not list(tmp_path.glob("*.gpkg"))


def test_the_examples_of_the_help_run(mask: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["sample", "--help"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip().startswith("geoseg sample")]
    assert len(lines) == 3
    for line in lines:
        assert run(line[1:]) == 0, line


def test_a_real_map_of_names_is_sampled(shared: Path, tmp_path: Path) -> None:
    path = shared / "data" / "zion_nlcd_labels" / "nlcd.tif"
    found = geoseg.sample(path, tmp_path / "s.gpkg", total=400, buffer_m=60)
    assert found.strata[-1].name == "border"
    assert sum(s.n_pixels for s in found.strata) == 1359 * 1073
    assert sum(s.area_m2 for s in found.strata) == pytest.approx(
        sum(r.area_m2 for r in geoseg.area(path).classes), rel=1e-12
    )
