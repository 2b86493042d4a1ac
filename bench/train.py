"""Train: a whole training beside the bare forward and backward of the same network on the same batches.

    python -m bench.train [--rounds 3] [--steps 24] [--threads 1] [--cases NAME ...] [--data FOLDER]

``bare``: batches in memory, logits, cross-entropy, gradients. ``whole``: geoseg's fit (AdamW, moving average, losses of single
crops) on samples that are drawn from the scene, augmented and prefetched by other threads. ``wall_ratio``: seconds a step of
the whole by those of the bare, runs in turn, the median of all rounds; target 1.15. ``cpu_ratio``: CPU seconds of the fit's own
thread in batches that lie in memory, step by step in turn with the bare one, and of making a batch on top: what the ratio would
be without a processor to spare; for machines that do other things, too. The first steps of each run are left out.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import torch
from torch.nn import functional

from bench.data import BANDS, make_scene
from bench.measure import save, say
from geoseg.model.card import NetworkSpec
from geoseg.model.network import build
from geoseg.training.augment.augmenter import Augmenter
from geoseg.training.data.cells import cell_side, count_cells
from geoseg.training.data.labelled import open_labelled
from geoseg.training.data.labels import IGNORE
from geoseg.training.data.statistics import statistics as band_statistics
from geoseg.training.fitting.fit import Progress, fit
from geoseg.training.fitting.losses import make_loss
from geoseg.training.fitting.start import Start
from geoseg.training.sampling.samples import Batch, Samples, make_samples
from geoseg.training.settings.augment import AugmentSettings
from geoseg.training.settings.fit import FitSettings, LossSettings, SampleSettings
from geoseg.training.settings.job import TrainSettings
from geoseg.training.splits.split import make_splits

SIDE = 1536
CLASSES = 8
WARM = 2
CASES = {"64 px x 8": (64, 8), "256 px x 4": (256, 4)}
EVERYTHING = AugmentSettings.of(
    rotate=30, scale=0.5, elastic=4, gamma=0.3, shading=0.5, shadow=0.5, drop_bands=0.1, cutmix=0.5, copy_paste=0.5
)
AUGMENT = {"default": AugmentSettings(), "all": EVERYTHING}


@dataclass(frozen=True)
class Ready:
    """Batches that lie in memory; meets the protocol of the fit's samples."""

    held: Sequence[Batch]

    def batches(self, start: int, stop: int) -> Iterator[Batch]:
        """In order."""
        return iter(self.held[start:stop])

    learns = False

    def learned(self, cells: Any, losses: Any) -> None:
        """Nothing is kept."""

    def state(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def restore(self, state: Any) -> None:
        """Nothing is kept."""


def main() -> None:
    """Measure and save."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--data", type=Path, help="folder that keeps the scene; a temporary one otherwise")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    with tempfile.TemporaryDirectory() as folder:
        job = job_of(given.data or Path(folder))
        cases = {name: case(job, crop, count, given) for name, (crop, count) in CASES.items() if name in given.cases}
    save("train", {"network": "Unet resnet18", "threads": given.threads, "steps": given.steps, "cases": cases})


def case(job: TrainSettings, crop: int, count: int, given: argparse.Namespace) -> dict[str, Any]:
    """Seconds a step and ratios for one size of batches."""
    say(f"{crop} px x {count}")
    drawn = {name: samples_of(job, augment, crop, count) for name, augment in AUGMENT.items()}
    held = [drawn["default"].batch(step) for step in range(given.steps)]
    fit_cpu = in_turn(held, given)
    making = {name: making_ms(samples) for name, samples in drawn.items()}
    say(f"  CPU of bare {fit_cpu[0]:.1f} ms, of the fit {fit_cpu[1]:.1f} ms, of making a batch {making}")
    runs: dict[str, Callable[[], float]] = {
        "bare": lambda: bare(held),
        **{name: lambda samples=samples: whole(samples, given) for name, samples in drawn.items()},
    }
    found: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(given.rounds):
        for name, run in runs.items():
            found[name].append(run())
            say(f"  round {number + 1} {name:8s} {found[name][-1]:7.1f} ms")
    return {
        "bare_ms": round(statistics.median(found["bare"]), 1),
        "bare_cpu_ms": round(fit_cpu[0], 1),
        "fit_cpu_ms": round(fit_cpu[1], 1),
        "making_cpu_ms": making,
        "wall_ratio": {name: ratio(found[name], found["bare"]) for name in AUGMENT},
        "cpu_ratio": {name: round((fit_cpu[1] + making[name]) / fit_cpu[0], 3) for name in AUGMENT},
    }


def ratio(seconds: Sequence[float], peer: Sequence[float]) -> float:
    """Median over the rounds."""
    return round(statistics.median(a / b for a, b in zip(seconds, peer, strict=True)), 3)


def in_turn(held: Sequence[Batch], given: argparse.Namespace) -> tuple[float, float]:
    """CPU milliseconds of this thread in a bare step, and in one of the fit on the same batch; medians."""
    network, bare_ms, fit_ms = network_of(), [], []
    last = time.thread_time()

    def after(progress: Progress) -> None:
        nonlocal last
        fit_ms.append(1e3 * (time.thread_time() - last))
        last = time.thread_time()
        bare_step(network, held[progress.step - 1])
        bare_ms.append(1e3 * (time.thread_time() - last))
        last = time.thread_time()

    trained(Ready(held), given, after)
    return statistics.median(bare_ms[WARM:]), statistics.median(fit_ms[WARM:])


def bare(held: Sequence[Batch]) -> float:
    """Milliseconds a step."""
    network, ticks = network_of(), []
    for batch in held:
        bare_step(network, batch)
        ticks.append(time.perf_counter())
    return 1e3 * (ticks[-1] - ticks[WARM - 1]) / (len(ticks) - WARM)


def bare_step(network: torch.nn.Module, batch: Batch) -> None:
    """Forward and backward."""
    images = torch.from_numpy(batch.images).to(memory_format=torch.channels_last)
    loss = functional.cross_entropy(network(images), torch.from_numpy(batch.index), ignore_index=IGNORE)
    network.zero_grad()
    loss.backward()
    loss.item()


def whole(samples: Samples, given: argparse.Namespace) -> float:
    """Milliseconds a step."""
    ticks: list[float] = []
    trained(samples, given, lambda _: ticks.append(time.perf_counter()))
    return 1e3 * (ticks[-1] - ticks[WARM - 1]) / (len(ticks) - WARM)


def trained(samples: Samples | Ready, given: argparse.Namespace, on_step: Callable[[Progress], None]) -> None:
    """Geoseg's fit."""
    settings = FitSettings.of(steps=given.steps, threads=given.threads, device="cpu")
    fit(Start(network_of(), stride=32), samples, settings, loss=make_loss(LossSettings()), on_step=on_step)


def making_ms(samples: Samples, count: int = 10) -> float:
    """CPU milliseconds that making a batch takes."""
    samples.batch(0)
    begun = time.thread_time()
    for step in range(count):
        samples.batch(step)
    return round(1e3 * (time.thread_time() - begun) / count, 2)


def network_of() -> torch.nn.Module:
    """Random weights."""
    torch.manual_seed(0)
    return build(NetworkSpec("Unet", "resnet18", len(BANDS), CLASSES)).to(memory_format=torch.channels_last).train()


def job_of(folder: Path) -> TrainSettings:
    """A scene of texture, and labels in squares of 16 pixels."""
    scene, labels = make_scene(folder / f"train-{SIDE}.tif", SIDE, border=False), folder / f"train-{SIDE}-labels.tif"
    patches = np.random.default_rng(0).integers(0, CLASSES + 1, (SIDE // 16, SIDE // 16))
    with rasterio.open(scene) as dataset:
        profile = {"driver": "GTiff", "dtype": "uint8", "count": 1, "nodata": 0, "width": SIDE, "height": SIDE}
        profile |= {"crs": dataset.crs, "transform": dataset.transform}
    with rasterio.open(labels, "w", **profile) as dataset:
        dataset.write(np.kron(patches, np.ones((16, 16), int)).astype(np.uint8), 1)
    classes = [{"value": i + 1, "name": f"class {i + 1}"} for i in range(CLASSES)]
    scenes = [{"scene": str(scene), "labels": str(labels)}]
    return TrainSettings.of(name="bench", scenes=scenes, bands=BANDS, classes=classes)


def samples_of(job: TrainSettings, augment: AugmentSettings, crop: int, count: int) -> Samples:
    """What a training draws from."""
    scenes = open_labelled(job)
    cells = count_cells(scenes, side=cell_side(scenes, job.split.block))
    (split,) = make_splits(scenes, cells, job.split)
    bands = band_statistics(scenes, split)
    counts = cells[0].totals.tolist()
    return make_samples(
        scenes, split, bands, job.legend, settings=SampleSettings.of(crop=crop),
        augment=Augmenter.of(augment, bands=bands, crop=crop, counts=counts), batch_size=count, seed=0,
    )  # fmt: skip


if __name__ == "__main__":
    main()
