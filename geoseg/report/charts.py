"""Charts: lines of numbers, laid out in shares (percent of width and height) for a drawing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MOST_POINTS = 400


@dataclass(frozen=True, slots=True)
class Line:
    """A line as ``points`` of an SVG of 100 by 100, the same smoothed where that was asked for, and the ends of both axes."""

    points: str
    smooth: str
    left: float
    right: float
    bottom: float
    top: float
    last: float


def curve_of(points: Sequence[tuple[float, float]], *, smooth: bool = False, top: float | None = None) -> Line | None:
    """A line through (x, y) in their order; None with fewer than two. ``top`` of the upright axis; None: the largest y."""
    table = np.array([p for p in points if np.isfinite(p).all()], np.float64).reshape(-1, 2)
    if len(table) < 2:
        return None
    table = _fewer(table)
    x, y = table.T
    left, right, bottom = float(x.min()), float(x.max()), min(float(y.min()), 0.0)
    top = max(float(y.max()) if top is None else top, bottom + 1e-9)

    def drawn(values: NDArray[np.float64]) -> str:
        across = 100 * (x - left) / ((right - left) or 1)
        up = 100 - 100 * np.clip((values - bottom) / (top - bottom), 0, 1)
        return " ".join(f"{a:.2f},{b:.2f}" for a, b in zip(across, up, strict=True))

    return Line(drawn(y), drawn(_smooth(y)) if smooth else "", left, right, bottom, top, float(y[-1]))


def reliability_of(table: Sequence[Mapping[str, Any]]) -> Line | None:
    """Accuracy by confidence (``reliability`` of ``scores.json``), both 0-1; None where nothing was counted."""
    known = [
        (row["confidence"], row["accuracy"]) for row in table if row.get("pixels") and row.get("accuracy") is not None
    ]
    if not known:
        return None
    points = " ".join(f"{100 * c:.2f},{100 - 100 * a:.2f}" for c, a in known)
    return Line(points, "", 0, 1, 0, 1, float(known[-1][1]))


def _fewer(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means of neighbours, so that there are at most 400 points."""
    n = -(-len(table) // _MOST_POINTS)
    starts = np.arange(0, len(table), n)
    return np.asarray(np.add.reduceat(table, starts) / np.diff([*starts, len(table)])[:, None])


def _smooth(y: NDArray[np.float64]) -> NDArray[np.float64]:
    """A moving mean over a twentieth of all, of what there is at the ends."""
    width = max(1, len(y) // 20)
    box = np.ones(width)
    return np.asarray(np.convolve(y, box, "same") / np.convolve(np.ones(len(y)), box, "same"))
