"""Flicker: how much change two noisy maps show that lie half a pixel beside each other, and what geoseg makes of it.

    python -m bench.flicker [--side 512] [--seeds 5] [--changes 0 0.005 0.02 0.05] [--shift 0 0.5] [--noise 0.03] [--nearest]
    python -m bench.flicker --picture docs/flicker.png      # the picture in README.md

The true classes of a synthetic landscape at two dates; AFTER lies ``--shift`` (rows, cols) pixels beside BEFORE, and both have
``--noise`` of their pixels replaced by another class, any with the same chance. ``naive`` counts the pixels that differ;
``stated`` is geoseg's estimate with the overall accuracy of both maps given, ``specks`` the one from the maps alone,
``wrong`` with an accuracy that is a point too high: what the interval cannot know. ``tolerance`` is what ``--tolerance 1``
leaves. ``--nearest`` takes each pixel's class from one quarter of it and not from the most of it, as maps do that were resampled
by nearest from finer ones. :func:`figures` returns all of it; ``--picture FILE`` draws it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.measure import save, say

Bytes = npt.NDArray[np.uint8]
CHANGES = (0.0, 0.005, 0.02, 0.05)
CLASSES = 6


def main() -> None:
    """Measure and save."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--changes", type=float, nargs="+", default=list(CHANGES))
    parser.add_argument("--shift", type=float, nargs=2, default=[0.0, 0.5], metavar=("ROWS", "COLS"))
    parser.add_argument("--noise", type=float, default=0.03)
    parser.add_argument("--nearest", action="store_true", help="pixels show a quarter of what they cover")
    parser.add_argument("--picture", type=Path, help="PNG of truth, naive and ours")
    given = parser.parse_args()
    shift = (given.shift[0], given.shift[1])
    rows = figures(given.side, range(given.seeds), given.changes, shift=shift, noise=given.noise, nearest=given.nearest)
    for row in rows:
        low, high = row["stated"][1:]
        ours = f"{row['stated'][0]:.2%} ({low:.2%}-{high:.2%})"
        say(f"  seed {row['seed']} truth {row['truth']:.2%} naive {row['naive']:.2%} ours {ours}")
    inside = {kind: _inside(rows, kind) for kind in ("stated", "specks", "wrong")}
    save(
        "flicker",
        {
            "side": given.side,
            "shift": shift,
            "noise": given.noise,
            "nearest": given.nearest,
            "inside": inside,
            "runs": rows,
        },
    )
    if given.picture:
        draw(rows, given.picture)


def figures(
    side: int, seeds: range, changes: list[float] | tuple[float, ...] = CHANGES, *,
    shift: tuple[float, float] = (0.0, 0.5), noise: float = 0.03, nearest: bool = False,
) -> list[dict[str, Any]]:  # fmt: skip
    """One row for each seed and share of change: shares of the pixels, estimates as (value, low, high)."""
    from geoseg.compare.errors_model import estimate_change
    from geoseg.compare.lags import LagCounts
    from geoseg.compare.map_errors import MapErrors
    from geoseg.compare.tolerance import absorb

    rows = []
    for seed in seeds:
        for change in changes:
            before, after, truth = maps(side, seed, change, shift=shift, noise=noise, nearest=nearest)

            def read(window: Any, before: Bytes = before, after: Bytes = after) -> tuple[Bytes, Bytes]:
                return before[window.slices], after[window.slices]

            counts = LagCounts.count(read, before.shape, range(1, CLASSES + 1))
            row: dict[str, Any] = {"seed": seed, "asked": change, "truth": truth}
            row |= {"naive": _differ(before, after), "tolerance": _differ(before, absorb(before, after, 1))}
            for kind, accuracy in (("stated", 1 - noise), ("specks", None), ("wrong", 1.01 - noise)):
                known = None if accuracy is None else MapErrors.of_accuracy(accuracy, CLASSES)
                found = estimate_change(counts, known, known)
                assert found is not None
                row[kind] = (found.change, found.low, found.high)
                if kind == "stated":
                    row |= {"shift": found.shift, "statement": found.statement(), "significant": found.significant}
            rows.append(row)
    return rows


def maps(
    side: int, seed: int, change: float, *, shift: tuple[float, float], noise: float, nearest: bool = False
) -> tuple[Bytes, Bytes, float]:
    """BEFORE, AFTER, and the share of pixels of BEFORE's grid whose true class changes."""
    from affine import Affine
    from pyproj import CRS

    from geoseg.grid.geobox import GeoBox
    from geoseg.training.synth.change import dates
    from geoseg.training.synth.land import Date
    from geoseg.training.synth.scene import Landscape

    res, crs, fine = 10.0, CRS.from_epsg(32632).to_wkt(), 1 + nearest

    def landscape(down: float, right: float) -> Landscape:
        place = Affine(res / fine, 0, 500_000 + right * res, 0, -res / fine, 5_400_000 - down * res)
        return Landscape(GeoBox.of((side * fine, side * fine), place, crs), seed)

    def seen(there: Landscape, date: Date) -> Bytes:
        return there.truth(date, 0, side * fine)[::fine, ::fine]

    land = landscape(0, 0)
    first, second = dates(land, 2, change)
    before, after, moved = seen(land, first), seen(land, second), seen(landscape(*shift), second)
    return _noisy(before, noise, [seed, 1]), _noisy(moved, noise, [seed, 2]), _differ(before, after)


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Truth, what differs, and the estimate with its interval, in percent of the pixels; the same bytes each time."""
    import matplotlib
    from matplotlib.figure import Figure

    ordered = sorted(rows, key=lambda row: (row["asked"], row["seed"]))
    steps = sorted({row["asked"] for row in rows})
    at = np.array([n + steps.index(row["asked"]) for n, row in enumerate(ordered)])
    value, low, high = (100 * np.array([row["stated"][k] for row in ordered]) for k in range(3))
    with matplotlib.rc_context({**matplotlib.rcParamsDefault, "font.size": 9}):
        figure = Figure(figsize=(7, 3.2), layout="constrained")
        axes = figure.add_subplot()
        axes.bar(at, [100 * row["naive"] for row in ordered], color="#d8d8d8", label="pixel against pixel")
        axes.errorbar(
            at, value, [value - low, high - value], fmt="o", ms=3, capsize=3, color="#2666b8", label="geoseg, 95 %"
        )
        truth = [100 * row["truth"] for row in ordered]
        axes.plot(at, truth, "_", ms=12, mew=2, color="#c83c3c", label="truth", zorder=1.5)
        middle = [at[[row["asked"] == step for row in ordered]].mean() for step in steps]
        axes.set_xticks(middle, [f"{100 * step:g} % changed" for step in steps])
        axes.tick_params(axis="x", length=0)
        axes.set(ylabel="changed, % of the pixels")
        axes.legend(frameon=False, loc="upper left")
        figure.savefig(path, format="png", dpi=120, metadata={"Software": None})


def _noisy(classes: Bytes, rate: float, seed: list[int]) -> Bytes:
    rng = np.random.default_rng(seed)
    hit = rng.random(classes.shape) < rate
    out = classes.copy()
    out[hit] = (classes[hit] - 1 + rng.integers(1, CLASSES, int(hit.sum()))) % CLASSES + 1
    return out


def _differ(one: Bytes, other: Bytes) -> float:
    return float((one != other).mean())


def _inside(rows: list[dict[str, Any]], kind: str) -> str:
    held = sum(row[kind][1] <= row["truth"] <= row[kind][2] for row in rows)
    return f"{held} of {len(rows)}"


if __name__ == "__main__":
    main()
