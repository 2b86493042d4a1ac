"""Record: what a training leaves in its folder: checkpoint, metrics, curves; nothing where there is no folder."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy.typing as npt

from geoseg.errors import BundleError, UsageError
from geoseg.training.fitting.checkpoint import Checkpoints
from geoseg.training.fitting.curves import CURVES, Board, Metrics, draw_curves, read_metrics
from geoseg.training.fitting.state import State
from geoseg.training.settings.fit import FitSettings

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Keep:
    """Where a training is kept, and the digest of all that it depends on beside the settings of the fit."""

    folder: Path
    digest: str


class Remembers(Protocol):
    """Samples that draw by what was learned, and hence have a state."""

    def state(self) -> Mapping[str, npt.NDArray[Any]]:
        """What they draw by."""

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Draw by what :meth:`state` gave."""


class Record:
    """The folder of one training; of several processes only the one that ``leads`` writes. Use as a context manager."""

    def __init__(self, keep: Keep | None, settings: FitSettings, *, leads: bool) -> None:
        """Nothing is touched yet."""
        if settings.tensorboard and keep is None:
            raise UsageError.of("SETTING", "fit.tensorboard", "there is no folder to write to", "Keep the training")
        self.settings = settings
        self._folder = None if keep is None else keep.folder
        self._checkpoints = None if keep is None else Checkpoints(keep.folder, _digest(keep.digest, settings))
        self._writes = leads and keep is not None
        self._metrics: Metrics | None = None
        self._board: Board | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Take the folder."""
        if self._writes:
            assert self._checkpoints is not None
            self._stack.enter_context(self._checkpoints)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish what is being written."""
        self._stack.__exit__(kind, error, trace)

    def resume(self, state: State, samples: Remembers) -> int:
        """Put the checkpoint's state into ``state`` and ``samples`` and return the steps that are done; 0 without one."""
        saved = self._checkpoints.load() if self._checkpoints else None
        done = saved.step if saved else 0
        if saved:
            own = {name: values for name, values in saved.tensors.items() if not name.startswith("samples.")}
            theirs = {name.removeprefix("samples."): v for name, v in saved.tensors.items() if name not in own}
            try:
                state.restore(own, saved.facts)
            except BundleError:
                raise
            except (LookupError, TypeError, ValueError) as error:
                what = f"holds no state of a training ({type(error).__name__}: {error})"
                raise BundleError.of("CHECKPOINT", self._folder, what, "Remove the folder to begin anew") from None
            samples.restore(theirs)
            _log.info("%s: goes on after step %d", self._folder, done)
        if self._writes and self._folder:
            self._board = Board(self._folder / "tensorboard" if self.settings.tensorboard else None, done)
            self._stack.enter_context(self._board)
            self._metrics = self._stack.enter_context(Metrics(self._folder, done))
        return done

    def add(self, step: int, numbers: Mapping[str, float | None]) -> None:
        """Note the numbers of a step, or of a look at the validation part."""
        if self._metrics and self._board:
            self._metrics.add(step, **numbers)
            self._board.add(step, **numbers)

    def save(self, step: int, state: State, samples: Remembers, *, wait: bool = False) -> None:
        """Write a checkpoint, behind the training's back unless it is to be waited for."""
        if self._writes and self._checkpoints and self._metrics:
            drawn_by = {f"samples.{name}": values.copy() for name, values in samples.state().items()}
            self._metrics.flush()
            self._checkpoints.save(step, state.tensors() | drawn_by, state.facts())
            if wait:
                self._checkpoints.wait()

    def draw(self) -> None:
        """Draw the curves."""
        if self._writes and self._metrics and self._folder:
            self._metrics.flush()
            draw_curves(read_metrics(self._metrics.path), self._folder / CURVES)


def _digest(digest: str, settings: FitSettings) -> str:
    """Of the job and of what in the settings changes the weights."""
    values = settings.model_dump(mode="json", exclude={"checkpoint_every", "tensorboard"})
    return hashlib.sha256(json.dumps([digest, values], sort_keys=True).encode()).hexdigest()
