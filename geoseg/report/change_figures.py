"""Change figures: the maps of two dates and what changed between them, as small pictures that stand inside a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoseg.legend import Colour, Legend
from geoseg.report.figures import classes_uri, mask_picture, ramp
from geoseg.report.stage import Picture, bounded

LENGTH = 520_000
"""Characters of each picture: with those of both scenes the page stays below 3 MB."""
SCENE_LENGTH = 360_000
CHANGE = "Change that was kept: grey is unchanged, the palest grey has no data"
NO_TIMES = 255
_TIMES: tuple[tuple[float, Colour], ...] = ((0.0, (250, 190, 110)), (0.5, (214, 86, 72)), (1.0, (84, 16, 66)))
UNCHANGED: Colour = (206, 210, 215)


@dataclass(frozen=True, slots=True)
class ChangeOverview:
    """Two maps and the change between them, small and of the same extent.

    Parameters
    ----------
    before, after
        uint8 (rows, cols), joined class values, 0 where there is none.
    change
        uint16 (rows, cols), ``before * 256 + after`` with all rules applied, 0 where there is none.
    """

    before: NDArray[np.uint8]
    after: NDArray[np.uint8]
    change: NDArray[np.uint16]


def change_pictures(
    overview: ChangeOverview, legend: Legend, changes: Legend | None = None, titles: Sequence[str] = ("Before", "After")
) -> tuple[Picture, Picture, Picture]:
    """Before, after and change; no class is transparent, no change is pale grey.

    Parameters
    ----------
    legend
        The joined classes.
    changes
        The legend of the change raster, whose colours a change has; without it, and where there are more colours than
        a picture can hold, a change has the colour of its class after.
    """
    maps = [
        mask_picture(values, legend, key, title, length=LENGTH)
        for key, title, values in zip(("before", "after"), titles, (overview.before, overview.after), strict=True)
    ]
    return maps[0], maps[1], change_picture(overview.change, legend, changes)


def times_picture(times: NDArray[np.int64]) -> Picture:
    """How often the class changed, int (rows, cols), :data:`NO_TIMES` without data: grey is never, darker is more often."""
    counted = np.minimum(times, NO_TIMES - 1)
    known = np.where(times == NO_TIMES, NO_TIMES, counted).astype(np.uint8)
    most = int(counted[times != NO_TIMES].max(initial=1))
    colours = dict(enumerate([UNCHANGED, *ramp(_TIMES, np.linspace(0, 1, most))]))
    title = f"How often the class changed: grey is never, the darkest {most} time{'s' if most > 1 else ''}"
    return Picture("times", title, bounded(lambda step: classes_uri(known[::step, ::step], colours, NO_TIMES), LENGTH))


def change_picture(codes: NDArray[np.uint16], legend: Legend, changes: Legend | None = None) -> Picture:
    """``before * 256 + after``, uint16 (rows, cols), as :func:`change_pictures` draws it."""
    return Picture("change", CHANGE, bounded(lambda step: _change_uri(codes[::step, ::step], legend, changes), LENGTH))


def _change_uri(codes: NDArray[np.uint16], legend: Legend, changes: Legend | None) -> str:
    own = changes.colours if changes else {}
    to = legend.colours
    found, place = np.unique(codes, return_inverse=True)
    place = place.reshape(codes.shape)
    colours = [_colour(int(code), own.get(int(code)) or to.get(int(code) & 255, UNCHANGED)) for code in found]
    palette = sorted(set(colours))
    if len(palette) > 255:
        colours = [_colour(int(code), to.get(int(code) & 255, UNCHANGED)) for code in found]
        palette = sorted(set(colours))[:255]
    index = {colour: i for i, colour in enumerate(palette, start=1)}
    table = np.array(
        [0 if code == 0 else index.get(colour, 255) for code, colour in zip(found, colours, strict=True)], np.uint8
    )
    return classes_uri(table[place], dict(enumerate(palette, start=1)), 0)


def _colour(code: int, colour: Colour) -> Colour:
    return UNCHANGED if code >> 8 == code & 255 else colour
