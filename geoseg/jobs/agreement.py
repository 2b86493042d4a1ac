"""Agreement: the main path of ``geoseg labels agree``: two files of labels of one place, where they agree and where not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from geoseg.compare.change_legend import change_legend
from geoseg.errors import InputRefused, UsageError
from geoseg.grid.geobox import GeoBox, Window
from geoseg.jobs.labels import names_in
from geoseg.legend import Legend
from geoseg.raster.classes import open_classes
from geoseg.training.checking.conflicts import alike_names
from geoseg.training.data.labels import Labels, index_of, is_vector, open_labels, windows_of
from geoseg.training.scoring import confusion
from geoseg.training.scoring.confusion import Floats, Ints
from geoseg.training.scoring.counts import Counts, pair_marks
from geoseg.training.scoring.intervals import interval
from geoseg.training.scoring.scores import class_names, confusion_table, rounded
from geoseg.training.scoring.tally import Tally
from geoseg.training.settings.data import LabelSettings
from geoseg.vector.polygonize import iter_polygons
from geoseg.vector.write import write_polygons

_MOST = 254
UNITS = (
    "overall, f1 and iou: fractions of 1; kappa: -1 to 1; value: over the pixels that both label, low, high: 95 % interval by "
    "leaving out blocks of pixels in turn. null: not defined. f1 is the Dice coefficient, 2 * both / (a + b)."
)


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Codes ``a * 256 + b`` where both files have a label and not the same, else 0; pickles."""

    a: Labels
    b: Labels
    nodata: int

    def __call__(self, window: Window) -> npt.NDArray[np.uint16]:
        """Codes of a window, uint16 (rows, cols)."""
        a, b = self.a.read(window).astype(np.uint16), self.b.read(window)
        return np.where((a != b) & (a != self.nodata) & (b != self.nodata), a * np.uint16(256) + b, 0).astype(np.uint16)


def agree(
    a: LabelSettings,
    b: LabelSettings,
    *,
    geobox: GeoBox | None = None,
    out: str | Path | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Compare two files of labels of one place, pixel by pixel.

    Parameters
    ----------
    a, b
        Rasters of codes, or vector files; classes are the same where their names are, without case (a code without a name
        is its own). ``recode`` of each gives its classes other names.
    geobox
        The grid on which they are compared; by default that of ``a``, or else of ``b``, where it is a raster.
    out
        Polygons of the places where they disagree, in any format of :func:`geoseg.polygonize`; columns ``a_id, a_name, b_id,
        b_name`` beside its own.

    Returns
    -------
    dict
        ``overall`` (share of the pixels labelled by both that have one class), ``kappa``, ``classes`` (``f1``, ``iou``,
        pixels), ``confusion``, ``pixels`` labelled by a, b, both and either, ``findings``.

    Raises
    ------
    InputRefused
        Those of :func:`geoseg.training.data.labels.open_labels`; ``CLASSES``: more than 254; ``EMPTY``: no pixel has a label of
        both.
    UsageError
        ``SCENE``: neither is a raster and no grid was given.
    """
    geobox = geobox or _grid_of(a, b)
    names = [_names(a), _names(b)]
    legend = _legend(names, f"{Path(a.path).name} and {Path(b.path).name}")
    read = [_opened(s, geobox, legend, known) for s, known in zip((a, b), names, strict=True)]
    tally, pixels = _count(read[0], read[1], geobox, legend, on_progress)
    if not pixels["both"]:
        what = f"no pixel has a label here and in {Path(b.path).name}"
        raise InputRefused.of("EMPTY", a.path, what, "Check that both are of one place, and their fields and CRS")
    told = {"a": Path(a.path).name, "b": Path(b.path).name, "pixels": pixels, **_scores(tally, legend)}
    told["findings"] = [finding.to_json() for finding in alike_names(legend.names.values(), "a and b")]
    told["notes"] = [note for labels in read for note in labels.notes]
    told["units"] = UNITS
    if out is not None:
        told["polygons"] = _write(Path(out), Disagreement(read[0], read[1], legend.nodata), tally, geobox, legend)
    return told


def _grid_of(a: LabelSettings, b: LabelSettings) -> GeoBox:
    for s in (a, b):
        if not is_vector(s.path):
            return open_classes(s.path, band=s.band, nodata=s.nodata, assume_crs=s.assume_crs).geobox
    raise UsageError.of("SCENE", a.path, "neither file of labels is a raster, so no pixels are known", "Add --scene")


def _names(settings: LabelSettings) -> dict[int | str, str]:
    """What the file's codes or words mean: classes by name, as its recode says where it names them."""
    known = names_in(settings, coded=False)
    if settings.recode is None:
        return known
    recode = {str(key).strip().casefold(): str(name) for key, name in settings.recode.items()}
    return {code: recode.get(str(code).casefold(), recode.get(name.casefold(), name)) for code, name in known.items()}


def _legend(names: list[dict[int | str, str]], where: str) -> Legend:
    """The classes of both: one for each name, without case, in their order."""
    classes = {name.casefold(): name for known in reversed(names) for name in known.values()}
    if not 0 < len(classes) <= _MOST:
        what = f"have {len(classes)} classes, and 1 to {_MOST} can be compared"
        raise InputRefused.of("CLASSES", where, what, "Name the field or band that holds classes")
    return Legend.of([classes[key] for key in sorted(classes)])


def _opened(settings: LabelSettings, geobox: GeoBox, legend: Legend, names: dict[int | str, str]) -> Labels:
    values = {item.name.casefold(): item.value for item in legend.classes}
    recode: dict[int | str, int | str] = {code: values[name.casefold()] for code, name in names.items()}
    return open_labels(settings.model_copy(update={"recode": None}), geobox, legend, recode)


def _count(
    a: Labels, b: Labels, geobox: GeoBox, legend: Legend, on_progress: Callable[[int, int], None] | None
) -> tuple[Tally, dict[str, int]]:
    """Pairs of classes by cell, and pixels with a label."""
    tally, index = Tally(legend.values), index_of(legend)
    pixels = dict.fromkeys(("a", "b", "both", "either"), 0)
    windows = list(windows_of(geobox.shape))
    for done, window in enumerate(windows, start=1):
        one, other = index[a.read(window)], index[b.read(window)]
        has = [one != 255, other != 255]
        counted = (*has, has[0] & has[1], has[0] | has[1])
        for key, there in zip(pixels, counted, strict=True):
            pixels[key] += int(there.sum())
        if counted[2].any():
            tally.add("", window, [pair_marks(one, other, len(legend.values))], counted[2])
        if on_progress is not None:
            on_progress(done, len(windows))
    return tally, pixels


def _scores(tally: Tally, legend: Legend) -> dict[str, Any]:
    def score(flat: Ints) -> Floats:
        c = Counts(tally.values, flat).confusion
        whole = np.stack([confusion.overall_accuracy(c), confusion.kappa(c)], axis=-1)
        return np.concatenate([whole, confusion.f1(c), confusion.iou(c)], axis=-1)

    c, rows, n = tally.total.confusion, tally.rows, len(tally.values)
    sizes = Counts(tally.values, rows).confusion.labelled.sum(axis=-1).astype(np.int64)
    low, high = interval(rows, sizes, score, method="jackknife")
    value = score(tally.total.flat)

    def told(i: int, least: float = 0.0) -> dict[str, float | None]:
        ends = (rounded(float(np.clip(end[i], least, 1))) for end in (low, high))
        return dict(zip(("value", "low", "high"), (rounded(value[i]), *ends), strict=True))

    classes = {
        name: {
            "a_pixels": int(c.labelled[i]), "b_pixels": int(c.mapped[i]), "both_pixels": int(c.hits[i]),
            "f1": told(2 + i), "iou": told(2 + n + i),
        }
        for i, name in enumerate(class_names(legend))
    }  # fmt: skip
    table = {key: value for key, value in confusion_table(tally.total, legend).items() if key != "missed"}
    return {"overall": told(0), "kappa": told(1, -1.0), "classes": classes, "confusion": table}


def _write(out: Path, codes: Disagreement, tally: Tally, geobox: GeoBox, legend: Legend) -> int:
    """Polygons of the places with two classes."""
    rows, cols = np.nonzero(tally.total.confusion.counts)
    pairs = [(legend.values[i], legend.values[j]) for i, j in zip(rows.tolist(), cols.tolist(), strict=True) if i != j]
    names = legend.names
    found: dict[int, dict[str, int | str]] = {
        a * 256 + b: {"a_id": a, "a_name": names[a], "b_id": b, "b_name": names[b]} for a, b in pairs
    }
    regions = iter_polygons(codes, geobox, nodata=0)
    return write_polygons(out, regions, geobox, change_legend(legend, found), layer="disagreement", more=found)
