"""Fit: batches through the network, gradients back, a look at the validation part from time to time.

A step's dropout is drawn from (seed, step, rank), samples from (seed, step) and the rate from the step, so a training that was
killed goes on from its last checkpoint to the same weights, bit for bit, on the same machine with the same threads.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from geoseg.errors import UsageError
from geoseg.training.fitting.checkpoint import nonfinite
from geoseg.training.fitting.distributed import Team, team_of
from geoseg.training.fitting.losses import Loss
from geoseg.training.fitting.machine import dtype_of, explained, reproducible
from geoseg.training.fitting.optim import pace
from geoseg.training.fitting.record import Keep, Record, Remembers
from geoseg.training.fitting.start import Start
from geoseg.training.fitting.state import Arrays, State
from geoseg.training.fitting.stop import signals_wait
from geoseg.training.settings.fit import FitSettings

Scores = Mapping[str, float]
Validate = Callable[[nn.Module], Scores]
"""Scores of a network in evaluation mode on the validation part, among them ``mean_iou``; it gets a copy."""


class Batch(Protocol):
    """Images float32 (N, bands, crop, crop), class indices int64 (N, crop, crop), and the cells they are from, int64 (N,)."""

    images: npt.NDArray[np.float32]
    index: npt.NDArray[np.int64]
    cells: npt.NDArray[np.int64]


class Samples(Remembers, Protocol):
    """Where batches come from; each is a function of its number and of what was learned up to some number before."""

    @property
    def learns(self) -> bool:
        """Whether :meth:`learned` is to be called after each batch."""

    def batches(self, start: int, stop: int) -> Iterator[Batch]:
        """The batches of these numbers, in order."""

    def learned(self, cells: npt.NDArray[np.int64], losses: npt.NDArray[np.float32]) -> None:
        """Take in how badly each sample of a batch was mapped."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a training stands: steps done and of all, loss of the step, last mean IoU of the validation, seconds left."""

    step: int
    steps: int
    loss: float
    mean_iou: float | None
    seconds_left: float


@dataclass(frozen=True, slots=True)
class Fitted:
    """A trained network: its state dict, the steps taken, the step whose weights these are, and the looks at the validation."""

    weights: Arrays
    steps: int
    step: int
    history: tuple[Mapping[str, float | None], ...] = ()


def fit(
    start: Start, samples: Samples, settings: FitSettings, *,
    loss: Loss, validate: Validate | None = None, keep: Keep | None = None, on_step: Callable[[Progress], None] | None = None,
) -> Fitted:  # fmt: skip
    """Fit a network.

    The weights are the moving average of those of each step (``ema``), without it the last. With ``validate`` they are those of
    the look with the best mean IoU, and ``patience`` looks without a better one end the training.

    Parameters
    ----------
    start
        The network; it is changed.
    samples
        Batches, or this process's share of each (:func:`geoseg.training.fitting.distributed.share_of`). One step takes
        ``settings.accumulate`` of them: the gradient is the mean of theirs.
    loss
        See :func:`geoseg.training.fitting.losses.make_loss`.
    validate
        Called every ``settings.validate_every`` steps and after the last.
    keep
        Where checkpoint, metrics and curves go; a training that lies there is gone on with.
    on_step
        Called after each step.

    Raises
    ------
    InputRefused
        ``NONFINITE``: the loss or a weight became NaN or infinite.
    UsageError
        ``SETTING``, ``DEVICE``, ``PRECISION``: what the network, the machine or the number of processes does not allow.
    Conflict
        ``CHECKPOINT``: what is kept there belongs to another job. ``LOCKED``: another process trains there.
    BundleError
        ``CHECKPOINT``: it is damaged.
    ResourceError
        ``MEMORY``, ``DISK``.
    """
    report = on_step or _silent
    with ExitStack() as stack:
        team = stack.enter_context(team_of(settings.device))
        stack.enter_context(reproducible(settings, team.device))
        record = stack.enter_context(Record(keep, settings, leads=team.leads))
        lesson = _Lesson(start, samples, settings, loss=loss, team=team)
        state = lesson.state
        first = done = record.resume(state, samples)
        batches = samples.batches(first * settings.accumulate, settings.steps * settings.accumulate)
        stack.callback(getattr(batches, "close", _nothing))
        stop = stack.enter_context(signals_wait())
        begun = time.perf_counter()
        while done < settings.steps and not state.is_over():
            value = lesson.step(done, batches)
            done += 1
            record.add(done, {"loss": value, "learning_rate": lesson.rate(done - 1)})
            if validate and (done % settings.validate_every == 0 or done == settings.steps):
                record.add(done, _look(state, validate, team, step=done))
            left = (time.perf_counter() - begun) / (done - first) * (settings.steps - done)
            report(Progress(done, settings.steps, value, state.mean_iou, left))
            stopping = stop.is_asked
            if stopping or state.is_over() or done % settings.checkpoint_every == 0 or done == settings.steps:
                record.save(done, state, samples, wait=stopping)
            if stopping:
                record.draw()
                stop.deliver()
        record.draw()
    return _fitted(state, done)


class _Lesson:
    """A step: batches, their loss, and the update."""

    def __init__(self, start: Start, samples: Samples, settings: FitSettings, *, loss: Loss, team: Team) -> None:
        self.samples = samples
        self.settings = settings
        self.team = team
        self.loss = loss.to(team.device)
        self.dtype = dtype_of(settings.precision, team.device)
        network = team.prepared(start.network).to(team.device).to(memory_format=torch.channels_last)
        start.train(network)
        self.state = State(start, network, settings, device=team.device, fp16=self.dtype == torch.float16)
        self.live = team.wrap(network)

    def step(self, step: int, batches: Iterator[Batch]) -> float:
        """Take step number ``step``, counted from 0; returns the loss of the whole batch."""
        torch.manual_seed(_seed(self.settings.seed, step, self.team.rank))
        total = 0.0
        with explained(self.settings):
            for turn in range(1, self.settings.accumulate + 1):
                total += self._learn(next(batches), last=turn == self.settings.accumulate)
            if not math.isfinite(total):
                raise nonfinite(step + 1, "the loss")
            self.state.update(step)
        return total

    def rate(self, step: int) -> float:
        """The learning rate of the step."""
        return self.settings.learning_rate * pace(step, self.settings).rate

    def _learn(self, batch: Batch, *, last: bool) -> float:
        """Add the gradient of one batch; returns its part of the step's loss."""
        _check_crop(batch, self.state.start.stride)
        team = self.team
        images = torch.from_numpy(batch.images).to(team.device, memory_format=torch.channels_last)
        index = team.gathered(torch.from_numpy(batch.index).to(team.device))
        with team.quiet(self.live, last=last):
            with torch.autocast(team.device.type, self.dtype, enabled=self.dtype != torch.float32):
                logits = self.live(images)
            logits = team.gathered(logits)
            loss = self.loss(logits, index) / self.settings.accumulate
            self.state.scaler.scale(loss * team.size).backward()  # the processes' gradients are averaged
        if self.samples.learns:
            cells = team.gathered(torch.from_numpy(batch.cells).to(team.device))
            self.samples.learned(cells.cpu().numpy(), self.loss.per_sample(logits.detach(), index).cpu().numpy())
        return float(loss.item())


def _look(state: State, validate: Validate, team: Team, *, step: int) -> dict[str, float | None]:
    """Score a copy of the network that is kept, and keep its weights if it is the best so far."""
    scores: dict[str, float | None] = {}
    if team.leads:
        network = copy.deepcopy(state.kept).eval().requires_grad_(False)
        found = {name: float(value) for name, value in validate(network).items()}
        scores = {name: value if math.isfinite(value) else None for name, value in found.items()}
    scores = team.agreed(scores)
    state.look(step, scores)
    return scores


def _fitted(state: State, done: int) -> Fitted:
    best = state.best
    weights, step = (best.weights, best.step) if best.step else (state.weights(), done)
    if not all(np.isfinite(values).all() for values in weights.values()):
        raise nonfinite(done, "a weight")
    return Fitted(weights, done, step, tuple(state.history))


def _check_crop(batch: Batch, stride: int) -> None:
    side = batch.images.shape[-1]
    if side % stride:
        what = f"the network halves its image down to {stride} pixels, and {side} is no multiple of it"
        raise UsageError.of("SETTING", "samples.crop", what, f"Use {-(-side // stride) * stride}")


def _seed(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _silent(progress: Progress) -> None:
    """Report nothing."""


def _nothing() -> None:
    """Close nothing."""
