"""Boundary loss: probability times signed distance to where a class ends, by the exact Euclidean distance transform."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from geoseg.training.data.labels import IGNORE


def boundary(p: Tensor, index: Tensor) -> Tensor:
    """Mean over labelled pixels and classes of probability times signed distance (Kervadec et al. 2019).

    In pixels, and below 0 where the network is right. It moves boundaries and does not find regions: as published, add it to
    another loss with a small weight (0.01).

    Parameters
    ----------
    p
        Probabilities (labelled pixels, classes), in raster order.
    index
        Class indices (N, rows, cols), ``IGNORE`` where there is no label.
    """
    indices = index.cpu().numpy()
    maps = np.concatenate([signed_distances(one, p.shape[1])[:, one != IGNORE] for one in indices], axis=1)
    return (p * torch.from_numpy(maps.T).to(p)).mean()


def signed_distances(index: npt.NDArray[np.integer], classes: int) -> npt.NDArray[np.float64]:
    """Distance of each pixel of (rows, cols) to each class, (classes, rows, cols) in pixels.

    Outside of a class: to its nearest pixel. Inside: minus the distance to the nearest pixel of another class, plus 1, so that
    the first pixels within have 0 (as in the authors' code). 0 for a class that the labels do not have or that is
    all they have: there is no boundary. Ignored pixels belong to no class, so they are neither inside nor a boundary.
    """
    found = np.zeros((classes, *index.shape))
    present = [int(c) for c in np.unique(index) if c != IGNORE]
    if len(present) < 2:
        return found
    for c in present:
        found[c] = distance_transform_edt(index != c)
    away = found[present]  # 0 inside the class itself
    for i, c in enumerate(present):
        others = np.delete(away, i, axis=0).min(axis=0)
        found[c] -= np.where(index == c, others - 1, 0)
    return found
