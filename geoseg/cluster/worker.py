"""BlockWorker: what one process does with a block: read, predict, commit; one predictor, loaded once.

Several threads call :meth:`BlockWorker.predict` at a time: while the chips of one block are in the network's lanes, the next
block is read and the one before committed. So reading runs ahead of the network and writing behind it.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from geoseg.cluster.journal import BlockStore, Receipt
from geoseg.cluster.reuse import Reuse
from geoseg.errors import InputRefused
from geoseg.grid.blocks import Block, BlockGrid
from geoseg.grid.geobox import Window
from geoseg.mask.filter import FilterSettings, apply_filters, halo_of
from geoseg.mask.lanes import Lanes
from geoseg.mask.stitch import StitchSettings, predict_block, window_of
from geoseg.model.bundle import Bundle
from geoseg.model.predict import Choice, Predictor, load_predictor
from geoseg.raster.normalize import Normalization, normalize
from geoseg.raster.read import read_window
from geoseg.raster.scene import Scene
from geoseg.vector.aoi import Aoi

READ_AHEAD = 3
"""Threads of a worker: one block is read, one predicted, one committed."""


@dataclass(frozen=True, slots=True)
class Veto:
    """Pixels whose class in another mask (clouds, shadows) is one of ``values`` are nodata."""

    store: BlockStore
    values: tuple[int, ...]

    def allows(self, window: Window) -> np.ndarray:
        """Bool (rows, cols): False where the other mask says no."""
        return ~np.isin(self.store.read_window(window), self.values)


@dataclass(frozen=True, slots=True)
class BlockJob:
    """Everything that is the same for all blocks of a run; sent once to each worker. Pickles to a few kilobytes."""

    scene: Scene
    bundle: Bundle
    choice: Choice
    grid: BlockGrid
    stitch: StitchSettings
    filters: FilterSettings
    predicted: BlockStore
    filtered: BlockStore
    threads: int | None = None
    probabilities: str | None = None
    vetoes: tuple[Veto, ...] = ()
    aoi: Aoi | None = None
    reuse: Reuse | None = None

    def worker(self) -> BlockWorker:
        """The state of this job in a process."""
        return BlockWorker(self)

    @property
    def normalization(self) -> Normalization:
        """Scene values to network units: the bundle's constants and the scene's scale and offset, never the pixels'."""
        bands = self.bundle.bands
        return Normalization.of(self.scene, [b.mean for b in bands], [b.std for b in bands])


class LastPredictor:
    """The predictor that this process loaded last, with what it was loaded for: the next job may be of the same bundle."""

    def __init__(self) -> None:
        """None yet."""
        self._lock = threading.Lock()
        self._held: tuple[tuple[object, ...], Predictor] | None = None

    def load(self, job: BlockJob) -> Predictor:
        """The job's predictor; another one is dropped before it is loaded."""
        key = (job.bundle.digest, job.choice, job.threads)
        with self._lock:
            if self._held is None or self._held[0] != key:
                self._held = None
                self._held = (key, load_predictor(job.bundle, job.choice, threads=job.threads))
            return self._held[1]

    def drop(self) -> None:
        """Keep none."""
        with self._lock:
            self._held = None


_LAST = LastPredictor()
drop_predictor = _LAST.drop


class BlockWorker:
    """The state of one job in one process."""

    def __init__(self, job: BlockJob, predictor: Predictor | None = None) -> None:
        """Keep the job; the predictor is loaded on first use unless one is given."""
        self.job = job
        self._given = predictor
        self._loading = threading.Lock()
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="geoseg-read")

    @cached_property
    def _loaded(self) -> Predictor:
        return self._given or _LAST.load(self.job)

    @cached_property
    def _lanes(self) -> Lanes:
        return Lanes.of(self._loaded)

    @property
    def predictor(self) -> Predictor:
        """The one predictor of this process."""
        with self._loading:
            return self._loaded

    @property
    def lanes(self) -> Lanes:
        """The threads that run chips, shared by all that this process predicts."""
        with self._loading:
            return self._lanes

    def predict(self, block: Block) -> Receipt:
        """Read, predict and commit one block."""
        job, started = self.job, time.perf_counter()
        window = window_of(job.grid, block, job.stitch)
        image, valid = self.read(window)
        limits = [limit.allows(window) for limit in (*job.vetoes, job.aoi) if limit is not None]
        wanted = np.logical_and.reduce(limits) if limits else None
        known = job.reuse.key(block, window, image, valid, wanted) if job.reuse else ""
        if job.reuse and (receipt := job.reuse.take(block, known, job.predicted)):
            job.scene.check_unchanged()
            return receipt
        with self._loading:
            predictor, lanes = self._loaded, self._lanes
        read = time.perf_counter()
        result = predict_block(
            predictor, job.grid, block, image, valid,
            normalization=job.normalization, legend=job.bundle.legend, settings=job.stitch, lanes=lanes, wanted=wanted,
        )  # fmt: skip
        predicted = time.perf_counter()
        del image, valid, wanted
        job.scene.check_unchanged()
        if result.probabilities is not None and job.probabilities:
            write_probabilities(job.probabilities, block.core, result.probabilities)
        layers = {"mask": result.mask}
        if result.confidence is not None:
            layers["confidence"] = result.confidence
        seconds = {"read": read - started, "predict": predicted - read}
        receipt = job.predicted.write(
            block, layers, chips=result.chips, skipped=result.skipped, bad=tuple(result.bad),
            seconds={name: round(value, 4) for name, value in seconds.items()},
        )  # fmt: skip
        if job.reuse and not receipt.bad:
            job.reuse.keep(block, known, job.predicted)
        return receipt

    def read(self, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """Image and valid of a window, by one thread for all: neighbouring windows share tiles, which GDAL decodes once.

        What cannot be read because the file changed under the run is told as that (Conflict ``CHANGED``).
        """
        try:
            return self._reader.submit(read_window, self.job.scene, window, threads=self.job.threads).result()
        except InputRefused:
            self.job.scene.check_unchanged()
            raise

    def filter(self, block: Block) -> Receipt:
        """Filter one block of the predicted mask, with as much of its neighbours as the filters look at, and commit it."""
        job = self.job
        window = block.core.buffer(halo_of(job.filters), job.scene.geobox.shape)
        mask = job.predicted.read_window(window)
        confidence = job.predicted.read_window(window, "confidence") if job.stitch.confidence else None
        image = None
        if job.filters.needs_image:
            raw, valid = self.read(window)
            image = normalize(raw, valid, job.normalization)
        out = apply_filters(mask, confidence, image, legend=job.bundle.legend, settings=job.filters)
        inner = block.core.within(window).slices
        layers = {"mask": out[inner]}
        if confidence is not None:
            layers["confidence"] = confidence[inner]
        return job.filtered.write(block, layers)


def write_probabilities(path: str, core: Window, probabilities: np.ndarray) -> None:
    """Put a block's probabilities (classes, rows, cols) into the Zarr array ``path``, whose chunks are the blocks."""
    import zarr

    rows, cols = core.slices
    array = zarr.open_array(path, mode="r+")
    array[:, rows, cols] = probabilities.astype(array.dtype)
