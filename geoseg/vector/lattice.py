"""Lattice: the true area of every pixel on the ellipsoid, as integers that add up exactly in any order.

The raster is cut into cells, small enough that pixels of one cell differ by less than 3e-5 in area. A cell's area is
that of its outline on the ellipsoid, computed in the equal-area polar projection of its hemisphere (Snyder 1987,
"Map Projections: A Working Manual", equations 3-12 and 24-17), where nothing happens at the antimeridian, the poles or
the borders of a zone. Areas are counted in units of a power of two of a square metre, so the raster's total fits
62 bits; sums of integers do not depend on the order, so polygons and pixels agree to the last bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np

from geoseg.grid.geobox import GeoBox

if TYPE_CHECKING:
    import pyproj
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_SPAN = 3e-5
"""Largest relative difference of pixel areas along each side of a cell: a class is off by less than a third of 1e-4."""
_FLAT = 1e-6
"""Along an axis that changes areas by less than this from end to end, one cell is as good as many."""
_EARTH_M2 = 5.2e14
_METRES_ACROSS = 1e5
"""Outlines longer than this need more than three points a side; cells are kept smaller where pixels allow it."""


@dataclass(frozen=True, slots=True)
class AreaTable:
    """Areas of the cells of some rows: ``pixel[i, j]`` units a pixel, ``before[i, j]`` units left of the first column.

    A run of pixels in row ``r`` from column ``c0`` up to ``c1`` has the area ``at(c1) - at(c0)``, where ``at(c)`` is
    ``before[i, c // cols] + pixel[i, c // cols] * (c % cols)`` with ``i = r // rows - first``.
    """

    first: int
    rows: int
    cols: int
    pixel: NDArray[np.int64]
    before: NDArray[np.int64]


class Lattice:
    """Areas of pixels and lengths of edges of one geobox; depends on nothing else, so every part of a run agrees."""

    def __init__(self, geobox: GeoBox) -> None:
        self.geobox = geobox
        self._ground = _Ground.of(geobox)
        self._rows, self._cols, self._unit, self._limit = self._choose()

    @property
    def unit_m2(self) -> float:
        """Square metres of one unit (a power of two)."""
        return self._unit

    @property
    def method(self) -> str:
        """How areas are measured, for ``area_method``."""
        return self._ground.method

    def table(self, row: int, stop: int) -> AreaTable:
        """Areas of the cells that hold rows ``row .. stop``."""
        rows, cols = self.geobox.shape
        first, last = row // self._rows, max((stop - 1) // self._rows, row // self._rows)
        tops = np.minimum(np.arange(first, last + 2) * self._rows, rows)
        lefts = np.minimum(np.arange(-(-cols // self._cols) + 1) * self._cols, cols)
        seen = lefts if len(lefts) > 2 else self._narrow(lefts)
        chunk = max(1_000_000 // len(seen), 1)
        parts = [self._ground.cells(tops[i : i + chunk + 1], seen) for i in range(0, len(tops) - 1, chunk)]
        each = np.concatenate(parts) / (np.diff(tops)[:, None] * np.diff(seen)[None, :])
        pixel = np.rint(each / self._unit).astype(np.int64)
        before = np.zeros((len(tops) - 1, len(lefts)), np.int64)
        np.cumsum(pixel * np.diff(lefts)[None, :], axis=1, out=before[:, 1:])
        pixel = np.concatenate([pixel, pixel[:, -1:]], axis=1)  # at(c) is also asked for the column after the last
        return AreaTable(first, self._rows, self._cols, pixel, before)

    @cached_property
    def metric(self) -> tuple[Floats, float, float]:
        """Lengths on the ground: ``(nodes, row step, column step)``.

        ``nodes[i, j]`` holds E, F, G at pixel coordinates ``(j * column step, i * row step)``: a short edge of
        ``(dc, dr)`` pixels is ``sqrt(E dc² + 2 F dc dr + G dr²)`` metres long.
        """
        rows, cols = self.geobox.shape
        # An equal-area projection has equal pixels and lengths that change all the same: look at both.
        few = self._ground.metric(np.linspace(0, rows, 9), np.linspace(0, cols, 9))[..., ::2]
        flat = self._cols >= cols and float(np.ptp(few, axis=1).max()) <= _FLAT * float(np.abs(few).max())
        # Nodes stand closer where areas change faster, and are 64 at least: a small raster may be a continent.
        row_step = max(min(64, self._rows**2, rows // 64), 1)
        col_step = max(min(64, self._cols**2, cols // 64), 1)
        down = 1 + min(max(-(-rows // row_step), 1), 4096 if flat else 256)
        across = 2 if flat else 1 + min(max(-(-cols // col_step), 1), 256)
        nodes = self._ground.metric(np.linspace(0, rows, down), np.linspace(0, cols, across))
        return nodes, rows / (down - 1), cols / (across - 1)

    def _choose(self) -> tuple[int, int, float, int]:
        """Cell size (rows, cols), the unit, and how many pixels an outline may span, from up to 33 x 33 pixels."""
        rows, cols = self.geobox.shape
        at_rows, at_cols = _places(rows), _places(cols)
        area = self._ground.pixels(at_rows, at_cols)
        area = np.where(area > 0, area, np.nan)
        largest = float(np.nanmax(area)) if np.isfinite(area).any() else 1.0
        unit = 2.0 ** math.ceil(math.log2(min(4 * largest * rows * cols, 2 * _EARTH_M2)) - 62)
        limit = max(int(_METRES_ACROSS / math.sqrt(largest)), 1)
        log = np.log(area)
        return (
            _cell_size(np.diff(log, axis=0), np.diff(at_rows)[:, None], rows, limit, whole=False),
            _cell_size(np.diff(log, axis=1), np.diff(at_cols)[None, :], cols, limit, whole=True),
            unit,
            limit,
        )

    def _narrow(self, lefts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Columns to measure where areas do not change along a row: a short piece in the middle."""
        cols = int(lefts[-1])
        start = max((cols - min(64, self._limit)) // 2, 0)
        return np.array([start, min(start + min(64, self._limit), cols)])


@dataclass(frozen=True, slots=True)
class _Ground:
    """From pixel coordinates to the ellipsoid."""

    geobox: GeoBox
    semi_major: float
    eccentricity2: float
    radians: float
    change: pyproj.Transformer | None
    method: str

    @classmethod
    def of(cls, geobox: GeoBox) -> _Ground:
        import pyproj

        crs = pyproj.CRS.from_user_input(geobox.crs)
        base = crs.geodetic_crs
        if base is None or base.is_geocentric or crs.ellipsoid is None:
            return cls(geobox, 0.0, 0.0, 1.0, None, "planar")
        flattening = 1 / crs.ellipsoid.inverse_flattening if crs.ellipsoid.inverse_flattening else 0.0
        radians = base.axis_info[0].unit_conversion_factor if base.axis_info else math.pi / 180
        change = pyproj.Transformer.from_crs(crs, base, always_xy=True)
        method = f"ellipsoidal ({crs.ellipsoid.name.replace(',', ' ')})"
        return cls(geobox, crs.ellipsoid.semi_major_metre, flattening * (2 - flattening), radians, change, method)

    def cells(self, tops: NDArray[np.int64], lefts: NDArray[np.int64]) -> Floats:
        """Areas in m² of the cells between lines ``tops`` and ``lefts``; 0 where the projection does not reach."""
        return self._areas(_with_middles(tops), _with_middles(lefts), 2)

    def pixels(self, rows: NDArray[np.int64], cols: NDArray[np.int64]) -> Floats:
        """Areas in m² of single pixels."""
        third = np.array([0.0, 0.5, 1.0])
        return self._areas((rows[:, None] + third).ravel(), (cols[:, None] + third).ravel(), 3)

    def _areas(self, rows: Floats, cols: Floats, step: int) -> Floats:
        """Areas of cells with corners and middles at ``rows`` x ``cols``, each cell ``step`` entries after the last."""
        if self.change is None:
            a, b, _, d, e, _ = self.geobox.transform
            high, wide = rows[2::step] - rows[:-2:step], cols[2::step] - cols[:-2:step]
            return abs(a * e - b * d) * high[:, None] * wide[None, :]
        lon, lat = self._to_geodetic(*np.meshgrid(rows, cols, indexing="ij"))
        q = authalic(np.sin(lat), self.eccentricity2)
        full = float(authalic(np.array(1.0), self.eccentricity2))
        north = _outline_areas(*_polar(lon, full - q, self.semi_major), step)
        if (lat > 0).all():
            return _finite(north)
        south = _outline_areas(*_polar(lon, full + q, self.semi_major), step)
        return _finite(np.where(lat[1::step, 1::step] > 0, north, south))

    def metric(self, rows: Floats, cols: Floats) -> Floats:
        """E, F, G (m² per pixel²) at the crossings, from differences over one pixel in Earth-centred coordinates."""
        row, col = np.meshgrid(rows, cols, indexing="ij")
        if self.change is None:
            a, b, _, d, e, _ = self.geobox.transform
            one = np.array([a * a + d * d, a * b + d * e, b * b + e * e])
            return np.ascontiguousarray(np.broadcast_to(one, (*row.shape, 3)))
        height, width = self.geobox.shape
        low, high = np.clip(row - 0.5, 0, height - 1), np.clip(col - 0.5, 0, width - 1)  # stay inside the raster
        across = self._earth(row, high + 1) - self._earth(row, high)
        down = self._earth(low + 1, col) - self._earth(low, col)
        forms = np.stack([(across**2).sum(0), (across * down).sum(0), (down**2).sum(0)], axis=-1)
        return np.ascontiguousarray(_finite(forms))

    def _earth(self, row: Floats, col: Floats) -> Floats:
        lon, lat = self._to_geodetic(row, col)
        normal = self.semi_major / np.sqrt(1 - self.eccentricity2 * np.sin(lat) ** 2)
        x, y = normal * np.cos(lat) * np.cos(lon), normal * np.cos(lat) * np.sin(lon)
        return np.stack([x, y, normal * (1 - self.eccentricity2) * np.sin(lat)])

    def _to_geodetic(self, row: Floats, col: Floats) -> tuple[Floats, Floats]:
        """Longitude and latitude in radians, on the CRS's own datum."""
        assert self.change is not None
        a, b, c, d, e, f = self.geobox.transform
        lon, lat = self.change.transform(c + col * a + row * b, f + col * d + row * e, errcheck=False)
        lon, lat = np.asarray(lon) * self.radians, np.asarray(lat) * self.radians
        lon, lat = np.where(np.isfinite(lon), lon, np.nan), np.where(np.isfinite(lat), lat, np.nan)
        return lon, np.clip(lat, -math.pi / 2, math.pi / 2)


@lru_cache(maxsize=8)
def lattice_of(geobox: GeoBox) -> Lattice:
    """The lattice of a grid, made once in each process."""
    return Lattice(geobox)


def _places(length: int) -> NDArray[np.int64]:
    """Up to 33 first indices of pixels from the first to the last."""
    return np.unique(np.linspace(0, length - 1, 33).astype(np.int64))


def _cell_size(steps: Floats, pixels: NDArray[np.int64], length: int, limit: int, *, whole: bool) -> int:
    """The largest power of two up to 64 that keeps a cell's pixels alike; the whole length where areas never change.

    ``steps`` are differences of the logarithm of pixel areas between places ``pixels`` apart.
    """
    sizes = np.abs(np.where(np.isfinite(steps), steps, 0.0))
    if whole and (sizes.size == 0 or float(sizes.max()) * sizes.shape[1] < _FLAT):
        return length
    slope = float((sizes / pixels).max()) if sizes.size else 0.0
    size = 64
    while size > 1 and (size > limit or size * slope > _SPAN):
        size //= 2
    return size


def _with_middles(lines: NDArray[np.int64]) -> Floats:
    """Lines and, between each two, their middle."""
    out = np.empty(2 * len(lines) - 1)
    out[::2] = lines
    out[1::2] = (lines[:-1] + lines[1:]) / 2
    return out


def authalic(sine: Floats, e2: float) -> Floats:
    """Snyder's q (3-12): the area of the ellipsoid below a latitude is proportional to it."""
    if e2 == 0:
        return 2 * sine
    e = math.sqrt(e2)
    made: Floats = (1 - e2) * (sine / (1 - e2 * sine**2) + np.arctanh(e * sine) / e)
    return made


def _polar(lon: Floats, below: Floats, semi_major: float) -> tuple[Floats, Floats]:
    """Lambert's azimuthal equal-area projection about a pole (Snyder 24-17), ``below`` = q at the pole minus q."""
    radius = semi_major * np.sqrt(np.maximum(below, 0))
    return radius * np.sin(lon), radius * np.cos(lon)


def _outline_areas(x: Floats, y: Floats, step: int) -> Floats:
    """Areas of cells from corners and middles of sides; Richardson's step makes the sides parabolas."""
    around = [(0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0)]
    at = [np.s_[i : len(x) - 2 + i : step, j : x.shape[1] - 2 + j : step] for i, j in around]
    x0, y0 = x[at[0]], y[at[0]]
    points = [(x[s] - x0, y[s] - y0) for s in at]
    made: Floats = (4 * _shoelace(points) - _shoelace(points[::2])) / 3
    return np.abs(made)


def _shoelace(points: list[tuple[Floats, Floats]]) -> Floats:
    total = np.zeros_like(points[0][0])
    for (x0, y0), (x1, y1) in zip(points, points[1:] + points[:1], strict=True):
        total += x0 * y1 - x1 * y0
    return total / 2


def _finite(values: Floats) -> Floats:
    return np.where(np.isfinite(values), values, 0.0)
