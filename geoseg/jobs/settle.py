"""Settle: what happens to the predicted mask before it is written: filters, sieve; and how sure its seams are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from geoseg.cluster.journal import BlockStore
from geoseg.cluster.pool import Pool
from geoseg.cluster.worker import BlockJob, BlockWorker
from geoseg.config import SegmentSettings
from geoseg.errors import InputRefused
from geoseg.grid.geobox import Window
from geoseg.jobs.sieve import sieved
from geoseg.mask.filter import FilterSettings
from geoseg.mask.score import SeamScore, seam_score
from geoseg.mask.sieve import Sieved
from geoseg.raster.read import read_window

STRIP = 512
"""Rows of a strip: the side of a tile of the output."""


@dataclass(frozen=True, slots=True)
class SettledMask:
    """The final mask, read by windows: committed blocks, and the sieve's changes on top."""

    store: BlockStore
    sieved: Sieved | None = None

    def read(self, window: Window) -> np.ndarray:
        """Class values, uint8 (rows, cols)."""
        return self.sieved.read(window) if self.sieved else self.store.read_window(window)

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
    done = sieved(store.read_window, job.scene.geobox, job.bundle.legend, settings.filters.min_area)
    return SettledMask(store, done)


def seam_score_of(pool: Pool, job: BlockJob) -> SeamScore | None:
    """Measure the seams on a few chips, on a worker that has the network."""
    score: SeamScore | None = pool.ask(_score, max(1, min(8, len(job.grid.chips) // 64)))
    return score


def _score(worker: BlockWorker, chips: int) -> SeamScore | None:
    job = worker.job

    def read(window: Window) -> tuple[np.ndarray, np.ndarray]:
        return read_window(job.scene, window, threads=job.threads)

    try:
        return seam_score(worker.predictor, read, job.grid.chips, job.normalization, chips=chips, lanes=worker.lanes)
    except InputRefused:  # pixels that cannot be read: the block that holds them has been named already
        return None
