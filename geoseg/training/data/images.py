"""Images: pictures without georeference, each a labelled scene: annotations of a COCO file, or PASCAL VOC's palette PNGs."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from geoseg.errors import InputRefused
from geoseg.legend import Legend
from geoseg.raster.admit import admit_picture
from geoseg.raster.classes import class_layer
from geoseg.raster.picture import SUFFIXES, open_picture
from geoseg.raster.scene import Scene
from geoseg.training.data.coco import CocoLabels, read_coco
from geoseg.training.data.label_rasters import RasterLabels
from geoseg.training.data.labelled import LabelledScene, distinct_names
from geoseg.training.data.labels import Labels
from geoseg.training.data.recode import Recoding
from geoseg.training.settings.data import ImageSettings

_BORDER = 255
"""What PASCAL VOC gives the pixels between two objects."""

_log = logging.getLogger(__name__)


def open_images(
    settings: ImageSettings, bands: Sequence[str], legend: Legend, recode: Mapping[int | str, int | str]
) -> tuple[LabelledScene, ...]:
    """Open the labelled pictures of a folder, in the order of their names.

    They are put side by side on a plane of metres, so that no two share a place.

    Raises
    ------
    InputRefused
        ``NOT_FOUND``, ``EMPTY`` (no picture has labels), ``COCO``, ``CLASS``, ``GRID`` (labels of another size), and the
        codes of :func:`geoseg.raster.picture.open_picture`.
    """
    folder = Path(settings.images)
    if not folder.is_dir():
        raise InputRefused.of("NOT_FOUND", folder, "is not a folder of images", "Check the path")
    recoding = Recoding.of(recode, legend)
    pairs = _coco(settings, folder, recoding) if settings.coco else _voc(settings, folder, recoding)
    if not pairs:
        raise InputRefused.of("EMPTY", folder, "no image has labels", "Check that names of images and labels agree")
    names = distinct_names([path.stem for path, _ in pairs])
    made, corners = [], _corners([labels.geobox.shape for _, labels in pairs], settings.res)
    for name, (path, labels), corner in zip(names, pairs, corners, strict=True):
        scene = open_picture(path, settings.bands, res=settings.res, corner=corner)
        if scene.geobox.shape != labels.geobox.shape:
            rows, cols = scene.geobox.shape
            what = f"is {cols} x {rows} pixels, and its labels {labels.geobox.shape[1]} x {labels.geobox.shape[0]}"
            raise InputRefused.of("GRID", path, what, "Label the image at its own size")
        made.append(_labelled(name, scene, labels, bands, legend))
    return tuple(made)


_Pair = tuple[Path, "CocoLabels | RasterLabels"]


def _labelled(
    name: str, scene: Scene, labels: CocoLabels | RasterLabels, bands: Sequence[str], legend: Legend
) -> LabelledScene:
    chosen = replace(scene.select(bands), name=name)
    placed: Labels = replace(labels, geobox=chosen.geobox)
    return LabelledScene(name, chosen, placed, legend)


def _coco(settings: ImageSettings, folder: Path, recoding: Recoding) -> list[_Pair]:
    assert settings.coco is not None
    found = read_coco(settings.coco, recoding, background=settings.background)
    for note in found.notes:
        _log.warning("%s: %s", settings.coco, note)
    pairs: list[_Pair] = []
    for name, labels in sorted(found.labels.items()):
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            raise InputRefused.of(
                "EXTERNAL_REF", settings.coco, f"names a file outside of {folder}: {name}", "Correct it"
            )
        if not path.is_file():
            what = f"names an image that is not in {folder}: {name}"
            raise InputRefused.of("NOT_FOUND", settings.coco, what, "Name the folder of its images")
        pairs.append((path, labels))
    return pairs


def _voc(settings: ImageSettings, folder: Path, recoding: Recoding) -> list[_Pair]:
    masks = Path(settings.voc or "")
    if not masks.is_dir():
        raise InputRefused.of("NOT_FOUND", masks, "is not a folder of palette PNGs", "Check the path")
    pictures = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    pairs: list[_Pair] = []
    for path in pictures:
        mask = masks / f"{path.stem}.png"
        if mask.is_file():
            pairs.append((path, _voc_labels(mask, recoding)))
    if len(pairs) < len(pictures):
        _log.warning(
            "%s: %d of %d images have no labels in %s", folder, len(pictures) - len(pairs), len(pictures), masks
        )
    return pairs


def _voc_labels(path: Path, recoding: Recoding) -> RasterLabels:
    file = admit_picture(path, (0.0, 0.0), 1.0)
    if file.count != 1 or np.dtype(file.dtypes[0]).kind != "u":
        what = f"has {file.count} bands of {file.dtypes[0]}, and numbers of classes are in one"
        raise InputRefused.of("CLASSES", path, what, "Save it as a palette PNG, whose numbers are classes")
    layer = replace(class_layer(file, None), grid=None, nodata=float(_BORDER), mask=None)
    return RasterLabels(layer, file.geobox, file.geobox, recoding.table, recoding.legend)


def _corners(shapes: Sequence[tuple[int, int]], res: float) -> list[tuple[float, float]]:
    """Upper left corners, metres, of pictures side by side in rows, a picture's width apart."""
    side = 2 * res * max(max(shape) for shape in shapes)
    across = math.isqrt(len(shapes) - 1) + 1
    return [(i % across * side, -(i // across) * side) for i in range(len(shapes))]
