"""Preview: a contact sheet of crops as they are and as the network will see them, labels beside each, as a PNG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import UsageError
from geoseg.legend import Colour, Legend
from geoseg.raster.dated import pictured
from geoseg.raster.files import complete_or_absent
from geoseg.training.data.labels import IGNORE
from geoseg.training.figure import blank_figure

if TYPE_CHECKING:
    from geoseg.model.card import BandSpec
    from geoseg.training.sampling.samples import Batch, Samples

Bytes = NDArray[np.uint8]
Image = NDArray[np.float32]
Index = NDArray[np.int64]

_TILE = 128
"""Side of a picture on the sheet, about, pixels: crops are enlarged by whole factors, or thinned."""
_GAP, _ROW_GAP, _MARGIN, _HEAD = 14, 8, 20, 72
_LINE = 22
"""Height of a line of the legend."""
_NOTHING, _IGNORED, _HATCH = (235, 235, 235), (225, 225, 225), (150, 150, 150)
_TAILS, _LIFT = (1.0, 99.0), 0.7
"""Percentiles of the plain crops that become black and white, in all crops alike so that what changes is seen, and the
exponent that lifts the dark: most of a scene is darker than the middle of its range."""
_POOL = 8
"""Crops that are looked at for each that is shown, so that rare classes are on the sheet."""
_MOST_CLASSES = 24
"""Classes in the legend; where there are more, those that are on the sheet."""
_DPI = 100


def write_preview(  # noqa: PLR0913 - what a sheet shows
    plain: Samples,
    augmented: Samples,
    path: str | Path,
    *,
    bands: Sequence[BandSpec],
    legend: Legend,
    title: str = "",
    rows: int = 6,
    columns: int = 5,
) -> None:
    """Write the sheet: a row for each crop, first as it is, then as often augmented as there are columns; the same bytes each time.

    Crops are taken from the first batches, those first that add a class. Pixels without a label, which nothing is learned
    from, are hatched; pixels without data are grey.

    Parameters
    ----------
    plain, augmented
        Samples of one training, that differ in the augmentation alone.
    path
        A PNG; replaced if it is there.
    bands
        What the channels are: red, green and blue are shown where there are such, else the first three.
    title
        Over the sheet.

    Raises
    ------
    UsageError
        ``FORMAT``: the path is no PNG.
    """
    if Path(path).suffix.lower() != ".png":
        raise UsageError.of("FORMAT", path, "a preview is a PNG", "Name it .png")
    crops = [_choose(plain, rows)]
    places = [(crop.step, crop.item) for crop in crops[0]]
    steps = sorted({step for step, _ in places})
    for number in range(columns):
        batches = {step: augmented.redrawn(number).batch(step) for step in steps}
        crops.append([_Crop.of(batches[step], step, item) for step, item in places])
    shown, rendering = _bands_shown([band.name for band in bands])
    look = _Look.of(crops[0], shown, legend)
    sheet, heads = _sheet([[look.pair(crop) for crop in column] for column in crops])
    side = len(crops[0][0].index)
    notes = [f"Crops of {side} x {side} pixels, shown as {rendering}; beside each its labels."]
    if augmented.augment is not None:
        notes.append(f"Augmentation: {augmented.augment.described()}.")
    _write(path, sheet, heads, texts=(title, *notes), classes=_classes_shown(legend, crops))


@dataclass(frozen=True, slots=True, eq=False)
class _Crop:
    """One crop of a batch: image (bands, size, size) and index (size, size)."""

    step: int
    item: int
    cell: int
    image: Image
    index: Index
    classes: frozenset[int]

    @classmethod
    def of(cls, batch: Batch, step: int, item: int) -> _Crop:
        """The one at a place of a batch, with the classes of at least a hundredth of it."""
        index = batch.index[item]
        counts = np.bincount(index[index != IGNORE])
        classes = frozenset(np.flatnonzero(counts * 100 >= index.size).tolist())
        return cls(step, item, int(batch.cells[item]), batch.images[item], index, classes)


def _choose(samples: Samples, count: int) -> list[_Crop]:
    """The crops that add most classes, one after the other, of the first batches; from other places where that is the same."""
    pool: list[_Crop] = []
    step = 0
    while len(pool) < count * _POOL:
        batch = samples.batch(step)
        pool += [_Crop.of(batch, step, item) for item in range(len(batch.index))]
        step += 1
    chosen: list[_Crop] = []
    seen: set[int] = set()
    places: set[int] = set()

    def gain(crop: _Crop) -> tuple[int, bool, int]:
        return len(crop.classes - seen), crop.cell not in places, len(crop.classes)

    while len(chosen) < count:
        best = max(pool, key=gain)  # the first of equals
        pool = [crop for crop in pool if crop is not best]
        chosen.append(best)
        seen |= best.classes
        places.add(best.cell)
    return chosen


def _bands_shown(names: Sequence[str]) -> tuple[list[int], str]:
    known, date = pictured(names)
    of = "of the later date, " if date else ""
    if {"red", "green", "blue"} <= set(known):
        return [known.index(name) for name in ("red", "green", "blue")], f"{of}red, green, blue"
    if len(names) < 3:
        return [0, 0, 0], f"{names[0]} as grey"
    if date:
        first = known.index(next(name for name in known if name))
        return [first] * 3, f"{names[first]} as grey"
    return [0, 1, 2], f"{names[0]}, {names[1]} and {names[2]} as red, green and blue"


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    """How a crop is drawn: channels, their black and white, colour by class index, and pixels of the sheet for a pixel."""

    bands: list[int]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    table: Bytes
    enlarged: int
    step: int

    @classmethod
    def of(cls, plain: Sequence[_Crop], bands: list[int], legend: Legend) -> _Look:
        pixels = np.concatenate([crop.image[:, (crop.image != 0).any(axis=0)] for crop in plain], axis=1)
        low, high = np.zeros(3), np.ones(3)
        if pixels.size:
            low, high = np.percentile(pixels[bands].astype(np.float64), _TAILS, axis=1)
        table = np.zeros((256, 3), np.uint8)
        table[: len(legend.classes)] = [item.colour for item in legend.classes]
        size = plain[0].index.shape[0]
        return cls(
            bands, low, np.where(high > low, high, low + 1), table, max(1, _TILE // size), -(-size // (2 * _TILE))
        )

    def pair(self, crop: _Crop) -> tuple[Bytes, Bytes]:
        """Its image and its labels, uint8 (side, side, 3)."""
        image, index = crop.image[:, :: self.step, :: self.step], crop.index[:: self.step, :: self.step]
        values = np.moveaxis(image[self.bands], 0, -1)
        share = np.clip((values - self.low) / (self.high - self.low), 0, 1)
        picture = (share**_LIFT * 255 + 0.5).astype(np.uint8)
        picture[~(image != 0).any(axis=0)] = _NOTHING
        labels, known = self._large(self.table[index]), self._large(index != IGNORE)
        line = np.arange(len(known))
        dark = (line[:, None] + line) % 8 < 2
        hatch = np.where(dark[..., None], np.array(_HATCH, np.uint8), np.array(_IGNORED, np.uint8))
        return self._large(picture), np.where(known[..., None], labels, hatch)

    def _large(self, picture: NDArray[Any]) -> NDArray[Any]:
        return picture.repeat(self.enlarged, axis=0).repeat(self.enlarged, axis=1)


def _sheet(columns: Sequence[Sequence[tuple[Bytes, Bytes]]]) -> tuple[Bytes, list[int]]:
    """All pictures on white, and the left edge of each column; the plain crops stand apart."""
    side = len(columns[0][0][0])
    wide = 2 * side + 2
    lefts = [_MARGIN + i * (wide + _GAP) + (_GAP if i else 0) for i in range(len(columns))]
    sheet = np.full((len(columns[0]) * (side + _ROW_GAP) - _ROW_GAP, lefts[-1] + wide + _MARGIN, 3), 255, np.uint8)
    for left, column in zip(lefts, columns, strict=True):
        for number, (picture, labels) in enumerate(column):
            top = number * (side + _ROW_GAP)
            sheet[top : top + side, left : left + side] = picture
            sheet[top : top + side, left + side + 2 : left + wide] = labels
    return sheet, lefts


def _classes_shown(legend: Legend, crops: Sequence[Sequence[_Crop]]) -> list[tuple[str, Any]]:
    """Name and colour (0-1) of the classes of the legend, or of those on the sheet."""
    there = set(range(len(legend.classes)))
    if len(there) > _MOST_CLASSES:
        there = {int(value) for column in crops for crop in column for value in np.unique(crop.index)} - {IGNORE}
    return [(legend.classes[i].name, _shares(legend.classes[i].colour)) for i in sorted(there)]


def _write(
    path: str | Path, sheet: Bytes, lefts: Sequence[int], *, texts: tuple[str, ...], classes: list[tuple[str, Any]]
) -> None:
    """The sheet with its words, pixel for pixel."""
    title, *notes = texts
    wide = sheet.shape[1]
    legend_columns = max(1, (wide - 2 * _MARGIN) // 190)
    foot = _MARGIN + _LINE * math.ceil((len(classes) + 2) / legend_columns) + _MARGIN // 2
    high = _HEAD + len(sheet) + foot
    with blank_figure(wide / _DPI, high / _DPI, dpi=_DPI, layout=None) as figure:
        figure.figimage(sheet, 0, foot)

        def say(x: float, y: float, text: str, **how: Any) -> None:
            figure.text(x / wide, 1 - y / high, text.replace("$", r"\$"), va="center", **how)

        say(_MARGIN, 16, title or "Preview of the training's crops", fontsize=11, fontweight="bold")
        say(_MARGIN, 35, " ".join(notes), fontsize=8.5, color="0.3")
        for number, left in enumerate(lefts):
            say(left, _HEAD - 12, f"augmented {number}" if number else "as it is", fontsize=9)
        _legend(figure, classes, legend_columns, wide=wide, high=high)
        with complete_or_absent(path) as temporary:
            figure.savefig(temporary, format="png", metadata={"Software": None})


def _legend(figure: Any, classes: list[tuple[str, Any]], columns: int, *, wide: int, high: int) -> None:
    from matplotlib.patches import Patch

    patches = [Patch(facecolor=colour, label=_short(name)) for name, colour in classes]
    patches += [
        Patch(
            facecolor=_shares(_IGNORED),
            edgecolor=_shares(_HATCH),
            hatch="//////",
            linewidth=0,
            label="no label: ignored",
        ),
        Patch(facecolor=_shares(_NOTHING), label="no data"),
    ]
    figure.legend(
        handles=patches, ncols=columns, loc="lower left", bbox_to_anchor=(_MARGIN / wide, _MARGIN / 2 / high),
        frameon=False, fontsize=9, borderaxespad=0, borderpad=0,
    )  # fmt: skip


def _shares(colour: Colour) -> tuple[float, float, float]:
    """0-255 as 0-1."""
    return colour[0] / 255, colour[1] / 255, colour[2] / 255


def _short(name: str, most: int = 24) -> str:
    one_line = " ".join(name.split()).replace("$", r"\$")  # no formula
    return one_line if len(one_line) <= most else f"{one_line[: most - 1]}…"
