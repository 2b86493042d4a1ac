"""Weights: what each class counts in the loss: as the job says, or from how rare it is."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from geoseg.errors import UsageError
from geoseg.legend import Legend
from geoseg.training.settings.fit import LossSettings


def class_weights(counts: npt.NDArray[np.integer], settings: LossSettings, legend: Legend) -> npt.NDArray[np.float32]:
    """The weight of each class, float32 (classes,); their mean over the labelled pixels is 1.

    ``auto`` is the inverse of a class's number of labelled pixels n or, with ``beta`` below 1, of its effective number
    ``(1 - beta^n) / (1 - beta)`` (Cui et al. 2019, Class-Balanced Loss Based on Effective Number of Samples, CVPR,
    equations 2 and 3). A class without pixels weighs 0. Of a table only the ratios count; a class that it does not name
    has 1.

    Parameters
    ----------
    counts
        Labelled pixels of the training part by class, (classes,).

    Raises
    ------
    UsageError
        ``LEGEND``: the table names what is no class. ``SETTING``: it leaves no labelled class, or names one twice.
    """
    n = np.asarray(counts, np.float64)
    if settings.weights == "none":
        weights = np.ones(len(n))
    elif settings.weights == "auto":
        weights = np.zeros(len(n))
        weights[n > 0] = 1 / _effective(n[n > 0], settings.beta)
    else:
        weights = _of_table(settings.weights, legend)
    total = float((weights * n).sum())
    if total <= 0 < n.sum():
        raise UsageError.of("SETTING", "loss.weights", "leave no class that has labels", "Give one of them a weight")
    scaled = weights * (n.sum() / total) if total > 0 else weights
    return scaled.astype(np.float32)


def _effective(n: npt.NDArray[np.float64], beta: float) -> npt.NDArray[np.float64]:
    if beta == 1:
        return n
    effective: npt.NDArray[np.float64] = -np.expm1(n * np.log(beta)) / (1 - beta)
    return effective


def _of_table(table: dict[str, float], legend: Legend) -> npt.NDArray[np.float64]:
    weights = np.ones(len(legend.classes))
    named: set[int] = set()
    for name, weight in table.items():
        value = legend.value_of(name)
        if value in named:
            raise UsageError.of("SETTING", "loss.weights", f"{name} is a class that is named twice", "Name it once")
        named.add(value)
        weights[legend.values.index(value)] = weight
    return weights
