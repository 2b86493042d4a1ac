"""Distribute: one training on several processes that ``torchrun`` started, each with its share of every batch.

``torchrun --nproc-per-node 2 -m geoseg train JOB.yaml OUT`` sets RANK, WORLD_SIZE and LOCAL_RANK. Every process draws its
share of each batch (:func:`share_of`) and sends it through its copy of the network; the logits and labels of all are put
together, so that each computes the loss of the whole batch, and the copies' gradients add up to its gradient. So the
weights are those that one process gets, up to rounding: also with losses that are no sums over pixels, and however unequal the
shares' labels are. Two things differ: batch norms take the statistics of the whole batch on GPUs (``SyncBatchNorm``) but of their
share on processors, and CutMix and copy-paste mix within a share.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from geoseg.errors import UsageError
from geoseg.model import devices

_PATIENCE = timedelta(days=1)
"""How long ranks wait for the first one, which alone looks at the validation part."""


@dataclass(frozen=True, slots=True)
class Team:
    """The processes of a training as one of them sees it."""

    device: torch.device
    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes files."""
        return self.rank == 0

    def wrap(self, network: nn.Module) -> nn.Module:
        """The network as it is to be called in training: gradients are the mean over the processes."""
        if self.size == 1:
            return network
        places = [self.device] if self.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(network, device_ids=places, find_unused_parameters=True)

    def prepared(self, network: nn.Module) -> nn.Module:
        """The network with batch norms that see the whole batch; its weights and their names stay."""
        if self.size == 1 or self.device.type != "cuda":
            return network
        synchronized: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(network)
        return synchronized

    def quiet(self, live: nn.Module, *, last: bool) -> AbstractContextManager[Any]:
        """Inside, gradients stay with their process unless it is the ``last`` of the batches that are summed."""
        if last or not isinstance(live, nn.parallel.DistributedDataParallel):
            return nullcontext()
        silent: AbstractContextManager[Any] = live.no_sync()
        return silent

    def gathered(self, share: Tensor) -> Tensor:
        """The whole batch from the shares, in order; gradients go to this process's own."""
        if self.size == 1:
            return share
        own = share.contiguous()
        parts = [torch.empty_like(own) for _ in range(self.size)]
        dist.all_gather(parts, own.detach())
        parts[self.rank] = own
        return torch.cat(parts)

    def agreed(self, value: Any) -> Any:
        """What the first process has, in all of them."""
        if self.size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, device=self.device)
        return box[0]


def leads() -> bool:
    """Whether this process is the first of those that ``torchrun`` started, or the only one."""
    return _ranks()[0] == 0


def share_of(batch_size: int) -> tuple[int, int]:
    """How many samples of each batch this process draws, and the number of its first; UsageError ``SETTING`` if uneven."""
    rank, size = _ranks()
    if batch_size % size:
        what = f"{batch_size} samples are not to be shared by {size} processes"
        raise UsageError.of("SETTING", "fit.batch_size", what, f"Use a multiple of {size}")
    return batch_size // size, rank * (batch_size // size)


@contextmanager
def team_of(device: str) -> Iterator[Team]:
    """The team that ``torchrun`` set up, or one process alone; ``device`` is ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises
    ------
    UsageError
        ``DEVICE``: it is not there.
    """
    rank, size = _ranks()
    if size == 1:
        yield Team(torch.device(devices.find(device, torch_runs=True)))
        return
    found = devices.find(device, torch_runs=True)
    if found != "cpu":
        found = devices.find(f"cuda:{os.environ.get('LOCAL_RANK', '0')}", torch_runs=True)
    own = not dist.is_initialized()
    if own:
        dist.init_process_group("gloo" if found == "cpu" else "nccl", timeout=_PATIENCE)
    try:
        yield Team(torch.device(found), rank, size)
    finally:
        if own:
            dist.destroy_process_group()


def _ranks() -> tuple[int, int]:
    """Number of this process and how many there are, as ``torchrun`` says it."""
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
