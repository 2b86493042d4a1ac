"""Plan: chips, blocks, memory, bytes and time of a job, before any pixel is predicted."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from geoseg.cluster.worker import READ_AHEAD, BlockWorker
from geoseg.config import SegmentSettings
from geoseg.errors import UsageError
from geoseg.grid.blocks import BlockGrid
from geoseg.grid.chips import ChipGrid
from geoseg.model.bundle import Bundle, open_bundle
from geoseg.model.context import is_local
from geoseg.notebook import shown
from geoseg.raster.pair import check_dates
from geoseg.raster.scene import Scene, open_scene

CHIP_CANDIDATES = (512, 576, 640, 768, 896, 1024, 1088)
"""Chip sides that ``auto`` chooses from. Larger ones are no faster, and a network's activations grow with the area: a U-Net
on chips of 2112 pixels took 2.8 GB."""

BASE_BYTES = 700 << 20
"""A worker before its first block: interpreter, libraries, GDAL's capped cache (measured: bench/memory.py)."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Chips and blocks of one job and what they cost."""

    grid: BlockGrid
    bands: int
    itemsize: int
    classes: int
    layers: int
    blend: bool = False
    probabilities: bool = False

    @property
    def chips(self) -> ChipGrid:
        """The chip grid."""
        return self.grid.chips

    @property
    def flight_bytes(self) -> int:
        """Peak bytes of one block in flight: the raw window, its validity, the layers; probabilities, blending's sums."""
        core = min(self.grid.block_size, max(self.chips.shape))
        side = core + 2 * self.chips.halo + self.chips.align + (2 * self.chips.chip_size if self.blend else 0)
        pixel = self.layers + (
            self.classes * (4 + 2) if self.probabilities else 0
        )  # float32, and float16 on its way out
        sums = 2 * (4 * self.classes + 4) * min(self.chips.chip_size, core) * core if self.blend else 0
        return side * side * (self.bands * self.itemsize + 1) + core * core * pixel + sums

    @property
    def worker_bytes(self) -> int:
        """Peak bytes of one worker, the network's activations left out: the libraries, blocks in flight, one chip as float32."""
        chip = self.chips.chip_size**2 * 4 * (self.bands + 2 * self.classes)
        return BASE_BYTES + READ_AHEAD * self.flight_bytes + chip

    @property
    def read_bytes(self) -> int:
        """Uncompressed bytes that all blocks read, halos included."""
        rows, cols = self.chips.shape
        down, across = self.grid.counts
        return (
            (rows + 2 * self.chips.halo * (down - 1))
            * (cols + 2 * self.chips.halo * (across - 1))
            * self.bands
            * self.itemsize
        )

    @property
    def write_bytes(self) -> int:
        """Uncompressed bytes of the committed blocks, and as much again for the outputs."""
        rows, cols = self.chips.shape
        return 2 * rows * cols * self.layers

    def _repr_html_(self) -> str:
        """The plan in a notebook: its figures, and blocks and a chip drawn to scale."""
        from geoseg.jobs.plan_html import plan_html

        return shown(self, lambda: plan_html(self))

    def facts(self) -> dict[str, Any]:
        """The plan as JSON."""
        return {
            "shape": list(self.chips.shape),
            "chip_size": self.chips.chip_size, "halo": self.chips.halo, "stride": self.chips.stride, "align": self.chips.align,
            "chips": len(self.chips),
            "block_size": self.grid.block_size, "blocks": len(self.grid),
            "memory_per_worker_bytes": self.worker_bytes,
            "read_bytes": self.read_bytes, "write_bytes": self.write_bytes,
        }  # fmt: skip


def fitted(scene: Scene, bundle: Bundle) -> Scene:
    """The scene as the bundle wants it: its bands by name, in its order and units; refused where that cannot be."""
    names = [band.name for band in bundle.bands]
    check_dates(scene, names)
    return scene.select(names).in_units(bundle.units)


def plan(
    scene: Scene | str | Path | Sequence[str | Path],
    bundle: Bundle | str | Path,
    *,
    settings: SegmentSettings | None = None,
    **options: Any,
) -> Plan:
    """Cut a scene into chips and blocks as :func:`geoseg.segment` would, and say what that takes; no pixel is read.

    Parameters
    ----------
    scene, bundle
        As for :func:`geoseg.segment`.
    settings, options
        :class:`SegmentSettings`, whole or as keywords: ``ram=4 << 30``, ``chip_size=512``.

    Returns
    -------
    Plan
        With ``facts()``, which ``geoseg plan`` prints without its times.

    Raises
    ------
    InputRefused, BundleError
        Those of :func:`geoseg.open_scene` and :func:`geoseg.open_bundle`; ``BANDS``, ``UNITS``: the scene does not fit.
    UsageError
        ``RAM``: no block fits into this memory. ``CHIP_SIZE``, ``HALO``: what the bundle cannot do.

    Examples
    --------
    >>> plan = geoseg.plan("scene.tif", "bundle", ram=2 << 30)
    >>> len(plan.grid), plan.worker_bytes < 2 << 30
    (1, True)
    """
    settings = SegmentSettings.either(settings, options)
    bundle = bundle if isinstance(bundle, Bundle) else open_bundle(bundle)
    whole = scene if isinstance(scene, Scene) else open_scene([scene] if isinstance(scene, str | Path) else list(scene))
    return make_plan(fitted(whole, bundle), bundle, settings)


def make_plan(scene: Scene, bundle: Bundle, settings: SegmentSettings, *, halo: int | None = None) -> Plan:
    """Cut ``scene`` into chips and blocks as the bundle and the settings say; ``halo`` overrides an ``auto`` halo."""
    halo = halo if halo is not None else bundle.halo if settings.halo in (None, "auto") else int(settings.halo)
    chip = chip_size(scene.geobox.shape, bundle, settings, halo)
    chips = ChipGrid(scene.geobox.shape, chip, halo, bundle.align, bundle.fixed_size)
    itemsize = max(np.dtype(band.dtype).itemsize for band in scene.bands)

    def plan(block_size: int) -> Plan:
        grid, classes = BlockGrid.sized(chips, block_size), len(bundle.legend.classes)
        more = {"blend": settings.blend != "none", "probabilities": settings.probabilities}
        return Plan(grid, len(scene.bands), itemsize, classes, 1 + settings.keeps_confidence, **more)

    if settings.ram is None:
        return plan(settings.block_size)
    fitting = [size for size in range(settings.block_size, 0, -chips.stride) if plan(size).worker_bytes <= settings.ram]
    if not fitting:
        least = plan(1).worker_bytes
        remedy = f"Give at least {math.ceil(least / 2**20)} MiB, or use a smaller --chip-size"
        raise UsageError.of("RAM", f"{settings.ram >> 20} MiB", "no block fits into this memory", remedy)
    return plan(fitting[0])


def chip_size(shape: tuple[int, int], bundle: Bundle, settings: SegmentSettings, halo: int) -> int:
    """The chip side: the setting, the bundle's, or for ``auto`` the one that predicts the fewest pixels twice or in vain.

    Networks that look at the chip as a whole, or accept one size only, keep the bundle's.
    """
    if settings.chip_size is None or bundle.fixed_size:
        return bundle.chip_size if settings.chip_size in (None, "auto") else _fixed(bundle, int(settings.chip_size))
    if settings.chip_size != "auto":
        return int(settings.chip_size)
    if not is_local(bundle.network):
        return bundle.chip_size
    sizes = [s for s in CHIP_CANDIDATES if s % bundle.align == 0 and s > 2 * halo] or [bundle.chip_size]
    pairs = {s: math.ceil(len(ChipGrid(shape, s, halo, bundle.align)) / 2) for s in sizes}  # two run side by side
    return min(sizes, key=lambda s: (pairs[s] * s * s, s))


def _fixed(bundle: Bundle, size: int) -> int:
    if size != bundle.chip_size:
        remedy = f"Leave --chip-size out, or set it to {bundle.chip_size}"
        raise UsageError.of(
            "PLAN", bundle.name, f"the bundle accepts chips of {bundle.chip_size} only, not {size}", remedy
        )
    return size


def time_chips(worker: BlockWorker, size: int, rounds: int = 3) -> float:
    """Seconds for one chip with all the network's lanes busy: the median of a few rounds, after one to warm up."""
    batch, lanes = worker.predictor.batch_size, worker.lanes
    images = np.zeros((batch, len(worker.job.bundle.bands), size, size), np.float32)

    def run(_: int) -> None:
        worker.predictor.classify(images, confidence=worker.job.stitch.confidence)

    seconds = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        for _ in lanes.map(run, range(lanes.count)):
            pass
        seconds.append((time.perf_counter() - started) / (batch * lanes.count))
    return float(np.median(seconds[1:]))
