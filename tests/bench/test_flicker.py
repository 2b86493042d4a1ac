"""README's table and picture are what bench/flicker.py finds and draws."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.flicker import draw, figures

PICTURE = "docs/flicker.png"


@pytest.fixture(scope="module")
def readme(root: Path) -> str:
    return (root / "README.md").read_text(encoding="utf-8")


def test_the_picture_has_the_same_bytes_each_time(tmp_path: Path) -> None:
    rows = [
        {"seed": seed, "asked": asked, "truth": asked, "naive": 0.1, "stated": (asked, asked / 2, asked + 0.01)}
        for seed in (1, 0)
        for asked in (0.02, 0.0)
    ]
    for name in "ab":
        draw(rows, tmp_path / f"{name}.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_the_readme_shows_the_picture_and_its_command(readme: str, root: Path) -> None:
    assert f"({PICTURE})" in readme
    assert f"`python -m bench.flicker --picture {PICTURE}`" in readme
    assert (root / PICTURE).stat().st_size < 150_000


@pytest.mark.slow
def test_the_readme_says_what_is_measured(readme: str, root: Path, tmp_path: Path) -> None:
    rows = figures(512, range(5))
    said = re.findall(r"^\| ([\d.]+) % \| ([\d.]+) % \| ([\d.]+) % \| ([\d.]+) to ([\d.]+) % \|$", readme, re.MULTILINE)
    found = [(row["truth"], row["naive"], *row["stated"]) for row in rows if row["seed"] == 0]
    assert np.array(said, np.float64) == pytest.approx(100 * np.array(found), abs=0.0501)
    assert all(row["stated"][1] <= row["truth"] <= row["stated"][2] for row in rows)
    assert all(row["naive"] > 3 * row["truth"] for row in rows if row["asked"] <= 0.02)

    draw(rows, tmp_path / "now.png")
    here, now = (
        np.asarray(Image.open(path).convert("L"), np.float64) for path in (root / PICTURE, tmp_path / "now.png")
    )
    assert here.shape == now.shape
    assert np.abs(here - now).mean() < 4, "another matplotlib may move letters, not bars"
