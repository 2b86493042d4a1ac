"""Changes: pairs of class maps, and what becomes of them in slow and obvious ways."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from scipy import ndimage

from geoseg.grid.geobox import GeoBox
from geoseg.legend import Legend
from geoseg.raster.write import RasterInfo, write_mask, write_raster

LEGEND = Legend.of(["water", "tree", "bare", "built"])
UTM_BOX = (Affine(10, 0, 500_000, 0, -10, 5_400_000), "EPSG:32632")


def patchy(
    shape: tuple[int, int], seed: int = 0, classes: int = 4, patch: int = 5, nodata: float = 0.05
) -> NDArray[np.uint8]:
    """A map of patches with some lone pixels in it and some nodata (0)."""
    rng = np.random.default_rng([seed, 11])
    coarse = rng.integers(1, classes + 1, [-(-n // patch) for n in shape])
    out = np.kron(coarse, np.ones((patch, patch)))[: shape[0], : shape[1]].astype(np.uint8)
    out = np.where(rng.random(shape) < 0.1, rng.integers(1, classes + 1, shape), out)
    return np.where(rng.random(shape) < nodata, 0, out).astype(np.uint8)


def changed(before: NDArray[np.uint8], seed: int = 0, classes: int = 4, share: float = 0.3) -> NDArray[np.uint8]:
    """The map with other classes in some patches, and nodata of its own."""
    other = patchy(before.shape, seed + 100, classes, patch=7)
    where = np.kron(
        np.random.default_rng([seed, 12]).random([-(-n // 6) for n in before.shape]) < share, np.ones((6, 6))
    )
    where = where[: before.shape[0], : before.shape[1]].astype(bool)
    return np.where(where, other, before).astype(np.uint8)


def write_map(
    path: Path,
    values: NDArray[np.uint8],
    legend: Legend = LEGEND,
    place: tuple[Affine, str] = UTM_BOX,
) -> Path:
    """A mask as geoseg writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_mask(path, GeoBox.of(values.shape, *place), legend, [(0, values)])
    return path


def write_run(
    folder: Path,
    values: NDArray[np.uint8],
    *,
    confidence: NDArray[np.uint8] | None = None,
    probabilities: NDArray[np.floating] | None = None,
    legend: Legend = LEGEND,
) -> Path:
    """A folder as ``geoseg segment`` leaves it, as far as a change looks at it."""
    write_map(folder / "mask.tif", values, legend)
    if confidence is not None:
        write_raster(
            folder / "confidence.tif",
            GeoBox.of(values.shape, *UTM_BOX),
            [(0, confidence)],
            info=RasterInfo("confidence"),
        )
    if probabilities is not None:
        import zarr

        array = zarr.create_array(str(folder / "probabilities.zarr"), shape=probabilities.shape, dtype="float16")
        array[:] = probabilities
    return folder


def codes_of(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """before * 256 + after, 0 where either is 0."""
    return np.where((before > 0) & (after > 0), before.astype(np.uint16) * 256 + after, 0).astype(np.uint16)


def without_small(
    codes: NDArray[np.uint16], least: Mapping[int, float], area: NDArray[np.float64], connectivity: int = 4
) -> NDArray[np.uint16]:
    """Codes whose changed places of less than ``least`` (by class after) are unchanged; ``area`` of each pixel."""
    out = codes.copy()
    around = np.ones((3, 3)) if connectivity == 8 else None
    for code in np.unique(codes):
        old, new = divmod(int(code), 256)
        if old == new:
            continue
        places, count = ndimage.label(codes == code, structure=around)
        sums = ndimage.sum_labels(area, places, np.arange(1, count + 1))
        for number in np.flatnonzero(sums < least.get(new, 0.0) - 1e-6) + 1:
            out[places == number] = old * 257
    return out


def matrix_of(codes: NDArray[np.uint16], values: tuple[int, ...]) -> NDArray[np.int64]:
    """Pixels from class to class."""
    return np.array([[np.count_nonzero(codes == old * 256 + new) for new in values] for old in values])
