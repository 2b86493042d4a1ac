"""Flicker: how much change two noisy maps show that lie half a pixel beside each other, and what geoseg makes of it.

    python -m bench.flicker [--side 512] [--seeds 5] [--changes 0 0.005 0.02 0.05] [--shift 0 0.5] [--noise 0.03]

The true classes of a synthetic landscape at two dates; AFTER lies ``--shift`` (rows, cols) pixels beside BEFORE, and both have
``--noise`` of their pixels replaced by another class, any with the same chance. ``naive`` counts the pixels that differ;
``stated`` is geoseg's estimate with the overall accuracy of both maps given, ``specks`` the one from the maps alone,
``wrong`` with an accuracy that is a point too high: what the interval cannot know. ``tolerance`` is what ``--tolerance 1``
leaves. :func:`figures` returns all of it; ``--picture FILE`` draws it.
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
    parser.add_argument("--picture", type=Path, help="PNG of truth, naive and ours")
    given = parser.parse_args()
    shift = (given.shift[0], given.shift[1])
    rows = figures(given.side, range(given.seeds), given.changes, shift=shift, noise=given.noise)
    for row in rows:
        low, high = row["stated"][1:]
        ours = f"{row['stated'][0]:.2%} ({low:.2%}-{high:.2%})"
        say(f"  seed {row['seed']} truth {row['truth']:.2%} naive {row['naive']:.2%} ours {ours}")
    inside = {kind: _inside(rows, kind) for kind in ("stated", "specks", "wrong")}
    save("flicker", {"side": given.side, "shift": shift, "noise": given.noise, "inside": inside, "runs": rows})
    if given.picture:
        draw(rows, given.picture)


def figures(
    side: int, seeds: range, changes: list[float] | tuple[float, ...] = CHANGES, *,
    shift: tuple[float, float] = (0.0, 0.5), noise: float = 0.03,
) -> list[dict[str, Any]]:  # fmt: skip
    """One row for each seed and share of change: shares of the pixels, estimates as (value, low, high)."""
    from geoseg.compare.errors_model import estimate_change
    from geoseg.compare.lags import LagCounts
    from geoseg.compare.map_errors import MapErrors
    from geoseg.compare.tolerance import absorb

    rows = []
    for seed in seeds:
        for change in changes:
            before, after, truth = maps(side, seed, change, shift=shift, noise=noise)

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
    side: int, seed: int, change: float, *, shift: tuple[float, float], noise: float
) -> tuple[Bytes, Bytes, float]:
    """BEFORE, AFTER, and the share of pixels of BEFORE's grid whose true class changes."""
    from affine import Affine
    from pyproj import CRS

    from geoseg.grid.geobox import GeoBox
    from geoseg.train.synth.change import dates
    from geoseg.train.synth.scene import Landscape

    res, crs = 10.0, CRS.from_epsg(32632).to_wkt()

    def landscape(down: float, right: float) -> Landscape:
        place = Affine(res, 0, 500_000 + right * res, 0, -res, 5_400_000 - down * res)
        return Landscape(GeoBox.of((side, side), place, crs), seed)

    land = landscape(0, 0)
    first, second = dates(land, 2, change)
    before, after = land.truth(first, 0, side), land.truth(second, 0, side)
    moved = landscape(*shift).truth(second, 0, side)
    return _noisy(before, noise, [seed, 1]), _noisy(moved, noise, [seed, 2]), _differ(before, after)


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Truth, what differs, and the estimate with its interval, in percent of the pixels."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    ordered = sorted(rows, key=lambda row: (row["asked"], row["seed"]))
    at = np.arange(len(ordered))
    value, low, high = (100 * np.array([row["stated"][k] for row in ordered]) for k in range(3))
    axes.bar(at, [100 * row["naive"] for row in ordered], color="#d8d8d8", label="pixels that differ")
    axes.errorbar(
        at, value, [value - low, high - value], fmt="o", ms=4, capsize=3, color="#2666b8", label="geoseg, 95 %"
    )
    axes.plot(at, [100 * row["truth"] for row in ordered], "_", ms=14, mew=2, color="#c83c3c", label="truth")
    axes.set_xticks(at, [f"{100 * row['asked']:g}" for row in ordered])
    axes.set(xlabel="change asked of the landscape, % (one bar a landscape)", ylabel="changed, % of the pixels")
    axes.legend(frameon=False, loc="upper left")
    figure.savefig(path, dpi=150, metadata={"Software": None})


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
