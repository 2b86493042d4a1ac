"""Admit: what may be opened at all, and why not.

A file passes if its first bytes are those of a GeoTIFF or JPEG 2000 file, its tags name no other file, the named driver
opens it, its size is believable, its values are real numbers, and its pixels have a place on Earth. The codes of a
refusal are the first words of the error: see ``InputRefused.code``.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning

from geoseg.errors import InputRefused
from geoseg.grid.geobox import GeoBox
from geoseg.raster.decode import PIXEL_BUDGET, Decoded, decode
from geoseg.raster.env import GDAL_ERRORS, gdal_env, is_locked, undecodable_messages_ignored
from geoseg.raster.georef import geobox_of
from geoseg.raster.sniff import MAX_BANDS, remote_target, sniff

DRIVERS = ("GTiff", "JP2OpenJPEG", "PNG", "JPEG")
"""The last two for pictures without georeference only: :func:`admit_picture`."""
PICTURE_CRS = CRS.from_string("+proj=laea +lat_0=0 +lon_0=0 +datum=WGS84 +units=m +type=crs").to_wkt()
"""Metres on a plane of true areas, for pictures that have no place on Earth."""
_MAX_BLOCK_BYTES = 128 << 20
_BOMB_BYTES = 128 << 20
_BOMB_RATIO = {"GTiff": 1_000_000, "JP2OpenJPEG": 10_000, "PNG": 2_000, "JPEG": 2_000}
"""Declared bytes for each byte of the file: a sparse tiled GeoTIFF reaches 500 000, JPEG 2000 a few hundred, deflate 1032."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """A raster file that may be read: its driver, its geobox and what its bands are."""

    path: str
    driver: str
    geobox: GeoBox
    dtypes: tuple[str, ...]
    nodata: tuple[float | None, ...]
    scales: tuple[float, ...]
    offsets: tuple[float, ...]
    descriptions: tuple[str, ...]
    colours: tuple[str, ...]
    masks: tuple[tuple[str, ...], ...]
    block_shape: tuple[int, int]
    compression: str | None
    overviews: tuple[int, ...]
    size: int
    decoded: Decoded | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, cols)."""
        return self.geobox.shape

    @property
    def count(self) -> int:
        """Number of bands, alpha included."""
        return len(self.dtypes)


def admit(
    path: str | Path,
    *,
    allow_remote: bool = False,
    assume_crs: str | None = None,
    pixels: bool = False,
    palette_ok: bool = False,
    pixel_budget: int = PIXEL_BUDGET,
) -> Admitted:
    """Say what a raster file is, or refuse it.

    Parameters
    ----------
    path
        A local file, or with ``allow_remote`` an http(s) or s3 URL.
    assume_crs
        The CRS of a file that has none; ignored for a file that has one.
    pixels
        Decode the pixels too, so that damage is found now.
    palette_ok
        Take a palette image: right for a mask, wrong for a scene.
    pixel_budget
        Bytes of pixels that ``pixels`` decodes at most; :attr:`Admitted.decoded` says which share that was.

    Raises
    ------
    InputRefused
        The codes of :func:`geoseg.raster.sniff.sniff` and :func:`geoseg.raster.georef.geobox_of`, and ``NO_BANDS``,
        ``DTYPE``, ``TOO_BIG``, ``BOMB``, ``PALETTE``, ``OPEN``, ``READ``.
    """
    name = str(path)
    sniffed = sniff(path, allow_remote=allow_remote)
    with open_admitted(path, sniffed.driver, allow_remote=allow_remote) as dataset:
        _check_size(dataset, name, sniffed.size)
        geobox = geobox_of(dataset, name, assume_crs=assume_crs)
        if not palette_ok and is_palette(dataset):
            what = "a palette image: its numbers are colours or classes, not measurements"
            raise InputRefused.of("PALETTE", name, what, "Use the original bands")
        decoded = decode(dataset, budget=pixel_budget) if pixels else None
        return _describe(dataset, name, geobox, sniffed.size, decoded)


def admit_picture(path: str | Path, corner: tuple[float, float], res: float) -> Admitted:
    """Say what a TIFF, PNG or JPEG picture is, or refuse it; what it says of its place on Earth, if anything, is left out.

    Parameters
    ----------
    corner, res
        Upper left corner and side of a pixel in metres of :data:`PICTURE_CRS`, where its pixels are put.

    Raises
    ------
    InputRefused
        As :func:`admit`, but for a place on Earth and for palettes.
    """
    name = str(path)
    sniffed = sniff(path, pictures=True)
    with open_admitted(path, sniffed.driver) as dataset:
        _check_size(dataset, name, sniffed.size)
        place = Affine.translation(*corner) @ Affine.scale(res, -res)
        return _describe(dataset, name, GeoBox.of(dataset.shape, place, PICTURE_CRS), sniffed.size, None)


@contextmanager
def open_admitted(path: str | Path, driver: str, *, allow_remote: bool = False) -> Iterator[rasterio.DatasetReader]:
    """Open a raster with a named driver, locked down; GDAL's errors become ``OPEN`` and, inside the block, ``READ``.

    An environment that the caller holds (:func:`geoseg.raster.env.gdal_env`) is kept, with its cache and threads.
    """
    assert driver in DRIVERS, driver
    # A Path keeps rasterio from reading "?", "#" and schemes into a local name.
    target = remote_target(path, allow_remote=allow_remote) or Path(path).absolute()
    held = nullcontext() if is_locked(allow_remote=allow_remote) else gdal_env(allow_remote=allow_remote)
    with undecodable_messages_ignored(), held:
        try:
            with warnings.catch_warnings():  # whether a place on Earth is needed is the caller's question
                warnings.simplefilter("ignore", NotGeoreferencedWarning)
                dataset = rasterio.open(target, driver=driver, sharing=False)
        except GDAL_ERRORS as error:
            raise InputRefused.of(
                "OPEN", path, _reason(error, target), "Check the file, or rewrite it with gdal_translate"
            ) from error
        with dataset:
            _check_domains(dataset, str(path))
            try:
                yield dataset
            except GDAL_ERRORS as error:
                what = f"its pixels cannot be decoded ({_reason(error, target)})"
                raise InputRefused.of("READ", path, what, "Copy or download it again") from error


def is_palette(dataset: rasterio.DatasetReader) -> bool:
    """Say whether the first band is an index into colours."""
    return bool(dataset.colorinterp[0] == ColorInterp.palette)


def _check_domains(dataset: rasterio.DatasetReader, path: str) -> None:
    """Refuse metadata that GDAL would follow to another file: the raw tags were seen, this is GDAL's reading."""
    for domain in ("OVERVIEWS", "GEOLOCATION"):
        for key, value in dataset.tags(ns=domain).items():
            if key in ("OVERVIEW_FILE", "X_DATASET", "Y_DATASET"):
                what = f"its metadata name another file ({key}={value})"
                raise InputRefused.of("EXTERNAL_REF", path, what, "Rewrite it without them")


def _check_size(dataset: rasterio.DatasetReader, path: str, size: int) -> None:
    if dataset.count == 0 or dataset.width == 0 or dataset.height == 0:
        raise InputRefused.of("NO_BANDS", path, "it holds no pixels", "Name the raster itself, not a container")
    if dataset.count > MAX_BANDS:
        raise InputRefused.of(
            "TOO_BIG", path, f"{dataset.count} bands, and {MAX_BANDS} are the limit", "Extract the bands you need"
        )
    for dtype in dataset.dtypes:
        if dtype.startswith("complex"):
            raise InputRefused.of("DTYPE", path, f"its values are {dtype}", "Convert them to amplitude or intensity")
    pixel = sum(np.dtype(dtype).itemsize for dtype in dataset.dtypes)
    declared = dataset.width * dataset.height * pixel
    if size and declared > _BOMB_BYTES and declared > size * _BOMB_RATIO[dataset.driver]:
        raise InputRefused.of(
            "BOMB", path, f"{size} bytes claim to hold {declared >> 20} MiB of pixels", "Check where it comes from"
        )
    rows, cols = dataset.block_shapes[0]
    together = (
        pixel if dataset.interleaving is not None and dataset.interleaving.value == "PIXEL" else pixel // dataset.count
    )
    if rows * cols * together > _MAX_BLOCK_BYTES:
        what = f"one block of {rows} x {cols} pixels takes {rows * cols * together >> 20} MiB"
        raise InputRefused.of("TOO_BIG", path, what, "Tile it, e.g. with gdal_translate -co TILED=YES")


def _describe(
    dataset: rasterio.DatasetReader, path: str, geobox: GeoBox, size: int, decoded: Decoded | None
) -> Admitted:
    return Admitted(
        path=path,
        driver=dataset.driver,
        geobox=geobox,
        dtypes=tuple(dataset.dtypes),
        nodata=tuple(dataset.nodatavals),
        scales=tuple(dataset.scales),
        offsets=tuple(dataset.offsets),
        descriptions=tuple(text or "" for text in dataset.descriptions),
        colours=tuple(colour.name for colour in dataset.colorinterp),
        masks=tuple(tuple(flag.name for flag in flags) for flags in dataset.mask_flag_enums),
        block_shape=dataset.block_shapes[0],
        compression=dataset.compression.value if dataset.compression else None,
        overviews=tuple(dataset.overviews(1)),
        size=size,
        decoded=decoded,
    )


def _reason(error: Exception, path: str | Path) -> str:
    """The first line of GDAL's message without the path, which the error names already."""
    text = str(error.__cause__ or error).strip() or type(error).__name__
    return text.splitlines()[0].replace(f"{path}: ", "").replace(f"'{path}'", "it")[:200]
