"""Tiles: the layers of a run as pictures of 256 points, from pixels that are kept for the next look at them."""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from geoseg.legend import Legend
from geoseg.raster.look import TAILS, stretched
from geoseg.raster.mercator import MOST_ZOOM, SIDE, Thinned, Tile, TileSource, native_zoom, read_small, read_tile, thin
from geoseg.view.layers import AFTER, BEFORE, CHANGE, RAMP, SCENE, Found, MapLayer, Scale
from geoseg.view.memory import Memory

log = logging.getLogger(__name__)

Pixels = tuple[NDArray[Any], NDArray[np.bool_]]
Rgba = NDArray[np.uint8]

STRETCHES = {"normal": TAILS, "strong": (10.0, 90.0), "full": (0.0, 100.0)}
"""Percentiles that become black and white."""
_OLD = 0.2
"""How much of the colour of a change is that of its class before."""
_KEPT = 192 << 20
_NOTHING: Pixels = (np.zeros(0), np.zeros(0, bool))


@dataclass(frozen=True, slots=True)
class Look:
    """How a tile is drawn: classes that are left out (``hidden_from``: those before a change), composite and stretch."""

    hidden: frozenset[int] = frozenset()
    hidden_from: frozenset[int] = frozenset()
    composite: str = ""
    stretch: str = "normal"


class MapTiles:
    """Draws the tiles of a run's layers; for threads."""

    def __init__(self, found: Found) -> None:
        """Nothing is read yet."""
        self.layers = {layer.key: layer for layer in found.layers}
        self.zoom = min(
            native_zoom([source.geobox for layer in found.layers for source in layer.sources[:1]]), MOST_ZOOM - 2
        )
        self._pixels: Memory[tuple[TileSource, Tile], Pixels] = Memory(_KEPT, lambda two: two[0].nbytes + two[1].nbytes)
        self._ranges: dict[TileSource, Mapping[float, float]] = {}
        self._thinned: dict[TileSource, Thinned | None] = {}
        self._locks: dict[TileSource, threading.Lock] = {
            source: threading.Lock() for layer in found.layers for source in layer.sources
        }
        self._stop = threading.Event()

    def close(self) -> None:
        """End what is still being read."""
        self._stop.set()

    @property
    def max_zoom(self) -> int:
        """The largest zoom that has tiles; larger ones would show the same pixels."""
        return self.zoom + 2

    def picture(self, key: str, tile: Tile, look: Look) -> bytes:
        """A tile as PNG, transparent where there is nothing."""
        layer = self.layers[key]
        if layer.kind == SCENE:
            drawn = self._scene(layer, tile, look)
        else:
            values, valid = self._read(layer.sources[0], tile)
            drawn = _coloured(layer, values, valid, look) if valid.size else None
        return _png(drawn)

    def values_at(self, key: str, at: Mapping[TileSource, float | None]) -> str:
        """What a layer says of a place, in words; empty where it has no data there."""
        layer = self.layers[key]
        known = [at.get(source) for source in layer.sources]
        if layer.kind == SCENE:
            said = [f"{name} {value:g}" for name, value in zip(layer.names, known, strict=True) if value is not None]
            return ", ".join(said)
        value = known[0]
        if value is None:
            return ""
        if layer.scale is not None:
            return f"{value * layer.scale.factor + layer.scale.offset:.4g} {layer.scale.unit}".strip()
        names = layer.legend.names if layer.legend else {}
        old, new = divmod(int(value), 256)
        if layer.kind == CHANGE:
            return (
                f"{names.get(old, old)} → {names.get(new, new)}" if old != new else f"{names.get(new, new)}, unchanged"
            )
        number = {BEFORE: old, AFTER: new}.get(layer.kind, int(value))
        return str(names.get(number, number))

    def _scene(self, layer: MapLayer, tile: Tile, look: Look) -> Rgba | None:
        chosen = next((item for item in layer.composites if item.key == look.composite), layer.composites[0])
        there: NDArray[np.bool_] | None = None
        channels: dict[int, NDArray[np.uint8]] = {}
        for band in dict.fromkeys(chosen.bands):
            source = layer.sources[band]
            values, valid = self._read(source, tile)
            if not valid.size:
                return None
            there = valid if there is None else there & valid
            channels[band] = self._stretched(source, values, look.stretch)
        assert there is not None
        alpha = np.where(there, np.uint8(255), np.uint8(0))
        return np.stack([*(channels[band] for band in chosen.bands), alpha], axis=-1)

    def _stretched(self, source: TileSource, values: NDArray[Any], stretch: str) -> NDArray[np.uint8]:
        known = self._range(source)
        low, high = (known[percent] for percent in STRETCHES[stretch])
        return stretched(values.astype(np.float32), low, high)

    def _range(self, source: TileSource) -> Mapping[float, float]:
        """Percentiles of a band."""
        with self._locks[source]:
            if source not in self._ranges:
                thinned = self._thinned.get(source)
                values, valid = (thinned.values, thinned.valid) if thinned is not None else read_small(source)
                wanted = sorted({percent for pair in STRETCHES.values() for percent in pair})
                found = (
                    np.percentile(values[valid].astype(np.float64), wanted) if valid.any() else np.zeros(len(wanted))
                )
                self._ranges[source] = dict(zip(wanted, found.tolist(), strict=True))
            return self._ranges[source]

    def _read(self, source: TileSource, tile: Tile) -> Pixels:
        known = self._pixels.get((source, tile))
        if known is None:
            coarse = tile[0] < self.zoom - 1 and source.needs_thinning
            found = read_tile(source, tile, self._thin(source) if coarse else None)
            known = self._pixels.put((source, tile), found or _NOTHING)
        return known

    def _thin(self, source: TileSource) -> Thinned | None:
        """What stands in for overviews; read once, when it is first needed, and others wait for it."""
        with self._locks[source]:
            if source not in self._thinned:
                log.info("%s has no overviews: it is read once for small zooms", source.layer.path)
                self._thinned[source] = thin(source, self._stop)
            return self._thinned[source]


def scale_colours(scale: Scale, n: int = 9) -> list[tuple[int, int, int]]:
    """Colours along a scale, for a legend."""
    places = np.linspace(scale.stops[0][0], scale.stops[-1][0], n)
    return [(int(red), int(green), int(blue)) for red, green, blue in _ramp(scale, places)]


def _coloured(layer: MapLayer, values: NDArray[Any], valid: NDArray[np.bool_], look: Look) -> Rgba:
    if layer.kind == RAMP:
        assert layer.scale is not None
        colours = _ramp(layer.scale, values.astype(np.float64) * layer.scale.factor + layer.scale.offset)
        return np.concatenate([colours, np.where(valid, 255, 0)[..., None].astype(np.uint8)], axis=-1)
    table = _table(layer.kind, layer.legend or Legend(()), look.hidden, look.hidden_from)
    codes = (
        values if values.dtype in (np.uint8, np.uint16) else np.clip(np.nan_to_num(values), 0, 65535).astype(np.uint16)
    )
    drawn: Rgba = table[codes]
    drawn[~valid, 3] = 0
    return drawn


def _ramp(scale: Scale, values: NDArray[np.float64]) -> Rgba:
    places = [place for place, _ in scale.stops]
    channels = np.array([colour for _, colour in scale.stops], np.float64).T
    return np.stack([np.rint(np.interp(values, places, channel)) for channel in channels], axis=-1).astype(np.uint8)


@lru_cache(maxsize=64)
def _table(kind: str, legend: Legend, hidden: frozenset[int], hidden_from: frozenset[int]) -> Rgba:
    """The colour of each code, (65536, 4)."""
    colours = np.zeros((65536, 4), np.uint8)
    for item in legend.classes:
        colours[item.value] = (*item.colour, 0 if item.value in hidden else 255)
    if kind not in (BEFORE, AFTER, CHANGE):
        return colours
    old, new = np.divmod(np.arange(65536), 256)
    first = colours[:256].copy()
    first[:, 3] = [0 if value in hidden_from else 255 if value in legend.values else 0 for value in range(256)]
    if kind == BEFORE:
        return first[old]
    if kind == AFTER:
        return colours[new]
    made = np.rint(colours[new] * (1 - _OLD) + first[old] * _OLD).astype(np.uint8)
    made[:, 3] = np.where((old != new) & (first[old, 3] > 0) & (colours[new, 3] > 0), 255, 0)
    return made


def _png(picture: Rgba | None) -> bytes:
    if picture is None:
        picture = np.zeros((SIDE, SIDE, 4), np.uint8)
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "PNG", compress_level=1)
    return out.getvalue()
