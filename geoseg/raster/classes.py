"""Classes: a class raster of any origin as a picklable description that windows are read from.

Values are whole numbers in 0-65535, however the file stores them. Which value means "no class" is decided in this
order: the caller; the file's nodata value; the value that the file names "nodata"; 0, unless the file names 0 as a
class (NLCD's 0 is a collar, "Unclassified"; a mask of 0 and 1 without names needs ``nodata=-1`` to make 0 a class).
Pixels that the file's own mask or alpha band leaves out, and NaN, have no class either.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window as RasterioWindow

from geoseg.errors import InputRefused
from geoseg.grid.geobox import GeoBox, Window
from geoseg.legend import MOST, Legend
from geoseg.raster.admit import Admitted, admit, open_admitted
from geoseg.raster.align import fits
from geoseg.raster.band import Band
from geoseg.raster.env import gdal_env, is_locked
from geoseg.raster.handles import dataset_of, decoded
from geoseg.raster.names import LEGEND_TAG, Named, read_names
from geoseg.raster.sniff import remote_target
from geoseg.raster.tiles import usable_threads

Values = NDArray[np.uint8] | NDArray[np.uint16]

MOST_CLASSES = 4096
"""More different values than this are measurements, or numbers of regions."""

_NO_CLASS = {"", "nodata", "no data", "no_data", "unclassified", "unlabelled", "unlabeled", "background", "collar"}
"""What a file may call its value 0 when that is no class; the first four also at another value."""
_NODATA_WORDS = {"nodata", "no data", "no_data"}
_PIECE_BYTES = 8 << 20
_TILE_ROWS = 512
"""Rows of a tile, about."""


@dataclass(frozen=True, slots=True)
class ClassRaster:
    """One raster of classes: where it lies, its grid, its legend.

    Parameters
    ----------
    legend
        The classes that the file names, and those that occur without a name (``str(value)``), by value.
    nodata
        The value in what :meth:`read` returns that means no class; never a class.
    dtype
        ``uint8`` or ``uint16``: what :meth:`read` returns.
    layer, stated
        The band of the file, and the value that means nodata in it (NaN too), if any.
    notes
        What was decided about nodata, for the log.
    """

    path: str
    geobox: GeoBox
    legend: Legend
    nodata: int
    dtype: str
    layer: Band
    stated: float | None = None
    allow_remote: bool = False
    notes: tuple[str, ...] = ()

    def read(self, window: Window) -> Values:
        """The classes in a window inside the raster, (rows, cols); datasets stay open, a few in each thread.

        Raises
        ------
        InputRefused
            ``OPEN`` or ``READ`` when the file cannot be decoded.
        """
        raw, there = read_layer(self.layer, window, self.allow_remote)
        return self._classes(raw, there)

    def _classes(self, raw: NDArray[Any], there: NDArray[np.uint8] | None) -> Values:
        if raw.dtype.name == self.dtype and (self.stated is None or self.stated == self.nodata):
            out = raw
        else:
            valid = _valid(raw, self.stated)
            out = np.full(raw.shape, self.nodata, self.dtype)
            np.copyto(out, raw, where=True if valid is None else valid, casting="unsafe")
        if there is not None:
            out[there == 0] = self.nodata
        return out


def open_classes(
    path: str | Path,
    *,
    band: int | None = None,
    nodata: int | None = None,
    assume_crs: str | None = None,
    allow_remote: bool = False,
) -> ClassRaster:
    """Describe a class raster; one pass over the pixels finds the values that occur, unless geoseg wrote the file.

    Parameters
    ----------
    band
        The band, 1-based; needed where there are several.
    nodata
        The file's value that means no class, instead of what the file says; a value that never occurs, such as -1,
        makes every value a class.
    assume_crs
        The CRS of a file that names none.

    Raises
    ------
    InputRefused
        The codes of :func:`geoseg.raster.admit.admit` (palettes pass), and ``CLASSES``: a value is no whole number in
        0-65535, there are more than 4096 different ones, or several bands.
    """
    file = admit(path, allow_remote=allow_remote, assume_crs=assume_crs, palette_ok=True)
    layer = class_layer(file, band)
    named = class_names(file, layer, allow_remote)
    stated = layer.nodata if nodata is None else float(nodata)
    own = named.legend
    if own is not None and own.fits_mask and layer.dtype == "uint8" and stated == own.nodata:
        return ClassRaster(file.path, file.geobox, own, own.nodata, "uint8", layer, stated, allow_remote)
    occurring = _occurring(layer, file, stated, allow_remote)
    notes: tuple[str, ...] = ()
    if stated is None:
        stated, notes = _guess_nodata(layer, named.names, occurring)
    if stated is not None and not fits(stated, np.dtype(layer.dtype)):
        stated = None  # said, and no pixel can have it
    names = {value: name for value, name in named.names.items() if name.strip() and value != stated}
    values = sorted((names.keys() | occurring) - {stated})
    none = _free(values, stated)
    all_names = {value: names.get(value, str(value)) for value in values}
    return ClassRaster(
        file.path, file.geobox,
        Legend.of(all_names, named.colours, nodata=none) if values else Legend((), none), none,
        "uint8" if max([*values, none]) <= 255 else "uint16", layer, stated, allow_remote, notes,
    )  # fmt: skip


def maker_tags(raster: ClassRaster) -> dict[str, str]:
    """What the file says of its makers in geoseg's own metadata (run, plan, model, scene), without the legend."""
    with open_admitted(raster.path, raster.layer.driver, allow_remote=raster.allow_remote) as dataset:
        tags = dataset.tags()
    return {key: str(text) for key, text in tags.items() if key.startswith("GEOSEG_") and key != LEGEND_TAG}


def class_layer(file: Admitted, band: int | None) -> Band:
    """The band of a file that holds its classes, named where there are several (``CLASSES``); its grid is the file's."""
    alpha = file.colours.index("alpha") + 1 if "alpha" in file.colours else None
    bands = [i for i in range(1, file.count + 1) if i != alpha]
    if band is None and len(bands) != 1:
        raise InputRefused.of(
            "CLASSES", file.path, f"{len(bands)} bands, and classes are in one", "Name it with --band"
        )
    index = bands[0] if band is None else band
    if index not in bands:
        raise InputRefused.of("CLASSES", file.path, f"has no band {index} of classes", f"It has {bands}")
    internal = 0 if any("per_dataset" in flags and "alpha" not in flags for flags in file.masks) else None
    i = index - 1
    return Band(
        "class", file.path, index, file.driver, file.dtypes[i], file.nodata[i], grid=file.geobox, mask=alpha or internal
    )


def class_names(file: Admitted, layer: Band, allow_remote: bool) -> Named:
    """What the file and its sidecar say of the classes."""
    remote = remote_target(file.path, allow_remote=allow_remote)
    sidecar = None if remote else Path(f"{file.path}.aux.xml")
    with open_admitted(file.path, file.driver, allow_remote=allow_remote) as dataset:
        return read_names(dataset, layer.index, sidecar)


def _guess_nodata(layer: Band, names: Mapping[int, str], occurring: set[int]) -> tuple[float | None, tuple[str, ...]]:
    """The value that means no class where nobody stated one, and what to say about it."""
    said = [value for value, name in sorted(names.items()) if name.strip().casefold() in _NODATA_WORDS]
    if said:
        return float(said[0]), ()
    if 0 not in occurring or names.get(0, "").strip().casefold() not in _NO_CLASS:
        return None, ()
    if layer.mask is not None:  # the file says in another way where it has data
        return None, ()
    note = f"{Path(layer.path).name} states no nodata value: 0 counts as no class (--nodata -1 makes it a class)"
    return 0.0, (note,)


def _free(values: list[int], stated: float | None) -> int:
    """The value for "no class": the stated one where it does not widen the type, else one that no class has."""
    used = set(values)
    narrow = not values or values[-1] <= 255
    if stated is not None and stated.is_integer() and 0 <= stated <= (255 if narrow else MOST):
        return int(stated)
    candidates = (0, *range(255, 0, -1), *range(MOST, 255, -1))
    return int(next(value for value in candidates if value not in used))


def _occurring(layer: Band, file: Admitted, stated: float | None, allow_remote: bool) -> set[int]:
    """The values that occur, nodata left out."""

    def count(window: Window) -> NDArray[np.bool_]:
        with gdal_env(allow_remote=allow_remote, cache_mb=64):  # whole blocks, each read once
            return _present(*read_layer(layer, window, allow_remote, threads=1), layer, window, stated)

    present = np.zeros(MOST + 1, bool)
    with ThreadPoolExecutor(usable_threads()) as pool:
        for found in pool.map(count, list(_pieces(file))):
            present[: len(found)] |= found
    if stated is not None and fits(stated, np.dtype(np.uint16)):
        present[int(stated)] = False
    n = int(present.sum())
    if n > MOST_CLASSES:
        what = f"{n} different values, and {MOST_CLASSES} classes are the limit"
        raise InputRefused.of("CLASSES", layer.path, what, "Measurements and numbers of regions are to be classified")
    return {int(value) for value in np.flatnonzero(present)}


def _present(
    raw: NDArray[Any], there: NDArray[np.uint8] | None, layer: Band, window: Window, stated: float | None
) -> NDArray[np.bool_]:
    """Which class values occur in a piece; refuse what is none."""
    from geoseg.raster.histogram import histogram

    if raw.dtype == np.uint8 and there is None:
        return np.asarray(histogram(raw.reshape(-1)) > 0)
    valid = _valid(raw, stated)
    if there is not None:
        valid = (there != 0) if valid is None else valid & (there != 0)
    flat = raw.reshape(-1) if valid is None else raw[valid]
    if raw.dtype.name not in ("uint8", "uint16"):
        whole = (flat >= 0) & (flat <= MOST)
        if raw.dtype.kind == "f":
            whole &= flat == np.floor(flat)
        if not whole.all():
            value = flat[~whole][0]
            row, col = (int(at[0]) for at in np.nonzero(raw == value))
            what = f"the value {value:.10g} at row {row + window.row}, column {col + window.col} is no class"
            remedy = f"Classes are whole numbers in 0-{MOST}: recode it, or name it with --nodata"
            raise InputRefused.of("CLASSES", layer.path, what, remedy)
    return np.bincount(flat.astype(np.uint16), minlength=MOST + 1) > 0


def _valid(raw: NDArray[Any], stated: float | None) -> NDArray[np.bool_] | None:
    """Where a piece of the file is neither NaN nor the stated nodata; None: everywhere."""
    valid = ~np.isnan(raw) if raw.dtype.kind == "f" else None
    if stated is not None and not math.isnan(stated) and fits(stated, raw.dtype):
        differs = raw != raw.dtype.type(stated)
        valid = differs if valid is None else valid & differs
    return valid


def read_layer(
    layer: Band, window: Window, allow_remote: bool, threads: int | None = None
) -> tuple[NDArray[Any], NDArray[np.uint8] | None]:
    """The file's numbers in a window, and where its mask or alpha band has data."""
    where = RasterioWindow(window.col, window.row, window.width, window.height)
    threads = threads or usable_threads()
    # Enough for the tiles along two windows like this in each thread: more would grow with the raster, to no use.
    cache_mb = min(max(window.width * _TILE_ROWS * 2 * (threads + 1) >> 20, 16), 512)
    held = (
        nullcontext()
        if is_locked(allow_remote=allow_remote)
        else gdal_env(allow_remote=allow_remote, threads=threads, cache_mb=cache_mb)
    )
    with held:
        dataset = dataset_of(layer, threads=threads, allow_remote=allow_remote)
        raw = decoded(layer.path, lambda: dataset.read(layer.index, window=where))
        if layer.mask is None:
            return raw, None
        mask = layer.mask
        there = decoded(
            layer.path,
            lambda: dataset.read(mask, window=where) if mask else dataset.read_masks(layer.index, window=where),
        )
    return raw, there


def _pieces(file: Admitted) -> Iterator[Window]:
    """Windows of whole blocks of the file, of a few MiB each."""
    rows, cols = file.shape
    block_rows, block_cols = file.block_shape
    row_bytes = cols * max(np.dtype(name).itemsize for name in file.dtypes)
    high = max(_PIECE_BYTES // max(row_bytes * block_rows, 1), 1) * block_rows
    wide = cols
    if row_bytes * block_rows > 2 * _PIECE_BYTES and block_cols < cols:
        wide = max(_PIECE_BYTES * cols // (row_bytes * block_rows) // block_cols, 1) * block_cols
    for row in range(0, rows, high):
        for col in range(0, cols, wide):
            yield Window(row, col, min(high, rows - row), min(wide, cols - col))
