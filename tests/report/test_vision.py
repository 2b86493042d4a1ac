"""Colours: which are hard to tell apart and for whom, and that those of the pages are not."""

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from geoseg.legend import HARMONISED, Colour, Legend
from geoseg.report.figures import RAMP, ramp
from geoseg.report.vision import KINDS, LEAST, clash_notes, clashes, contrast, differences, simulated

CSS = (Path(__file__).parents[2] / "geoseg/report/templates/page.css").read_text("utf-8")


def palette(dark: bool) -> dict[str, Colour]:
    """The named colours of the pages, on light or on dark ground."""
    blocks = re.findall(r":root \{([^}]*)\}", CSS)
    found = dict(re.findall(r"--([\w-]+): #([0-9a-f]+);", blocks[1 if dark else 0]))
    full = {name: value if len(value) == 6 else "".join(c * 2 for c in value) for name, value in found.items()}
    return {name: (int(v[0:2], 16), int(v[2:4], 16), int(v[4:6], 16)) for name, v in full.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_greys_look_the_same_to_everyone(kind: str) -> None:
    greys: list[Colour] = [(v, v, v) for v in (0, 60, 128, 255)]
    linear = simulated(greys, kind)
    assert np.allclose(linear, linear[:, :1], atol=2e-3)


def test_red_and_green_of_one_lightness_are_one_colour_without_the_cones_for_them() -> None:
    pair: list[Colour] = [(180, 80, 60), (112, 112, 50)]
    assert differences(pair)[0, 1] > 30
    assert min(differences(pair, kind)[0, 1] for kind in ("red-blind", "green-blind")) < 15
    assert differences(pair, "blue-blind")[0, 1] > 30


def test_differences_are_those_of_cielab() -> None:
    black_white = differences([(0, 0, 0), (255, 255, 255)])
    assert black_white[0, 1] == pytest.approx(100, abs=0.01), "from L 0 to L 100"
    red = differences([(255, 0, 0), (0, 0, 0)])[0, 1]
    assert red == pytest.approx(np.linalg.norm([53.24, 80.09, 67.20]), abs=0.05), "sRGB red in CIELAB, D65"


def test_classes_that_look_alike_are_named_with_those_who_cannot_tell_them_apart() -> None:
    legend = Legend.of({1: "a", 2: "b", 3: "c"}, {1: (200, 60, 60), 2: (28, 110, 60), 3: (202, 61, 60)})
    found = {(one.one, one.two): one.whom for one in clashes(legend)}
    assert found[("a", "c")] == ("everyone",)
    assert found[("a", "b")] and "everyone" not in found[("a", "b")]
    assert "a and c (everyone)" in clash_notes(legend)[0]
    assert clash_notes(Legend.of({1: "a"})) == clash_notes(Legend((), 0)) == ()


def test_every_clash_of_a_long_legend_is_told_or_counted() -> None:
    legend = Legend.of([f"class {i}" for i in range(30)])
    found = clashes(legend)
    assert len(found) > 8 and f"{len(found) - 8} more pairs" in clash_notes(legend)[0]


def test_the_harmonised_legends_clashes_are_known() -> None:
    assert all("everyone" not in one.whom for one in clashes(HARMONISED))


@pytest.mark.parametrize("dark", [False, True])
def test_text_can_be_read_and_drawings_be_seen(dark: bool) -> None:
    found = palette(dark)
    for ground in ("paper", "panel", "warn"):
        assert contrast(found["ink"], found[ground]) >= 7
        assert contrast(found["soft"], found[ground]) >= 4.5
    for name in ("accent", "lost", "won"):
        assert contrast(found[name], found["paper"]) >= 3, name
    assert contrast(found["accent"], found["paper"]) >= 4.5, "links"


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("kind", [None, *KINDS])
def test_the_pages_own_colours_differ_for_everyone(dark: bool, kind: str | None) -> None:
    found = palette(dark)
    assert differences([found["lost"], found["won"]], kind)[0, 1] > 3 * LEAST


@pytest.mark.parametrize("kind", [None, *KINDS])
def test_confidences_far_apart_have_colours_far_apart(kind: str | None) -> None:
    colours = ramp(RAMP, np.array([0, 20, 40, 60, 80, 100]))
    table = differences(colours, kind)
    assert all(table[i, j] > LEAST for i, j in combinations(range(len(colours)), 2))
