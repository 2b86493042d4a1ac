"""Land: what each spot is made of, from the fields and from how people divide the land; compiled.

Spots are three by three in a pixel. Who comes first owns a spot: highways and roads (over rivers, as bridges), water, its
shore, rock, towns, quarries, woods with felling areas, farmland, and what is left is meadow and heath.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geoseg.raster.jit import jit
from geoseg.training.synth import fields, spectra
from geoseg.training.synth.farms import Plot, block, edge, felling, holds, nowhere, parcel, turned
from geoseg.training.synth.noise import gauss, hashed, noise_row, salted, share
from geoseg.training.synth.roads import Line, between, highways, roads
from geoseg.training.synth.spectra import GRAIN, GREEN, LIGHT

SPOTS = 3
"""Spots along a pixel's side."""
VARIATION = 40.0
"""Steps of int8 in a variation of 1."""
_WAVES = (260.0, 95.0, 33.0)
"""Wavelengths of the quick noises, metres."""


class Date(NamedTuple):
    """What differs between dates: a number for what rotates, and how much has changed since the first, 0 to 1."""

    number: int
    change: float


class Place(NamedTuple):
    """All that decides about one spot: place (metres), three quick noises, and the fields there."""

    x: float
    y: float
    slow: float
    quick: float
    grain: float
    height: float
    river: float
    stream: float
    basin: float
    woods: float
    fertile: float
    conifer: float
    town: float
    quarry: float


class Row(NamedTuple):
    """What is known of a row of spots: quick noises (3, cols), fields, district, whether there is a road; later the plot."""

    waves: NDArray[np.float64]
    here: NDArray[np.float64]
    district: NDArray[np.uint64]
    road: NDArray[np.bool_]
    plot: NDArray[np.uint64]


class Spots(NamedTuple):
    """A strip of spots: material, and how much lighter and greener than it (int8, in steps of 1 / VARIATION)."""

    material: NDArray[np.uint8]
    light: NDArray[np.int8]
    green: NDArray[np.int8]


@jit
def paint(seed: Any, date: Date, ground: fields.Ground, first: int, spots: Spots) -> None:
    """Fill the spots (rows, cols) from row ``first`` and column -1 on; ``seed`` is uint64, ``ground`` reaches all around."""
    lattice, per, top, grid = ground
    rows, cols = spots.material.shape
    waves, here = np.empty((3, cols)), np.empty((fields.TONE + 1, cols))
    district, road, plots = np.empty(cols, np.uint64), np.empty(cols, np.bool_), np.empty(cols, np.uint64)
    known = Row(waves, here, district, road, plots)
    step = lattice.step / per
    for row in range(rows):
        at = first + row
        x, y = lattice.x - 0.5 * step, lattice.y - (at + 0.5) * step
        for k in range(3):
            noise_row(waves[k], salted(seed, 60 + k), x / _WAVES[k], step / _WAVES[k], y / _WAVES[k])
        above = int(np.floor(at / per))
        part = (at - above * per + 0.5) / per
        points = grid[above - top] * (1 - part) + grid[above - top + 1] * part
        line = Line(x, y, step, per, points, here)
        between(line)
        road[:] = False
        highways(seed, line, road)
        roads(seed, line, district, road)
        _paint_row(seed, date, (x, y, step), known, spots.material[row])
        _vary(seed, (x, y, step), known, spots.material[row], spots.light[row], spots.green[row])


@jit
def _paint_row(seed: Any, date: Date, at: tuple[float, float, float], row: Row, material: NDArray[np.uint8]) -> None:
    """What each spot is made of, and which plot (uint64) it varies with."""
    x0, y, step = at
    waves, here, district, road, plots = row
    field, town, wood = nowhere(), nowhere(), nowhere()
    crop = 0
    for k in range(len(material)):
        x = x0 + k * step
        place = Place(
            x, y, waves[0, k], waves[1, k], waves[2, k],
            here[2, k], here[3, k], here[4, k], here[5, k], here[6, k], here[7, k], here[8, k], here[9, k], here[10, k],
        )  # fmt: skip
        made, plot = _natural(date, place, road[k]), seed
        if made == _SETTLED or made == _FREE:
            bend_x, bend_y = here[fields.BEND_X, k], here[fields.BEND_Y, k]
            u, v = turned(district[k], x + 0.25 * bend_x, y + 0.25 * bend_y)
            if made == _SETTLED:
                if not holds(town, district[k], u, v):
                    town = block(district[k], u, v)
                made, plot = _town(date, place, town, u, v)
            else:
                if not holds(field, district[k], u, v):
                    field = parcel(seed, district[k], u, v)
                    crop = _crop(date, district[k], field.bits)
                made, plot = _farm(place, field, crop, u, v)
                if made == _WOODED:
                    if not holds(wood, district[k], u, v):
                        wood = felling(district[k], u, v)
                    made, plot = _woods(date, place, wood.bits), wood.bits
        material[k], plots[k] = made, plot


@jit
def _vary(
    seed: Any, at: tuple[float, float, float], row: Row,
    material: NDArray[np.uint8], light: NDArray[np.int8], green: NDArray[np.int8],
) -> None:  # fmt: skip
    """How much lighter and greener than its material each spot is: by plot, by place and by chance."""
    x0, y, step = at
    slow, quick, grain, tone, plots = row.waves[0], row.waves[1], row.waves[2], row.here[fields.TONE], row.plot
    down = int(np.floor(y * 8 + 0.3))
    for k in range(len(material)):
        made, plot = material[k], plots[k]
        wave = slow[k] + 0.8 * quick[k] + 0.5 * grain[k]
        speck = gauss(hashed(seed, int(np.floor((x0 + k * step) * 8 + 0.3)), down))
        lighter = LIGHT[made] * (2 * share(plot, 0) - 1 + 0.7 * tone[k] + 0.9 * wave) + GRAIN[made] * speck
        greener = GREEN[made] * (2 * share(plot, 1) - 1 + 0.6 * tone[k] - 0.8 * wave)
        light[k] = int(min(max(lighter * VARIATION, -38.0), 127.0))
        green[k] = int(min(max(greener * VARIATION, -38.0), 127.0))


_SETTLED, _FREE, _WOODED = 100, 101, 102
"""Not a material yet: a town, what people may farm, a wood."""


@jit
def _natural(date: Date, place: Place, road: bool) -> int:
    """What does not depend on a plot: water, roads, shores, rock, quarries; else who decides next."""
    lake = place.basin + 0.02 * place.quick - fields.SHORE + 0.075 * date.change
    if lake > 0:
        return spectra.LAKE
    high = place.height + 0.05 * place.slow + 0.02 * place.quick
    if road and high < _TREELINE:
        return spectra.ASPHALT
    made = _flowing(place, lake)
    if made >= 0:
        return made
    if high > _TREELINE:
        return _summit(place, high)
    if place.town + 0.22 * place.slow + 0.14 * place.quick + _GROWTH * date.change > 0:
        return _SETTLED
    if place.quarry < 1 + 0.4 * place.slow + 0.3 * place.quick + 0.8 * date.change:
        return spectra.QUARRY
    return _FREE


_TREELINE, _FOREST, _FERTILE, _HEDGES, _GROWTH = 0.52, 0.03, -0.16, 0.35, 0.75


@jit
def _flowing(place: Place, lake: float) -> int:
    """River, stream, or the gravel and sand beside water; -1: dry."""
    river, stream = abs(place.river), abs(place.stream)
    half = 34.0 + 60.0 * (place.slow + 0.4) * 0.4 + 14.0 * place.quick + 22.0 * place.conifer
    if river < max(half, 14.0):
        return spectra.RIVER
    if stream < 7.0 - 24.0 * place.height + 4 * place.quick:
        return spectra.RIVER
    bar = 75.0 * (place.slow + 0.5 * place.quick) - 6.0
    if river < half + bar or (lake > -0.012 and place.slow + place.quick > 0.12):
        return spectra.GRAVEL
    return -1


@jit
def _summit(place: Place, high: float) -> int:
    if high + 0.25 * place.slow + 0.15 * place.quick + 0.1 * place.grain > _TREELINE + 0.07:
        return spectra.ROCK
    return spectra.DRY if place.quick + place.grain > 0.05 else spectra.SHRUB


@jit
def _town(date: Date, place: Place, block: Plot, u: float, v: float) -> tuple[int, Any]:
    """Streets, a park, halls, houses and their gardens; gardens are fewer in the middle."""
    if edge(block, u, v) < 5.0:
        return spectra.ASPHALT, block.district
    plot = hashed(block.bits, int(np.floor(u / 26)), int(np.floor(v / 33)))
    kind, spot = share(block.bits, 3), share(plot, 2)
    if kind < 0.05:
        return (spectra.DECIDUOUS if place.quick + place.grain > 0.05 else spectra.MEADOW), block.bits
    if kind > 0.88:
        return (spectra.METAL if spot < 0.5 else spectra.ASPHALT), block.bits
    gardens = max(0.36 - 0.25 * (place.town + _GROWTH * date.change), 0.08)
    if spot < gardens:
        return (spectra.DECIDUOUS if spot < 0.35 * gardens else spectra.MEADOW), plot
    if spot < gardens + 0.38:
        return spectra.TILES, plot
    return (spectra.CONCRETE if spot < 0.9 else spectra.ASPHALT), plot


@jit
def _farm(place: Place, field: Plot, crop: int, u: float, v: float) -> tuple[int, Any]:
    """Woods, which like whole fields; a field with its margin, a hedge in every third district; or what grows wild."""
    wooded = place.woods + 0.30 * place.slow + 0.16 * place.quick - _FOREST
    if wooded + 0.22 * (share(field.bits, 3) - 0.5) > 0:
        return _WOODED, field.bits
    if place.fertile + 0.12 * place.slow + 0.1 * (share(field.bits, 2) - 0.5) < _FERTILE:
        return _wild(place, wooded), field.district
    hedges = share(field.district, 3) < _HEDGES
    if edge(field, u, v) < (5.0 if hedges else 1.6):
        return (spectra.DECIDUOUS if hedges and place.quick > -0.1 else spectra.DRY), field.district
    return crop, field.bits


@jit
def _crop(date: Date, district: Any, plot: Any) -> int:
    """What grows on a field at a date; some are pasture, and more of them, or fewer, with the change."""
    pasture = share(plot, 1) < (0.55 if share(district, 3) < _HEDGES else 0.16)
    if share(hashed(plot, 3, 3), 0) < 0.6 * date.change:
        pasture = not pasture
    if pasture:
        return spectra.MEADOW
    crop = share(hashed(plot, date.number, 11), 0)
    if crop < 0.24:
        return spectra.GREEN_CEREAL
    if crop < 0.46:
        return spectra.RIPE_CEREAL
    if crop < 0.66:
        return spectra.MAIZE
    if crop < 0.76:
        return spectra.RAPESEED
    return spectra.TILLED if crop < 0.89 else spectra.STUBBLE


@jit
def _woods(date: Date, place: Place, area: Any) -> int:
    """Trees; a felling area is bare, then overgrown, then trees again: its turn goes on with the change."""
    turn, order = share(area, 0), share(area, 1)
    if order < date.change:
        turn += 0.13
    if 0.87 < turn <= 0.91 or (order < date.change and turn > 1.04):
        return spectra.CUT
    if 0.91 < turn <= 0.98:
        return spectra.SHRUB
    needles = place.conifer + 0.4 * place.slow + 0.5 * (share(area, 2) - 0.5) > 0.08
    return spectra.CONIFER if needles else spectra.DECIDUOUS


@jit
def _wild(place: Place, wooded: float) -> int:
    """Meadow, heath, shrub; a few trees where the woods are near."""
    if wooded > -0.12 and place.grain > 0.28:
        return spectra.DECIDUOUS
    kind = place.conifer + 0.6 * place.slow + 0.4 * place.quick
    if kind > 0.22:
        return spectra.SHRUB
    return spectra.DRY if kind < -0.16 else spectra.MEADOW
