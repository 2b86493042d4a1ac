"""Pages in Debian's Chromium, from the disk and without a network: what is seen, and what keys and clicks do."""

import base64
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from geoseg.legend import Legend
from geoseg.report.change_content import report_of_change
from geoseg.report.content import report_of_run
from geoseg.report.figures import make_overview, mask_picture, percent_picture, scene_picture
from geoseg.report.page import render_page
from geoseg.report.stage import stage_of
from tests.helpers.browser import Browser, browser
from tests.helpers.pages import HOSTILE

WATER, FIELD = (10, 20, 200), (200, 150, 90)
GROUND = (0xE9, 0xEC, 0xEF)
LEGEND = Legend.of({1: "water", 2: f"field {HOSTILE}"}, {1: WATER, 2: FIELD})
SHAPE = (40, 80)
KEYS = ("class_id", "class_name", "n_pixels", "area_ha", "share", "area_method")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as made:
        made.command("Network.enable")
        made.command(
            "Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=0, uploadThroughput=0
        )
        yield made


def map_page(legend: Legend = LEGEND, shape: tuple[int, int] = SHAPE) -> str:
    """A grey scene; the map is water above and field below, its left tenth without data."""
    rows, cols = shape
    mask = np.full(shape, legend.values[0], np.uint8)
    mask[rows // 2 :] = legend.values[-1]
    mask[:, : cols // 10] = legend.nodata
    grey = make_overview(np.full((1, *shape), 7.0), np.ones(shape, bool), ["b"], mask)
    sure = np.where(mask == legend.nodata, 255, 40).astype(np.uint8)
    place = {
        "row": rows // 4,
        "col": cols // 2,
        "x": 5e5,
        "y": 4e6,
        "lon": 9.0,
        "lat": 48.0,
        "value": 0.4,
        "class_name": HOSTILE,
    }
    pictures = [scene_picture(grey), mask_picture(mask, legend), percent_picture(sure)]
    areas = [
        dict(zip(KEYS, (v, n, 100, 9.0, 1 / len(legend.values), "x"), strict=True)) for v, n in legend.names.items()
    ]
    counts = [0] * 101
    counts[40] = 100
    told = {"histogram": counts, "mean": 0.4, "below_50": 1.0, "by_class": [], "places": [place]}
    run = {"areas": areas, "confidence": told}
    return render_page(report_of_run(run, legend, stage=stage_of(shape, pictures, "scene", "mask", [place])))


def shown(page: Browser, folder: Path, text: str, *, width: int = 1000) -> None:
    (folder / "report.html").write_text(text, encoding="utf-8")
    page.complaints.clear()
    page.command("Emulation.setEmulatedMedia", media="", features=[{"name": "prefers-color-scheme", "value": "light"}])
    page.command("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
    page.open((folder / "report.html").as_uri())
    page.until(f"document.readyState === 'complete' && location.href === {(folder / 'report.html').as_uri()!r}")


def pixels(page: Browser) -> np.ndarray:
    """The whole page as it is seen, uint8 (rows, cols, 3)."""
    size = page.do("[document.documentElement.clientWidth, document.documentElement.scrollHeight]")
    clip = {"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1}
    taken = page.command("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
    with Image.open(io.BytesIO(base64.b64decode(taken["data"]))) as image:
        return np.asarray(image.convert("RGB"))


def box(page: Browser, query: str) -> dict[str, float]:
    found: dict[str, float] = page.do(
        f"(() => {{ const b = document.querySelector({query!r}).getBoundingClientRect();"
        " return {x: b.x + scrollX, y: b.y + scrollY, width: b.width, height: b.height} })()"
    )
    return found


def seen(page: Browser, x: float, y: float, query: str = ".curtain") -> tuple[int, ...]:
    """The colour at shares of an element's width and height."""
    at = box(page, query)
    return tuple(int(c) for c in pixels(page)[int(at["y"] + y * at["height"]), int(at["x"] + x * at["width"])])


def key(page: Browser, name: str, times: int = 1) -> None:
    for _ in range(times):
        for kind in ("rawKeyDown", "keyUp"):
            codes = {"ArrowRight": 39, "ArrowLeft": 37, "End": 35, "Home": 36, "Tab": 9, " ": 32}
            page.command(
                "Input.dispatchKeyEvent", type=kind, key=name, code="Space" if name == " " else name,
                windowsVirtualKeyCode=codes[name], nativeVirtualKeyCode=codes[name],
            )  # fmt: skip


def near(one: tuple[int, ...], other: tuple[int, ...], by: int = 3) -> bool:
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) <= by


def test_the_scene_is_left_and_the_map_right_of_the_curtain(page: Browser, tmp_path: Path) -> None:
    shown(page, tmp_path, map_page())
    assert not page.complaints, "no script was refused, nothing was asked of a network"
    assert near(seen(page, 0.75, 0.1), WATER) and near(seen(page, 0.75, 0.9), FIELD)
    left = seen(page, 0.25, 0.9)
    assert max(left) - min(left) <= 4 and not near(left, GROUND), "the scene is grey"
    text = page.do("document.body.innerText")
    for said in ("Class map of a scene", "<script>alert(1)</script>", "40.0 %", "48.00000, 9.00000"):
        assert said in text, said
    assert page.do("document.querySelectorAll('script').length") == 1


def test_keys_move_the_curtain(page: Browser, tmp_path: Path) -> None:
    shown(page, tmp_path, map_page())
    page.do("document.querySelector('input[type=range]').focus()")
    key(page, "ArrowRight", 30)
    assert page.do("document.querySelector('input[type=range]').value") == "80"
    assert not near(seen(page, 0.75, 0.1), WATER) and near(seen(page, 0.85, 0.1), WATER)
    key(page, "Home")
    assert near(seen(page, 0.25, 0.9), FIELD), "all of the map is seen"
    assert near(seen(page, 0.05, 0.5), GROUND), "no class: the scene does not shine through"
    key(page, "End")
    assert not near(seen(page, 0.75, 0.9), FIELD)


def test_a_pointer_moves_the_curtain_and_another_picture_can_be_chosen(page: Browser, tmp_path: Path) -> None:
    shown(page, tmp_path, map_page())
    at = box(page, ".curtain")
    x, y = at["x"] + 0.2 * at["width"], at["y"] + 0.5 * at["height"]
    for kind in ("mousePressed", "mouseReleased"):
        page.command("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)
    assert abs(int(page.do("document.querySelector('input[type=range]').value")) - 20) <= 1
    assert near(seen(page, 0.3, 0.9), FIELD)
    choose = "(s => { s.value = 'confidence'; s.dispatchEvent(new Event('change', {bubbles: true})) })"
    page.do(f"{choose}(document.querySelector('[name=right]'))")
    colour = seen(page, 0.3, 0.9)
    assert colour[0] > 190 and colour[1] < 110, "40 % is red"


def test_a_class_is_brought_out_by_its_name_in_the_legend(page: Browser, tmp_path: Path) -> None:
    shown(page, tmp_path, map_page())
    page.do("document.querySelector('.legend button').focus()")
    key(page, " ")
    assert page.do("document.querySelector('.legend button').getAttribute('aria-pressed')") == "true"
    page.until("(i => i.getAttribute('href') !== i.dataset.whole)(document.getElementById('picture-mask'))")
    assert near(seen(page, 0.75, 0.1), WATER), "the class that was named"
    assert min(seen(page, 0.75, 0.9)) > 215, "the other one is pale"
    key(page, " ")
    assert near(seen(page, 0.75, 0.9), FIELD)
    choose = "(s => { s.value = 'confidence'; s.dispatchEvent(new Event('change', {bubbles: true})) })"
    page.do(f"{choose}(document.querySelector('[name=right]'))")
    key(page, " ")
    assert page.do("document.querySelector('[name=right]').value") == "mask", "what is brought out is shown"


def test_all_that_can_be_done_is_reached_by_tab(page: Browser, tmp_path: Path) -> None:
    shown(page, tmp_path, map_page())
    reached = []
    for _ in range(6):
        key(page, "Tab")
        reached.append(page.do("(e => e.name || e.type || e.tagName)(document.activeElement)"))
    assert reached[:5] == ["left", "range", "right", "apart", "unmarked"]
    assert page.do("document.activeElement.closest('.legend') !== null"), "and then the legend's names"


def test_without_script_and_on_paper_both_pictures_stand_side_by_side(page: Browser, tmp_path: Path) -> None:
    shown(page, tmp_path, map_page())
    page.command("Emulation.setEmulatedMedia", media="print")
    assert box(page, ".curtain")["width"] == 0 and box(page, ".controls")["width"] == 0
    assert near(seen(page, 0.75, 0.1, ".beside figure:nth-child(2) svg"), WATER)
    assert page.do("document.querySelectorAll('.beside figure').length") == 3, "the confidence too"
    page.command("Emulation.setScriptExecutionDisabled", value=True)
    try:
        shown(page, tmp_path, map_page())
        assert box(page, ".curtain")["width"] == 0
        assert near(seen(page, 0.75, 0.1, ".beside figure:nth-child(2) svg"), WATER)
    finally:
        page.command("Emulation.setScriptExecutionDisabled", value=False)


@pytest.mark.parametrize("width", [400, 1200])
@pytest.mark.parametrize("classes", [1, 30])
def test_nothing_is_wider_than_the_window(page: Browser, tmp_path: Path, width: int, classes: int) -> None:
    legend = Legend.of({v: f"class {v} {HOSTILE} {'verylongword' * 20}" for v in range(1, classes + 1)})
    shown(page, tmp_path, map_page(legend), width=width)
    assert page.do("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert not page.complaints


def test_a_scene_of_one_pixel_is_seen(page: Browser, tmp_path: Path) -> None:
    legend = Legend.of({1: "water"}, {1: WATER})
    mask = np.ones((1, 1), np.uint8)
    text = render_page(report_of_run({}, legend, stage=stage_of((1, 1), [mask_picture(mask, legend)], "scene", "mask")))
    shown(page, tmp_path, text)
    assert near(seen(page, 0.25, 0.5), WATER) and near(seen(page, 0.75, 0.5), WATER)


def test_a_change_shows_its_diagram_in_the_colours_of_what_was_there(page: Browser, tmp_path: Path) -> None:
    pair = [[0.0, 60.0], [20.0, 100.0]]
    run = {"matrix": {"n_pixels": pair, "area_ha": pair}, "grid": {"shape": [4, 4]}}
    shown(page, tmp_path, render_page(report_of_change(run, LEGEND)))
    assert not page.complaints
    assert page.do("document.querySelectorAll('.sankey path').length") == 2
    assert near(seen(page, 0.199, 0.3, ".sankey"), WATER, 6) and near(seen(page, 0.199, 0.95, ".sankey"), FIELD, 6)
