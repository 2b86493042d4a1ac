"""Lazy: scenes and rasters as xarray arrays of Dask blocks, with CRS; pixels are read when a result is asked for.

Coordinates are those of CF and of rioxarray: ``y`` and ``x`` are centres of pixels, ``spatial_ref`` holds CRS and transform.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import UsageError
from geoseg.grid.geobox import GeoBox, Window
from geoseg.legend import Legend
from geoseg.raster.admit import Admitted, admit
from geoseg.raster.band import Band
from geoseg.raster.classes import class_names, read_layer
from geoseg.raster.identity import stamp
from geoseg.raster.read import read_window
from geoseg.raster.scene import Scene

if TYPE_CHECKING:
    from xarray import DataArray

GRID_MAPPING = "spatial_ref"
CHUNK = 2048
"""Side of a block, pixels: a multiple of the tiles of what geoseg writes."""

Read = Callable[[Window], NDArray[Any]]


def scene_array(scene: Scene, *, chunk: int = CHUNK) -> DataArray:
    """A scene as float32 (band, y, x): its units, NaN where a band that is in it has no data.

    Raises
    ------
    UsageError
        ``CHUNK``: not positive.
    """
    import xarray

    names = [band.name for band in scene.bands]
    found = _blocks(
        partial(_scene_window, scene), scene.geobox, chunk, dtype="float32", bands=len(names), key=scene.fingerprint
    )
    attrs = {
        "long_name": scene.name,
        "units": {"reflectance": "1", "dn": "1"}.get(scene.units, ""),
        "kind": scene.units,
    }
    more = {"datetime": scene.datetime, "product": scene.product, "fingerprint": scene.fingerprint}
    attrs |= {name: value for name, value in more.items() if value}
    made = xarray.DataArray(
        found, dims=("band", "y", "x"), name="scene", coords={"band": names, **coordinates(scene.geobox)}, attrs=attrs
    )
    made.encoding["grid_mapping"] = GRID_MAPPING
    return made


def raster_array(path: str | Path, *, chunk: int = CHUNK) -> DataArray:
    """The first band of a raster file that geoseg wrote, (y, x), as its numbers are; classes as CF's flags.

    ``_FillValue`` is the nodata value; where the file names classes ``flag_values``, ``flag_meanings``, ``flag_colors`` and,
    with names as they are, ``legend`` (JSON) say which.

    Raises
    ------
    InputRefused
        The codes of :func:`geoseg.raster.admit.admit`.
    """
    import xarray

    file = admit(path, palette_ok=True)
    layer = Band("values", file.path, 1, file.driver, file.dtypes[0], file.nodata[0], grid=file.geobox)
    key = f"{stamp(file.path)}"
    found = _blocks(partial(_layer_window, layer), file.geobox, chunk, dtype=layer.dtype, key=key)
    made = xarray.DataArray(
        found, dims=("y", "x"), name=Path(path).stem, coords=coordinates(file.geobox), attrs=_attributes(file, layer)
    )
    made.encoding["grid_mapping"] = GRID_MAPPING
    return made


def zarr_array(path: str | Path, like: DataArray, legend: Legend) -> DataArray:
    """Probabilities of a run, (class_name, y, x), on the grid of its mask."""
    import dask.array
    import xarray
    import zarr

    found = dask.array.from_zarr(zarr.open_array(str(path), mode="r"))
    names = [legend.names[value] for value in legend.values]
    coords: dict[Any, Any] = {"class_name": names, **{name: like.coords[name] for name in like.coords}}
    made = xarray.DataArray(found, dims=("class_name", "y", "x"), name="probabilities", coords=coords)
    made.attrs = {"long_name": "probability of each class", "units": "1"}
    made.encoding["grid_mapping"] = GRID_MAPPING
    return made


def coordinates(geobox: GeoBox) -> dict[str, Any]:
    """``spatial_ref``, and where the rows run along an axis ``y`` and ``x``: CF's grid mapping as rioxarray reads it too."""
    import pyproj
    import xarray

    crs = pyproj.CRS.from_user_input(geobox.crs)
    a, b, c, d, e, f = geobox.transform
    attrs = {**crs.to_cf(), GRID_MAPPING: crs.to_wkt(), "GeoTransform": f"{c} {a} {b} {f} {d} {e}"}
    coords: dict[str, Any] = {GRID_MAPPING: xarray.Variable((), np.int64(0), attrs)}
    if b or d:  # rotated: a pixel's place is for the transform to say
        return coords
    rows, cols = geobox.shape
    kinds = {item["axis"]: item for item in crs.cs_to_cf() if item.get("axis") in ("X", "Y")}
    coords["y"] = xarray.Variable(("y",), f + e * (np.arange(rows) + 0.5), kinds.get("Y", {}))
    coords["x"] = xarray.Variable(("x",), c + a * (np.arange(cols) + 0.5), kinds.get("X", {}))
    return coords


def legend_attributes(legend: Legend, dtype: str) -> dict[str, Any]:
    """CF's flags, in the array's own type: names without blanks, as CF wants them; in full in ``legend``."""
    if not legend.classes:
        return {}
    return {
        "flag_values": np.array(legend.values, dtype),
        "flag_meanings": " ".join("_".join(name.split()) or "_" for name in legend.names.values()),
        "flag_colors": " ".join("#{:02x}{:02x}{:02x}".format(*colour) for colour in legend.colours.values()),
        "legend": legend.to_json(),
    }


def _attributes(file: Admitted, layer: Band) -> dict[str, Any]:
    attrs: dict[str, Any] = {}
    if file.descriptions[0]:
        attrs["long_name"] = file.descriptions[0]
    legend = class_names(file, layer, allow_remote=False).legend
    if legend is not None:
        attrs |= legend_attributes(legend, layer.dtype)
    if layer.nodata is not None:
        attrs["_FillValue"] = np.dtype(layer.dtype).type(layer.nodata)
    return attrs


def _blocks(read: Read, geobox: GeoBox, chunk: int, *, dtype: str, bands: int = 0, key: str) -> Any:
    """A Dask array whose blocks are windows; ``read`` travels with each, and no pixel is read here."""
    import dask.array

    if chunk < 1:
        raise UsageError.of("CHUNK", chunk, "is no side of a block", "Use 512 or more")
    sides = tuple(tuple(min(chunk, side - start) for start in range(0, side, chunk)) for side in geobox.shape)
    chunks = ((bands,), *sides) if bands else sides
    name = hashlib.sha256(f"{key} {chunk} {dtype}".encode()).hexdigest()[:24]

    def block(block_id: tuple[int, ...] | None = None) -> NDArray[Any]:
        assert block_id is not None
        row, col = block_id[-2:]
        return read(Window(row * chunk, col * chunk, sides[0][row], sides[1][col]))

    meta = np.empty((0,) * len(chunks), dtype)
    return dask.array.map_blocks(block, chunks=chunks, dtype=dtype, meta=meta, name=f"geoseg-{name}")


def _scene_window(scene: Scene, window: Window) -> NDArray[np.float32]:
    """Values in the scene's units, NaN where not valid, float32 (bands, rows, cols)."""
    image, valid = read_window(scene, window, threads=1)
    out = np.empty(image.shape, np.float32)
    for band, plane, values in zip(scene.bands, image, out, strict=True):
        np.copyto(values, plane, casting="unsafe")
        if (band.scale, band.offset) != (1.0, 0.0):
            values *= np.float32(band.scale)
            values += np.float32(band.offset)
    out[:, ~valid] = np.nan
    return out


def _layer_window(layer: Band, window: Window) -> NDArray[Any]:
    values, _ = read_layer(layer, window, allow_remote=False, threads=1)
    return values
