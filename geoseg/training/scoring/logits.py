"""Logits: a bounded sample of what a network gives for labelled pixels, by blocks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from geoseg.training.data.labels import IGNORE, index_of
from geoseg.training.scoring.mapper import Labelled, NetworkMapper, Where, labelled_where
from geoseg.training.scoring.temperature import LogitSample

_TINY = np.float32(1e-30)  # a probability of 0 in float32 has no logarithm


def sample_logits(
    mapper: NetworkMapper, scenes: Sequence[Labelled], *, where: Sequence[Where], seed: int = 0
) -> LogitSample | None:
    """Sample the labelled pixels of ``where``; None where there is none.

    Logits are the logarithms of the probabilities: they differ from the network's by a number for each pixel, which no softmax
    sees.
    """
    table = index_of(mapper.legend)
    found: LogitSample | None = None
    for number, scene in enumerate(scenes):
        wanted = labelled_where(scene, mapper.legend, where[number])
        for piece in mapper.pieces(scene, wanted, confidence=True):
            assert piece.probabilities is not None
            index = np.where(piece.scored, table[piece.label], np.uint8(IGNORE))
            logits = np.log(np.maximum(piece.probabilities, _TINY))
            key = (number, piece.window.row, piece.window.col)
            sample = LogitSample.of(logits, index, key=key, seed=seed)
            found = sample if found is None else found + sample
    return found if found is not None and found.seen else None
