"""Look: how a scene becomes a picture: which bands are red, green and blue, and what is black and white."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

COMPOSITES = (
    (("red", "green", "blue"), "true colour"),
    (("nir", "red", "green"), "false colour: vegetation is red"),
    (("swir1", "nir", "red"), "false colour: vegetation is green"),
)
"""Bands by name and what is said of them; the first that a scene has is taken."""
TAILS = (2.0, 98.0)
"""Percentiles that become black and white."""
LIFT = 0.75
"""The power of a share of the range; below 1 it lifts the dark: most of a scene is darker than the middle of its range."""


def composite(names: Sequence[str]) -> tuple[list[int], str]:
    """Places of the bands that are red, green and blue, and what is said of them; of a scene without such bands one, and ''.

    Parameters
    ----------
    names
        As :func:`geoseg.raster.dated.pictured` gives them: lower case; a band with an empty one is not shown.
    """
    for wanted, said in COMPOSITES:
        if all(name in names for name in wanted):
            return [names.index(name) for name in wanted], said
    return [next(i for i, name in enumerate(names) if name)], ""


def limits(values: NDArray[Any], valid: NDArray[np.bool_]) -> tuple[float, float]:
    """What becomes black and what white, of valid finite values; two numbers of which the second is the larger."""
    usable = values[valid & np.isfinite(values)].astype(np.float64)
    if not usable.size:
        return 0.0, 1.0
    low, high = (float(value) for value in np.percentile(usable, TAILS))
    return (low, high) if high > low else (low, low + 1.0)


def stretched(values: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """Values as 0 at ``low`` and below to 255 at ``high`` and above, the dark lifted; NaN is 0."""
    share = (values - low) / (high - low if high > low else 1.0)
    return np.asarray(np.nan_to_num(np.clip(share, 0, 1)) ** LIFT * 255 + 0.5, np.uint8)
