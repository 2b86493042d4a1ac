"""QGIS scene: a scene as a layer of a project, in true or false colour; of several files by a small VRT beside the project."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from geoseg.grid.geobox import GeoBox
from geoseg.raster.admit import open_admitted
from geoseg.raster.band import NETCDF, Band
from geoseg.raster.dated import pictured
from geoseg.raster.look import composite, limits
from geoseg.raster.printable import printable
from geoseg.raster.qml import picture_pipe
from geoseg.raster.scene import Scene
from geoseg.raster.sniff import remote_target
from geoseg.report.qgis_project import Layer, relative_source

VRT = "scene.vrt"
"""The file that shows several files as one, where a scene has them."""

_TYPES = {
    "uint8": "Byte", "int8": "Int8", "uint16": "UInt16", "int16": "Int16", "uint32": "UInt32", "int32": "Int32",
    "float32": "Float32", "float64": "Float64",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Seen:
    """A scene as a page has it: every n-th pixel, (bands, rows, cols) in the files' numbers, and where there is data."""

    image: NDArray[Any]
    valid: NDArray[np.bool_]


def scene_layers(scene: Scene, seen: Seen, *, home: Path, made: Path, dates: Sequence[str] = ("",)) -> dict[str, Layer]:
    """The scene as a layer of a project that will stand in ``home``; none where QGIS cannot open its files.

    Addresses are left out: they may hold a key, and a project is to open without a network. So are NetCDF files, whose
    bands no GDAL file holds, and bands in another CRS than the scene's.

    Parameters
    ----------
    made
        The folder where files are made that will stand in ``home``: :data:`VRT` is written there where it is needed.
    dates
        One layer for each: of bands that begin with ``before_``, say; of an empty one, of the scene, of two dates the later.
    """
    there = [i for i, band in enumerate(scene.bands) if _opens(band, scene)]
    if not there:
        return {}
    bands = [scene.bands[i] for i in there]
    alone = all(band.path == bands[0].path and not band.warped for band in bands)
    if not alone:
        (made / VRT).write_text(vrt_xml(bands, scene.geobox, home), encoding="utf-8")
    source = relative_source(bands[0].path, home) if alone else f"./{VRT}"
    layers = {}
    for date in dates:
        names = _names([band.name for band in bands], date)
        if any(names):
            shown, _ = composite(names)
            ends = [limits(seen.image[there[k]], seen.valid) for k in shown]
            if alone:
                ends = _as_shown(bands[0], [bands[k].index for k in shown], ends)
            pipe = picture_pipe([bands[k].index if alone else k + 1 for k in shown], ends)
            layers[date] = Layer(f"scene{date}", date.strip("_") or scene.name, source, scene.geobox, pipe, not date)
    return layers


def vrt_xml(bands: Sequence[Band], geobox: GeoBox, home: Path) -> str:
    """A VRT in ``home`` that has the bands, in order and with their names, on one grid; pixels are not resampled smoothly."""
    a, b, c, d, e, f = geobox.transform
    return (
        f'<VRTDataset rasterXSize="{geobox.shape[1]}" rasterYSize="{geobox.shape[0]}">\n'
        f"  <SRS>{_text(geobox.crs)}</SRS>\n"
        f"  <GeoTransform>{c!r}, {a!r}, {b!r}, {f!r}, {d!r}, {e!r}</GeoTransform>\n"
        + "".join(_band(i, band, geobox, Path(os.path.realpath(home))) for i, band in enumerate(bands, start=1))
        + "</VRTDataset>\n"
    )


def _opens(band: Band, scene: Scene) -> bool:
    """Whether a VRT, or QGIS itself, can show a band on the scene's grid."""
    if band.driver == NETCDF or band.dtype not in _TYPES or remote_target(band.path, allow_remote=True):
        return False
    if not band.path.isprintable():  # XML cannot name it
        return False
    if band.grid is None:
        return True
    upright = all(grid.transform[1] == grid.transform[3] == 0 for grid in (band.grid, scene.geobox))
    return upright and band.grid.crs == scene.geobox.crs


def _names(names: Sequence[str], date: str) -> list[str]:
    """The bands of a date without it, the others empty."""
    if not date:
        return pictured(names)[0]
    return [name.removeprefix(date).lower() if name.startswith(date) else "" for name in names]


def _as_shown(band: Band, numbers: Sequence[int], ends: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Limits as QGIS wants them: it applies scale and offset that the file itself has, whatever geoseg does with them."""
    with open_admitted(band.path, band.driver) as dataset:
        units = [(dataset.scales[i - 1], dataset.offsets[i - 1]) for i in numbers]
    scaled = [(low * k + d, high * k + d) for (low, high), (k, d) in zip(ends, units, strict=True)]
    return [(min(pair), max(pair)) for pair in scaled]


def _band(number: int, band: Band, geobox: GeoBox, home: Path) -> str:
    grid = band.grid or geobox
    col, row = ~geobox.affine @ (grid.transform[2], grid.transform[5])
    (a, _, _, _, e, _), (own_a, _, _, _, own_e, _) = geobox.transform, grid.transform
    high, wide = grid.shape[0] * own_e / e, grid.shape[1] * own_a / a
    nodata = "" if band.nodata is None else f"    <NoDataValue>{band.nodata:.17g}</NoDataValue>\n"
    return (
        f'  <VRTRasterBand dataType="{_TYPES[band.dtype]}" band="{number}">\n'
        f"    <Description>{_text(band.name)}</Description>\n{nodata}    <SimpleSource>\n"
        f"      {_filename(band.path, home)}\n      <SourceBand>{band.index}</SourceBand>\n"
        f'      <SrcRect xOff="0" yOff="0" xSize="{grid.shape[1]}" ySize="{grid.shape[0]}"/>\n'
        f'      <DstRect xOff="{col:.10g}" yOff="{row:.10g}" xSize="{wide:.10g}" ySize="{high:.10g}"/>\n'
        "    </SimpleSource>\n  </VRTRasterBand>\n"
    )


def _filename(path: str, home: Path) -> str:
    """A file as GDAL finds it from the VRT: by the system, which follows links, where QGIS goes by the names."""
    whole = os.path.realpath(path)
    try:
        near, relative = os.path.relpath(whole, home), 1
    except ValueError:
        near, relative = whole, 0
    return f'<SourceFilename relativeToVRT="{relative}">{_text(PurePath(near).as_posix())}</SourceFilename>'


def _text(text: str) -> str:
    return escape(printable(text))
