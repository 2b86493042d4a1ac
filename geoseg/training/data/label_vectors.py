"""Label vectors: polygons, lines and points of any file and CRS, drawn onto the scene's windows.

Features are drawn in the order of the file: where two overlap, the later one is seen. A pixel is a polygon's where its
centre lies inside (or it is touched at all), a line's or a point's where it passes through or lies within its width.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import InputRefused
from geoseg.grid.geobox import GeoBox, Window
from geoseg.training.checking.finding import Finding
from geoseg.training.data.draw import Drawing, widened
from geoseg.training.data.labels import fingerprint_of
from geoseg.training.data.recode import Recoding, did_you_mean
from geoseg.training.settings.data import LabelSettings
from geoseg.vector.features import layers_of, onto_pixels, read_features

_SHOWN = 8
_POLYGON = 3

Shapes = NDArray[Any]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class VectorLabels:
    """Features of a file on a scene's grid; ``found`` is what was noticed while it was read."""

    path: str
    geobox: GeoBox
    drawing: Drawing
    notes: tuple[str, ...] = ()
    found: tuple[Finding, ...] = ()

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all class values on the scene's grid."""
        return fingerprint_of(self, self.geobox.shape)

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Class values (rows, cols)."""
        return self.drawing.read(window)

    def findings(self) -> tuple[Finding, ...]:
        """What was noticed while the file was read."""
        return self.found


def open_vector_labels(settings: LabelSettings, geobox: GeoBox, recoding: Recoding) -> VectorLabels:
    """Read a vector file onto a scene's grid; see :func:`geoseg.training.data.labels.open_labels`."""
    import shapely

    frame = read_features(settings.path, layer=_layer(settings), assume_crs=settings.assume_crs)
    said = _values(frame, settings, recoding)
    shapes = frame.geometry.to_numpy()
    kept = np.array([value is not None for value in said.values], bool)
    kept &= ~(shapely.is_missing(shapes) | shapely.is_empty(shapes))
    parts, owners = _placed(shapes[kept], np.flatnonzero(kept), geobox, frame.crs)
    inside = shapely.intersects(parts, shapely.box(0, 0, geobox.shape[1], geobox.shape[0]))
    values = np.array([value or 0 for value in said.values], np.uint8)
    drawn = widened(parts[inside], values[owners[inside]], owners[inside], width=settings.width, geobox=geobox)
    drawing = Drawing.of(*drawn, background=_background(settings, recoding), touched=settings.all_touched)
    name, there = Path(settings.path).name, len(np.unique(owners[inside]))
    broken = ~shapely.is_valid(shapes[kept])
    found = list(said.found)
    if broken.any():
        what = (
            f"{broken.sum()} shapes are not valid and are repaired ({shapely.is_valid_reason(shapes[kept][broken][0])})"
        )
        found.append(Finding("warning", "INVALID", name, what, "Fix the geometries in QGIS if that looks wrong"))
    notes = [f"{name}: {line}" for line in said.notes]
    if there < kept.sum():
        notes.append(f"{name}: {kept.sum() - there} of {kept.sum()} features lie outside of the scene")
    away = _outside(name, frame, geobox, kept=int(kept.sum()), inside=there)
    return VectorLabels(str(settings.path), geobox, drawing, tuple(notes), (*found, *away))


@dataclass(frozen=True, slots=True)
class _Said:
    """What the column says: a class value (None: no label) for each feature."""

    values: Sequence[int | None]
    notes: tuple[str, ...]
    found: tuple[Finding, ...]


def words_of(settings: LabelSettings) -> list[str]:
    """What the column of classes says, each word once, sorted."""
    frame = read_features(settings.path, layer=_layer(settings), assume_crs=settings.assume_crs)
    return sorted({word for word in _words(frame, settings) if word})


def _words(frame: Any, settings: LabelSettings) -> list[str]:
    """The column's word for each feature, empty where it has none."""
    column = settings.field
    columns = [str(name) for name in frame.columns if name != frame.geometry.name]
    if column not in columns:
        what = f"has no column {column}{did_you_mean(column, columns)}"
        remedy = f"Name the column of classes with field; its columns: {', '.join(columns) or 'none'}"
        raise InputRefused.of("FIELD", settings.path, what, remedy)
    return ["" if word is None or word != word else _word(word) for word in frame[column].to_list()]


def _values(frame: Any, settings: LabelSettings, recoding: Recoding) -> _Said:
    path, column = settings.path, settings.field
    words = _words(frame, settings)
    counts = Counter(word for word in words if word)
    by_word = {word: recoding.value_of(word) for word in counts}
    unknown = [word for word, value in by_word.items() if value is None]
    if unknown and not recoding.given:
        names = ", ".join(recoding.legend.names.values())
        what = f"{column} is '{unknown[0]}' ({counts[unknown[0]]} features), no class{recoding.nearest(unknown[0])}"
        raise InputRefused.of("CLASS", path, what, f"Name it in recode or classes; the legend has {names}")
    notes, found = [], []
    if unknown:
        told = ", ".join(f"{word} ({counts[word]} features{recoding.nearest(word)})" for word in unknown[:_SHOWN])
        notes.append(f"recode does not name, so ignored: {told}")
        what = f"recode does not name these values of {column}, so they are ignored: {told}"
        remedy = "Name them in recode if they are classes"
        found.append(
            Finding("error" if len(unknown) == len(counts) else "warning", "CLASS", Path(path).name, what, remedy)
        )
    if not all(words):
        notes.append(f"{words.count('')} features have no {column}, and are ignored")
    none = recoding.legend.nodata
    values = [None if by_word.get(word, none) == none else by_word[word] for word in words]
    return _Said(values, tuple(notes), tuple(found))


def _word(given: Any) -> str:
    """What a cell says, 3.0 as 3."""
    return str(int(given)) if isinstance(given, float) and given.is_integer() else str(given).strip()


def _layer(settings: LabelSettings) -> str | None:
    layers = layers_of(settings.path)
    there = ", ".join(layers) or "none"
    if settings.layer is not None and settings.layer not in layers:
        what = f"has no layer {settings.layer}{did_you_mean(settings.layer, layers)}"
        raise InputRefused.of("LAYER", settings.path, what, f"Its layers with geometries: {there}")
    if settings.layer is None and len(layers) > 1:
        what = f"has {len(layers)} layers ({there})"
        raise InputRefused.of("LAYER", settings.path, what, "Name the one with the labels: layer")
    if Path(settings.path).suffix.lower() == ".parquet":
        return None
    return settings.layer or (layers[0] if layers else None)


def _background(settings: LabelSettings, recoding: Recoding) -> int:
    legend = recoding.legend
    return legend.nodata if settings.background is None else legend.value_of(settings.background)


def _placed(shapes: Shapes, owners: Ints, geobox: GeoBox, crs: Any) -> tuple[Shapes, Ints]:
    """Points, lines and polygons of one part each in pixel coordinates, and the feature of each, in the file's order."""
    import shapely

    shapes = shapely.force_2d(shapes)
    shapes = np.where(shapely.is_valid(shapes), shapes, shapely.make_valid(shapes))
    parts, owners = _parts(shapes, owners)
    finite = np.isfinite(shapely.bounds(parts).reshape(-1, 4)).all(axis=1)
    parts, owners = parts[finite], owners[finite]
    flat = shapely.get_type_id(parts) == _POLYGON
    made = [
        _parts(onto_pixels(geobox, parts[some], crs, polygons=polygons), owners[some])
        for polygons, some in ((True, flat), (False, ~flat))
        if some.any()
    ]
    if not made:
        return np.empty(0, object), np.empty(0, np.int64)
    parts, owners = (np.concatenate(group) for group in zip(*made, strict=True))
    order = np.argsort(owners, kind="stable")
    return parts[order], owners[order]


def _parts(shapes: Shapes, owners: Ints) -> tuple[Shapes, Ints]:
    import shapely

    for _ in range(2):  # collections hold multi-geometries
        shapes, at = shapely.get_parts(shapes, return_index=True)
        owners = owners[at]
    there = ~shapely.is_empty(shapes)
    return shapes[there], owners[there]


def _outside(name: str, frame: Any, geobox: GeoBox, *, kept: int, inside: int) -> tuple[Finding, ...]:
    """What to say of features that do not meet the scene."""
    if inside == kept:
        return ()
    numbers = {"features": kept, "inside": inside}
    if inside:
        what = f"{kept - inside} of {kept} labelled features lie outside of the scene"
        return (Finding("warning", "LABELS_OUTSIDE", name, what, "Fine for a file of several scenes", numbers=numbers),)
    left, bottom, right, top = frame.total_bounds
    west, south, east, north = geobox.bounds
    what, remedy = "no labelled feature meets the scene", "Check the CRS of both, and the pair of files"
    if left < east and right > west and bottom < north and top > south:
        what += f"; but its numbers would, if they were in the scene's CRS and not in {frame.crs.name}"
        remedy = "Its CRS is probably wrong: assign the scene's, such as by 'Set layer CRS' in QGIS and saving it anew"
    return (Finding("error", "LABELS_OUTSIDE", name, what, remedy, numbers=numbers),)
