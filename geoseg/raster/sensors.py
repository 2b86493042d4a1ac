r"""Sensors: one set of band names over the products, and which adapter reads a product's folder.

========== ================== ============== ============== =====================================
name       Sentinel-2         Landsat 8, 9   Landsat 4-7    centre, about
========== ================== ============== ============== =====================================
coastal    B01 (60 m)         B1                            443 nm
blue       B02 (10 m)         B2             B1             490 nm
green      B03 (10 m)         B3             B2             560 nm
red        B04 (10 m)         B4             B3             660 nm
rededge1   B05 (20 m)                                       705 nm
rededge2   B06 (20 m)                                       740 nm
rededge3   B07 (20 m)                                       783 nm
nir        B08 (10 m)         B5             B4             840 nm (865 nm on Landsat 8, 9)
nir08      B8A (20 m)                                       865 nm
nir09      B09 (60 m)                                       945 nm, water vapour
cirrus     B10 (60 m, L1C)    B9 (L1)                       1375 nm
swir1      B11 (20 m)         B6             B5             1610 nm
swir2      B12 (20 m)         B7             B7             2200 nm
pan        \                  B8 (L1, 15 m)  B8 (ETM+, L1)  panchromatic
lwir1      \                  B10            B6             thermal: kelvin in L2, W/(m2 sr um) in L1
lwir2      \                  B11 (L1)       B6 (high gain) thermal
========== ================== ============== ============== =====================================

A bundle may also ask by the product's own names (``B02``, ``B2``, ``B8A``); case does not matter.
"""

from __future__ import annotations

from pathlib import Path

from geoseg.errors import InputRefused
from geoseg.raster.band import Found

SENTINEL2 = {
    "B01": "coastal",
    "B02": "blue",
    "B03": "green",
    "B04": "red",
    "B05": "rededge1",
    "B06": "rededge2",
    "B07": "rededge3",
    "B08": "nir",
    "B8A": "nir08",
    "B09": "nir09",
    "B10": "cirrus",
    "B11": "swir1",
    "B12": "swir2",
}
OLI = {
    "B1": "coastal",
    "B2": "blue",
    "B3": "green",
    "B4": "red",
    "B5": "nir",
    "B6": "swir1",
    "B7": "swir2",
    "B8": "pan",
    "B9": "cirrus",
    "B10": "lwir1",
    "B11": "lwir2",
}
TM = {
    "B1": "blue",
    "B2": "green",
    "B3": "red",
    "B4": "nir",
    "B5": "swir1",
    "B7": "swir2",
    "B8": "pan",
    "B6": "lwir1",
    "B6_VCID_1": "lwir1",
    "B6_VCID_2": "lwir2",
}


def find_product(folder: Path, *, assume_crs: str | None) -> Found:
    """Describe a product's folder by whichever adapter knows it."""
    from geoseg.raster import landsat, safe

    if metadata := safe.metadata_of(folder):
        return safe.find_safe(folder, metadata, assume_crs=assume_crs)
    if metadata := landsat.metadata_of(folder):
        return landsat.find_landsat(folder, metadata, assume_crs=assume_crs)
    raise InputRefused.of(
        "FORMAT",
        folder,
        "the folder is neither a Sentinel-2 SAFE (MTD_MSIL1C.xml or MTD_MSIL2A.xml) "
        "nor a Landsat Collection 2 product (*_MTL.txt or .json)",
        "Name the raster files themselves",
    )
