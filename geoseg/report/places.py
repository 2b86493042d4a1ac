"""Places: numbered places of a map with their coordinates, as lines for a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MOST_PLACES = 20
PLACES_NOTE = (
    "The squares of the map of which the largest share changed, far from each other; numbers as in the picture. Row and column "
    "of the square's middle, counted from 0"
)


@dataclass(frozen=True, slots=True)
class PlaceLine:
    """One place: what was measured there (0-1), the largest class, and where its middle is."""

    value: float
    name: str
    lonlat: str
    xy: str
    row: int
    col: int


def place_lines(told: Mapping[str, Any]) -> tuple[PlaceLine, ...]:
    """Lines of ``told["places"]``, in their order."""
    return tuple(
        PlaceLine(
            float(place["value"]), str(place.get("class_name") or "-"), _lonlat(place),
            f"{place['x']:.10g}, {place['y']:.10g}", int(place["row"]), int(place["col"]),
        )
        for place in list(told.get("places") or ())[:MOST_PLACES]
    )  # fmt: skip


def _lonlat(place: Mapping[str, Any]) -> str:
    if place.get("lon") is None:
        return "-"
    return f"{place['lat']:.5f}, {place['lon']:.5f}"
