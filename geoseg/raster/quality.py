"""Quality: which flags of a QA or scene-classification layer make a pixel nodata.

Sentinel-2 SCL values: 0 no data, 1 saturated or defective, 2 dark, 3 cloud shadow, 4 vegetation, 5 bare, 6 water,
7 unclassified, 8 cloud (medium probability), 9 cloud (high), 10 thin cirrus, 11 snow (L2A product definition).
Landsat Collection 2 QA_PIXEL bits: 0 fill, 1 dilated cloud, 2 cirrus, 3 cloud, 4 cloud shadow, 5 snow, 6 clear, 7 water;
8-15 are confidences in pairs (LSDS-1619).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import UsageError
from geoseg.raster.band import Quality

SCL_CLOUDS = (3, 8, 9, 10)
QA_PIXEL_CLOUDS = (1, 2, 3, 4)


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asked for: a flag layer (a file, or the name of a band) and what in it means nodata."""

    source: str
    values: tuple[int, ...] = ()
    bits: tuple[int, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Request | None:
        """Read ``none``, ``clouds``, ``SOURCE:values=3,8,9`` or ``SOURCE:bits=3,4``; None for ``none``."""
        if text == "none":
            return None
        if text == "clouds":
            return cls("")
        source, _, rule = text.rpartition(":")
        kind, _, numbers = rule.partition("=")
        try:
            flags = tuple(int(number) for number in numbers.split(","))
        except ValueError:
            flags = ()
        highest = {"values": 2**16 - 1, "bits": 15}.get(kind, -1)
        if not source or not flags or not all(0 <= flag <= highest for flag in flags):
            raise UsageError.of(
                "QUALITY",
                text,
                "is not a rule for flags",
                "Write none, clouds, FILE:values=3,8,9 or FILE:bits=3,4 (or a band's name for FILE)",
            )
        return cls(source, **{kind: flags})


def flagged(flags: NDArray[Any], quality: Quality) -> NDArray[np.bool_]:
    """Say where a pixel is to become nodata.

    Parameters
    ----------
    flags
        Any shape; integers, or floats as NetCDF decoders leave them (NaN is not flagged).
    quality
        Its ``values`` and ``bits``.
    """
    if flags.dtype.kind == "f":
        flags = np.where(np.isfinite(flags), flags, -1).astype(np.int32)
    if flags.dtype.itemsize > 2:
        inside = (flags >= 0) & (flags < 2**16)
        return np.asarray(inside & _table(quality)[np.where(inside, flags, 0).astype(np.uint16)])
    return np.asarray(_table(quality)[flags.astype(np.uint16, copy=False)])


def _table(quality: Quality) -> NDArray[np.bool_]:
    numbers = np.arange(2**16)
    table: NDArray[np.bool_] = np.isin(numbers, quality.values) | (
        (numbers & sum(1 << bit for bit in quality.bits)) != 0
    )
    return table
