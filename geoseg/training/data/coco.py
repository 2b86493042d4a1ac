"""COCO: annotations of pictures (polygons, run lengths) as class values of their pixels.

An annotation's polygons are one area; a pixel is theirs where its centre lies inside. Of annotations that overlap the
smaller is on top, and a crowd is below all others. Pixels of none are background if that is a class, else without label.
The format: https://cocodataset.org/#format-data; run lengths as in its published code (maskApi.c).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import GeosegError, InputRefused
from geoseg.grid.geobox import GeoBox, Window
from geoseg.raster.admit import PICTURE_CRS
from geoseg.training.checking.finding import Finding
from geoseg.training.data.labels import fingerprint_of
from geoseg.training.data.recode import Recoding

_SHOWN = 8

Rings = tuple[NDArray[np.float64], ...]
"""(n, 2) of columns and rows each."""


@dataclass(frozen=True, slots=True, eq=False)
class Annotation:
    """A class value and where it is: rings, or lengths of runs down the columns, the first of them outside."""

    value: int
    bounds: tuple[float, float, float, float]
    rings: Rings = ()
    runs: NDArray[np.int64] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class CocoLabels:
    """The annotations of one picture in the order they are drawn."""

    geobox: GeoBox
    annotations: tuple[Annotation, ...]
    background: int
    notes: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all class values."""
        return fingerprint_of(self, self.geobox.shape)

    def findings(self) -> tuple[Finding, ...]:
        """Nothing: what is wrong with a file was said when it was read."""
        return ()

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Class values (rows, cols) of a window, a new array."""
        out = np.full(window.shape, self.background, np.uint8)
        for annotation in self.annotations:
            left, top, right, bottom = annotation.bounds
            across = left < window.col + window.width and right > window.col
            if across and top < window.row + window.height and bottom > window.row:
                _draw(annotation, window, self.geobox.shape, out)
        return out


@dataclass(frozen=True, slots=True)
class CocoFile:
    """Labels by file name of the picture, and what was left out."""

    labels: Mapping[str, CocoLabels]
    notes: tuple[str, ...]


def read_coco(path: str | Path, recoding: Recoding, *, background: str | None = None) -> CocoFile:
    """Read a COCO file; pictures without annotations count only where ``background`` is a class.

    Raises
    ------
    InputRefused
        ``NOT_FOUND``; ``COCO``: it is no such file, or an annotation is damaged; ``CLASS``: a category that the legend has not.
    """
    try:
        told = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise InputRefused.of("NOT_FOUND", path, f"cannot be read: {error.strerror}", "Check the path") from None
    except (ValueError, RecursionError) as error:
        raise InputRefused.of("COCO", path, f"is not JSON: {error}", "Name a COCO file of annotations") from None
    try:
        return _read(told, str(path), recoding, background)
    except GeosegError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError, IndexError, OverflowError) as error:
        what = f"is no COCO file of segmentations ({type(error).__name__}: {error})"
        raise InputRefused.of("COCO", path, what, "It needs images, annotations and categories") from None


def decode_runs(counts: str | bytes | Sequence[int]) -> NDArray[np.int64]:
    """Lengths of runs from a list, or from the text that pycocotools writes: 5 bits in a character, then differences."""
    if not isinstance(counts, str | bytes):
        return np.asarray(counts, np.int64)
    text = counts.encode("ascii") if isinstance(counts, str) else counts
    runs: list[int] = []
    number, shift = 0, 0
    for byte in text:
        bits = byte - 48
        number |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            number -= 1 << shift
        runs.append(number + (runs[-2] if len(runs) > 2 else 0))
        number, shift = 0, 0
    return np.array(runs, np.int64)


def _read(told: Any, path: str, recoding: Recoding, background: str | None) -> CocoFile:
    names = {item["id"]: str(item["name"]) for item in told["categories"]}
    values = _values(names, path, recoding)
    legend = recoding.legend
    below = legend.nodata if background is None else legend.value_of(background)
    shapes = {item["id"]: (int(item["height"]), int(item["width"])) for item in told["images"]}
    drawn: dict[Any, list[tuple[tuple[bool, float], Annotation]]] = {i: [] for i in shapes}
    left_out: Counter[str] = Counter()
    for item in told["annotations"]:
        value = values[item["category_id"]]
        if value is None:
            left_out[f"annotations of {names[item['category_id']]}, which recode does not name"] += 1
            continue
        made = _annotation(item, value, shapes[item["image_id"]], path)
        if made is None:
            left_out["annotations without an area"] += 1
            continue
        drawn[item["image_id"]].append(((not item.get("iscrowd"), -_area(item, made)), made))
    labels = {
        str(item["file_name"]): CocoLabels(
            GeoBox(shapes[item["id"]], (1.0, 0.0, 0.0, 0.0, -1.0, 0.0), PICTURE_CRS),
            tuple(made for _, made in sorted(drawn[item["id"]], key=lambda pair: pair[0])),
            below,
        )
        for item in told["images"]
        if drawn[item["id"]] or background is not None
    }
    if len(labels) < len(shapes):
        left_out["images without annotations"] = len(shapes) - len(labels)
    return CocoFile(labels, tuple(f"{n} {what}: left out" for what, n in left_out.most_common(_SHOWN)))


def _values(names: Mapping[Any, str], path: str, recoding: Recoding) -> dict[Any, int | None]:
    """The class value of each category, by its name or its number; None where it is ignored."""
    values: dict[Any, int | None] = {}
    for number, name in names.items():
        value = recoding.value_of(name)
        if value is None and recoding.given:
            value = recoding.value_of(number)
        if value is None and not recoding.given:
            there = ", ".join(recoding.legend.names.values())
            what = f"has a category {name}, no class{recoding.nearest(name)}"
            raise InputRefused.of("CLASS", path, what, f"Name it in recode or classes; the legend has {there}")
        values[number] = None if value == recoding.legend.nodata else value
    return values


def _annotation(item: Mapping[str, Any], value: int, shape: tuple[int, int], path: str) -> Annotation | None:
    told = item.get("segmentation")
    if isinstance(told, Mapping):
        runs = decode_runs(told["counts"])
        if tuple(told["size"]) != shape or runs.sum() != shape[0] * shape[1] or (runs < 0).any():
            what = f"the runs of annotation {item.get('id')} do not fill its image of {shape[1]} x {shape[0]} pixels"
            raise InputRefused.of("COCO", path, what, "Export it again")
        return Annotation(value, (0, 0, shape[1], shape[0]), runs=runs) if runs[1::2].any() else None
    rings = tuple(np.asarray(ring, np.float64).reshape(-1, 2) for ring in told or () if len(ring) >= 6)
    if not rings:
        return None
    points = np.concatenate(rings)
    if not np.isfinite(points).all():
        raise InputRefused.of(
            "COCO", path, f"annotation {item.get('id')} has points that are no numbers", "Export it again"
        )
    (left, top), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    return Annotation(value, (left, top, right, bottom), rings)


def _area(item: Mapping[str, Any], made: Annotation) -> float:
    """As the file says, else of the runs or the bounds."""
    if isinstance(item.get("area"), int | float):
        return float(item["area"])
    left, top, right, bottom = made.bounds
    return (right - left) * (bottom - top) if made.runs is None else float(made.runs[1::2].sum())


def _draw(annotation: Annotation, window: Window, shape: tuple[int, int], out: NDArray[np.uint8]) -> None:
    if annotation.runs is not None:
        inside = np.repeat(np.arange(len(annotation.runs)) % 2 == 1, annotation.runs)
        out[inside.reshape(shape, order="F")[window.slices]] = annotation.value
        return
    import shapely
    from affine import Affine
    from rasterio.features import rasterize

    rings = [(shapely.Polygon(ring), annotation.value) for ring in annotation.rings]
    rasterize(rings, out=out, transform=Affine.translation(window.col, window.row))
