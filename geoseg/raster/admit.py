"""Admit: what may be opened at all, and why not."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import rasterio
from rasterio.crs import CRS
from rasterio.errors import RasterioError

from geoseg.errors import InputRefused
from geoseg.grid.geobox import GeoBox
from geoseg.raster.env import gdal_env

log = logging.getLogger(__name__)


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
    size: int

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
) -> Admitted:
    """Say what a raster file is, or refuse it (thin: the checks come)."""
    name = str(path)
    driver = "JP2OpenJPEG" if name.lower().endswith(".jp2") else "GTiff"
    with open_admitted(name, driver, allow_remote=allow_remote) as dataset:
        if dataset.crs is None and assume_crs is None:
            raise InputRefused.of("NO_CRS", name, "has no CRS", "Add --assume-crs EPSG:...")
        crs = dataset.crs or CRS.from_user_input(assume_crs)
        return Admitted(
            path=name,
            driver=driver,
            geobox=GeoBox.of(dataset.shape, dataset.transform, crs.to_wkt()),
            dtypes=tuple(dataset.dtypes),
            nodata=tuple(dataset.nodatavals),
            scales=tuple(dataset.scales),
            offsets=tuple(dataset.offsets),
            descriptions=tuple(text or "" for text in dataset.descriptions),
            colours=tuple(colour.name for colour in dataset.colorinterp),
            size=Path(name).stat().st_size if Path(name).exists() else 0,
        )


@contextmanager
def open_admitted(path: str | Path, driver: str, *, allow_remote: bool = False) -> Iterator[rasterio.DatasetReader]:
    """Open a raster with a named driver inside the locked-down environment; rasterio's errors become InputRefused."""
    with gdal_env(allow_remote=allow_remote):
        try:
            dataset = rasterio.open(str(path), driver=driver, sharing=False)
        except RasterioError as error:
            raise InputRefused.of("OPEN", path, str(error)) from error
        with dataset:
            try:
                yield dataset
            except RasterioError as error:
                raise InputRefused.of("READ", path, str(error)) from error
