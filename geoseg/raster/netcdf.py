"""Netcdf: the bands of a NetCDF file, each a variable on (y, x), through xarray; GDAL never opens it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS

from geoseg.errors import InputRefused
from geoseg.grid.geobox import GeoBox, Window
from geoseg.raster.band import NETCDF, Band, Found, Quality
from geoseg.raster.env import GDAL_ERRORS
from geoseg.raster.georef import check_crs
from geoseg.raster.hdf5 import check_hdf5
from geoseg.raster.plain import rename
from geoseg.raster.quality import SCL_CLOUDS

if TYPE_CHECKING:
    from xarray import DataArray, Dataset

_HDF5, _CLASSIC = b"\x89HDF\r\n\x1a\n", (b"CDF\x01", b"CDF\x02")
_X, _Y = ("x", "lon", "longitude", "easting"), ("y", "lat", "latitude", "northing")
_UNEVEN = 0.01
"""Coordinates are a grid when none is further from its place than this share of a pixel."""


def is_netcdf(path: Path) -> bool:
    """Say whether a file starts as NetCDF does (classic, or HDF5)."""
    if not path.is_file():  # a pipe would block
        return False
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError:
        return False
    return head == _HDF5 or head[:4] in _CLASSIC


def find_netcdf(path: Path, *, names: Sequence[str] | None, time: str | None, assume_crs: str | None) -> Found:
    """Describe the variables that lie on one regular grid of y and x; of several time steps one must be chosen."""
    with _opened(str(path)) as dataset:
        arrays = [array for array in dataset.data_vars.values() if _is_raster(array)]
        if not arrays:
            raise _refused(path, "no variable lies on y and x", "Convert it to GeoTIFF")
        grid = _geobox(dataset, arrays[0], path, assume_crs)
        arrays = [array for array in arrays if array.dims[-2:] == arrays[0].dims[-2:]]
        steps = {array.name: _time_step(array, path, time) for array in arrays}
        found = [_band(array, steps[array.name][0], path, grid) for array in arrays]
        when = next((label for _, label in steps.values() if label), None)
    scl = next((band for band in found if band.name.upper() == "SCL"), None)
    spectral = rename([band for band in found if band is not scl], names, path)
    plain = all((band.scale, band.offset) == (1.0, 0.0) and np.dtype(band.dtype).kind in "iu" for band in spectral)
    return Found(
        name=path.stem,
        bands=spectral,
        units="dn" if plain else "unknown",
        datetime=when,
        notes=(f"NetCDF, time step {when}",) if when else (),
        clouds=Quality(scl.path, scl.index, NETCDF, values=SCL_CLOUDS, grid=grid, variable=scl.variable)
        if scl
        else None,
    )


def read_netcdf(band: Band | Quality, grid: GeoBox, window: Window) -> NDArray[Any]:
    """Read a window (rows, cols) of a variable, raw values, row 0 at the top of ``grid``."""
    with _opened(band.path) as dataset:
        array = dataset[band.variable]
        rising = _rising(dataset, array)
        if array.ndim == 3:
            array = array[band.index - 1]
        rows, cols = window.slices
        if rising:
            rows = slice(grid.shape[0] - rows.stop, grid.shape[0] - rows.start)
        try:
            values = np.asarray(array[rows, cols].values)
        except (OSError, ValueError, RuntimeError) as error:
            raise InputRefused.of(
                "READ", band.path, f"{band.variable} cannot be decoded ({error})", "Copy or download it again"
            ) from error
    values = values.astype(values.dtype.newbyteorder("="), copy=False).view(_dtype(array))
    return values[::-1] if rising else values


@contextmanager
def _opened(path: str) -> Iterator[Dataset]:
    import xarray

    with Path(path).open("rb") as file:
        hdf5 = file.read(8) == _HDF5
    if hdf5:
        check_hdf5(path)
    try:
        dataset = xarray.open_dataset(
            path,
            engine="h5netcdf" if hdf5 else "scipy",
            mask_and_scale=False,
            decode_times=False,
            decode_coords=True,
            cache=False,
            backend_kwargs={"phony_dims": "sort"} if hdf5 else {},  # plain HDF5 has no dimensions; unsaid, it warns
        )
    except Exception as error:  # the libraries below raise whatever a broken file makes them stumble over
        raise _refused(
            path, f"not a NetCDF file that can be read ({type(error).__name__}: {error})", "Convert it to GeoTIFF"
        ) from error
    with dataset:
        yield dataset


def _is_raster(array: DataArray) -> bool:
    return (
        array.ndim in (2, 3)
        and str(array.dims[-1]).lower() in _X
        and str(array.dims[-2]).lower() in _Y
        and array.dtype.kind in "iuf"
        and min(array.shape[-2:]) > 0
    )


def _geobox(dataset: Dataset, array: DataArray, path: Path, assume_crs: str | None) -> GeoBox:
    crs = _crs(dataset, array, path, assume_crs)
    check_crs(crs, str(path))
    columns, rows = (_axis(dataset, str(array.dims[axis]), path) for axis in (-1, -2))
    left, width = columns
    top, height = rows
    if height > 0:  # rows run south to north: the scene's run the other way
        top, height = top + height * array.shape[-2], -height
    if width < 0:
        raise _refused(path, "x runs from east to west", "Convert it to GeoTIFF")
    return GeoBox.of((array.shape[-2], array.shape[-1]), Affine(width, 0, left, 0, height, top), crs.to_wkt())


def _axis(dataset: Dataset, name: str, path: Path) -> tuple[float, float]:
    """Outer edge of the first pixel and the step (signed), from the pixels' centres."""
    if name not in dataset.coords or dataset.coords[name].ndim != 1 or dataset.coords[name].size < 2:
        raise _refused(path, f"{name} has no coordinates", "Convert it to GeoTIFF with its transform")
    centres = np.asarray(dataset.coords[name].values, np.float64)
    step = (centres[-1] - centres[0]) / (centres.size - 1)
    even = centres[0] + step * np.arange(centres.size)
    if not np.isfinite(centres).all() or step == 0 or np.abs(centres - even).max() > _UNEVEN * abs(step):
        raise _refused(path, f"{name} is not evenly spaced", "Resample it to a regular grid")
    return float(centres[0] - step / 2), float(step)


def _crs(dataset: Dataset, array: DataArray, path: Path, assume_crs: str | None) -> CRS:
    name = array.attrs.get("grid_mapping") or array.encoding.get("grid_mapping") or "spatial_ref"
    holder = dataset.variables.get(name)
    if holder is None:
        holder = next(
            (v for v in dataset.variables.values() if v.ndim == 0 and {"crs_wkt", "spatial_ref"} & set(v.attrs)), None
        )
    attributes = dict(holder.attrs) if holder is not None else dict(dataset.attrs)
    text = next(
        (attributes[key] for key in ("crs_wkt", "spatial_ref", "crs") if isinstance(attributes.get(key), str)), None
    )
    try:
        if text:
            return CRS.from_user_input(text)
        if assume_crs:
            return CRS.from_user_input(assume_crs)
    except GDAL_ERRORS as error:
        raise InputRefused.of(
            "CRS_BAD", path, f"its CRS is not understood ({error})", "Convert it to GeoTIFF"
        ) from error
    raise _refused(path, "has no CRS (grid_mapping with crs_wkt or spatial_ref)", "Add --assume-crs EPSG:...")


def _time_step(array: DataArray, path: Path, time: str | None) -> tuple[int, str | None]:
    """1-based step along the leading dimension, and its label."""
    if array.ndim == 2:
        return 1, None
    labels = _labels(array)
    if time is None and len(labels) == 1:
        return 1, labels[0]
    span = f"{len(labels)} time steps, {labels[0]} to {labels[-1]}"
    if time is None:
        raise InputRefused.of("TIME", path, f"holds {span}", f"Choose one, e.g. --time {labels[-1]}")
    matching = [i for i, label in enumerate(labels) if label.startswith(time)]
    if len(matching) != 1:
        near = [label for label in labels if label[:4] == time[:4]][:8]
        what = f"{len(matching)} of its {span} match --time {time}"
        raise InputRefused.of("TIME", path, what, f"Write one in full, e.g. {', '.join(near or labels[:3])}")
    return matching[0] + 1, labels[matching[0]]


def _labels(array: DataArray) -> list[str]:
    import xarray

    name = str(array.dims[0])
    if name not in array.coords:
        return [str(i + 1) for i in range(array.shape[0])]
    try:
        decoded = xarray.decode_cf(array.coords[name].to_dataset(name="_"), decode_times=True)[name].values
    except (ValueError, OverflowError):
        decoded = array.coords[name].values
    if np.issubdtype(decoded.dtype, np.datetime64):
        return [re.sub(r"T00:00:00$", "", str(value)) for value in decoded.astype("datetime64[s]")]
    return [str(value) for value in decoded]


def _band(array: DataArray, step: int, path: Path, grid: GeoBox) -> Band:
    fill = array.attrs.get("_FillValue", array.attrs.get("missing_value"))
    dtype = _dtype(array)
    nodata = None if fill is None else float(np.asarray(fill).astype(array.dtype).view(dtype).ravel()[0])
    return Band(
        name=str(array.name),
        path=str(path),
        index=step,
        driver=NETCDF,
        dtype=dtype.name,
        nodata=None if nodata is not None and np.isnan(nodata) else nodata,
        scale=float(array.attrs.get("scale_factor", 1.0)),
        offset=float(array.attrs.get("add_offset", 0.0)),
        grid=grid,
        variable=str(array.name),
    )


def _dtype(array: DataArray) -> np.dtype[Any]:
    """The values' own type: NetCDF classic has no unsigned ones and says so in an attribute."""
    dtype = array.dtype.newbyteorder("=")
    if dtype.kind == "i" and str(array.attrs.get("_Unsigned", "")).lower() == "true":
        return np.dtype(f"u{dtype.itemsize}")
    return dtype


def _rising(dataset: Dataset, array: DataArray) -> bool:
    rows = dataset.coords[str(array.dims[-2])].values
    return bool(rows[-1] > rows[0])


def _refused(path: object, what: str, remedy: str) -> InputRefused:
    return InputRefused.of("FORMAT", path, what, remedy)
