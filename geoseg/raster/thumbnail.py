"""Thumbnail: a scene or a class raster as a picture of a few KB that stands in a page; from overviews, or of the centre."""

from __future__ import annotations

import base64
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile

from geoseg.grid.geobox import GeoBox, Window
from geoseg.legend import Legend
from geoseg.raster.band import NETCDF, Band
from geoseg.raster.dated import pictured
from geoseg.raster.env import gdal_env
from geoseg.raster.handles import dataset_of, decoded
from geoseg.raster.look import composite, limits, stretched
from geoseg.raster.names import read_names
from geoseg.raster.read import read_window
from geoseg.raster.scene import Scene

SIDE = 160
"""Longest side, pixels."""
_MOST = 4 << 20
"""Pixels of a band that are read for a picture; where the overviews need more, the centre is shown."""
_CENTRE = 512
_NOTHING = 233

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A ``data:`` address, what it shows, and of a class raster the legend."""

    uri: str
    caption: str
    legend: Legend | None = None


def scene_thumbnail(scene: Scene) -> Thumbnail | None:
    """A scene in true or false colours, or one band; None for a scene that lies elsewhere, which would have to be fetched.

    Raises
    ------
    InputRefused
        ``READ`` or ``OPEN`` when a file cannot be decoded.
    """
    if scene.allow_remote and any("://" in band.path for band in scene.bands):
        return None
    names, _ = pictured([band.name for band in scene.bands])
    chosen = [scene.bands[i] for i in composite(names)[0]]
    image, valid, part = _small(scene, chosen)
    shown = ", ".join(band.name for band in chosen)
    return Thumbnail(jpeg(np.stack([_stretched(plane, valid) for plane in image])), f"{shown}{part}")


def classes_thumbnail(path: str | Path, legend: Legend | None = None) -> Thumbnail | None:
    """A class raster that geoseg wrote, in its legend's colours, from its overviews; None where it names no classes."""
    with gdal_env(), rasterio.open(path, driver="GTiff", sharing=False) as dataset:
        legend = legend or read_names(dataset, 1, None).legend
        whole = Window(0, 0, *dataset.shape)
        window = whole if _cost(dataset) <= _MOST else _centre(dataset.shape)
        values = _decimated(dataset, [1], window, _fit(window.shape))[0]
    if legend is None:
        return None
    return Thumbnail(classes_png(values, legend), "" if window == whole else _said(window, whole.shape), legend)


def classes_png(values: NDArray[Any], legend: Legend) -> str:
    """Class values (rows, cols) as a PNG with a palette; a value of no class is light grey."""
    found, index = np.unique(values, return_inverse=True)
    table = {i: legend.colours.get(int(value), (_NOTHING,) * 3) for i, value in enumerate(found[:256].tolist())}
    small = index.reshape(values.shape).clip(0, 255).astype(np.uint8)
    return _encoded("PNG", small[None], table)


def jpeg(image: Bytes) -> str:
    """Colours, uint8 (3 or 1, rows, cols), as a JPEG of a few KB."""
    return _encoded("JPEG", image if len(image) == 3 else np.repeat(image[:1], 3, axis=0), {})


def _small(scene: Scene, bands: list[Band]) -> tuple[NDArray[Any], NDArray[np.bool_], str]:
    """Image and valid of the whole scene, or of its centre where that would take long."""
    shape = scene.geobox.shape
    plain = all(band.driver != NETCDF and _same_ground(band, scene.geobox) for band in bands)
    if plain:
        with gdal_env(threads=1):
            datasets = [dataset_of(band, threads=1, allow_remote=False) for band in bands]
            if all(_cost(dataset) <= _MOST for dataset in datasets):
                planes = [
                    decoded(
                        band.path, partial(_decimated, dataset, [band.index], Window(0, 0, *dataset.shape), _fit(shape))
                    )[0]
                    for dataset, band in zip(datasets, bands, strict=True)
                ]
                return np.stack(planes), _valid(planes, bands), ""
    window = _centre(shape)
    image, valid = read_window(scene.select([band.name for band in bands]), window, threads=1)
    step = -(-max(window.shape) // SIDE)
    return image[:, ::step, ::step], valid[::step, ::step], "" if window.shape == shape else _said(window, shape)


def _same_ground(band: Band, geobox: GeoBox) -> bool:
    """Whether a band's own grid covers what the scene's does, to a pixel: then every picture of it fits the others."""
    if band.grid is None:
        return True
    apart = (abs(a - b) for a, b in zip(band.grid.bounds, geobox.bounds, strict=True))
    return band.grid.crs == geobox.crs and max(apart) <= max(band.grid.res)


def _cost(dataset: Any) -> float:
    """Pixels that a small picture of all is made from."""
    factor = max(dataset.shape) / SIDE
    usable = [level for level in dataset.overviews(1) if level <= factor]
    return float(dataset.shape[0] * dataset.shape[1] / max([1, *usable]) ** 2)


def _decimated(dataset: Any, indexes: list[int], window: Window, shape: tuple[int, int]) -> NDArray[Any]:
    from rasterio.windows import Window as RasterioWindow

    where = RasterioWindow(window.col, window.row, window.width, window.height)
    return np.asarray(dataset.read(indexes, window=where, out_shape=(len(indexes), *shape)))


def _fit(shape: tuple[int, int]) -> tuple[int, int]:
    scale = min(SIDE / max(shape), 1.0)
    return max(round(shape[0] * scale), 1), max(round(shape[1] * scale), 1)


def _centre(shape: tuple[int, int]) -> Window:
    high, wide = (min(side, _CENTRE) for side in shape)
    return Window((shape[0] - high) // 2, (shape[1] - wide) // 2, high, wide)


def _said(window: Window, shape: tuple[int, int]) -> str:
    return f" (the middle {window.height} x {window.width} of {shape[0]} x {shape[1]} pixels)"


def _valid(planes: list[NDArray[Any]], bands: list[Band]) -> NDArray[np.bool_]:
    valid = np.ones(planes[0].shape, bool)
    for plane, band in zip(planes, bands, strict=True):
        if plane.dtype.kind == "f":
            valid &= np.isfinite(plane)
        if band.nodata is not None:
            valid &= plane != band.nodata
    return valid


def _stretched(plane: NDArray[Any], valid: NDArray[np.bool_]) -> Bytes:
    """Percentiles 2 and 98 become black and white; light grey where there is no data."""
    return np.where(valid, stretched(plane.astype(np.float64), *limits(plane, valid)), np.uint8(_NOTHING))


def _encoded(driver: str, image: Bytes, palette: Mapping[int, tuple[int, ...]]) -> str:
    count, rows, cols = image.shape
    with gdal_env(), MemoryFile() as memory, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        profile = {"driver": driver, "count": count, "height": rows, "width": cols, "dtype": "uint8"}
        with memory.open(**profile) as file:
            if palette:
                file.write_colormap(1, dict(palette))
            file.write(image)
        data = memory.read()
    return f"data:image/{driver.lower()};base64,{base64.b64encode(data).decode()}"
