"""Figures: a scene and its mask as small images that stand inside a page."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from geoseg.legend import Colour, Legend
from geoseg.raster.dated import pictured

Array = np.ndarray[Any, np.dtype[Any]]

MAX_SIDE = 1024
_COMPOSITES = (
    (("red", "green", "blue"), "true colour"),
    (("nir", "red", "green"), "false colour: vegetation is red"),
    (("swir1", "nir", "red"), "false colour: vegetation is green"),
)
_NOTHING = (233, 236, 239)  # light grey where there is no data
_TAILS = (2.0, 98.0)  # percentiles that become black and white
_GAMMA = 0.75  # below 1 lifts the dark: most of a scene is darker than the middle of its range


@dataclass(frozen=True, slots=True)
class Overview:
    """A scene and its mask, both small and of the same extent.

    Parameters
    ----------
    scene
        uint8 (rows, cols, 3), ready to look at.
    valid
        bool (rows, cols): False where the scene has no data.
    mask
        uint8 (rows, cols), class values; its size may be another.
    rendering
        How the colours came about, for the caption.
    """

    scene: Array
    valid: Array
    mask: Array
    rendering: str


def make_overview(image: Array, valid: Array, names: Sequence[str], mask: Array) -> Overview:
    """Make an overview from decimated reads.

    Parameters
    ----------
    image
        (bands, rows, cols), any units and dtype.
    valid
        bool (rows, cols).
    names
        The bands' names; red, green and blue are shown if they are there, else nir or swir1 with others, else one band; of
        two dates the later one is shown.
    mask
        uint8 (rows, cols).
    """
    shown, date = pictured(names)
    bands, rendering = _composite(shown)
    colours = [_stretched(image[band], valid) for band in bands]
    return Overview(np.stack(colours, axis=-1), valid, mask, f"later date: {rendering}" if date else rendering)


def scene_uri(overview: Overview) -> str:
    """The scene as a JPEG in a ``data:`` address."""
    picture = np.where(overview.valid[..., None], overview.scene, np.array(_NOTHING, np.uint8))
    return _uri(Image.fromarray(np.ascontiguousarray(_thin(picture))), "jpeg", quality=88)


def mask_uri(overview: Overview, legend: Legend) -> str:
    """The mask in the legend's colours as a PNG in a ``data:`` address; nodata is transparent."""
    return classes_uri(_thin(overview.mask), legend.colours, legend.nodata)


def classes_uri(values: Array, colours: Mapping[int, Colour], nodata: int) -> str:
    """Values of 0-255, uint8 (rows, cols), in their colours as a PNG in a ``data:`` address; nodata is transparent."""
    picture = Image.fromarray(np.ascontiguousarray(values))
    table = np.zeros((256, 3), np.uint8)
    for value, colour in colours.items():
        table[value] = colour
    picture.putpalette(table.tobytes())
    return _uri(picture, "png", transparency=nodata, optimize=True)


def _composite(names: Sequence[str]) -> tuple[list[int], str]:
    for wanted, rendering in _COMPOSITES:
        if all(name in names for name in wanted):
            return [names.index(name) for name in wanted], f"{', '.join(wanted)} ({rendering})"
    first = next(i for i, name in enumerate(names) if name)
    return [first] * 3, f"{names[first]} only"


def _stretched(band: Array, valid: Array) -> Array:
    """0-255 between the band's 2nd and 98th percentile, from valid finite pixels."""
    values = band.astype(np.float64)
    usable = valid & np.isfinite(values)
    if not usable.any():
        return np.zeros(band.shape, np.uint8)
    low, high = np.percentile(values[usable], _TAILS)
    scaled = (values - low) / (high - low if high > low else 1.0)
    return np.asarray(np.nan_to_num(np.clip(scaled, 0, 1)) ** _GAMMA * 255 + 0.5, np.uint8)


def _thin(picture: Array) -> Array:
    step = -(-max(picture.shape[:2]) // MAX_SIDE)
    return picture[::step, ::step]


def _uri(picture: Image.Image, kind: str, **options: Any) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
