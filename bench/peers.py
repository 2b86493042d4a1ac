"""Peers: the three ways in which people map a GeoTIFF today, written as their documentation shows them.

Each takes a scene's path, a torch module and the path of the mask. Chips of 512, an overlap of 64, classes by
``argmax(1)``, a mask of uint8 in deflated tiles.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import torch
from rasterio.windows import Window

CHIP, OVERLAP = 512, 64
STEP, MARGIN = CHIP - OVERLAP, OVERLAP // 2
SCALE = 10000
TILED = {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate"}

Network = Callable[[torch.Tensor], torch.Tensor]


def loop(scene: Path, network: Network, out: Path) -> None:
    """A hand-written loop over windows: read, predict, cut the overlap off, and write the whole mask at the end."""
    with rasterio.open(scene) as dataset:
        rows, cols = dataset.shape
        mask = np.zeros((rows, cols), np.uint8)
        for row in _starts(rows):
            for col in _starts(cols):
                image = dataset.read(window=Window(col, row, CHIP, CHIP)).astype(np.float32) / SCALE
                with torch.inference_mode():
                    found = network(torch.from_numpy(image)[None]).argmax(1)[0].numpy().astype(np.uint8)
                _paste(mask, found, row, col)
    _write(out, mask, scene)


def torchgeo(scene: Path, network: Network, out: Path) -> None:
    """torchgeo: RasterDataset, GridGeoSampler and a DataLoader; chips are pasted back by their bounds."""
    from torch.utils.data import DataLoader
    from torchgeo.datasets import RasterDataset, stack_samples
    from torchgeo.samplers import GridGeoSampler

    class Scenes(RasterDataset):  # type: ignore[misc]
        filename_glob = scene.name
        filename_regex = r".*"
        is_image = True
        separate_files = False

    dataset = Scenes(scene.parent, transforms=lambda sample: {**sample, "image": sample["image"] / SCALE})
    sampler = GridGeoSampler(dataset, size=CHIP, stride=STEP)
    loader = DataLoader(dataset, sampler=sampler, batch_size=4, collate_fn=stack_samples)
    with rasterio.open(scene) as file:
        mask, to_pixel = np.zeros(file.shape, np.uint8), ~file.transform
    with torch.inference_mode():
        for batch in loader:
            found = network(batch["image"]).argmax(1).numpy().astype(np.uint8)
            for chip, bounds in zip(found, batch["bounds"], strict=True):
                col, row = to_pixel @ _top_left(bounds)
                _paste(mask, chip, round(row), round(col))
    _write(out, mask, scene)


def map_overlap(scene: Path, network: Network, out: Path) -> None:
    """Rioxarray and dask.array with overlapping chunks on threads, written by ``rio.to_raster`` under a lock."""
    import rioxarray
    from dask import array as da

    image = rioxarray.open_rasterio(scene, chunks={"band": -1, "x": STEP, "y": STEP}, lock=False)

    def predict(chunk: np.ndarray) -> np.ndarray:
        rows, cols = chunk.shape[1:]
        padded = np.pad(chunk, ((0, 0), (0, -rows % 32), (0, -cols % 32))).astype(np.float32) / SCALE
        with torch.inference_mode():
            return network(torch.from_numpy(padded)[None]).argmax(1)[0, :rows, :cols].numpy().astype(np.uint8)

    # map_overlap in its two halves, because it cannot trim once the axis of the bands is gone
    wide = da.overlap.overlap(image.data, {0: 0, 1: MARGIN, 2: MARGIN}, boundary="reflect")
    found = da.map_blocks(predict, wide, drop_axis=0, dtype=np.uint8, meta=np.empty((0, 0), np.uint8))
    mask = image.isel(band=0).drop_vars("band").drop_attrs()
    mask = mask.copy(data=da.overlap.trim_internal(found, {0: MARGIN, 1: MARGIN}, boundary="reflect"))
    mask.rio.to_raster(out, **TILED, lock=threading.Lock(), dtype="uint8", nodata=None, predictor=1)


PEERS: dict[str, Callable[[Path, Network, Path], None]] = {
    "loop": loop,
    "torchgeo": torchgeo,
    "map_overlap": map_overlap,
}
NEEDS: dict[str, tuple[str, ...]] = {
    "loop": (),
    "torchgeo": ("torchgeo.datasets", "torchgeo.samplers"),
    "map_overlap": ("rioxarray",),
}
"""Modules that a peer needs beside geoseg's own."""


def _starts(length: int) -> Iterator[int]:
    yield from range(0, length - CHIP, STEP)
    yield length - CHIP


def _top_left(bounds: Any) -> tuple[float, float]:
    """(x, y) of a sample's upper left corner; torchgeo gives slices, or a tensor (xmin, xmax, xres, ymin, ymax, ...)."""
    if isinstance(bounds, tuple | list):
        return bounds[0].start, bounds[1].stop
    return float(bounds[0]), float(bounds[4])


def _paste(mask: np.ndarray, chip: np.ndarray, row: int, col: int) -> None:
    """Lay a chip down without half of the overlap, but up to the edges of the scene."""
    rows, cols = mask.shape
    top, left = (0 if row <= 0 else MARGIN), (0 if col <= 0 else MARGIN)
    bottom = min(row + CHIP, rows) - row if row + CHIP >= rows else CHIP - MARGIN
    right = min(col + CHIP, cols) - col if col + CHIP >= cols else CHIP - MARGIN
    top, left = max(top, -row), max(left, -col)
    mask[row + top : row + bottom, col + left : col + right] = chip[top:bottom, left:right]


def _write(out: Path, mask: np.ndarray, scene: Path) -> None:
    with rasterio.open(scene) as file:
        grid = {"crs": file.crs, "transform": file.transform, "height": file.height, "width": file.width}
    with rasterio.open(out, "w", driver="GTiff", count=1, dtype="uint8", **grid, **TILED) as file:
        file.write(mask, 1)
