"""Fields: what changes slowly over the land (height, rivers, fertility, towns), on a coarse lattice; compiled.

Rivers are the level 0 of a noise that is bent twice, which makes them meander; height sinks towards them. Towns grow
where three districts meet. Between the lattice's points all of it is linear.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geoseg.raster.jit import jit
from geoseg.training.synth.districts import three
from geoseg.training.synth.noise import hashed, noise, ridged, salted, share

DISTRICT, REGION = 2300.0, 11000.0
"""Mean distance of neighbouring sites, metres: of districts, between which roads run, and of what highways enclose."""

COUNT = 15
(
    BEND_X,
    BEND_Y,
    HEIGHT,
    RIVER,
    STREAM,
    BASIN,
    WOODS,
    FERTILE,
    CONIFER,
    TOWN,
    QUARRY,
    TONE,
    SHADE,
    DISTRICT_EDGE,
    REGION_EDGE,
) = range(COUNT)
SHORE = 0.30
"""The basin from which on there is a lake, whose surface is level."""
_METRES = 900.0
"""Height 1 in metres."""


class Lattice(NamedTuple):
    """Where the lattice's point (0, 0) lies (x, y) and the step of it, all metres; rows go south."""

    x: float
    y: float
    step: float


class Ground(NamedTuple):
    """The fields of a strip: their lattice, the spots from one of its points to the next, and its points' first row."""

    lattice: Lattice
    per: int
    top: int
    points: NDArray[np.float64]


@jit
def ground(seed: Any, lattice: Lattice, per: int, first: int, shape: tuple[int, int]) -> Ground:
    """What lies under ``shape`` (rows, cols) spots from row ``first`` and column -1 on."""
    rows, cols = shape
    top = int(np.floor(first / per))
    points = (int(np.floor((first + rows - 1) / per)) + 2 - top, (cols - 2) // per + 3)
    return Ground(lattice, per, top, coarse(seed, lattice, top, points))


@jit
def coarse(seed: Any, lattice: Lattice, first: int, shape: tuple[int, int]) -> NDArray[np.float64]:
    """All fields on ``shape`` (rows, cols) points from row ``first`` and column -1 on: (rows, cols, COUNT)."""
    rows, cols = shape
    out = np.empty((rows, cols, COUNT))
    ahead = np.empty((rows + 1, cols + 1))
    for row in range(rows + 1):
        y = lattice.y - (first + row) * lattice.step
        for col in range(cols + 1):
            x = lattice.x + (col - 1) * lattice.step
            if row < rows and col < cols:
                _at(seed, x, y, out[row, col])
                ahead[row, col] = out[row, col, HEIGHT]
            else:
                ahead[row, col] = height(seed, x, y, _river(seed, x, y), _stream(seed, x, y))
    for row in range(rows):
        for col in range(cols):
            east = (ahead[row, col + 1] - ahead[row, col]) * _METRES / lattice.step
            south = (ahead[row + 1, col] - ahead[row, col]) * _METRES / lattice.step
            lit = (0.78 - 0.44 * (east + south)) / np.sqrt(1 + east * east + south * south)
            out[row, col, SHADE] = min(max(lit / 0.78, 0.35), 1.6) if out[row, col, BASIN] < SHORE else 1.0
    return out


@jit
def _at(seed: Any, x: float, y: float, out: NDArray[np.float64]) -> None:
    bend_x = 260 * noise(salted(seed, 1), x / 1700, y / 1700) + 60 * noise(salted(seed, 2), x / 500, y / 500)
    bend_y = 260 * noise(salted(seed, 3), x / 1700, y / 1700) + 60 * noise(salted(seed, 4), x / 500, y / 500)
    river, stream = _river(seed, x, y), _stream(seed, x, y)
    high = height(seed, x, y, river, stream)
    out[BEND_X], out[BEND_Y], out[HEIGHT], out[RIVER], out[STREAM] = bend_x, bend_y, high, river, stream
    basin = 0.7 * noise(salted(seed, 5), x / 2900, y / 2900) + 0.35 * noise(salted(seed, 6), x / 1300, y / 1300)
    out[BASIN] = basin + 0.14 * noise(salted(seed, 7), x / 420, y / 420) - 0.5 * high
    woods = 0.55 * noise(salted(seed, 8), x / 5200, y / 5200) + 0.55 * noise(salted(seed, 9), x / 1900, y / 1900)
    out[WOODS] = woods + 0.35 * noise(salted(seed, 10), x / 760, y / 760) + 0.9 * high
    fertile = 0.6 * noise(salted(seed, 11), x / 6100, y / 6100) + 0.3 * noise(salted(seed, 12), x / 2400, y / 2400)
    out[FERTILE] = fertile - 1.1 * high
    out[CONIFER] = noise(salted(seed, 13), x / 2600, y / 2600) + 0.5 * noise(salted(seed, 14), x / 800, y / 800) + high
    out[QUARRY] = _quarry(salted(seed, 27), x, y)
    out[TONE] = noise(salted(seed, 15), x / 4300, y / 4300) + 0.6 * noise(salted(seed, 16), x / 1500, y / 1500)
    a, b, c, first, second, third = three(salted(seed, 17), x + bend_x, y + bend_y, DISTRICT)
    out[DISTRICT_EDGE] = second - first
    bits = a + b + c
    out[TOWN] = (
        _town(share(bits, 1), third - first) + 0.5 * noise(salted(seed, 18), x / 420, y / 420) - 1.2 * max(high, 0.0)
    )
    a, b, c, first, second, third = three(salted(seed, 19), x + 3 * bend_x, y + 3 * bend_y, REGION)
    out[REGION_EDGE] = second - first


@jit
def _town(size: float, away: float) -> float:
    """Above 0 inside; most towns are small and four in ten crossings have none."""
    radius = 120.0 + 1150.0 * size * size * size * size if size > 0.42 else -400.0
    return (radius - away) / 600.0


@jit
def _quarry(seed: Any, x: float, y: float) -> float:
    """How far the quarry is that every second square of 4 km has, in its radii; 9: there is none."""
    i, j = int(np.floor(x / 4000)), int(np.floor(y / 4000))
    bits = hashed(seed, i, j)
    if share(bits, 0) < 0.5:
        return 9.0
    dx, dy = x - (i + 0.2 + 0.6 * share(bits, 1)) * 4000, y - (j + 0.2 + 0.6 * share(bits, 2)) * 4000
    return min(float(np.sqrt(dx * dx + dy * dy)) / (90.0 + 170.0 * share(bits, 3)), 9.0)


@jit
def height(seed: Any, x: float, y: float, river: float, stream: float) -> float:
    """Height above the plain, about -0.6 to 1, with valleys where ``river`` and ``stream`` (metres away) are near."""
    base = 0.55 * noise(salted(seed, 20), x / 17000, y / 17000) + 0.65 * noise(salted(seed, 21), x / 7300, y / 7300)
    base += 0.22 * noise(salted(seed, 22), x / 2900, y / 2900) + 0.06 * noise(salted(seed, 23), x / 1100, y / 1100)
    crest = 0.6 * ridged(salted(seed, 24), x / 2600, y / 2600) + 0.28 * ridged(salted(seed, 25), x / 1050, y / 1050)
    crest += 0.12 * ridged(salted(seed, 26), x / 450, y / 450)
    hills = min(max(base + 0.12, 0.0), 0.6)
    valley = 0.13 / (1 + (river / 900) * (river / 900)) + 0.05 / (1 + (stream / 260) * (stream / 260))
    return base + 0.75 * hills * crest - valley


@jit
def _river(seed: Any, x: float, y: float) -> float:
    return _level(salted(seed, 30), x, y, 9500.0, 1.0)


@jit
def _stream(seed: Any, x: float, y: float) -> float:
    return _level(salted(seed, 31), x, y, 4100.0, 0.8)


@jit
def _level(seed: Any, x: float, y: float, wave: float, bend: float) -> float:
    """About how far the nearest level 0 of a bent noise is, metres with a sign, at most 3000."""
    here = _bent(seed, x, y, wave, bend)
    east, north = _bent(seed, x + 20, y, wave, bend) - here, _bent(seed, x, y + 20, wave, bend) - here
    slope = float(np.sqrt(east * east + north * north)) / 20
    return min(max(here / (slope + 0.1 / wave), -3000.0), 3000.0)


@jit
def _bent(seed: Any, x: float, y: float, wave: float, bend: float) -> float:
    dx = 900 * noise(salted(seed, 1), x / 3000, y / 3000) + 420 * noise(salted(seed, 2), x / 1050, y / 1050)
    dy = 900 * noise(salted(seed, 3), x / 3000, y / 3000) + 420 * noise(salted(seed, 4), x / 1050, y / 1050)
    dx += 170 * noise(salted(seed, 5), x / 430, y / 430)
    dy += 170 * noise(salted(seed, 6), x / 430, y / 430)
    return noise(seed, (x + bend * dx) / wave, (y + bend * dy) / wave)
