"""Coverage: how often 95 % intervals hold the truth, by size of the sample: draws from a synthetic scene of known classes.

    python -m bench.coverage [--draws 1000] [--sizes 100 300 1000 3000] [--side 2048]

The reference is the truth of ``geoseg synth``; the map is the truth laid off by two pixels to the south and one to the east,
with 3 % of its pixels taken from anywhere. Strata are the map's classes, or the same with a stratum along their borders.
Samples are allocated in proportion to area, or equally.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from bench.measure import save, say
from geoseg.accuracy.design import allocate, shares_of
from geoseg.accuracy.estimators import Labelled, Population, Ratios, ratios
from geoseg.accuracy.intervals import normal, score

INTERVALS = {"normal": normal, "score": score}
_AT_ONCE = 100


@dataclass(frozen=True)
class World:
    """All pixels of a map and its reference, by position of class, and their strata; ``true`` are the ratios' values."""

    mapped: np.ndarray
    reference: np.ndarray
    stratum: np.ndarray
    population: Population
    members: tuple[np.ndarray, ...]
    true: np.ndarray

    @classmethod
    def of(cls, mapped: np.ndarray, reference: np.ndarray, border: np.ndarray | None = None) -> World:
        """From class values (rows, cols); pixels of ``border`` are a stratum of their own."""
        values = np.unique(reference)
        m, r = (np.searchsorted(values, part).ravel() for part in (mapped, reference))
        k = len(values)
        stratum = m if border is None else np.where(border.ravel(), k, m)
        strata = int(stratum.max()) + 1
        n = np.bincount(stratum, minlength=strata)
        may = np.vstack([np.eye(k, dtype=bool), np.ones((strata - k, k), bool)])
        counts = np.bincount(m * k + r, minlength=k * k).reshape(k, k)
        hits = np.diag(counts)
        parts = [[hits.sum() / len(m)], counts.sum(0) / len(m), hits / counts.sum(1), hits / counts.sum(0)]
        members = tuple(np.flatnonzero(stratum == h) for h in range(strata))
        return cls(m, r, stratum, Population(n, n * 100.0, may), members, np.concatenate(parts))

    def draws(self, n: Sequence[int], draws: int, seed: int) -> Iterator[Ratios]:
        """Ratios of ``draws`` samples with ``n`` pixels a stratum, some samples beside each other."""
        for start in range(0, draws, _AT_ONCE):
            found = [self._draw(n, [seed, i]) for i in range(start, min(start + _AT_ONCE, draws))]
            wide = ("hit", "miss", "hit2", "miss2", "rest2", "may_hit", "may_miss", "may_rest")
            joined = (np.hstack([getattr(one, name) for one in found]) for name in wide)
            yield Ratios(*joined, found[0].area, found[0].noise, found[0].n)

    def _draw(self, n: Sequence[int], seed: Sequence[int]) -> Ratios:
        rng = np.random.default_rng(seed)
        taken = [part[rng.choice(len(part), size, replace=False)] for part, size in zip(self.members, n, strict=True)]
        at = np.concatenate(taken)
        sample = Labelled(self.stratum[at], self.mapped[at], self.reference[at], np.ones(len(at)))
        return ratios(self.population, sample)


def make_world(side: int, *, seed: int = 5, border: bool = False) -> World:
    """The map and the reference described above."""
    import rasterio

    import geoseg

    with TemporaryDirectory() as folder:
        made = geoseg.synth(Path(folder) / "synth", size=side, seed=seed, threads=1)
        with rasterio.open(made.truths[0]) as dataset:
            truth = dataset.read(1)
    rng = np.random.default_rng(seed)
    other = truth.ravel()[rng.integers(0, truth.size, truth.shape)]
    mapped = np.where(rng.random(truth.shape) < 0.03, other, np.roll(truth, (2, 1), (0, 1)))
    near = np.zeros(truth.shape, bool)
    for axis in (0, 1):
        edge = np.diff(np.roll(truth, (2, 1), (0, 1)), axis=axis) != 0
        before, after = [slice(None)] * 2, [slice(None)] * 2
        before[axis], after[axis] = slice(None, -1), slice(1, None)
        near[tuple(before)] |= edge
        near[tuple(after)] |= edge
    return World.of(mapped, truth, near if border else None)


def coverage(world: World, n: Sequence[int], draws: int, *, seed: int = 0) -> dict[str, dict[str, np.ndarray]]:
    """How often intervals hold the truth, by interval.

    ``held`` is the share among the draws that have one, ``width`` the mean one, ``known`` the share of draws that have one.
    """
    found: dict[str, list[Any]] = {name: [] for name in INTERVALS}
    for drawn in world.draws(n, draws, seed):
        true = np.tile(world.true, drawn.hit.shape[1] // len(world.true))
        for name, interval in INTERVALS.items():
            low, high = interval(drawn)
            held = np.where(np.isfinite(low), (low <= true + 1e-12) & (true <= high + 1e-12), np.nan)
            found[name].append(np.stack([held, high - low]).reshape(2, -1, len(world.true)))
    made = {}
    for name, parts in found.items():
        held, width = np.concatenate(parts, axis=1)
        made[name] = {"held": np.nanmean(held, 0), "width": np.nanmean(width, 0), "known": np.isfinite(held).mean(0)}
    return made


def allocated(world: World, total: int, allocation: str) -> list[int]:
    """Samples of each stratum, two at least."""
    return allocate(total, world.population.n_pixels, shares_of(allocation, world.population.area), minimum=2)


def main() -> None:
    """Draw and save."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 300, 1000, 3000])
    parser.add_argument("--side", type=int, default=2048)
    given = parser.parse_args()
    told: list[dict[str, Any]] = []
    for border in (False, True):
        world = make_world(given.side, border=border)
        k = len(world.population.may[0])
        parts = {"overall": slice(0, 1), "area": slice(1, 1 + k), "users": slice(1 + k, 1 + 2 * k)}
        parts["producers"] = slice(1 + 2 * k, None)
        for total in given.sizes:
            for allocation in ("proportional", "equal"):
                n, used = allocated(world, total, allocation), time.process_time()
                found = coverage(world, n, given.draws)
                row: dict[str, Any] = {"border_stratum": border, "total": total, "allocation": allocation, "n": n}
                for name, figures in found.items():
                    row[name] = {part: _percent(figures["held"][where]) for part, where in parts.items()}
                    row[name]["mean"] = round(100 * float(np.nanmean(figures["held"])), 2)
                row["width_score_over_normal"] = np.round(
                    found["score"]["width"] / found["normal"]["width"], 3
                ).tolist()
                row["cpu_s"] = round(time.process_time() - used, 1)
                told.append(row)
                say(f"{total} {allocation}{' with border' if border else ''}: {row['normal']} {row['score']}")
    save("coverage", {"draws": given.draws, "side": given.side, "rows": told})


def _percent(shares: np.ndarray) -> list[float]:
    return [round(100 * float(share), 1) for share in shares]


if __name__ == "__main__":
    main()
