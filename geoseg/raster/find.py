"""Find: whatever the paths are, as bands with a grid each, and the flags that were asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from geoseg.errors import InputRefused, UsageError
from geoseg.raster.admit import admit
from geoseg.raster.band import Band, Found, Quality
from geoseg.raster.plain import find_files
from geoseg.raster.quality import Request
from geoseg.raster.sensors import find_product


def find_bands(
    names: list[str], *, bands: Sequence[str] | None, time: str | None, assume_crs: str | None, allow_remote: bool
) -> Found:
    """Whatever the paths are, as bands with a grid each."""
    from geoseg.raster.netcdf import find_netcdf, is_netcdf

    folders = [name for name in names if Path(name).is_dir()]
    if folders and len(names) > 1:
        raise InputRefused.of(
            "NOT_A_FILE", folders[0], "a product's folder is a scene by itself", "Name one folder, or files only"
        )
    local = Path(names[0])
    if not folders and len(names) == 1 and is_netcdf(local):
        return find_netcdf(local, names=bands, time=time, assume_crs=assume_crs)
    if time is not None:
        raise UsageError.of(
            "TIME", names[0], "--time chooses a step of a NetCDF file, and this is none", "Leave it out"
        )
    if folders:
        return find_product(local, assume_crs=assume_crs)
    return find_files(names, names=bands, assume_crs=assume_crs, allow_remote=allow_remote)


def take_quality(
    found: Found, request: Request | None, assume_crs: str | None, allow_remote: bool
) -> tuple[tuple[Band, ...], Quality | None]:
    """The spectral bands and the flags that were asked for, which may be one of the file's own bands."""
    if request is None:
        return found.bands, None
    if not request.source:
        if found.clouds is None:
            what = "has no layer of flags of its own (Sentinel-2 SCL, Landsat QA_PIXEL)"
            raise InputRefused.of("QUALITY", found.name, what, "Name one: --quality FILE:values=3,8,9 or FILE:bits=3,4")
        return found.bands, found.clouds
    for band in found.bands:
        if band.name == request.source:
            flags = Quality(band.path, band.index, band.driver, request.values, request.bits, band.grid, band.variable)
            return tuple(other for other in found.bands if other is not band), flags
    if found.clouds and request.source.casefold() in ("scl", "qa_pixel"):
        return found.bands, replace(found.clouds, values=request.values, bits=request.bits)
    file = admit(request.source, assume_crs=assume_crs, allow_remote=allow_remote, palette_ok=True)
    return found.bands, Quality(file.path, 1, file.driver, request.values, request.bits, file.geobox)


def check_names(bands: tuple[Band, ...], where: str) -> None:
    """Refuse a scene without bands, or with two of one name (``BANDS``)."""
    names = [band.name for band in bands]
    if not names:
        raise InputRefused.of("BANDS", where, "no band is left", "Name at least one")
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise InputRefused.of(
            "BANDS", where, f"{', '.join(twice)} stands for more than one band", "Give each its own name with --bands"
        )
