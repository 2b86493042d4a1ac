"""Polygonize a mask: connected pixels of one class become polygons, the same for any strip height.

The mask is read in strips of whole rows. Each strip is labelled and traced by itself (:mod:`geoseg.vector.label`,
:mod:`geoseg.vector.trace`), in any process; what the seams cut is linked where the strips come together
(:mod:`geoseg.vector.seams`), and each region is handed out with the strip that completes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from geoseg.errors import UsageError
from geoseg.grid.geobox import GeoBox, Window
from geoseg.vector.lattice import Lattice
from geoseg.vector.regions import Regions
from geoseg.vector.threads import InOrder, in_order

if TYPE_CHECKING:
    from geoseg.vector.closed import Closed
    from geoseg.vector.cut import Cut

Read = Callable[[Window], np.ndarray]


class StripTrace(NamedTuple):
    """A traced strip: what its seams cut, and the regions that lie in it."""

    cut: Cut
    closed: Closed


TraceMap = InOrder[Window, StripTrace]
"""Runs a function on windows, anywhere, a bounded number at a time; results in the windows' order."""


def polygonize(
    read: Read,
    geobox: GeoBox,
    *,
    nodata: int | None = 0,
    connectivity: int = 4,
    block_size: int = 2048,
    trace_map: TraceMap = in_order,
    confidence: Read | None = None,
) -> Regions:
    """All polygons of a mask at once; see :func:`iter_polygons`."""
    options: dict[str, Any] = {"nodata": nodata, "connectivity": connectivity, "block_size": block_size}
    return Regions.concat(iter_polygons(read, geobox, trace_map=trace_map, confidence=confidence, **options))


def iter_polygons(
    read: Read,
    geobox: GeoBox,
    *,
    nodata: int | None = 0,
    connectivity: int = 4,
    block_size: int = 2048,
    trace_map: TraceMap = in_order,
    confidence: Read | None = None,
) -> Iterator[Regions]:
    """Yield the polygons of a mask in batches, ordered by the last pixel of each in row-major order.

    The polygons are those of ``rasterio.features.shapes`` on the whole raster (GDAL 3.10), and neither they nor their
    order depend on ``block_size`` or ``trace_map``.

    Memory does not grow with the raster. It holds the strips in work (``trace_map`` says how many: one more than there
    are threads, or eight a worker), each with about 5 bytes a pixel and 50 a vertex, and what goes on below the last
    strip: of every region that touches that seam 72 bytes and the outline so far, 8 bytes a vertex and 48 for each
    piece between two seams; tables double when they are full and lose what is done once it is half, so they take up to
    four times that. A region that fills the raster is so held, with its holes, until it ends. The worst case is a
    checkerboard, where each pixel is a polygon: 350 bytes a pixel of the strips in work, and 2 microseconds a pixel
    beside what it takes to write them.

    Parameters
    ----------
    read
        Gives a window's class values, uint8 or uint16 ``(rows, cols)``; from several threads at a time, and in other
        processes when ``trace_map`` sends it there (it pickles then). Windows are of whole rows and overlap by two.
    geobox
        The mask's pixel grid; its CRS's ellipsoid is what areas and lengths are measured on.
    nodata
        Class value without polygons; None when each value is a class.
    connectivity
        4: pixels that share a side belong together. 8: those that share a corner too, and where that corner is all
        that holds a region together its polygon is a MultiPolygon: see :class:`Regions`.
    block_size
        Strips have about ``block_size ** 2`` pixels.
    trace_map
        Where strips are traced: :func:`geoseg.vector.threads.in_order` (all processors of this process) or
        ``Pool.in_order``.
    confidence
        Gives a window's confidence, uint8 0-100, as ``read`` does; polygons then carry its mean.
    """
    if connectivity not in (4, 8):
        what = "pixels have 4 neighbours by their sides and 8 with their corners"
        raise UsageError.of("CONNECTIVITY", str(connectivity), what, "Use 4 or 8")
    from geoseg.vector.closed import close, merge
    from geoseg.vector.seams import OpenRegions

    eight = connectivity == 8
    tracer = _Tracer(read, confidence, geobox, nodata, eight)
    lattice = _lattice(geobox)
    seams = OpenRegions.of(geobox.shape[1], eight=eight)
    tracer.warm()
    for strip in trace_map(tracer.trace, _windows(geobox.shape, block_size)):
        closed = merge(strip.closed, close(seams.add(strip.cut), lattice.metric, eight=eight))
        if len(closed.values):
            yield _regions(closed, lattice.unit_m2, confidence is not None)


def _windows(shape: tuple[int, int], block_size: int) -> Iterator[Window]:
    """Strips of whole rows. Their height is a power of two, so that they begin where tiles begin."""
    rows, cols = shape
    height = 1 << max(block_size * block_size // cols, 16).bit_length() - 1
    return (Window(row, 0, min(height, rows - row), cols) for row in range(0, rows, height))


@dataclass(frozen=True, slots=True)
class _Tracer:
    """What all strips of a mask share; pickles, and loads the compiled parts on first use."""

    read: Read
    confidence: Read | None
    geobox: GeoBox
    nodata: int | None
    eight: bool

    def trace(self, window: Window) -> StripTrace:
        """Read, label and trace one strip."""
        from geoseg.vector.closed import close
        from geoseg.vector.cut import Cut, Walks, seam_regions, split_cut
        from geoseg.vector.label import label_strip
        from geoseg.vector.trace import trace_strip

        lattice, eight = _lattice(self.geobox), self.eight
        padded, nothing = self._padded(window)
        sure = self.confidence(window) if self.confidence else np.empty((0, 0), np.uint8)
        t = lattice.table(window.row, window.row + window.height)
        table = (t.first, t.rows, t.cols, t.pixel, t.before)
        runs, values, counts, near = label_strip(padded, nothing, window.row, table, sure, eight)
        seams = (window.row > 0, window.row + window.height < self.geobox.shape[0])
        trace = trace_strip(padded, nothing, runs, window.row, seams)
        top = seam_regions(padded, nothing, runs, False, eight)
        bottom = seam_regions(padded, nothing, runs, True, eight)
        inner, walks = split_cut(trace, values, counts, near, (top, bottom))
        return StripTrace(Cut._make((*inner, top, bottom)), close(Walks(*walks), lattice.metric, eight=eight))

    def warm(self) -> None:
        """Compile here, before several processes that find nothing in the cache on disk would each do it."""
        dtype = self.read(Window(0, 0, 1, 1)).dtype
        box = GeoBox((2, 2), self.geobox.transform, self.geobox.crs)
        _Tracer(partial(_ones, dtype=dtype), None, box, self.nodata, self.eight).trace(Window(0, 0, 1, 2))

    def _padded(self, window: Window) -> tuple[np.ndarray, np.unsignedinteger | np.signedinteger]:
        """Class values of a strip with one pixel more on each side, and which of them means nodata, in their type."""
        rows, cols = self.geobox.shape
        start, stop = max(window.row - 1, 0), min(window.row + window.height + 1, rows)
        mask = self.read(Window(start, 0, stop - start, cols))
        dtype, nothing = mask.dtype.type, self.nodata
        if nothing is None or not np.iinfo(dtype).min <= nothing <= np.iinfo(dtype).max:  # a wider type has room for it
            dtype, nothing = (np.uint16, 65535) if mask.dtype == np.uint8 else (np.int32, -1)
        padded = np.full((window.height + 2, cols + 2), nothing, dtype)
        first = start - window.row + 1
        padded[first : first + len(mask), 1:-1] = mask
        return padded, dtype(nothing)


def _ones(window: Window, dtype: np.dtype[Any]) -> np.ndarray:
    return np.ones(window.shape, dtype)


@lru_cache(maxsize=4)
def _lattice(geobox: GeoBox) -> Lattice:
    return Lattice(geobox)


def _regions(closed: Closed, unit_m2: float, sure: bool) -> Regions:
    pixels = closed.counts[:, 0].copy()
    return Regions(
        values=closed.values.astype(np.uint16),
        n_pixels=pixels,
        area_m2=closed.counts[:, 1].astype(np.float64) * unit_m2,
        perim_m=closed.lengths,
        confidence=closed.counts[:, 2] / pixels if sure else None,
        coords=closed.coords,
        rings=closed.rings,
        polygons=closed.polygons,
        parts=closed.parts,
    )
