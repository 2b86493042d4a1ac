"""Batches to learn from, and fits that a test can run in another process: ``python -m tests.helpers.fitting FOLDER KEYS``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from geoseg.model.card import NetworkSpec
from geoseg.model.network import build
from geoseg.training.fitting.distributed import share_of
from geoseg.training.fitting.fit import Fitted, Progress, fit
from geoseg.training.fitting.losses import make_loss
from geoseg.training.fitting.record import Keep
from geoseg.training.fitting.start import Start
from geoseg.training.settings.fit import FitSettings, LossSettings

BANDS, CLASSES, CROP = 2, 3, 16


@dataclass(slots=True)
class Drawn:
    """A batch."""

    images: np.ndarray
    index: np.ndarray
    cells: np.ndarray


class Drawing:
    """Samples whose class follows from the pixel; which are drawn depends on what was learned ten batches ago."""

    def __init__(self, size: int = 4, first: int = 0, crop: int = CROP) -> None:
        self.size, self.first, self.crop = size, first, crop
        self.hardness = np.zeros((2, 5), np.float64)  # in use, and being gathered
        self.drawn: list[int] = []
        self.state_given: dict[str, np.ndarray] = {}

    def batches(self, start: int, stop: int) -> Iterator[Drawn]:
        for step in range(start, stop):
            if step % 10 == 0:
                self.hardness[0] = self.hardness[1]
            self.drawn.append(step)
            yield self._batch(step)

    def _batch(self, step: int) -> Drawn:
        shift = float(self.hardness[0].sum())
        crops = [self._crop(np.random.default_rng([step, self.first + i]), shift) for i in range(self.size)]
        cells = np.array([(step + self.first + i) % 5 for i in range(self.size)], np.int64)
        return Drawn(np.stack([image for image, _ in crops]), np.stack([index for _, index in crops]), cells)

    def _crop(self, rng: np.random.Generator, shift: float) -> tuple[np.ndarray, np.ndarray]:
        image = rng.standard_normal((BANDS, self.crop, self.crop)).astype(np.float32)
        index = (image[0] > 0).astype(np.int64) + (image[1] > 1)
        index[rng.random(index.shape) < 0.2] = 255
        return image + np.float32(0.01 * shift), index

    learns = True

    def learned(self, cells: np.ndarray, losses: np.ndarray) -> None:
        np.add.at(self.hardness[1], cells, losses.astype(np.float64))

    def state(self) -> dict[str, np.ndarray]:
        return {"hardness": self.hardness}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        self.state_given = dict(state)
        self.hardness = state["hardness"].copy()


def settings(**changes: Any) -> FitSettings:
    values: dict[str, Any] = {
        "steps": 12, "batch_size": 4, "learning_rate": 0.05, "validate_every": 4, "checkpoint_every": 4, "ema": 0.8,
        "device": "cpu",
    }  # fmt: skip
    return FitSettings.of(**{**values, **changes})


def start(kind: str = "conv") -> Start:
    """A plain 1 x 1 convolution, one with dropout, or a small Unet; the same weights each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        if kind == "unet":
            params = (("decoder_channels", (16, 8, 8)), ("encoder_depth", 3))
            return Start(build(NetworkSpec("Unet", "resnet18", BANDS, CLASSES, params)), stride=8)
        layers = [
            nn.Conv2d(BANDS, 8, 1),
            nn.ReLU(),
            nn.Dropout(0.3 if kind == "dropout" else 0.0),
            nn.Conv2d(8, CLASSES, 1),
        ]
        return Start(nn.Sequential(*layers))


def accuracy(network: nn.Module) -> dict[str, float]:
    """Share of pixels that are right, called mean IoU; and a look that draws random numbers must not matter."""
    torch.rand(1)
    batch = Drawing()._batch(10_000)
    with torch.inference_mode():
        said = network(torch.from_numpy(batch.images)).argmax(1).numpy()
    known = batch.index != 255
    return {"mean_iou": float((said == batch.index)[known].mean())}


def run(
    folder: Path | None, *, kind: str = "dropout", on_step: Any = None, terms: Any = None, **changes: Any
) -> Fitted:
    """Fit as the tests do."""
    chosen = settings(**changes)
    loss = make_loss(LossSettings.of(terms=terms or {"cross_entropy": 1.0, "dice": 0.5}))
    size, first = share_of(chosen.batch_size)
    return fit(
        start(kind), Drawing(size, first), chosen, loss=loss, validate=accuracy,
        keep=None if folder is None else Keep(folder, "a job"), on_step=on_step,
    )  # fmt: skip


def equal(here: Mapping[str, np.ndarray], there: Mapping[str, np.ndarray]) -> bool:
    """Whether weights are the same bit for bit."""
    return here.keys() == there.keys() and all(np.array_equal(here[name], there[name]) for name in here)


def main(folder: str, keys: str) -> None:
    """Run a fit in this process and save its weights; ``die_at``: kill -9 itself when that step was reported."""
    import os
    import signal

    given = json.loads(keys)
    die_at, how = given.pop("die_at", None), given.pop("how", "SIGKILL")

    def report(progress: Progress) -> None:
        if progress.step == die_at:
            os.kill(os.getpid(), getattr(signal, how))

    fitted = run(Path(folder), on_step=report, **given)
    np.savez(Path(folder) / f"weights-{os.environ.get('RANK', '0')}.npz", **fitted.weights)


if __name__ == "__main__":
    main(*sys.argv[1:])
