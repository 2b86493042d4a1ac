"""Pages: self-contained, escaped, small, and saying what run.json says."""

import base64
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
from rasterio.crs import CRS

from geoseg.grid.geobox import GeoBox
from geoseg.legend import Legend
from geoseg.report.content import ReportData, report_of_run
from geoseg.report.figures import (
    MAX_SIDE,
    RAMP,
    Overview,
    make_overview,
    mask_picture,
    percent_picture,
    ramp,
    scene_picture,
    shrunk,
)
from geoseg.report.page import render_page, write_page
from geoseg.report.stage import LENGTH, Stage, stage_of
from geoseg.report.words import duration, number, percent, volume
from tests.helpers.pages import HOSTILE, Page, check_page, pixels_of

LEGEND = Legend.of({1: "water", 2: HOSTILE, 9: "never seen"}, {1: (10, 20, 200)})


def confidence() -> dict:
    histogram = [0] * 101
    histogram[30], histogram[97], histogram[100] = 200, 300, 500
    place = {
        "row": 8,
        "col": 24,
        "x": 5e5,
        "y": 4e6,
        "lon": 9.123456,
        "lat": 48.5,
        "value": 0.41,
        "class_name": HOSTILE,
    }
    return {
        "each": 1, "histogram": histogram, "mean": 0.85, "below_50": 0.2, "places": [place, {**place, "lon": None, "lat": None}],
        "by_class": [{"class_id": 1, "class_name": "water", "mean": 0.9, "below_50": 0.0},
                     {"class_id": 2, "class_name": HOSTILE, "mean": 0.6, "below_50": 0.5}],
    }  # fmt: skip


def run_record() -> dict:
    rows = [(1, "water", 600, 5.4, 0.6), (2, HOSTILE, 400, 3.6, 0.4), (9, "never seen", 0, 0.0, 0.0)]
    keys = ("class_id", "class_name", "n_pixels", "area_ha", "share", "area_method")
    return {
        "geoseg": "0.1.0", "run": "abc123", "plan_digest": "ab" * 32, "finished": "2026-01-02T03:04:05Z",
        "scene": {"name": f"scene {HOSTILE}", "fingerprint": "cd" * 32, "bands": ["red", HOSTILE], "notes": [f"note {HOSTILE}"],
                  "files": [f"{HOSTILE}.tif"]},
        "bundle": {"name": "bundle", "version": "2", "digest": "ef" * 32, "scores": {"iou": {HOSTILE: 0.5}}},
        "choice": {"backend": "torch", "device": "cpu", "precision": "bf16", "agreement": 0.9971, "batch_size": 1,
                   "versions": [["torch", "2.15"]]},
        "settings": {"tta": True, "halo": None, "filters": {"majority": 2, "crf": 0}},
        "plan": {"shape": [40, 50], "chip_size": 32, "halo": 8, "stride": 16, "chips": 12, "blocks": 4, "block_size": 2048,
                 "memory_per_worker_bytes": 3 << 20},
        "workers": 2, "blocks": {"run": 3, "resumed": 1, "failed": {"0,1": f"killed {HOSTILE}"}},
        "seams": {"share": 0.002, "pixels": 1000, "chips": 2},
        "areas": [dict(zip(keys, (*row, "ellipsoidal"), strict=True)) for row in rows],
        "confidence": confidence(),
        "polygons": 17, "seconds": {"polygons": 1.5, "predict": 20.0, "sieve": 0.0},
    }  # fmt: skip


def overview(shape: tuple[int, int] = (40, 50)) -> Overview:
    image = np.random.default_rng(0).integers(0, 3000, (4, *shape)).astype(np.uint16)
    valid = np.ones(shape, bool)
    valid[:5] = False
    return make_overview(image, valid, ["nir", "red", "green", "blue"], np.where(valid, 1, 0).astype(np.uint8))


def stage(made: Overview) -> Stage | None:
    sure = percent_picture(np.where(made.mask == 0, 255, 80).astype(np.uint8))
    return stage_of(
        made.mask.shape,
        [scene_picture(made), mask_picture(made.mask, LEGEND), sure],
        "scene",
        "mask",
        confidence()["places"],
    )


def data(**options: object) -> ReportData:
    box = GeoBox((40, 50), (30, 0, 5e5, 0, -30, 4e6), CRS.from_epsg(32617).to_wkt())
    known = {"geobox": box, "stage": stage(overview()), "files": ["mask.tif", f"{HOSTILE}.csv"]}
    return report_of_run(run_record(), LEGEND, **{**known, **options})  # type: ignore[arg-type]


def test_a_page_says_what_the_run_says() -> None:
    words = Page(render_page(data())).words
    for said in (
        "abc123", "ab" * 32, "cd" * 32, "ef" * 32, "torch", "bf16", "99.7 % of the sample", "0.20 %", "5.40", "60.0 %",
        "ellipsoidal", "1,000 pixels without data (50.0 % of the scene)", "1 of 4 blocks failed", "EPSG:32617", "30 m by 30 m",
        "majority", "17", "20.0 s", "2026-01-02 03:04 UTC", "halo 8 px", "larger --halo", "3.0 MiB",
         "0.5", "20.0 % of the map has a confidence below 50 %", "Mean 85.0 %",
        "48.50000, 9.12346", "41.0 %",
        "Scene: red, green, blue (true colour)", "Class map", "Confidence",
    ):  # fmt: skip
        assert said in words, said


def test_nothing_from_a_file_becomes_markup_and_the_page_needs_nothing_else() -> None:
    page = check_page(render_page(data()))
    assert page.words.count("<script>alert(1)</script>") >= 12
    assert str(page.all("a")[0]["href"]) == "mask.tif"


def test_the_policy_names_the_pages_own_style_and_script_by_their_hashes() -> None:
    text = render_page(data())
    policy = str(next(known["content"] for known in Page(text).all("meta") if known.get("http-equiv")))
    for tag in ("style", "script"):
        inside = re.search(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        assert inside is not None
        digest = base64.b64encode(hashlib.sha256(inside[1].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_classes_stand_by_area_and_absent_ones_stay() -> None:
    lines = data().areas
    assert [line.name for line in lines] == ["water", HOSTILE, "never seen"]
    assert lines[0].colour == "#0a14c8"


def test_steps_stand_in_their_order() -> None:
    assert data().steps == (("predicting", 20.0), ("polygons", 1.5))


def test_an_empty_record_makes_a_page_too(tmp_path: Path) -> None:
    write_page(tmp_path / "report.html", report_of_run({}, LEGEND))
    assert "Class map of a scene" in Page((tmp_path / "report.html").read_text(encoding="utf-8")).words
    zeros = run_record()
    zeros["areas"] = [row | {"n_pixels": 0, "area_ha": 0.0, "share": 0.0} for row in zeros["areas"]]
    assert "0 %" in Page(render_page(report_of_run(zeros, LEGEND))).words


def test_pages_stay_small_for_the_noisiest_pictures_and_the_longest_names(tmp_path: Path) -> None:
    rng, shape, n = np.random.default_rng(0), (MAX_SIDE, MAX_SIDE), 255
    legend = Legend.of({value: f"{value} " + "é<" * 30_000 for value in range(1, n + 1)})
    noise = make_overview(
        rng.integers(0, 255, (3, *shape), dtype=np.uint8), np.ones(shape, bool), ["red", "green", "blue"],
        rng.integers(1, n + 1, shape).astype(np.uint8),
    )  # fmt: skip
    pictures = [
        scene_picture(noise), mask_picture(noise.mask, legend), percent_picture(rng.integers(0, 101, shape).astype(np.uint8)),
    ]  # fmt: skip
    assert all(len(picture.uri) <= LENGTH for picture in pictures)
    run = run_record()
    run["areas"] = [{**run["areas"][0], "class_id": v, "class_name": name} for v, name in legend.names.items()]
    run["blocks"]["failed"] = {f"{i},0": "x" * 5000 for i in range(3000)}
    run["scene"]["notes"] = ["y" * 100_000] * 500
    made = report_of_run(run, legend, stage=stage_of(shape, pictures, "scene", "mask"))
    write_page(tmp_path / "report.html", made)
    assert (tmp_path / "report.html").stat().st_size < 3_000_000


def test_a_photograph_that_is_too_long_becomes_coarser() -> None:
    rng = np.random.default_rng(0)
    noise = make_overview(
        rng.integers(0, 255, (3, 512, 512), dtype=np.uint8), np.ones((512, 512), bool), ["red", "green", "blue"],
        np.zeros((1, 1), np.uint8),
    )  # fmt: skip
    uri = scene_picture(noise).uri
    assert shrunk(uri, len(uri)) == uri
    small = shrunk(uri, 20_000)
    assert small is not None and len(small) <= 20_000 and pixels_of(small).shape[0] < 512
    assert shrunk("data:image/jpeg;base64," + "AAAA" * 9000, 20_000) is None


def test_equal_runs_give_equal_pages() -> None:
    assert render_page(data()) == render_page(data())


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (["blue", "green", "red", "nir"], "red, green, blue (true colour)"),
        (["nir", "red", "green"], "nir, red, green (false colour: vegetation is red)"),
        (["red", "nir", "swir1"], "swir1, nir, red (false colour: vegetation is green)"),
        (["vv", "vh", "dem"], "vv only"),
    ],
)
def test_bands_are_shown_by_name(names: list[str], shown: str) -> None:
    image = np.arange(len(names) * 6.0).reshape(len(names), 2, 3)
    assert make_overview(image, np.ones((2, 3), bool), names, np.ones((2, 3), np.uint8)).rendering == shown


def test_an_overview_without_data_and_one_of_nan_do_not_fail() -> None:
    for valid in (np.zeros((4, 4), bool), np.ones((4, 4), bool)):
        empty = make_overview(np.full((1, 4, 4), np.nan), valid, ["b"], np.zeros((4, 4), np.uint8))
        assert scene_picture(empty).uri.startswith("data:image/jpeg;base64,")
        assert mask_picture(empty.mask, LEGEND).uri.startswith("data:image/png;base64,")


def test_pictures_have_the_legends_and_the_ramps_colours() -> None:
    page = Page(render_page(data()))
    assert tuple(page.picture("mask")[10, 10]) == (10, 20, 200, 255)
    assert page.picture("mask")[0, 0, 3] == page.picture("confidence")[0, 0, 3] == 0
    assert tuple(page.picture("confidence")[10, 10][:3]) == ramp(RAMP, np.array([80]))[0]


def test_marks_stand_where_the_places_are() -> None:
    marks = stage(overview()).marks  # type: ignore[union-attr]
    assert [(mark.number, mark.x, mark.y) for mark in marks] == [(1, 24.5 / 50, 8.5 / 40), (2, 24.5 / 50, 8.5 / 40)]


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1)])
def test_a_stage_is_as_wide_and_high_as_its_scene_but_never_a_hair(shape: tuple[int, int]) -> None:
    made = stage_of(shape, [mask_picture(np.ones((1, 1), np.uint8), LEGEND)], "scene", "mask")
    assert made is not None and max(made.width, made.height) == 1000 and min(made.width, made.height) >= 40
    assert made.left == made.right == "mask", "what is not there cannot be shown"
    check_page(render_page(data(stage=made)))


def test_numbers_are_said_with_units() -> None:
    assert [number(v) for v in (0, 3, 0.1234, 1.234, 123.45, 12345.6)] == [
        "0",
        "3",
        "0.1234",
        "1.23",
        "123.5",
        "12,346",
    ]
    assert [percent(v) for v in (0, 1, 0.123, 0.0123, 0.00042)] == ["0 %", "100.0 %", "12.3 %", "1.23 %", "0.042 %"]
    assert [duration(v) for v in (0.5, 65, 600, 7300)] == ["0.50 s", "65.0 s", "10 min", "2 h 2 min"]
    assert [volume(v) for v in (10, 2048, 3 << 30, 5 << 40)] == ["10 B", "2.0 KiB", "3.0 GiB", "5.0 TiB"]


def test_a_record_that_went_through_json_makes_the_same_page() -> None:
    again = json.loads(json.dumps(run_record()))
    assert render_page(report_of_run(again, LEGEND)) == render_page(report_of_run(run_record(), LEGEND))
