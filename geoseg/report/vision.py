"""Vision: what colours look like to people who see fewer of them, and which classes of a legend are hard to tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.legend import Colour, Legend

Floats = NDArray[np.float64]

LEAST = 11.0
"""Colours that differ by less (CIE 1976, in CIELAB) are hard to tell apart on a map, where they do not touch."""

_EVERYONE = "everyone"
KINDS = {
    "red-blind": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "green-blind": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "blue-blind": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}
"""Protanopia, deuteranopia and tritanopia as matrices for linear RGB: Machado, Oliveira and Fernandes, "A physiologically-based
model for simulation of color vision deficiency", IEEE TVCG 15(6), 2009, severity 1.0."""

_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
"""Linear sRGB to XYZ, D65 (IEC 61966-2-1)."""
_MOST_TOLD = 8


@dataclass(frozen=True, slots=True)
class Clash:
    """Two classes whose colours are hard to tell apart, and for whom."""

    one: str
    two: str
    whom: tuple[str, ...]


def simulated(colours: Sequence[Colour], kind: str) -> Floats:
    """The colours (0-255) as someone of a kind of :data:`KINDS` sees them; float64 (n, 3), 0-1 linear RGB."""
    return np.asarray(np.clip(_linear(colours) @ np.array(KINDS[kind]).T, 0, 1))


def differences(colours: Sequence[Colour], kind: str | None = None) -> Floats:
    """How much each colour differs from each (CIE 1976 in CIELAB), to everyone or to a kind of :data:`KINDS`; (n, n)."""
    lab = _lab(_linear(colours) if kind is None else simulated(colours, kind))
    return np.asarray(np.linalg.norm(lab[:, None] - lab[None], axis=-1))


def clashes(legend: Legend) -> tuple[Clash, ...]:
    """Pairs of classes that are hard to tell apart by colour, in the legend's order."""
    classes = legend.classes
    if len(classes) < 2:
        return ()
    colours = [item.colour for item in classes]
    close = {_EVERYONE: differences(colours) < LEAST}
    close |= {kind: differences(colours, kind) < LEAST for kind in KINDS}
    return tuple(
        Clash(classes[i].name, classes[j].name, (_EVERYONE,) if _EVERYONE in whom else whom)
        for i, j in combinations(range(len(classes)), 2)
        if (whom := tuple(name for name, table in close.items() if table[i, j]))
    )


def clash_notes(legend: Legend) -> tuple[str, ...]:
    """What a legend's readers should know of its colours; nothing where all are easy to tell apart."""
    found = clashes(legend)
    told = [f"{c.one} and {c.two} ({', '.join(c.whom)})" for c in found[:_MOST_TOLD]]
    if len(found) > _MOST_TOLD:
        told.append(f"{len(found) - _MOST_TOLD} more pairs")
    return (f"Colours that are hard to tell apart: {'; '.join(told)}",) if told else ()


def contrast(one: Colour, two: Colour) -> float:
    """The ratio of luminances, 1-21 (WCAG 2.2, 1.4.3): text wants 4.5, what is drawn 3."""
    light, dark = sorted((_linear([one, two]) @ _XYZ[1]).tolist(), reverse=True)
    return float((light + 0.05) / (dark + 0.05))


def _linear(colours: Sequence[Colour]) -> Floats:
    values = np.asarray(colours, np.float64).reshape(-1, 3) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _lab(linear: Floats) -> Floats:
    """CIELAB, D65 white."""
    ratio: Any = linear @ _XYZ.T / _XYZ.sum(axis=1)
    f = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=-1)
