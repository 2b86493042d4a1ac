"""Write a mask: strips of rows, top to bottom, become a finished Cloud Optimized GeoTIFF, or nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import rasterio
import rasterio.shutil

from geoseg.grid.geobox import GeoBox
from geoseg.legend import Legend
from geoseg.raster.files import complete_or_absent

Strip = tuple[int, np.ndarray]


def write_mask(
    path: str | Path,
    geobox: GeoBox,
    legend: Legend,
    row_strips: Iterable[Strip],
    *,
    description: str = "class",
    tags: Mapping[str, str] | None = None,
) -> None:
    """Write a class raster."""
    rows, cols = geobox.shape
    colours = {0: (0, 0, 0, 255), legend.nodata: (0, 0, 0, 0), **{v: (*c, 255) for v, c in legend.colours.items()}}
    with complete_or_absent(path) as temporary, rasterio.Env(GDAL_CACHEMAX=64):
        plain = temporary.with_name("plain.tif")
        profile = dict(
            driver="GTiff", height=rows, width=cols, count=1, dtype="uint8", nodata=legend.nodata,
            crs=geobox.crs, transform=geobox.affine, tiled=True, blockxsize=512, blockysize=512, compress="deflate",
            zlevel=6, bigtiff="IF_SAFER",
        )
        with rasterio.open(plain, "w", **profile) as out:
            out.write_colormap(1, colours)
            out.set_band_description(1, description)
            out.update_tags(**(tags or {}))
            for row, strip in row_strips:
                out.write(strip, 1, window=((row, row + strip.shape[0]), (0, cols)))
        rasterio.shutil.copy(plain, temporary, driver="COG", blocksize=512, compress="deflate", overview_resampling="mode")
        plain.unlink()
