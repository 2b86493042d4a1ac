"""Pages: self-contained, escaped, small, and saying what run.json says."""

import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from rasterio.crs import CRS

from geoseg.grid.geobox import GeoBox
from geoseg.legend import Legend
from geoseg.report.content import ReportData, report_of_run
from geoseg.report.figures import MAX_SIDE, make_overview, mask_uri, scene_uri
from geoseg.report.page import render_page, write_page
from geoseg.report.words import duration, number, percent, volume

HOSTILE = "<script>alert(1)</script>\"'&"
LEGEND = Legend.of({1: "water", 2: HOSTILE, 9: "never seen"}, {1: (10, 20, 200)})
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Every element with its attributes, the text, and whether tags close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def run_record() -> dict:
    rows = [(1, "water", 600, 5.4, 0.6), (2, HOSTILE, 400, 3.6, 0.4), (9, "never seen", 0, 0.0, 0.0)]
    keys = ("class_id", "class_name", "n_pixels", "area_ha", "share", "area_method")
    return {
        "geoseg": "0.1.0", "run": "abc123", "plan_digest": "ab" * 32, "finished": "2026-01-02T03:04:05Z",
        "scene": {"name": f"scene {HOSTILE}", "fingerprint": "cd" * 32, "bands": ["red", HOSTILE], "notes": [f"note {HOSTILE}"]},
        "bundle": {"name": "bundle", "version": "2", "digest": "ef" * 32},
        "choice": {"backend": "torch", "device": "cpu", "precision": "bf16", "agreement": 0.9971, "batch_size": 1,
                   "versions": [["torch", "2.15"]]},
        "settings": {"tta": True, "halo": None, "filters": {"majority": 2, "crf": 0}},
        "plan": {"shape": [40, 50], "chip_size": 32, "halo": 8, "stride": 16, "chips": 12, "blocks": 4, "block_size": 2048,
                 "memory_per_worker_bytes": 3 << 20},
        "workers": 2, "blocks": {"run": 3, "resumed": 1, "failed": {"0,1": f"killed {HOSTILE}"}},
        "seams": {"share": 0.002, "pixels": 1000, "chips": 2},
        "areas": [dict(zip(keys, (*row, "ellipsoidal"), strict=True)) for row in rows],
        "polygons": 17, "seconds": {"polygons": 1.5, "predict": 20.0, "sieve": 0.0},
    }  # fmt: skip


def overview(shape: tuple[int, int] = (40, 50)):
    image = np.random.default_rng(0).integers(0, 3000, (4, *shape)).astype(np.uint16)
    valid = np.ones(shape, bool)
    valid[:5] = False
    return make_overview(image, valid, ["nir", "red", "green", "blue"], np.where(valid, 1, 0).astype(np.uint8))


def data(**options: object) -> ReportData:
    box = GeoBox((40, 50), (30, 0, 5e5, 0, -30, 4e6), CRS.from_epsg(32617).to_wkt())
    known = {"geobox": box, "overview": overview(), "inputs": [f"{HOSTILE}.tif"], "files": ["mask.tif", f"{HOSTILE}.csv"],
             "scores": {"iou": {HOSTILE: 0.5}}}  # fmt: skip
    return report_of_run(run_record(), LEGEND, **{**known, **options})  # type: ignore[arg-type]


def test_a_page_says_what_the_run_says() -> None:
    words = Page(render_page(data())).words
    for said in (
        "abc123", "ab" * 32, "cd" * 32, "ef" * 32, "torch", "bf16", "99.7 % of the sample", "0.20 %", "5.40", "60.0 %",
        "ellipsoidal", "1,000 pixels without data (50.0 % of the scene)", "1 of 4 blocks failed", "EPSG:32617", "30 m by 30 m",
        "majority", "17", "20.0 s", "2026-01-02 03:04 UTC", "halo 8 px", "larger --halo", "3.0 MiB", "0.5",
    ):  # fmt: skip
        assert said in words, said


def test_nothing_from_a_file_becomes_markup() -> None:
    page = Page(render_page(data()))
    assert not page.all("script")
    assert page.words.count("<script>alert(1)</script>") >= 8
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)


def test_a_page_needs_nothing_else_and_is_whole_html() -> None:
    text = render_page(data())
    page = Page(text)
    assert page.open == []
    assert text.startswith("<!doctype html>")
    assert not page.all("script") + page.all("link") + page.all("iframe")
    assert all(str(image["src"]).startswith("data:image/") for image in page.all("img"))
    assert "http:" not in text and "https:" not in text and "url(" not in text
    links = [str(link["href"]) for link in page.all("a")]
    assert links[0] == "mask.tif"
    assert not any(c in "".join(links) for c in "<>\"'")


def test_a_page_can_be_read_by_everyone() -> None:
    page = Page(render_page(data()))
    assert page.all("html")[0]["lang"] == "en"
    assert all(image["alt"] for image in page.all("img"))
    assert len(page.all("h1")) == 1
    assert all(cell.get("scope") in ("row", "col") for cell in page.all("th"))
    named = [attributes["aria-labelledby"] for _, attributes in page.elements if "aria-labelledby" in attributes]
    assert set(named) <= {attributes.get("id") for attributes in page.all("h2")}


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


def test_pages_stay_small_for_the_largest_and_noisiest_overview(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    shape = (MAX_SIDE, MAX_SIDE)
    noise = make_overview(
        rng.integers(0, 255, (3, *shape), dtype=np.uint8), np.ones(shape, bool), ["red", "green", "blue"],
        rng.choice(np.array([1, 2, 9], np.uint8), shape),
    )  # fmt: skip
    write_page(tmp_path / "report.html", data(overview=noise))
    assert (tmp_path / "report.html").stat().st_size < 3_000_000


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
        assert scene_uri(empty).startswith("data:image/jpeg;base64,")
        assert mask_uri(empty, LEGEND).startswith("data:image/png;base64,")


def test_the_mask_image_has_the_legends_colours() -> None:
    import base64
    import io

    from PIL import Image

    encoded = mask_uri(overview(), LEGEND).partition(",")[2]
    with Image.open(io.BytesIO(base64.b64decode(encoded))) as image:
        pixels = np.asarray(image.convert("RGBA"))
    assert tuple(pixels[10, 10]) == (10, 20, 200, 255)
    assert pixels[0, 0, 3] == 0


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
