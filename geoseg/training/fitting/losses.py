"""Losses: logits and class indices -> one number to make small; weighted sums by name, pixels without a label left out.

Every loss is a function of the labelled pixels alone: log-probabilities (pixels, classes) and their class indices (pixels).
Whatever stands at an ignored pixel changes neither loss nor gradient, and a batch without any label gives 0 with gradients 0.

Class weights weigh pixels, in cross-entropy and focal. Dice, Jaccard, Tversky and Lovász score each class that occurs in the
batch by itself and take the mean, so a rare class already counts as much as any other; MCC is made for unequal classes; the
boundary loss weighs pixels by their distance. None of them takes weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from geoseg.errors import UsageError
from geoseg.training.data.labels import IGNORE
from geoseg.training.fitting.boundary_loss import boundary
from geoseg.training.fitting.lovasz import lovasz
from geoseg.training.settings.fit import LossName, LossSettings

_WEIGHED: tuple[LossName, ...] = ("cross_entropy", "focal")
_TINY = 1e-7


def make_loss(settings: LossSettings, class_weights: npt.NDArray[np.float32] | None = None) -> Loss:
    """The loss that the settings name.

    Parameters
    ----------
    settings
        Names and weights of the terms, and what they need.
    class_weights
        float32 (classes,) in channel order, of cross-entropy and focal; None: all 1.

    Raises
    ------
    UsageError
        ``SETTING``: class weights are asked for and no term takes them.
    """
    if settings.weights != "none" and not any(settings.terms.get(name) for name in _WEIGHED):
        what = "is set, and no term takes class weights: the others give each class the same say already"
        raise UsageError.of(
            "SETTING", "loss.weights", what, "Add cross_entropy or focal to loss.terms, or leave it out"
        )
    return Loss(settings, class_weights)


class Loss(nn.Module):
    """A weighted sum of losses; see :func:`make_loss`."""

    class_weights: Tensor | None

    def __init__(self, settings: LossSettings, class_weights: npt.NDArray[np.float32] | None = None) -> None:
        """Keep the settings; weights become a buffer, so they follow the module to its device."""
        super().__init__()
        self.settings = settings
        weights = None if class_weights is None else torch.tensor(class_weights, dtype=torch.float32)
        self.register_buffer("class_weights", weights, persistent=False)

    def forward(self, logits: Tensor, index: Tensor) -> Tensor:
        """A scalar from logits (N, classes, rows, cols) and indices (N, rows, cols); half precision is widened to float32."""
        log_p, target = labelled_pixels(logits, index)
        if not len(target):
            return log_p.sum()  # of nothing: exactly 0, and so are its gradients
        total = log_p.new_zeros(())
        for name, weight in self.settings.terms.items():
            if weight:
                total = total + weight * self._term(name, log_p, target, index)
        return total

    def _term(self, name: str, log_p: Tensor, target: Tensor, index: Tensor) -> Tensor:
        weights = self.class_weights
        if name == "cross_entropy":
            return cross_entropy(log_p, target, weights=weights, smoothing=self.settings.label_smoothing)
        if name == "focal":
            return focal(log_p, target, weights=weights, gamma=self.settings.gamma)
        if name == "tversky":
            return tversky(log_p.exp(), target, alpha=self.settings.alpha, beta=1 - self.settings.alpha)
        if name == "boundary":
            return boundary(log_p.exp(), index)
        return _REGIONS[name](log_p.exp(), target)

    @torch.no_grad()
    def per_sample(self, logits: Tensor, index: Tensor) -> Tensor:
        """Mean cross-entropy (N,) of the labelled pixels of each sample, without gradient; 0 where there is none."""
        wrong = functional.nll_loss(
            functional.log_softmax(_wide(logits), 1), index.long(), ignore_index=IGNORE, reduction="none"
        )
        known = (index != IGNORE).flatten(1).sum(1)
        return wrong.flatten(1).sum(1) / known.clamp_min(1)


def labelled_pixels(logits: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    """Log-probabilities (pixels, classes) and indices int64 (pixels,) of the pixels that have a label, in raster order."""
    places = (index.flatten() != IGNORE).nonzero().squeeze(1)
    pixels = _wide(logits).movedim(1, -1).flatten(0, -2).index_select(0, places)
    return functional.log_softmax(pixels, 1), index.flatten().index_select(0, places).long()


def cross_entropy(log_p: Tensor, target: Tensor, *, weights: Tensor | None = None, smoothing: float = 0.0) -> Tensor:
    """Cross-entropy against labels smoothed to ``1 - smoothing`` (Szegedy et al. 2016), mean over pixels by class weight.

    As ``torch.nn.CrossEntropyLoss``; where all pixels are of classes that weigh 0 it is 0.
    """
    weights = _weights(weights, log_p)
    total = weights[target].sum()
    if not total > 0:
        return 0 * log_p.sum()
    loss = (1 - smoothing) * functional.nll_loss(log_p, target, weights, reduction="sum")
    if smoothing:
        loss = loss - smoothing / log_p.shape[1] * (log_p * weights).sum()
    return loss / total


def focal(log_p: Tensor, target: Tensor, *, weights: Tensor | None = None, gamma: float = 2.0) -> Tensor:
    """Focal loss: cross-entropy times ``(1 - p) ** gamma`` (Lin et al. 2017, eq. 5), mean over pixels by class weight."""
    weights = _weights(weights, log_p)[target]
    total = weights.sum()
    if not total > 0:
        return 0 * log_p.sum()
    right = log_p.gather(1, target[:, None]).squeeze(1)
    missing = (-torch.expm1(right)).clamp_min(_TINY)  # below it the derivative of the power may be infinite
    return -(weights * missing**gamma * right).sum() / total


def tversky(p: Tensor, target: Tensor, *, alpha: float, beta: float) -> Tensor:
    """1 - TP / (TP + alpha FP + beta FN), soft counts over the batch, mean over the classes that occur (Salehi et al. 2017)."""
    hits, said, true = _soft_counts(p, target)
    index = hits / (hits + alpha * (said - hits) + beta * (true - hits)).clamp_min(_TINY)
    return 1 - index[true > 0].mean()


def dice(p: Tensor, target: Tensor) -> Tensor:
    """1 - 2 TP / (2 TP + FP + FN): soft Dice, mean over the classes that occur (Sudre et al. 2017)."""
    return tversky(p, target, alpha=0.5, beta=0.5)


def jaccard(p: Tensor, target: Tensor) -> Tensor:
    """1 - TP / (TP + FP + FN): soft IoU, mean over the classes that occur (Rahman and Wang 2016)."""
    return tversky(p, target, alpha=1.0, beta=1.0)


def mcc(p: Tensor, target: Tensor) -> Tensor:
    """1 - Matthews correlation coefficient of the soft confusion matrix (Gorodkin 2004).

    With two classes it is the loss of Abhishek and Hamarneh (2021). Where the batch has one class only, the coefficient is
    not defined and taken as 0, as scikit-learn does; such a batch teaches nothing.
    """
    hits, said, true = (counts / len(target) for counts in _soft_counts(p, target))
    spread = 1 - (true**2).sum()
    if not spread > _TINY:
        return 1 + 0 * p.sum()
    covariance = hits.sum() - (true * said).sum()
    return 1 - covariance / ((1 - (said**2).sum()).clamp_min(_TINY) * spread).sqrt()


def _soft_counts(p: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Sums over pixels (classes,): of the probability where it is right, of the probability, of the labels."""
    labels = functional.one_hot(target, p.shape[1]).to(p.dtype)
    return (p * labels).sum(0), p.sum(0), labels.sum(0)


def _weights(weights: Tensor | None, log_p: Tensor) -> Tensor:
    return log_p.new_ones(log_p.shape[1]) if weights is None else weights.to(log_p)


def _wide(logits: Tensor) -> Tensor:
    return logits if logits.dtype == torch.float64 else logits.float()


_REGIONS: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "dice": dice, "jaccard": jaccard, "lovasz": lovasz, "mcc": mcc
}  # fmt: skip
