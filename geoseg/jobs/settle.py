"""Settle: what happens to the predicted mask before it is written: filters, sieve; and how sure its seams are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from geoseg.cluster.journal import BlockStore
from geoseg.cluster.pool import Pool
from geoseg.cluster.worker import BlockJob, BlockWorker
from geoseg.config import SegmentSettings
from geoseg.grid.geobox import Window
from geoseg.mask.filter import FilterSettings
from geoseg.mask.score import SeamScore, seam_score
from geoseg.raster.read import read_window

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
    return SettledMask(job.filtered if job.filters.any else job.predicted)


def seam_score_of(pool: Pool, job: BlockJob) -> SeamScore | None:
    """Measure the seams on a few chips, on a worker that has the network."""
    score: SeamScore | None = pool.ask(_score, max(1, min(8, len(job.grid.chips) // 100)))
    return score


def _score(worker: BlockWorker, chips: int) -> SeamScore | None:
    job = worker.job
    if job.bundle.fixed_size:
        return None
    return seam_score(
        worker.predictor, lambda window: read_window(job.scene, window), job.grid.chips, job.normalization, chips=chips
    )
