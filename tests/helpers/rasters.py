"""Rasters: tiny files and small products, written where a test says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.transform import from_origin

UTM = "EPSG:32632"
CORNER = (500_000.0, 5_000_000.0)
S2_BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")
S2_METRES = {
    name: 10 if name in ("B02", "B03", "B04", "B08") else 60 if name in ("B01", "B09", "B10") else 20
    for name in S2_BANDS
}


def numbers(
    shape: tuple[int, ...], dtype: str = "uint16", seed: int = 0, low: int = 1, high: int = 3000
) -> NDArray[np.generic]:
    """Random values without 0."""
    top = min(high, np.iinfo(dtype).max) if np.dtype(dtype).kind in "iu" else high
    return np.random.default_rng(seed).integers(low, top, shape).astype(dtype)


def write_raster(
    path: Path,
    image: NDArray[np.generic],
    *,
    res: float = 10.0,
    corner: tuple[float, float] = CORNER,
    crs: str | None = UTM,
    transform: Affine | None = None,
    names: Sequence[str] = (),
    nodata: float | None = None,
    mask: NDArray[np.bool_] | None = None,
    driver: str = "GTiff",
    **options: object,
) -> Path:
    """Write ``image`` (bands, rows, cols); ``mask`` (True = data) goes inside the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {
        "driver": driver,
        "count": image.shape[0],
        "height": image.shape[1],
        "width": image.shape[2],
        "dtype": image.dtype,
        "crs": crs,
        "transform": transform or from_origin(*corner, res, res),
        "nodata": nodata,
    }
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK="YES", GDAL_PAM_ENABLED="NO"),
        rasterio.open(path, "w", **profile, **options) as file,
    ):
        file.write(image)
        for i, name in enumerate(names):
            file.set_band_description(i + 1, name)
        if mask is not None:
            file.write_mask(mask)
    return path


def write_jp2(path: Path, image: NDArray[np.generic], res: float) -> Path:
    """A lossless JPEG 2000 file of one band, georeferenced inside."""
    return write_raster(path, image, res=res, driver="JP2OpenJPEG", QUALITY="100", REVERSIBLE="YES", YCBCR420="NO")


def make_safe(
    folder: Path,
    *,
    level: str = "L2A",
    baseline: str = "05.10",
    add_offset: int | None = -1000,
    bands: Sequence[str] = S2_BANDS,
    side: int = 24,
) -> Path:
    """A small Sentinel-2 SAFE folder; ``side`` is its size in pixels of 60 m."""
    safe = folder / f"S2A_MSI{level}_20220605T101031_N0510_R022_T32TPS_20220605T163000.SAFE"
    images = safe / "GRANULE" / f"{level}_T32TPS_A036312_20220605T101559" / "IMG_DATA"
    for i, band in enumerate(bands):
        if level == "L2A" and band == "B10":
            continue
        finest = S2_METRES[band]
        for metres in (10, 20, 60) if level == "L2A" else (finest,):
            if metres >= finest:
                name = f"T32TPS_20220605T101031_{band}" + (f"_{metres}m.jp2" if level == "L2A" else ".jp2")
                place = images / f"R{metres}m" if level == "L2A" else images
                write_jp2(place / name, numbers((1, side * 60 // metres, side * 60 // metres), seed=i), metres)
    if level == "L2A":
        scl = np.full((1, side * 3, side * 3), 4, "uint8")
        scl[0, :3, :3] = 9
        write_jp2(images / "R20m" / "T32TPS_20220605T101031_SCL_20m.jp2", scl, 20)
    kind, quantity = ("BOA", "BOA_QUANTIFICATION_VALUE") if level == "L2A" else ("RADIO", "QUANTIFICATION_VALUE")
    offsets = (
        ""
        if add_offset is None
        else "".join(f'<{kind}_ADD_OFFSET band_id="{i}">{add_offset}</{kind}_ADD_OFFSET>' for i in range(13))
    )
    (safe / f"MTD_MSI{level}.xml").write_text(
        f'<?xml version="1.0" encoding="UTF-8"?><n1:Product xmlns:n1="https://example.org/s2"><n1:General_Info>'
        f"<PRODUCT_START_TIME>2022-06-05T10:10:31.024Z</PRODUCT_START_TIME>"
        f"<PROCESSING_BASELINE>{baseline}</PROCESSING_BASELINE>"
        f'<{quantity} unit="none">10000</{quantity}>{offsets}</n1:General_Info></n1:Product>',
        "utf-8",
    )
    return safe


def make_landsat(
    folder: Path, *, level: str = "L2", form: str = "txt", sensor: str = "OLI", side: int = 40, collection: int = 2
) -> Path:
    """A small Landsat Collection 2 folder."""
    sensor_id = {"OLI": "OLI_TIRS", "TM": "TM"}[sensor]
    own = {"OLI": ("1", "2", "3", "4", "5", "6", "7"), "TM": ("1", "2", "3", "4", "5", "7")}[sensor]
    thermal = {"OLI": "10", "TM": "6"}[sensor]
    product = f"L{'C08' if sensor == 'OLI' else 'T05'}_{level}SP_193026_20200705_20200912_02_T1"
    place = folder / product
    middle = "_SR" if level == "L2" else ""
    contents: dict[str, object] = {
        "LANDSAT_PRODUCT_ID": product,
        "PROCESSING_LEVEL": f"{level}SP" if level == "L2" else "L1TP",
        "COLLECTION_NUMBER": f"{collection:02d}",
        "FILE_NAME_QUALITY_L1_PIXEL": f"{product}_QA_PIXEL.TIF",
    }
    one: dict[str, object] = {}
    reflectance: dict[str, object] = {}
    for i, number in enumerate(own):
        contents[f"FILE_NAME_BAND_{number}"] = f"{product}{middle}_B{number}.TIF"
        write_raster(
            place / f"{product}{middle}_B{number}.TIF",
            numbers((1, side, side), seed=i, low=7000, high=30000),
            res=30,
            nodata=0,
        )
        one |= {f"REFLECTANCE_MULT_BAND_{number}": 2e-05, f"REFLECTANCE_ADD_BAND_{number}": -0.1}
        reflectance |= {f"REFLECTANCE_MULT_BAND_{number}": 2.75e-05, f"REFLECTANCE_ADD_BAND_{number}": -0.2}
    key = f"BAND_ST_B{thermal}" if level == "L2" else f"BAND_{thermal}"
    name = f"{product}_{'ST_' if level == 'L2' else ''}B{thermal}.TIF"
    contents[f"FILE_NAME_{key}"] = name
    write_raster(place / name, numbers((1, side, side), seed=9, low=30000, high=50000), res=30, nodata=0)
    one |= {f"RADIANCE_MULT_BAND_{thermal}": 3.342e-04, f"RADIANCE_ADD_BAND_{thermal}": 0.1}
    flags = np.full((1, side, side), 1 << 6, "uint16")
    flags[0, :4, :4] = 1 << 3
    write_raster(place / f"{product}_QA_PIXEL.TIF", flags, res=30)
    groups: dict[str, dict[str, object]] = {
        "PRODUCT_CONTENTS": contents,
        "IMAGE_ATTRIBUTES": {
            "SENSOR_ID": sensor_id,
            "DATE_ACQUIRED": "2020-07-05",
            "SCENE_CENTER_TIME": "10:04:11.0Z",
            "SUN_ELEVATION": 30.0,
        },
        "LEVEL1_RADIOMETRIC_RESCALING": one,
    }
    if level == "L2":
        groups["LEVEL2_SURFACE_REFLECTANCE_PARAMETERS"] = reflectance
        groups["LEVEL2_SURFACE_TEMPERATURE_PARAMETERS"] = {
            f"TEMPERATURE_MULT_{key}": 0.00341802,
            f"TEMPERATURE_ADD_{key}": 149.0,
        }
    if form == "json":
        (place / f"{product}_MTL.json").write_text(json.dumps({"LANDSAT_METADATA_FILE": groups}), "utf-8")
        return place
    lines = ["GROUP = LANDSAT_METADATA_FILE"]
    for group, keys in groups.items():
        lines += [f"  GROUP = {group}"]
        lines += [
            f"    {key} = {json.dumps(value) if isinstance(value, str) else value}" for key, value in keys.items()
        ]
        lines += [f"  END_GROUP = {group}"]
    (place / f"{product}_MTL.txt").write_text(
        "\n".join([*lines, "END_GROUP = LANDSAT_METADATA_FILE", "END", ""]), "utf-8"
    )
    return place
