import base64
import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from geoseg.view.found import find_run
from geoseg.view.server import MapServer
from tests.helpers.browser import Browser, browser
from tests.helpers.mapped import make_change, make_run

pytestmark = pytest.mark.slow

WATER, TREE = (0, 0, 255), (0, 160, 0)
PANEL = 320


def screenshot(seen: Browser) -> NDArray[np.uint8]:
    data = base64.b64decode(seen.command("Page.captureScreenshot", format="png")["data"])
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def share(seen: Browser, colour: tuple[int, int, int], left: int = PANEL, right: int = 1200) -> float:
    """How much of the map has a colour, once that stands still."""
    seen.until("document.body?.dataset.state == 'idle'")
    part = screenshot(seen)[:, left:right].astype(int)
    return float((np.abs(part - colour).max(axis=-1) < 6).mean())


def until_share(seen: Browser, colour: tuple[int, int, int], low: float, high: float, **part: int) -> None:
    """Wait until so much of the map has a colour: a change takes a moment to be drawn."""
    found = [share(seen, colour, **part)]
    while not low <= found[-1] <= high and len(found) < 40:
        found.append(share(seen, colour, **part))
    assert low <= found[-1] <= high, found


def start(seen: Browser, server: MapServer) -> None:
    server.start()
    seen.command("Emulation.setDeviceMetricsOverride", width=1200, height=800, deviceScaleFactor=1, mobile=False)
    seen.open(server.url)
    seen.until("document.body?.dataset.state == 'idle'")


def click(seen: Browser, x: int, y: int) -> None:
    for kind in ("mousePressed", "mouseReleased"):
        seen.command("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)


def press(seen: Browser, key: str) -> None:
    for kind in ("keyDown", "keyUp"):
        seen.command(
            "Input.dispatchKeyEvent", type=kind, key=key, text=key if len(key) == 1 and kind == "keyDown" else ""
        )


def test_in_chromium_a_run_is_seen_filtered_swiped_and_asked(tmp_path: Path) -> None:
    server = MapServer(find_run(make_run(tmp_path / "run")), "127.0.0.1:0")
    with browser(tmp_path / "profile", webgl=True) as seen:
        start(seen, server)
        assert seen.do("location.href") == f"http://127.0.0.1:{server.port}/"
        assert seen.do("document.images.length") == 0
        assert "tree & <b>bush</b>" in seen.do("document.querySelector('#legend').innerText")
        until_share(seen, WATER, 0.15, 0.5)
        until_share(seen, TREE, 0.15, 0.5)
        assert share(seen, TREE, right=620) < 0.02 < share(seen, TREE, left=800)  # tree is on the right

        click(seen, 900, 650)
        seen.until("document.querySelector('.maplibregl-popup')?.innerText.includes('tree & <b>bush</b>')")
        said = seen.do("document.querySelector('.maplibregl-popup').innerText")
        assert "ha" in said and "Mean confidence" in said and "80 %" in said and "red" in said
        until_share(seen, (255, 229, 0), 0.0005, 0.05)  # its outline
        press(seen, "Escape")
        seen.until("document.querySelector('.maplibregl-popup') === null")

        seen.do("document.querySelector('#legend tbody input').click()")  # water off
        until_share(seen, WATER, 0, 0.001)
        seen.do("document.querySelector('#all').click()")
        until_share(seen, WATER, 0.15, 0.5)
        press(seen, "2")  # the class map off: the scene below is seen
        until_share(seen, WATER, 0, 0.001)
        press(seen, "2")
        seen.do(
            "(() => { const bar = document.querySelectorAll('#layers input[type=range]')[1];"
            " bar.value = 0; bar.dispatchEvent(new Event('input')); })()"
        )
        until_share(seen, WATER, 0, 0.001)
        seen.do(
            "(() => { const bar = document.querySelectorAll('#layers input[type=range]')[1];"
            " bar.value = 1; bar.dispatchEvent(new Event('input')); })()"
        )

        press(seen, "s")  # the scene on the left, classes on the right
        until_share(seen, TREE, 0.3, 0.9, left=800)
        until_share(seen, WATER, 0, 0.001, right=740)
        seen.do("document.querySelector('#line').focus()")
        seen.command("Input.dispatchKeyEvent", type="keyDown", key="Home")
        until_share(seen, WATER, 0.1, 0.9, right=740)
        assert seen.do("document.querySelector('.maplibregl-ctrl-scale').innerText").endswith("m")
        assert seen.complaints == [] and seen.do("document.querySelector('#trouble').hidden")
        server.stop()


def test_in_chromium_a_change_tells_from_and_to(tmp_path: Path) -> None:
    server = MapServer(find_run(make_change(tmp_path / "run")), "127.0.0.1:0")
    with browser(tmp_path / "profile", webgl=True) as seen:
        start(seen, server)
        changed = (0, 128, 51)
        until_share(seen, changed, 0.01, 0.2)
        at = np.argwhere(np.abs(screenshot(seen)[:, PANEL:].astype(int) - changed).max(axis=-1) < 6).mean(axis=0)
        click(seen, PANEL + int(at[1]), int(at[0]))
        seen.until("document.querySelector('.maplibregl-popup')?.innerText.includes('water → tree')")
        press(seen, "Escape")
        seen.do("document.querySelector('#legend tbody input').click()")  # from water off
        until_share(seen, changed, 0, 0.001)
        assert seen.complaints == []
        server.stop()


def test_in_chromium_without_the_token_nothing_is_seen(tmp_path: Path) -> None:
    server = MapServer(find_run(make_run(tmp_path / "run", scene=False)), "127.0.0.1:0")
    server.start()
    with browser(tmp_path / "profile", webgl=True) as seen:
        seen.open(f"http://127.0.0.1:{server.port}/")
        seen.until("document.querySelector('#trouble')?.textContent.includes('token')")
        assert "water" not in seen.do("document.body.innerText")
    server.stop()
