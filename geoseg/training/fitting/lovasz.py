"""Lovász: a surrogate of the Jaccard index that is convex in the errors of a class."""

from __future__ import annotations

import torch
from torch import Tensor


def lovasz(p: Tensor, target: Tensor) -> Tensor:
    """Lovász-softmax over all pixels, mean over the classes that occur (Berman, Triki and Blaschko 2018, algorithm 1).

    Parameters
    ----------
    p
        Probabilities (pixels, classes).
    target
        Class indices int64 (pixels,).
    """
    present = target.unique()
    true = target[:, None] == present
    errors = torch.where(true, 1 - p[:, present], p[:, present])
    errors, order = errors.sort(dim=0, descending=True, stable=True)
    return (errors * jaccard_steps(true.gather(0, order)).to(errors)).sum(0).mean()


def jaccard_steps(true: Tensor) -> Tensor:
    """How much the Jaccard loss grows with each further pixel that is wrong: float64 from bool, both (pixels, classes).

    Pixels are taken from the top; ``true`` says which are of the class. Counted in integers: exact for any number of pixels.
    """
    found = true.cumsum(0)
    total = found[-1:]
    either = total + torch.arange(1, len(true) + 1, device=true.device)[:, None] - found
    loss = 1 - (total - found).double() / either
    return torch.cat([loss[:1], loss.diff(dim=0)])
