"""Vector peers: the ways in which people make polygons of a class raster today, to a GeoPackage with class and area."""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from bench.measure import say


def shapes(mask: Path, out: Path) -> None:
    """rasterio.features.shapes and geopandas, as their documentation shows them."""
    import geopandas
    import rasterio
    import rasterio.features
    import shapely.geometry

    with rasterio.open(mask) as dataset:
        values, transform, crs = dataset.read(1), dataset.transform, dataset.crs
    found = rasterio.features.shapes(values, mask=values != 0, transform=transform)
    rows = [(shapely.geometry.shape(shape), int(value)) for shape, value in found]
    frame = geopandas.GeoDataFrame({"class_id": [v for _, v in rows]}, geometry=[g for g, _ in rows], crs=crs)
    frame["area_m2"] = frame.area
    frame.to_file(out, layer="landcover", driver="GPKG")


def xrspatial(mask: Path, out: Path) -> None:
    """xarray-spatial's polygonize to a GeoDataFrame, and geopandas."""
    import rasterio

    polygonize = importlib.import_module("xrspatial.experimental.polygonize").polygonize
    raster = importlib.import_module("rioxarray").open_rasterio(mask).squeeze(drop=True)
    with rasterio.open(mask) as dataset:
        transform, crs = dataset.transform, dataset.crs
    frame = polygonize(
        raster, mask=raster != 0, transform=list(transform)[:6], column_name="class_id", return_type="geopandas"
    )
    frame = frame.set_crs(crs, allow_override=True)
    frame["area_m2"] = frame.area
    frame.to_file(out, layer="landcover", driver="GPKG")


def gdal_polygonize(mask: Path, out: Path) -> None:
    """gdal_polygonize.py of the system, as users call it; it writes no area."""
    out.unlink(missing_ok=True)
    command = ["gdal_polygonize.py", "-q", "-f", "GPKG", str(mask), str(out), "landcover", "class_id"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


PEERS: dict[str, Callable[[Path, Path], None]] = {
    "shapes": shapes,
    "xrspatial": xrspatial,
    "gdal_polygonize": gdal_polygonize,
}
NEEDS = {"shapes": ("geopandas",), "xrspatial": ("xrspatial", "rioxarray", "geopandas"), "gdal_polygonize": ()}


def has(who: str, python: str) -> bool:
    """Whether a peer is there; says so where it is not."""
    if who == "gdal_polygonize":
        there = shutil.which("gdal_polygonize.py") is not None
    elif python == sys.executable:
        there = all(importlib.util.find_spec(name) for name in NEEDS[who])
    else:
        names = ",".join(NEEDS[who])
        there = subprocess.run([python, "-c", f"import {names}"], check=False, capture_output=True).returncode == 0
    if not there:
        say(f"  left out: {who} is not installed")
    return there
