"""Figures: scenes, class rasters and percents as small pictures that stand inside a page."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from geoseg.legend import Colour, Legend
from geoseg.raster.dated import pictured
from geoseg.raster.look import composite, limits, stretched
from geoseg.report.stage import LENGTH, Picture, bounded

Array = np.ndarray[Any, np.dtype[Any]]

MAX_SIDE = 1024
_NOTHING = (233, 236, 239)  # light grey where there is no data
_QUALITIES = (88, 75, 60)
NO_PERCENT = 255
RAMP: tuple[tuple[float, Colour], ...] = (
    (0.0, (122, 16, 60)), (35.0, (196, 74, 78)), (60.0, (232, 160, 102)), (80.0, (226, 222, 160)), (90.0, (112, 176, 180)),
    (100.0, (24, 82, 120)),
)  # fmt: skip
"""Percent and colour of confidences: from dark red over pale to dark blue, which people of all kinds of sight can tell."""


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


def scene_picture(overview: Overview, key: str = "scene", title: str = "Scene", *, length: int = LENGTH) -> Picture:
    """The scene as a picture; its title says how the colours came about."""
    return Picture(key, f"{title}: {overview.rendering}", scene_uri(overview, length), photo=True)


def mask_picture(
    mask: Array, legend: Legend, key: str = "mask", title: str = "Class map", *, length: int = LENGTH
) -> Picture:
    """A class raster, uint8 (rows, cols), as a picture in the legend's colours; nodata is transparent."""
    return Picture(
        key, title, bounded(lambda step: classes_uri(_thin(mask, step), legend.colours, legend.nodata), length)
    )


def percent_picture(
    percent: Array,
    key: str = "confidence",
    title: str = "Confidence: red is unsure, blue is sure",
    *,
    length: int = LENGTH,
) -> Picture:
    """Percents 0-100, uint8 (rows, cols), as a picture in the colours of :data:`RAMP`; 255 is transparent."""
    values = np.where(percent == NO_PERCENT, NO_PERCENT, np.minimum(percent, 100)).astype(np.uint8)
    colours = dict(enumerate(ramp(RAMP, np.arange(101))))
    return Picture(key, title, bounded(lambda step: classes_uri(_thin(values, step), colours, NO_PERCENT), length))


def scene_uri(overview: Overview, length: int = LENGTH) -> str:
    """The scene as a JPEG in a ``data:`` address, of a lower quality and then smaller where it is too long."""
    picture = np.where(overview.valid[..., None], overview.scene, np.array(_NOTHING, np.uint8))
    return _photo(picture, length)


def shrunk(uri: str, length: int) -> str | None:
    """A JPEG that is short enough, as it is; else of a lower quality and then smaller. None where it is no small picture."""
    if len(uri) <= length:
        return uri
    try:
        with Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) as image:
            return _photo(np.asarray(image.convert("RGB")), length) if max(image.size) <= MAX_SIDE else None
    except (OSError, ValueError):
        return None


def classes_uri(values: Array, colours: Mapping[int, Colour], nodata: int) -> str:
    """Values of 0-255, uint8 (rows, cols), in their colours as a PNG in a ``data:`` address; nodata is transparent."""
    picture = Image.fromarray(np.ascontiguousarray(values))
    table = np.zeros((256, 3), np.uint8)
    for value, colour in colours.items():
        table[value] = colour
    picture.putpalette(table.tobytes())
    return _uri(picture, "png", transparency=nodata, optimize=True)


def ramp(stops: Sequence[tuple[float, Colour]], values: NDArray[Any]) -> list[Colour]:
    """Colours of values between stops of (value, colour)."""
    places, colours = [place for place, _ in stops], np.array([colour for _, colour in stops])
    red, green, blue = (np.rint(np.interp(values, places, channel)).astype(int).tolist() for channel in colours.T)
    return list(zip(red, green, blue, strict=True))


def _photo(picture: Array, length: int) -> str:
    for quality in _QUALITIES:
        uri = _jpeg(_thin(picture), quality)
        if len(uri) <= length:
            return uri
    return bounded(lambda step: _jpeg(_thin(picture, step + 1), _QUALITIES[-1]), length)


def _jpeg(picture: Array, quality: int) -> str:
    return _uri(Image.fromarray(np.ascontiguousarray(picture)), "jpeg", quality=quality)


def _composite(names: Sequence[str]) -> tuple[list[int], str]:
    bands, said = composite(names)
    if not said:
        return bands * 3, f"{names[bands[0]]} only"
    return bands, f"{', '.join(names[band] for band in bands)} ({said})"


def _stretched(band: Array, valid: Array) -> Array:
    """0-255 between the band's 2nd and 98th percentile, from valid finite pixels."""
    values = band.astype(np.float64)
    return stretched(values, *limits(values, valid))


def _thin(picture: Array, coarser: int = 1) -> Array:
    step = -(-max(picture.shape[:2]) // MAX_SIDE) * coarser
    return picture[::step, ::step]


def _uri(picture: Image.Image, kind: str, **options: Any) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
