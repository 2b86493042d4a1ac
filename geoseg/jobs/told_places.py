"""Told places: what ``run.json`` says of a map's confidence, and of numbered places: where they are, and what is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.grid.geobox import GeoBox, Window
from geoseg.legend import Legend
from geoseg.mask.spots import ConfidenceCounter, Spot, find_spots, most_common, scaled
from geoseg.raster.georef import lonlat

_HALF = 50
_CHANGED = 0.02
"""Share of a square that has to have changed for it to be named."""


def confidence_facts(
    counter: ConfidenceCounter, geobox: GeoBox, legend: Legend, read: Callable[[Window], NDArray[Any]]
) -> dict[str, Any]:
    """Histogram (pixels of 0-100 %), means, and the places that are least sure; ``read`` gives the mask."""
    counts = counter.counts
    classes = [
        {"class_id": item.value, "class_name": item.name, **_mean_and_low(counts[item.value])}
        for item in legend.classes
        if counts[item.value].any()
    ]

    def named(window: Window) -> str | None:
        value = most_common(read(window), legend.nodata)
        return None if value is None else legend.names.get(value)

    places = place_facts([(spot, 1 - spot.mean) for spot in counter.spots()], geobox, named)
    return {
        "each": counter.each, "histogram": counts.sum(axis=0).tolist(), **_mean_and_low(counts.sum(axis=0)),
        "by_class": classes, "places": places,
    }  # fmt: skip


def change_places(codes: NDArray[np.uint16], step: int, geobox: GeoBox, names: dict[int, str]) -> list[dict[str, Any]]:
    """The places where most has changed.

    Parameters
    ----------
    codes
        uint16 (rows, cols): ``before * 256 + after`` of each ``step``-th pixel, 0 without data.
    names
        Of the classes.
    """
    changed = (codes != 0) & (codes >> 8 != codes & 255)
    return changed_places(codes, changed, step, geobox, lambda code: f"{names[code >> 8]} → {names[code & 255]}")


def changed_places(
    values: NDArray[Any], changed: NDArray[np.bool_], step: int, geobox: GeoBox, name_of: Callable[[int], str]
) -> list[dict[str, Any]]:
    """The places with the largest share of ``changed`` pixels, each with the name of the value that most of them have.

    ``values`` and ``changed`` are of each ``step``-th pixel; a value of 0 is no data.
    """

    def named(window: Window) -> str | None:
        rows = slice(window.row // step, -(-(window.row + window.height) // step))
        cols = slice(window.col // step, -(-(window.col + window.width) // step))
        value = most_common(np.where(changed[rows, cols], values[rows, cols], 0), 0)
        return None if value is None else name_of(value)

    spots = find_spots(changed, values != 0, least=_CHANGED)
    found = [(Spot(scaled(spot.window, step, geobox.shape), spot.mean), spot.mean) for spot in spots]
    return place_facts(found, geobox, named)


def place_facts(
    spots: Sequence[tuple[Spot, float]], geobox: GeoBox, named: Callable[[Window], str | None]
) -> list[dict[str, Any]]:
    """Spots with the value that is told of each: the middle as row and column, in the CRS, and as longitude and latitude."""
    return [_place(spot.window, value, geobox, named(spot.window)) for spot, value in spots]


def _place(window: Window, value: float, geobox: GeoBox, name: str | None) -> dict[str, Any]:
    row, col = window.row + window.height / 2, window.col + window.width / 2
    x, y = geobox.affine @ (col, row)
    on_earth = lonlat(geobox, [(row, col)])
    lon, lat = on_earth[0] if on_earth else (None, None)
    return {
        "row": int(row), "col": int(col), "rows": window.height, "cols": window.width, "x": float(x), "y": float(y),
        "lon": lon, "lat": lat, "value": value, "class_name": name,
    }  # fmt: skip


def _mean_and_low(counts: NDArray[np.int64]) -> dict[str, float]:
    total = int(counts.sum()) or 1
    return {
        "mean": float((counts * np.arange(len(counts))).sum()) / total / 100,
        "below_50": int(counts[:_HALF].sum()) / total,
    }
