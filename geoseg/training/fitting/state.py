"""State: all that a step changes; as tensors and JSON, so that a checkpoint can hold it and a resumed run goes on from it."""

from __future__ import annotations

import copy
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from geoseg.errors import BundleError
from geoseg.training.fitting.optim import make_optimizer, pace, set_pace
from geoseg.training.fitting.start import Start
from geoseg.training.settings.fit import FitSettings

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(slots=True)
class Best:
    """The best look at the validation part so far: when, how good, and the weights; and the looks without a better one since."""

    step: int = 0
    mean_iou: float = -1.0
    weights: Arrays = field(default_factory=dict)
    waited: int = 0


class Average:
    """The moving average of a network's weights and of the statistics of its norms, step by step.

    As ``torch.optim.swa_utils.AveragedModel`` with ``use_buffers``, which looks its tensors up anew each time and so takes a
    tenth of a small network's step.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        """Begin with a copy of ``network``, which is followed from then on."""
        self.network = copy.deepcopy(network)
        pairs = list(zip(_tensors(self.network), _tensors(network), strict=True))
        self._pairs = pairs
        self._mixed = [own for own, _ in pairs if own.is_floating_point()]
        self._live = [live for _, live in pairs if live.is_floating_point()]
        self._mix = get_ema_multi_avg_fn(decay)

    @torch.no_grad()
    def follow(self, *, first: bool) -> None:
        """Take in the network as it is now; the ``first`` time become it. Counts are taken as they are."""
        if not first:
            self._mix(self._mixed, self._live, 0)
        for own, live in self._pairs:
            if first or not own.is_floating_point():
                own.copy_(live)


class State:
    """Network, average of its weights, optimizer and scaler; :meth:`update` is what a step does with gradients."""

    def __init__(
        self, start: Start, network: nn.Module, settings: FitSettings, *, device: torch.device, fp16: bool
    ) -> None:
        """Begin with ``network``, which is ``start.network`` where it is trained: on its device, in its layout."""
        self.start = start
        self.network = network
        self.settings = settings
        self.device = device
        self.optimizer = make_optimizer(network, settings, start.layer_decay)
        self.average = Average(network, settings.ema) if settings.ema else None
        self.scaler = torch.amp.GradScaler(device.type, enabled=fp16)
        self.best = Best()
        self.history: list[dict[str, float | None]] = []

    @property
    def mean_iou(self) -> float | None:
        """Mean IoU of the last look."""
        return self.history[-1].get("mean_iou") if self.history else None

    def is_over(self) -> bool:
        """Whether too many looks were no better than the best."""
        return 0 < self.settings.patience <= self.best.waited

    def look(self, step: int, scores: Mapping[str, float | None]) -> None:
        """Take in the scores of :attr:`kept` after ``step`` steps; its weights are copied where they are the best so far."""
        self.history.append({"step": step, **scores})
        mean_iou = scores.get("mean_iou")
        if mean_iou is not None and mean_iou > self.best.mean_iou:
            self.best = Best(step, mean_iou, self.weights())
        else:
            self.best.waited += 1

    @property
    def kept(self) -> nn.Module:
        """The network whose weights are the result: the average, or the last."""
        return self.network if self.average is None else self.average.network

    def update(self, step: int) -> None:
        """Move the weights along their gradients with the pace of ``step``, counted from 0, and the average after them."""
        set_pace(self.optimizer, pace(step, self.settings), self.settings)
        if self.settings.clip:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()
        if self.average is not None:
            self.average.follow(first=step == 0)

    def weights(self) -> Arrays:
        """A copy of the weights and buffers of :attr:`kept`."""
        return {name: _copied(tensor) for name, tensor in self.kept.state_dict().items()}

    def tensors(self) -> Arrays:
        """A copy of everything that is made of numbers, by name."""
        own = {name: _copied(tensor) for name, tensor in self._live()}
        return own | {f"best.{name}": values for name, values in self.best.weights.items()}

    def facts(self) -> dict[str, Any]:
        """Everything else, as JSON takes it."""
        best = {"step": self.best.step, "mean_iou": self.best.mean_iou, "waited": self.best.waited}
        return {"best": best, "history": self.history, "scaler": self.scaler.state_dict()}

    def restore(self, tensors: Mapping[str, npt.NDArray[Any]], facts: Mapping[str, Any]) -> None:
        """Become what :meth:`tensors` and :meth:`facts` were; BundleError ``CHECKPOINT`` where they are of another network."""
        self._make_moments(tensors)
        live = dict(self._live())
        stored = {name for name in tensors if not name.startswith("best.")}
        odd = sorted(live.keys() ^ stored)
        odd += sorted(name for name in live.keys() & stored if tuple(live[name].shape) != tensors[name].shape)
        if odd:
            what = f"does not hold this network's {odd[0]}"
            raise BundleError.of("CHECKPOINT", "checkpoint", what, "Remove the folder to begin anew")
        for name, tensor in live.items():
            with torch.no_grad():
                tensor.copy_(torch.from_numpy(np.array(tensors[name])))
        best = {name.removeprefix("best."): values for name, values in tensors.items() if name.startswith("best.")}
        self.best = Best(weights=best, **facts["best"])
        self.history = list(facts["history"])
        self.scaler.load_state_dict(facts["scaler"])

    def _live(self) -> Iterator[tuple[str, Tensor]]:
        """Every tensor that a step changes, itself and not a copy."""
        for name, tensor in self.network.state_dict().items():
            yield f"network.{name}", tensor
        if self.average is not None:
            for name, tensor in self.average.network.state_dict().items():
                yield f"average.{name}", tensor
        for number, parameter in enumerate(self._trained()):
            for name, tensor in sorted(self.optimizer.state.get(parameter, {}).items()):
                yield f"optimizer.{number}.{name}", tensor

    def _trained(self) -> Iterator[nn.Parameter]:
        for group in self.optimizer.param_groups:
            yield from group["params"]

    def _make_moments(self, stored: Container[str]) -> None:
        """What the first step makes of the parameters that get a gradient: AdamW's moments, in the parameter's layout."""
        self.optimizer.state.clear()
        for number, parameter in enumerate(self._trained()):
            if f"optimizer.{number}.step" not in stored:
                continue
            moments = {name: torch.zeros_like(parameter) for name in ("exp_avg", "exp_avg_sq")}
            self.optimizer.state[parameter] = {"step": torch.zeros((), device=parameter.device), **moments}


def _tensors(network: nn.Module) -> Iterator[Tensor]:
    yield from network.parameters()
    yield from network.buffers()


def _copied(tensor: Tensor) -> npt.NDArray[Any]:
    return np.array(tensor.detach().cpu().numpy(), order="C", copy=True)
