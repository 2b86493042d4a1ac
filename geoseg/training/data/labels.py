"""Labels: class values on a scene's grid, from rasters, vectors and annotations of images; read by windows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import InputRefused
from geoseg.grid.geobox import GeoBox, Window
from geoseg.legend import Legend
from geoseg.training.checking.finding import Finding
from geoseg.training.data.recode import Recoding
from geoseg.training.settings.data import LabelSettings

IGNORE = 255
"""Class index of pixels that have no label."""

_HIGH, _WIDE = 256, 8192
_VECTORS = (".gpkg", ".geojson", ".json", ".shp", ".fgb", ".parquet")


class Labels(Protocol):
    """Labels of one scene; pickles, and may be read by several threads."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What must be said: resampled from another grid, features outside, names that are ignored."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what the labels are on this scene's grid: any changed label changes it. One pass, each time."""

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Class values (rows, cols) of a window inside the scene, a new array; the legend's nodata where there is none."""

    def findings(self) -> tuple[Finding, ...]:
        """What is wrong with the labels; one pass over the codes of a raster."""


def open_labels(
    settings: LabelSettings, geobox: GeoBox, legend: Legend, recode: Mapping[int | str, int | str]
) -> Labels:
    """Describe the labels of a scene on ``geobox``; a vector file by its extension, else a raster.

    Parameters
    ----------
    recode
        Codes or names of the file to class values or names; what it does not name has no label. Empty: codes are class
        values and names are class names, and a name that the legend has not is refused. Those of ``settings`` come first.

    Raises
    ------
    InputRefused
        The codes of :func:`geoseg.raster.admit.admit` or :func:`geoseg.vector.features.read_features`; ``CLASSES``
        (several bands), ``LAYER``, ``FIELD``, ``CLASS``, ``GEOM_TYPE``.
    UsageError
        ``LEGEND``: ``recode`` names what the legend has not.
    """
    recoding = Recoding.of(recode if settings.recode is None else settings.recode, legend)
    path = Path(settings.path)
    if path.is_dir():
        raise InputRefused.of("NOT_A_FILE", path, "is a folder", "Name the file of labels")
    if is_vector(path):
        from geoseg.training.data.label_vectors import open_vector_labels

        return open_vector_labels(settings, geobox, recoding)
    from geoseg.training.data.label_rasters import open_raster_labels

    return open_raster_labels(settings, geobox, recoding)


def is_vector(path: str | Path) -> bool:
    """Whether a file of this name holds features, not pixels."""
    return Path(path).suffix.lower() in _VECTORS


def index_of(legend: Legend) -> NDArray[np.uint8]:
    """The class index of each class value, uint8 (256,): ``index_of(legend)[label]``; ``IGNORE`` for all that is no class."""
    table = np.full(256, IGNORE, np.uint8)
    table[list(legend.values)] = np.arange(len(legend.values))
    return table


def windows_of(shape: tuple[int, int]) -> Iterator[Window]:
    """Windows that cover a raster once, in a fixed order: digests and statistics are the same whatever the machine."""
    rows, cols = shape
    for row in range(0, rows, _HIGH):
        for col in range(0, cols, _WIDE):
            yield Window(row, col, min(_HIGH, rows - row), min(_WIDE, cols - col))


def fingerprint_of(labels: Labels, shape: tuple[int, int]) -> str:
    """SHA-256 of the class values of a whole scene."""
    seen = hashlib.sha256(f"labels {shape}".encode())
    for window in windows_of(shape):
        seen.update(np.ascontiguousarray(labels.read(window)).data)
    return seen.hexdigest()
