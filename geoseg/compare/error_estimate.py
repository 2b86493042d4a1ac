"""Error estimate: what two maps' own errors explain of their difference and what is left of it, in figures and in a sentence."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from geoseg.compare.map_errors import MapErrors

Floats = npt.NDArray[np.float64]

ASSUMES = (
    "errors of the two maps are independent of each other and from pixel to pixel",
    "the stated errors hold for these maps",
    "one shift for the whole, of at most two pixels",
)
_SPECKS = "errors larger than a pixel were not stated, and count as change"


@dataclass(frozen=True, slots=True, eq=False)
class ErrorEstimate:
    """What is observed, what errors explain, and the change that is left; shares of the pixels compared.

    Attributes
    ----------
    observed
        Share of pixels whose class differs.
    explained, explained_low, explained_high
        Share that would differ if nothing had changed, with its interval.
    raw, below, above
        The estimate of the true change, below 0 where less differs than errors make differ, and how far its interval
        reaches; :attr:`change`, :attr:`low` and :attr:`high` are cut to what a share can be.
    shift
        Fitted, (rows, cols) pixels that AFTER's content lies down and right.
    matrix
        Estimated true transitions, float64 (classes, classes): shares that add to 1, none below 0; off the diagonal they
        add to ``change``.
    """

    observed: float
    explained: float
    explained_low: float
    explained_high: float
    raw: float
    below: float
    above: float
    shift: tuple[float, float]
    matrix: Floats
    errors: tuple[MapErrors, MapErrors]
    n_pixels: int
    whole: bool

    @property
    def change(self) -> float:
        """True change, estimated."""
        return min(max(self.raw, 0.0), 1.0)

    @property
    def low(self) -> float:
        """Lower end of the 95 % interval of the true change."""
        return min(max(self.raw - self.below, 0.0), 1.0)

    @property
    def high(self) -> float:
        """Upper end of the 95 % interval of the true change; what is observed where the errors contradict it."""
        return min(self.raw + self.above, 1.0) if self.consistent else self.observed

    @property
    def consistent(self) -> bool:
        """Whether the errors can be what they are said to be: not when less differs than they alone would make differ."""
        return self.raw + self.above >= 0

    @property
    def significant(self) -> bool:
        """Whether more changed than the errors explain."""
        return self.low > 0 and self.observed > self.explained_high

    def of_whole(self, observed: float) -> ErrorEstimate:
        """The same for the share observed in all pixels, where the estimate looked at some of them."""
        raw = self.raw + observed - self.observed
        made = replace(self, observed=observed, raw=raw)
        return replace(made, matrix=scaled(self.matrix, made.change))

    def statement(self) -> str:
        """In plain words."""
        if not self.observed:
            return "No pixel differs."
        shift = float(np.hypot(*self.shift))
        fits = shift >= 0.05 and self.consistent  # else nothing was left to fit a shift to
        moved = f" and a shift of {shift:.2f} px" if fits else ""
        errors = f"the two maps' own errors{moved}"
        span, low, high = (
            f"{_percent(one)}-{_percent(other)} %" if _percent(one) != _percent(other) else f"{_percent(one)} %"
            for one, other in (
                (self.explained_low, self.explained_high), (self.low, self.low), (self.high, self.high)
            )
        )  # fmt: skip
        if any(one.specks for one in self.errors):
            left = f"{_percent(self.change)} % ({low.removesuffix(' %')}-{high})" if self.high > 0 else "none"
            return (
                f"{_percent(self.observed)} % of the pixels differ; single wrong pixels{moved} alone would make it {span}. "
                f"What is left, {left}, is change together with the maps' larger errors, which are not known without "
                "their accuracy (--before-errors, --after-errors)."
            )
        if not self.consistent:
            return (
                f"The observed change of {_percent(self.observed)} % is less than {errors} would make ({span}) if they were "
                "independent: the maps share errors, or have fewer; how much has changed cannot be told."
            )
        if not self.significant:
            more = f"; at most {high} can have changed" if self.high > 0 else ""
            return (
                f"The observed change of {_percent(self.observed)} % is no more than {errors} explain ({span}){more}."
            )
        left = f"{_percent(self.change)} % ({low.removesuffix(' %')}-{high})"
        return (
            f"{_percent(self.observed)} % of the pixels differ; {errors} alone would make it {span}: "
            f"about {left} have changed."
        )

    def to_json(self) -> dict[str, Any]:
        """All figures, rounded, with the assumptions."""
        assumes = [*ASSUMES, *([_SPECKS] if any(errors.specks for errors in self.errors) else [])]
        return {
            "observed": _rounded(self.observed),
            "explained": _span(self.explained, self.explained_low, self.explained_high),
            "change": _span(self.change, self.low, self.high),
            "significant": self.significant, "consistent": self.consistent,
            "shift": {"rows": _rounded(self.shift[0]), "cols": _rounded(self.shift[1])},
            "matrix_share": [[_rounded(value) for value in row] for row in self.matrix],
            "before": self.errors[0].to_json(), "after": self.errors[1].to_json(),
            "pixels": self.n_pixels, "all_pixels": self.whole, "level": 0.95, "assumes": assumes,
        }  # fmt: skip


def scaled(matrix: Floats, change: float) -> Floats:
    """Shares of transitions (classes, classes) with ``change`` off the diagonal, and the rest on it."""
    still = np.diag(np.diagonal(matrix))
    off = matrix - still
    return np.asarray(
        off * (change / off.sum() if off.sum() > 0 else 0.0) + still * ((1 - change) / max(still.sum(), 1e-12))
    )


def _percent(share: float) -> str:
    """Two digits that count: 13, 4.9, 0.52."""
    value = 100 * share
    return f"{value:.0f}" if value >= 19.95 else f"{value:.1f}" if value >= 0.995 else f"{value:.2f}"


def _span(value: float, low: float, high: float) -> dict[str, float]:
    return {"value": _rounded(value), "low": _rounded(low), "high": _rounded(high)}


def _rounded(value: float) -> float:
    return round(float(value), 7)
