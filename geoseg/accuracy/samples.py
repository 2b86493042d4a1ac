"""Samples: places to label, the design that drew them, and what the map says there."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from geoseg.legend import Legend

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

UNLABELLED = -1
"""Stands in :attr:`Samples.reference` where nobody has labelled yet (NULL in the file)."""


@dataclass(frozen=True, slots=True)
class Stratum:
    """Pixels that samples were drawn from with one probability, ``sampled`` of ``n_pixels``, without replacement.

    Parameters
    ----------
    value, name
        Number and name. A stratum that is one class has the class's value and name.
    map_class
        The class where the stratum is one; None where it is not (a border, a group of classes).
    n_pixels, area_m2
        All of the stratum on the map: pixels, and area on the ellipsoid.
    sampled
        How many pixels were drawn.
    classes
        The class values that occur in it, ascending.
    """

    value: int
    name: str
    map_class: int | None
    n_pixels: int
    area_m2: float
    sampled: int
    classes: tuple[int, ...] = ()

    @property
    def incl_prob(self) -> float:
        """The probability of each of its pixels to be drawn, ``sampled / n_pixels``; 0 for a stratum without pixels."""
        return self.sampled / self.n_pixels if self.n_pixels else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Sampled pixels, in the order of their ids; all arrays are (n,).

    Every pixel of a stratum had the same probability to be drawn, whatever its area. On a geographic grid (and a little
    on every other) the pixels of a stratum differ in area: ``area_m2`` is that of each drawn one, so that areas are
    estimated by ``sum(weight * area_m2 * y)`` (Horvitz-Thompson) or by its ratio to the stratum's known area. Where all
    pixels are alike both are the formulas for shares of pixels.

    Parameters
    ----------
    sample_id, row, col, stratum, map_class
        int64. Strata are named by :attr:`Stratum.value`; ``map_class`` is the mask's value at the pixel, in a border
        or a group of classes too.
    x, y
        The pixel's centre in the CRS; NaN where the file has no geometry.
    area_m2
        The pixel's area on the ellipsoid.
    reference
        The class that was seen there, int64; :data:`UNLABELLED` where nobody looked.
    notes
        What the interpreter wrote; "" where nothing.
    strata
        All strata of the design, also those without samples.
    legend
        What ``map_class`` and ``reference`` mean; for a change map all pairs of its classes, not only those that occur.
    facts
        What else is known of the design: ``geoseg``, ``mask``, ``fingerprint``, ``seed``, ``allocation``, ``total``,
        ``area_method``, ``is_change``, ``pixel_rule``, ``grid`` and others, as text.
    crs
        WKT.
    """

    sample_id: Ints
    row: Ints
    col: Ints
    x: Floats
    y: Floats
    stratum: Ints
    map_class: Ints
    area_m2: Floats
    reference: Ints
    notes: tuple[str, ...]
    strata: tuple[Stratum, ...]
    legend: Legend
    facts: dict[str, str]
    crs: str

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.sample_id)

    @property
    def labelled(self) -> npt.NDArray[np.bool_]:
        """Where a reference class is known."""
        return np.asarray(self.reference != UNLABELLED)

    @property
    def is_change(self) -> bool:
        """Whether classes are transitions, ``from * 256 + to``."""
        return self.facts.get("is_change") == "true"

    @property
    def incl_prob(self) -> Floats:
        """Each sample's inclusion probability by the design, also where fewer have been labelled."""
        known = {stratum.value: stratum.incl_prob for stratum in self.strata}
        return np.array([known[value] for value in self.stratum.tolist()], np.float64)

    @property
    def weight(self) -> Floats:
        """Pixels that each sample stands for: one over its inclusion probability."""
        return 1.0 / self.incl_prob


def with_labels_of(samples: Samples, earlier: Samples) -> Samples:
    """The samples with the references and notes that the same pixels have in ``earlier``, which is on the same grid."""
    known = {place: i for i, place in enumerate(zip(earlier.row.tolist(), earlier.col.tolist(), strict=True))}
    at = [known.get(place) for place in zip(samples.row.tolist(), samples.col.tolist(), strict=True)]
    reference = [int(earlier.reference[i]) if i is not None else UNLABELLED for i in at]
    notes = tuple(earlier.notes[i] if i is not None else "" for i in at)
    return replace(samples, reference=np.array(reference, np.int64), notes=notes)
