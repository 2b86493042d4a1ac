"""Maps: checks of GDAL, PROJ and their data: that no other installation's get in the way, and that files come out whole."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from geoseg.jobs.doctor.finding import Finding, fail, ok, warn

_POINT = (11.5, 48.1)  # longitude and latitude, in UTM zone 32
_PLACE = (686121.756, 5330438.130)
"""Where it lies in EPSG:32632, by the series of Krueger (1912) to the third order, which needs no library."""


def gdal(_: str) -> Finding:
    """Rasterio's GDAL, the drivers that are needed, and settings of the environment that mean another GDAL."""
    import rasterio

    said = f"rasterio {rasterio.__version__} with GDAL {rasterio.__gdal_version__}"
    with rasterio.Env() as env:
        drivers = env.drivers()
    missing = [name for name in ("GTiff", "COG", "JP2OpenJPEG", "VRT", "PNG") if name not in drivers]
    if missing:
        return fail("gdal", f"{said}; lacks {', '.join(missing)}", "Run: pip install --force-reinstall rasterio")
    folder = os.environ.get("GDAL_DATA")
    if folder is not None and not (Path(folder) / "gdalvrt.xsd").is_file():
        return warn("gdal", f"{said}; GDAL_DATA={folder} holds no data of GDAL", "Run: unset GDAL_DATA")
    if folder is not None and not _of_wheel(folder):
        return warn("gdal", f"{said}; GDAL_DATA={folder} is of another installation", "Run: unset GDAL_DATA")
    if plugins := os.environ.get("GDAL_DRIVER_PATH"):
        return warn(
            "gdal", f"{said}; GDAL_DRIVER_PATH={plugins} loads drivers of another GDAL", "Run: unset GDAL_DRIVER_PATH"
        )
    return ok("gdal", f"{said}, {len(drivers)} drivers")


def proj(_: str) -> Finding:
    """PROJ's database: of the version that each library was built for, and not of another installation."""
    import pyproj
    import rasterio

    own = _layout(Path(rasterio.__file__).parent / "proj_data") or _layout(Path(pyproj.datadir.get_data_dir()))
    said = f"pyproj with PROJ {pyproj.proj_version_str}" + (f", rasterio with {own[1]}" if own else "")
    for name in ("PROJ_DATA", "PROJ_LIB"):
        folders = os.environ.get(name)
        if folders is None:
            continue
        given = next((found for part in folders.split(os.pathsep) if (found := _layout(Path(part)))), None)
        if given is None:
            return fail("proj", f"{said}; {name}={folders} holds no proj.db", f"Run: unset {name}")
        if own and given[0] < own[0]:
            old, new = (".".join(map(str, item[0])) for item in (given, own))
            what = f"{said}; {name}={folders} is the database of PROJ {given[1]}, layout {old}, and {new} is needed"
            return fail("proj", what, f"Run: unset {name}")
        if not own or given[1] != own[1]:
            return warn("proj", f"{said}; {name}={folders} is the database of PROJ {given[1]}", f"Run: unset {name}")
    return ok("proj", said)


def coordinates(_: str) -> Finding:
    """One point through GDAL and through pyproj: both at its known place."""
    from pyproj import Transformer
    from rasterio.warp import transform

    by_gdal = transform("EPSG:4326", "EPSG:32632", [_POINT[0]], [_POINT[1]])
    by_pyproj = Transformer.from_crs("EPSG:4326", "EPSG:32632", always_xy=True).transform(*_POINT)
    found = {"GDAL": (by_gdal[0][0], by_gdal[1][0]), "pyproj": by_pyproj}
    for name, place in found.items():
        off = max(abs(a - b) for a, b in zip(place, _PLACE, strict=True))
        if not off < 0.02:
            what = f"{name} puts a known point {off:.2f} m beside its place"
            return fail(
                "crs",
                what,
                "Run geoseg doctor without PROJ_DATA, PROJ_LIB and GDAL_DATA; else reinstall rasterio and pyproj",
            )
    return ok("crs", "GDAL and pyproj put a known point where it lies, to 2 cm")


def cog(folder: str) -> Finding:
    """A class map of 600 x 600 pixels written as a Cloud Optimized GeoTIFF, and read back."""
    import numpy as np
    from rasterio.crs import CRS

    from geoseg.grid.geobox import GeoBox
    from geoseg.legend import Legend
    from geoseg.raster.classes import open_classes
    from geoseg.raster.write import write_mask

    values = (np.indices((600, 600)).sum(axis=0) // 50 % 2 + 1).astype("uint8")
    crs = CRS.from_epsg(32632).to_wkt()
    geobox = GeoBox((600, 600), (10.0, 0.0, 500_000.0, 0.0, -10.0, 5_400_000.0), crs)
    with tempfile.TemporaryDirectory(prefix=".geoseg-doctor-", dir=folder) as made:
        path = Path(made) / "mask.tif"
        counts = write_mask(path, geobox, Legend.of({1: "one", 2: "two"}), [(0, values)])
        opened = open_classes(path)
        names = [item.name for item in opened.legend.classes]
        size = path.stat().st_size
    if names != ["one", "two"] or counts[1] + counts[2] != 360_000:
        return fail("cog", "what was written is not what is read back", "Run: pip install --force-reinstall rasterio")
    return ok("cog", f"a class map written and read back, {size:,} bytes")


def vector(folder: str) -> Finding:
    """A polygon written as a GeoPackage, and read back."""
    import numpy as np
    import pyogrio
    import shapely

    said = f"pyogrio {pyogrio.__version__} with GDAL {pyogrio.__gdal_version_string__}"
    shape = shapely.box(0, 0, 10, 10)
    with tempfile.TemporaryDirectory(prefix=".geoseg-doctor-", dir=folder) as made:
        path = Path(made) / "polygons.gpkg"
        pyogrio.raw.write(
            path, np.array([shapely.to_wkb(shape)], object), [np.array([7])], ["class_id"],
            layer="landcover", driver="GPKG", geometry_type="Polygon", crs="EPSG:32632",
        )  # fmt: skip
        facts, _, shapes, columns = pyogrio.raw.read(path, layer="landcover")
    same = columns[0].tolist() == [7] and shapely.equals(shapely.from_wkb(shapes[0]), shape)
    if not same or facts["crs"] != "EPSG:32632":
        remedy = "Run: pip install --force-reinstall pyogrio"
        return fail("vector", f"{said}: a GeoPackage does not come back as it was", remedy)
    return ok("vector", f"{said}: a GeoPackage written and read back")


def _of_wheel(folder: str) -> bool:
    import rasterio

    return Path(folder).resolve() == (Path(rasterio.__file__).parent / "gdal_data").resolve()


def _layout(folder: Path) -> tuple[tuple[int, int], str] | None:
    """Layout (major, minor) and PROJ's version of a folder's proj.db; None where there is none that can be read."""
    path = folder / "proj.db"
    if not path.is_file():
        return None
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as database:
            rows = dict(database.execute("SELECT key, value FROM metadata"))
    except sqlite3.Error:
        return None
    layout = tuple(int(rows.get(f"DATABASE.LAYOUT.VERSION.{part}", 0)) for part in ("MAJOR", "MINOR"))
    return (layout[0], layout[1]), rows.get("PROJ.VERSION", "?")
