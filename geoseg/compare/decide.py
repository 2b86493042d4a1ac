"""Decide: which of the differences between two maps count as change, window by window.

A rule never invents a class: where a difference does not count, the pixel keeps the class of BEFORE. So the sums of BEFORE
are the same with and without rules.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from geoseg.compare.maps import Bytes, Pair
from geoseg.compare.significance import confident, joint_probability
from geoseg.compare.tolerance import absorb, halo
from geoseg.grid.geobox import Window

Codes = npt.NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Rules:
    """What a difference needs to count: see :class:`geoseg.compare.settings.ChangeSettings`."""

    tolerance: int = 0
    confidence_min: float = 0.0
    joint_min: float = 0.0

    @property
    def any(self) -> bool:
        """False when every difference counts."""
        return bool(self.tolerance or self.confidence_min or self.joint_min)


@dataclass(frozen=True, slots=True)
class Dropped:
    """Pixels whose difference does not count, by the first rule that said so; they add up."""

    tolerance_px: int = 0
    confidence_px: int = 0
    joint_px: int = 0
    min_area_px: int = 0

    def __add__(self, other: Self) -> Self:
        """The sums."""
        return type(self)(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


class Decision(NamedTuple):
    """A window: the maps as they are, AFTER by the rules (joined values, uint8), and what the rules dropped."""

    before: Bytes
    observed: Bytes
    after: Bytes
    dropped: Dropped

    @property
    def codes(self) -> Codes:
        """Change codes, uint16 (rows, cols): before * 256 + after; 0 where either date has no class."""
        return codes_of(self.before, self.after)


@dataclass(frozen=True, slots=True, eq=False)
class Decider:
    """Applies the rules to a pair; picklable."""

    pair: Pair
    rules: Rules = Rules()

    def __call__(self, window: Window) -> Decision:
        """Decide on a window; the same pixels whatever the window."""
        radius = self.rules.tolerance
        wide = window.buffer(halo(radius), self.pair.geobox.shape)
        inner = window.within(wide).slices
        before, observed = self.pair.read(wide)
        tolerated = absorb(before, observed, radius)[inner] if radius else observed[inner]
        before, observed = before[inner], observed[inner]
        by_tolerance = int(np.count_nonzero(tolerated != observed)) if radius else 0
        after, by_confidence = self._confident(window, before, tolerated)
        after, by_joint = self._probable(window, before, after)
        return Decision(before, observed, after, Dropped(by_tolerance, by_confidence, by_joint))

    def _confident(self, window: Window, before: Bytes, after: Bytes) -> tuple[Bytes, int]:
        if not self.rules.confidence_min:
            return after, 0
        kept = confident(*self.pair.read_confidence(window), self.rules.confidence_min)
        return (after, 0) if kept is None else _keep(before, after, kept)

    def _probable(self, window: Window, before: Bytes, after: Bytes) -> tuple[Bytes, int]:
        found = self.pair.read_probabilities(window) if self.rules.joint_min else None
        if found is None:
            return after, 0
        rank = np.zeros(256, np.uint8)
        rank[list(self.pair.legend.values)] = np.arange(1, len(self.pair.legend.classes) + 1)
        kept = joint_probability(rank[before], rank[after], *found) >= self.rules.joint_min
        return _keep(before, after, kept)


def codes_of(before: Bytes, after: Bytes) -> Codes:
    """Change codes, uint16: before * 256 + after; 0 where either is 0."""
    from geoseg.compare.transition_kernels import pair_codes

    codes: Codes = pair_codes(before, after)
    return codes


def changed_only(codes: Codes) -> Codes:
    """The codes of pixels that changed, 0 for all others."""
    from geoseg.compare.transition_kernels import changed_codes

    changed: Codes = changed_codes(codes)
    return changed


def _keep(before: Bytes, after: Bytes, kept: npt.NDArray[np.bool_]) -> tuple[Bytes, int]:
    """AFTER where a change is kept, BEFORE where it is not, and how many pixels that are."""
    lost = (before != after) & (before != 0) & (after != 0) & ~kept
    return np.where(lost, before, after), int(np.count_nonzero(lost))
