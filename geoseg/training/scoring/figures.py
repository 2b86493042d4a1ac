"""Figures: the confusion and the calibration as pictures, the same bytes for the same counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from geoseg.errors import UsageError
from geoseg.raster.files import complete_or_absent
from geoseg.training.figure import blank_figure

_DPI = 110
_MOST_WRITTEN = 20
"""Classes up to which each field of the confusion has its numbers written in."""


def confusion_png(path: str | Path, table: Mapping[str, Any], title: str) -> None:
    """Draw the confusion: a row for each class of the labels; colour and first number are shares of the row, then pixels.

    Parameters
    ----------
    table
        ``confusion`` of ``scores.json``: names of classes, counts, missed.
    """
    counts = np.array(table["counts"], np.int64)
    missed = np.array(table["missed"], np.int64)
    columns = list(table["classes"])
    if missed.any():
        counts, columns = np.column_stack([counts, missed]), [*columns, "not mapped"]
    total = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, total, out=np.zeros(counts.shape), where=total > 0)
    rows, cols = counts.shape
    with _figure(path, 3.2 + 0.85 * cols, 2.2 + 0.6 * rows) as figure:
        axes = figure.subplots()
        shown = axes.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        axes.set_xticks(range(cols), [_short(name) for name in columns], rotation=40, ha="right")
        axes.set_yticks(range(rows), [_short(name) for name in table["classes"]])
        axes.set_xlabel("map")
        axes.set_ylabel("labels")
        axes.set_title(_short(title, 80), fontsize=10)
        if rows <= _MOST_WRITTEN:
            for i, j in np.ndindex(rows, cols):
                if total[i]:
                    colour = "white" if share[i, j] > 0.6 else "black"
                    text = f"{100 * share[i, j]:.0f} %\n{counts[i, j]:,}"
                    axes.text(j, i, text, ha="center", va="center", fontsize=8, color=colour)
        figure.colorbar(shown, ax=axes, label="share of the labels' class")


def reliability_png(path: str | Path, table: list[dict[str, Any]], error: float | None, title: str) -> None:
    """Draw accuracy by confidence, and how many pixels have which confidence.

    Parameters
    ----------
    table
        ``reliability`` of ``scores.json``.
    error
        The expected calibration error.
    """
    middle = np.array([(row["low"] + row["high"]) / 2 for row in table])
    pixels = np.array([row["pixels"] for row in table], np.float64)
    known = pixels > 0
    with _figure(path, 5.2, 5.6) as figure:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        upper.plot([0, 1], [0, 1], color="0.6", linestyle="--", label="calibrated")
        accuracy = np.array([row["accuracy"] for row in table], np.float64)
        confidence = np.array([row["confidence"] for row in table], np.float64)
        upper.plot(confidence[known], accuracy[known], marker="o", color="#2670b8", label="this map")
        upper.set_ylabel("share of right pixels")
        upper.set_ylim(0, 1)
        said = "" if error is None else f"expected calibration error {error:.3f}"
        upper.set_title(f"{_short(title, 60)}\n{said}", fontsize=10)
        upper.legend(loc="upper left")
        share = pixels / max(pixels.sum(), 1)
        lower.bar(middle, share, width=1 / len(table), color="#2670b8", edgecolor="white")
        lower.set_xlim(0, 1)
        lower.set_xlabel("confidence")
        lower.set_ylabel("share of pixels")


@contextmanager
def _figure(path: str | Path, wide: float, high: float) -> Iterator[Any]:
    """A figure in inches that becomes a PNG, complete or not at all."""
    if Path(path).suffix.lower() != ".png":
        raise UsageError.of("FORMAT", path, "a figure is a PNG", "Name it .png")
    with blank_figure(min(wide, 40), min(high, 40), dpi=_DPI) as figure:
        yield figure
        with complete_or_absent(path) as temporary:
            figure.savefig(temporary, format="png", metadata={"Software": None})


def _short(name: str, most: int = 28) -> str:
    one_line = " ".join(name.split()).replace("$", r"\$")  # no formula
    return one_line if len(one_line) <= most else f"{one_line[: most - 1]}…"
