"""Spectra: the materials of the land, their reflectance in six bands, their class, and how much they vary.

The reflectances are set by hand, to half a percent, inside what the ECOSTRESS library (Meerdink et al., 2019,
doi:10.1016/j.rse.2019.05.015) and the USGS library 7 (Kokaly et al., 2017, doi:10.3133/ds1035) have for such surfaces in
Landsat's bands, canopies darker than their leaves for the shade within; they are measurements of nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from geoseg.legend import HARMONISED, Legend

BANDS = ("blue", "green", "red", "nir", "swir1", "swir2")
SCALE = 1e-4
"""Reflectance of one unit of the files."""


class Material(NamedTuple):
    """What a spot of land is made of.

    ``reflectance`` in percent, by :data:`BANDS`. ``light`` and ``green``: how much brightness and greenness vary from one
    plot to the next, and ``grain`` brightness from spot to spot, as parts of 1.
    """

    name: str
    class_name: str
    reflectance: tuple[float, float, float, float, float, float]
    light: float
    green: float
    grain: float


MATERIALS = (
    Material("lake", "water", (3.5, 3.5, 2.0, 1.2, 0.7, 0.5), 0.12, 0.10, 0.05),
    Material("river", "water", (5.5, 7.0, 5.5, 2.8, 1.2, 0.8), 0.12, 0.10, 0.08),
    Material("conifer", "tree", (2.0, 3.2, 2.3, 20.0, 9.0, 4.0), 0.12, 0.06, 0.34),
    Material("deciduous", "tree", (2.5, 5.0, 3.0, 35.0, 16.0, 7.0), 0.10, 0.06, 0.26),
    Material("meadow", "low vegetation", (4.0, 7.5, 5.0, 35.0, 22.0, 11.5), 0.10, 0.14, 0.10),
    Material("dry grass", "low vegetation", (6.0, 9.5, 11.0, 26.0, 29.0, 19.0), 0.12, 0.18, 0.12),
    Material("shrub", "low vegetation", (4.0, 6.5, 5.5, 24.0, 19.0, 10.5), 0.12, 0.14, 0.24),
    Material("green cereal", "cropland", (3.5, 7.0, 4.5, 43.0, 22.0, 11.0), 0.08, 0.14, 0.05),
    Material("ripe cereal", "cropland", (8.0, 13.0, 16.5, 31.0, 33.0, 20.0), 0.10, 0.12, 0.05),
    Material("maize", "cropland", (3.0, 6.0, 3.5, 45.0, 23.0, 9.5), 0.08, 0.10, 0.06),
    Material("rapeseed", "cropland", (5.0, 13.0, 10.0, 45.0, 23.0, 11.0), 0.10, 0.12, 0.05),
    Material("tilled soil", "cropland", (7.5, 10.5, 13.5, 20.0, 27.0, 23.0), 0.18, 0.05, 0.07),
    Material("stubble", "cropland", (9.0, 13.0, 17.0, 26.0, 33.0, 25.0), 0.12, 0.08, 0.07),
    Material("asphalt", "built", (8.0, 9.0, 10.0, 12.0, 13.5, 12.5), 0.14, 0.05, 0.10),
    Material("tile roof", "built", (9.0, 12.0, 20.0, 27.0, 30.0, 26.0), 0.18, 0.05, 0.22),
    Material("concrete", "built", (14.0, 16.5, 18.5, 21.5, 23.5, 22.0), 0.20, 0.03, 0.18),
    Material("metal roof", "built", (24.0, 25.5, 26.5, 28.0, 27.0, 25.0), 0.22, 0.03, 0.10),
    Material("rock", "bare", (9.0, 10.5, 12.0, 15.0, 19.0, 17.0), 0.10, 0.05, 0.24),
    Material("gravel", "bare", (12.0, 15.0, 17.5, 21.0, 24.0, 22.0), 0.12, 0.05, 0.16),
    Material("quarry", "bare", (15.0, 19.0, 22.5, 28.0, 33.0, 30.0), 0.14, 0.05, 0.16),
    Material("clear-cut", "bare", (6.5, 9.0, 11.5, 20.5, 27.0, 20.0), 0.14, 0.14, 0.22),
)

LAKE, RIVER, CONIFER, DECIDUOUS, MEADOW, DRY, SHRUB = range(7)
GREEN_CEREAL, RIPE_CEREAL, MAIZE, RAPESEED, TILLED, STUBBLE = range(7, 13)
ASPHALT, TILES, CONCRETE, METAL, ROCK, GRAVEL, QUARRY, CUT = range(13, 21)

GREENING = np.array([-0.5, -0.15, -0.9, 0.45, -0.3, -0.55], np.float32)
"""What more green (more leaves, less of what is below them) does to each band."""

CLOUD = np.array([62.0, 63.0, 64.0, 66.0, 50.0, 40.0], np.float32) / 100
"""Reflectance of a thick cloud of water (same sources)."""

LAND = tuple(dict.fromkeys(material.class_name for material in MATERIALS))
SKY = ("cloud", "shadow")


def legend(*, clouds: bool) -> Legend:
    """The harmonised legend's classes of land and, with clouds, of sky; values, names and colours as there."""
    names = (*LAND, *SKY) if clouds else LAND
    return Legend(tuple(item for item in HARMONISED.classes if item.name in names), HARMONISED.nodata)


REFLECTANCE = np.array([material.reflectance for material in MATERIALS], np.float32) / 100
CLASS = np.array([HARMONISED.value_of(material.class_name) for material in MATERIALS], np.uint8)
LIGHT = np.array([material.light for material in MATERIALS])
GREEN = np.array([material.green for material in MATERIALS])
GRAIN = np.array([material.grain for material in MATERIALS])
