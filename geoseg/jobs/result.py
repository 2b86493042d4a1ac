"""Result: what a run left, as an xarray Dataset of Dask blocks with CRS, classes and record; no pixel is read at opening."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geoseg.errors import GeosegError, InputRefused
from geoseg.jobs.folder import COMPARISONS
from geoseg.jobs.outputs import NAMES
from geoseg.jobs.read_record import read_record
from geoseg.legend import Colour, Legend
from geoseg.raster.lazy import CHUNK, legend_attributes, raster_array, zarr_array
from geoseg.vector.load import load_polygons

if TYPE_CHECKING:
    from xarray import Dataset

_POLYGONS, _PROBABILITIES = "polygons.gpkg", "probabilities.zarr"


def open_result(folder: str | Path, *, chunk: int = CHUNK) -> Dataset:
    """Open what a run left, as a Dataset on its grid.

    Parameters
    ----------
    folder
        That of ``segment``, ``change``, ``compare_images`` or ``trajectory``.
    chunk
        Side of a block, pixels.

    Returns
    -------
    xarray.Dataset
        A variable for each raster, (y, x), by the name of its file: ``mask`` and ``confidence``; ``change``, with ``before``
        and ``after``, which are made of it; ``magnitude``, ``pvalue``; ``trajectory``, ``first_change``, ... ``probabilities``
        is (class_name, y, x). Numbers are those of the files: nodata is ``_FillValue``, classes are ``flag_values`` and
        ``flag_meanings``, as CF has them. ``spatial_ref`` holds the CRS, for rioxarray too. All are Dask arrays: pixels are
        read when a result is asked for.

        ``result.geoseg`` knows the rest: ``legend``, ``run`` (``run.json``), ``polygons()`` (a GeoDataFrame, read when called).

    Raises
    ------
    InputRefused
        ``RUN``: no folder of a run that ended, or no raster of one in it. Those of :func:`geoseg.raster.admit.admit`.
    UsageError
        ``CHUNK``: not positive.

    Examples
    --------
    >>> result = geoseg.open_result("map")
    >>> water = (result.mask == result.geoseg.legend.value_of("water")).mean()
    >>> 0 < float(water.compute()) < 0.5
    True
    """
    import xarray

    folder = Path(folder)
    run = read_record(folder)
    _register()
    arrays = {path.stem: raster_array(path, chunk=chunk) for path in _rasters(folder, run)}
    if not arrays:
        raise InputRefused.of("RUN", folder, "holds no raster of a run", "Name the folder that a run wrote to")
    first = arrays.get("mask", next(iter(arrays.values())))
    arrays = {name: found for name, found in arrays.items() if found.shape == first.shape}
    legend = _legend_of(run, arrays["mask"].attrs if "mask" in arrays else {})
    if (folder / _PROBABILITIES).is_dir() and legend is not None:
        arrays["probabilities"] = zarr_array(folder / _PROBABILITIES, first, legend)
    if "change" in arrays and arrays["change"].dtype == "uint16" and legend is not None:
        arrays |= _dates(arrays["change"], legend)
    attrs = {
        "title": f"geoseg {run.get('kind', 'segment' if 'plan' in run else 'change')}",
        "source": str(folder),
        "history": str(run.get("run", "")),
    }
    return xarray.Dataset(arrays, attrs=attrs)


class ResultView:
    """``result.geoseg``: what a run's folder holds beside its rasters."""

    def __init__(self, dataset: Dataset) -> None:
        """Take a Dataset of :func:`open_result`, or what was selected from it."""
        self._dataset = dataset

    @property
    def folder(self) -> Path:
        """The run's folder.

        Raises
        ------
        InputRefused
            ``NOT_FOUND``: the Dataset does not say; it was made by something else.
        """
        source = self._dataset.attrs.get("source")
        if not source:
            raise InputRefused.of("NOT_FOUND", "dataset", "names no folder of a run", "Open it with geoseg.open_result")
        return Path(source)

    @property
    def run(self) -> dict[str, Any]:
        """What ``run.json`` says."""
        return read_record(self.folder)

    @property
    def legend(self) -> Legend | None:
        """The classes; of a change those of its two dates."""
        mask = self._dataset.get("mask")
        return _legend_of(self.run, {} if mask is None else mask.attrs)

    def polygons(
        self, *, bbox: tuple[float, float, float, float] | None = None, columns: list[str] | None = None
    ) -> Any:
        """The run's polygons as a geopandas.GeoDataFrame, all or those that meet (left, bottom, right, top); read now.

        Raises
        ------
        InputRefused
            ``NOT_FOUND``: the run made none.
        """
        return load_polygons(self.folder / _POLYGONS, bbox=bbox, columns=columns)


@cache
def _register() -> None:
    """Give datasets their ``geoseg``; once, and only when a result is opened: importing xarray takes a second."""
    import xarray

    xarray.register_dataset_accessor("geoseg")(ResultView)


def _rasters(folder: Path, run: dict[str, Any]) -> list[Path]:
    """The rasters that runs make, of those in the folder: what else lies there is somebody else's."""
    known = {*NAMES, *(name for made in COMPARISONS.values() for name in made), *map(str, run.get("masks") or ())}
    return [path for path in sorted(folder.glob("*.tif")) if path.name in known and path.is_file()]


def _legend_of(run: dict[str, Any], attrs: Mapping[Any, Any]) -> Legend | None:
    """The classes: those that the mask names, else those that the record has; of a comparison those of its dates."""
    try:
        if attrs.get("legend"):
            made = json.loads(attrs["legend"])
            return Legend.from_stac(made["classes"], made["nodata"])
        told = run.get("classes") or []
        names = {int(item["value"]): str(item["name"]) for item in told}
        colours = {int(item["value"]): _colour(item["colour"]) for item in told}
        return Legend.of(names, colours) if names else None
    except (GeosegError, ValueError, TypeError, KeyError):  # somebody wrote into the record
        return None


def _colour(told: Any) -> Colour:
    red, green, blue = told
    return int(red), int(green), int(blue)


def _dates(change: Any, legend: Legend) -> dict[str, Any]:
    """The map before and the one after, made of the codes when they are asked for."""
    flags = legend_attributes(legend, "uint8") | {"_FillValue": np.uint8(0)}
    parts = {"before": change // 256, "after": change % 256}
    made = {}
    for name, part in parts.items():
        made[name] = part.astype("uint8").assign_attrs({"long_name": f"class, {name}", **flags})
        made[name].encoding["grid_mapping"] = change.encoding["grid_mapping"]
    return made
