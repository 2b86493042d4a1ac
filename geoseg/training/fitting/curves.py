"""Curves: loss and scores of a training, step by step, as JSON lines and as a picture."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np

from geoseg.errors import UsageError
from geoseg.raster.files import complete_or_absent, disk_errors, write_durable
from geoseg.training.figure import blank_figure

METRICS = "metrics.jsonl"
CURVES = "curves.png"


class Metrics:
    """``metrics.jsonl``: one line for each step and each look at the validation part; ``with`` opens and closes it.

    Lines hold no time of day, so a training that was stopped and resumed leaves the bytes of one that was not.
    """

    def __init__(self, folder: str | Path, done: int) -> None:
        """Keep the lines of the first ``done`` steps of an earlier run; what came after them is done again."""
        self.path = Path(folder) / METRICS
        lines = [line for line in read_metrics(self.path) if line["step"] <= done]
        if lines or self.path.exists():
            write_durable(self.path, "".join(map(_line, lines)).encode())
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        """Open the file for appending."""
        with disk_errors(self.path):
            self._file = self.path.open("ab")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Flush and close."""
        assert self._file is not None
        with disk_errors(self.path):
            self._file.close()

    def add(self, step: int, **numbers: float | None) -> None:
        """Append a line; it is on the disk after :meth:`flush`."""
        assert self._file is not None
        with disk_errors(self.path):
            self._file.write(_line({"step": step, **numbers}).encode())

    def flush(self) -> None:
        """Put all lines on the disk."""
        assert self._file is not None
        with disk_errors(self.path):
            self._file.flush()
            os.fsync(self._file.fileno())


def read_metrics(path: str | Path) -> list[dict[str, Any]]:
    """The lines of ``metrics.jsonl`` in order; none without the file; a last line that was cut short is left out."""
    try:
        text = Path(path).read_text("utf-8", errors="replace")
    except FileNotFoundError:
        return []
    found = []
    for line in text.splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            break
    return found


def draw_curves(lines: Sequence[Mapping[str, Any]], path: str | Path) -> None:
    """Draw loss and rate of each step and mean IoU of each look (from :func:`read_metrics`) as a PNG; same lines, same bytes."""
    steps = [line for line in lines if "loss" in line]
    looks = [line for line in lines if line.get("mean_iou") is not None]
    at, loss = np.array([line["step"] for line in steps]), np.array([line["loss"] for line in steps])
    with blank_figure(8, 6) as figure:
        above, below = figure.subplots(2, 1, sharex=True)
        if len(steps):
            above.plot(at, loss, color="#c8d3e0", linewidth=0.8, label="loss")
            above.plot(at, _smooth(loss), color="#1f4e79", linewidth=1.5, label="loss, moving mean")
            above.legend(frameon=False)
            below.plot(at, [line["learning_rate"] / max(x["learning_rate"] for x in steps) for line in steps],
                       color="#bbbbbb", linewidth=1, label="learning rate, share of its peak")  # fmt: skip
        below.plot([line["step"] for line in looks], [line["mean_iou"] for line in looks], "o-",
                   color="#2e7d32", markersize=3, label="mean IoU of the validation part")  # fmt: skip
        below.legend(frameon=False)
        below.set(xlabel="step", ylim=(0, 1.02))
        above.set(ylabel="loss")
        with complete_or_absent(path) as temporary:
            figure.savefig(temporary, format="png", dpi=110, metadata={"Software": None})


class Board:
    """TensorBoard's files, where they are asked for; ``with`` closes them."""

    def __init__(self, folder: str | Path | None, done: int) -> None:
        """Write into ``folder`` after step ``done``; None: nothing is written.

        Raises
        ------
        UsageError
            ``MISSING``: the package tensorboard is not installed.
        """
        self._writer: Any = None
        if folder is None:
            return
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            remedy = "Run pip install tensorboard, or leave fit.tensorboard out: metrics.jsonl has the same numbers"
            raise UsageError.of("MISSING", "fit.tensorboard", "tensorboard is not installed", remedy) from None
        self._writer = SummaryWriter(str(folder), purge_step=done + 1)

    def __enter__(self) -> Self:
        """Nothing more."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the files."""
        if self._writer is not None:
            self._writer.close()

    def add(self, step: int, **numbers: float | None) -> None:
        """Add the numbers of a step."""
        if self._writer is not None:
            for name, number in numbers.items():
                if number is not None:
                    self._writer.add_scalar(name, number, step)


def _line(numbers: Mapping[str, Any]) -> str:
    return json.dumps(numbers, allow_nan=False) + "\n"


def _smooth(values: np.ndarray) -> np.ndarray:
    """Mean over about a fiftieth of the steps around each."""
    half = max(len(values) // 100, 1)
    sums = np.concatenate([[0.0], values.cumsum()])
    at = np.arange(len(values))
    first, last = np.maximum(at - half, 0), np.minimum(at + half + 1, len(values))
    return np.asarray((sums[last] - sums[first]) / (last - first))
