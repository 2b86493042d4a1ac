"""Band: where one layer of a scene lies, and how its numbers become the scene's units."""

from __future__ import annotations

from dataclasses import dataclass

from geoseg.grid.geobox import GeoBox

NETCDF = "xarray"
"""The ``driver`` of a band that is read through xarray, not GDAL."""


@dataclass(frozen=True, slots=True)
class Band:
    """One spectral layer; ``value * scale + offset`` is in the scene's units.

    Parameters
    ----------
    name
        What bundles ask for (``red``, ``nir``); unique in its scene.
    path, index, driver, variable
        The file, the 1-based band in it, who reads it, and for NetCDF the variable (``index`` is then the 1-based time step).
    nodata
        A value that says "no data"; it may lie outside the range of ``dtype`` and then never matches.
    grid
        The band's own pixel grid where it is not the scene's; it is then read through a WarpedVRT.
    mask
        What else says where the band has data: ``None`` nothing, 0 the file's mask, n > 0 its alpha band n.
    own
        What the product calls the band (``B02``); bundles may ask by it too.
    """

    name: str
    path: str
    index: int
    driver: str
    dtype: str
    nodata: float | None = None
    scale: float = 1.0
    offset: float = 0.0
    grid: GeoBox | None = None
    mask: int | None = None
    variable: str = ""
    own: str = ""

    @property
    def warped(self) -> bool:
        """Whether the band has to be brought onto the scene's grid."""
        return self.grid is not None


@dataclass(frozen=True, slots=True)
class Quality:
    """A layer of flags: pixels whose value is in ``values``, or that have one of ``bits`` set (0 = lowest), become nodata."""

    path: str
    index: int
    driver: str
    values: tuple[int, ...] = ()
    bits: tuple[int, ...] = ()
    grid: GeoBox | None = None
    variable: str = ""

    @property
    def warped(self) -> bool:
        """Whether the flags have to be brought onto the scene's grid."""
        return self.grid is not None


@dataclass(frozen=True, slots=True)
class Found:
    """What an adapter found, each band with its own grid, before the scene chooses one.

    ``clouds`` is the product's flag layer with the flags that mean cloud or shadow, used when it is asked for.
    """

    name: str
    bands: tuple[Band, ...]
    units: str = "unknown"
    product: str | None = None
    datetime: str | None = None
    notes: tuple[str, ...] = ()
    clouds: Quality | None = None
