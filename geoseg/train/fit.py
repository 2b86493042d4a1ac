"""Fit: a network to batches of labelled crops, in plain torch on the processor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from geoseg.model.bundle import NetworkSpec
from geoseg.model.network import build
from geoseg.train.samples import IGNORE, Crops
from geoseg.train.settings import FitSettings

Report = Callable[[int, int, float], None]
"""Called after each step with the number of steps done, of all, and the loss."""


def fit(spec: NetworkSpec, crops: Crops, settings: FitSettings, on_step: Report) -> dict[str, npt.NDArray[np.generic]]:
    """Fit a network from random weights and return its state dict: the moving average of the weights.

    Adam with decoupled weight decay under a one-cycle schedule, cross-entropy with label smoothing. The same seed, data,
    threads and machine give the same weights.
    """
    with _reproducible(settings):
        network = build(spec).to(memory_format=torch.channels_last).train()
        average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(settings.ema), use_buffers=True)
        optimizer = torch.optim.AdamW(
            network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.learning_rate, total_steps=settings.steps)
        loss_of = nn.CrossEntropyLoss(ignore_index=IGNORE, label_smoothing=settings.label_smoothing)
        for step, (images, index) in zip(range(settings.steps), crops.batches(settings), strict=False):
            logits = network(torch.from_numpy(images).to(memory_format=torch.channels_last))
            loss = loss_of(logits, torch.from_numpy(index))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            average.update_parameters(network)
            on_step(step + 1, settings.steps, loss.item())
        return {name: tensor.detach().contiguous().numpy() for name, tensor in average.module.state_dict().items()}


@contextmanager
def _reproducible(settings: FitSettings) -> Iterator[None]:
    """Seed torch and hold its number of threads, both only inside."""
    threads, exact = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        torch.set_num_threads(settings.threads)
        torch.use_deterministic_algorithms(True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(exact)
            torch.set_num_threads(threads)
