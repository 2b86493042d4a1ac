"""Settle: what happens to the predicted mask before it is written: filters, sieve; and how sure its seams are."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from geoseg.cluster.journal import BlockStore
from geoseg.cluster.pool import Pool
from geoseg.cluster.worker import BlockJob, BlockWorker
from geoseg.config import SegmentSettings
from geoseg.errors import InputRefused, UsageError
from geoseg.grid.geobox import GeoBox, Window
from geoseg.legend import Legend
from geoseg.mask.filter import FilterSettings
from geoseg.mask.score import SeamScore, seam_score
from geoseg.mask.sieve import sieve
from geoseg.raster.read import read_window
from geoseg.vector.measure import AreaCounter

STRIP = 512
"""Rows of a strip: the side of a tile of the output."""


@dataclass(frozen=True, slots=True)
class SettledMask:
    """The final mask, read by windows: committed blocks, and the sieve's changes on top."""

    store: BlockStore
    relabel: Callable[[Window, np.ndarray], np.ndarray] | None = None

    def read(self, window: Window) -> np.ndarray:
        """Class values, uint8 (rows, cols)."""
        mask = self.store.read_window(window)
        return self.relabel(window, mask) if self.relabel else mask

    def strips(self) -> Iterator[tuple[int, np.ndarray]]:
        """(first row, strip of the mask) from top to bottom; a block's hash is checked before its rows are used."""
        self.store.check()
        for window in self._windows():
            yield window.row, self.read(window)

    def pairs(self, layer: str) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """(first row, strip of the mask, strip of another layer) from top to bottom."""
        for window in self._windows():
            yield window.row, self.read(window), self.store.read_window(window, layer)

    def _windows(self) -> Iterator[Window]:
        rows, cols = self.store.grid.chips.shape
        return (Window(row, 0, min(STRIP, rows - row), cols) for row in range(0, rows, STRIP))


def filter_settings(settings: SegmentSettings) -> FilterSettings:
    """The filters that run blockwise."""
    chosen = settings.filters
    return FilterSettings(majority=chosen.majority, opening=chosen.opening, closing=chosen.closing, crf=chosen.crf)


def settled(job: BlockJob, settings: SegmentSettings) -> SettledMask:
    """The mask after filters and sieve."""
    store = job.filtered if job.filters.any else job.predicted
    least = min_pixels(job.scene.geobox, job.bundle.legend, settings.filters.min_area)
    if least <= 1:
        return SettledMask(store)
    shape, nodata = job.scene.geobox.shape, job.bundle.legend.nodata
    return SettledMask(store, sieve(store.read_window, shape, nodata=nodata, min_pixels=least).relabel)


def min_pixels(geobox: GeoBox, legend: Legend, min_area: float) -> int:
    """Pixels that make ``min_area`` m2, by the true area of the pixel in the middle of the grid."""
    if not min_area:
        return 0
    rows, cols = geobox.shape
    counter = AreaCounter(geobox.crop(Window(rows // 2, cols // 2, 1, 1)), legend)
    counter.add(0, np.array([[legend.values[0]]], np.uint8))
    each = counter.rows()[0].area_m2
    if not each:
        raise UsageError.of("MIN_AREA", "scene", "the middle pixel has no area on Earth", "Leave --min-area out")
    return math.ceil(min_area / each - 1e-9)


def seam_score_of(pool: Pool, job: BlockJob) -> SeamScore | None:
    """Measure the seams on a few chips, on a worker that has the network."""
    score: SeamScore | None = pool.ask(_score, max(1, min(8, len(job.grid.chips) // 64)))
    return score


def _score(worker: BlockWorker, chips: int) -> SeamScore | None:
    job = worker.job

    def read(window: Window) -> tuple[np.ndarray, np.ndarray]:
        return read_window(job.scene, window, threads=job.threads)

    try:
        return seam_score(worker.predictor, read, job.grid.chips, job.normalization, chips=chips)
    except InputRefused:  # pixels that cannot be read: the block that holds them has been named already
        return None
