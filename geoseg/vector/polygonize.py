"""Polygonize a mask: connected pixels of one class become polygons, the same for any strip height.

The mask is read once, in strips of whole rows. Each strip is labelled and traced by itself
(:mod:`geoseg.vector.label`, :mod:`geoseg.vector.trace`); what the seams cut is linked (:mod:`geoseg.vector.seams`), and
each region is handed out with the strip that completes it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from geoseg.errors import UsageError
from geoseg.grid.geobox import GeoBox, Window
from geoseg.vector.lattice import Lattice
from geoseg.vector.regions import Regions

if TYPE_CHECKING:
    from geoseg.vector.seams import StripTrace, Walks

Read = Callable[[Window], np.ndarray]


def polygonize(
    read: Read,
    geobox: GeoBox,
    *,
    nodata: int | None = 0,
    connectivity: int = 4,
    block_size: int = 2048,
    workers: int = 1,
    confidence: Read | None = None,
) -> Regions:
    """All polygons of a mask at once; see :func:`iter_polygons`."""
    options = {"nodata": nodata, "connectivity": connectivity, "block_size": block_size, "workers": workers}
    return Regions.concat(iter_polygons(read, geobox, confidence=confidence, **options))  # type: ignore[arg-type]


def iter_polygons(
    read: Read,
    geobox: GeoBox,
    *,
    nodata: int | None = 0,
    connectivity: int = 4,
    block_size: int = 2048,
    workers: int = 1,
    confidence: Read | None = None,
) -> Iterator[Regions]:
    """Yield the polygons of a mask in batches, ordered by the last pixel of each in row-major order.

    The polygons are those of ``rasterio.features.shapes`` on the whole raster (GDAL 3.10), and neither they nor their
    order depend on ``block_size`` or ``workers``. Memory: for each strip in work about 9 bytes a pixel and its
    outlines, and the outlines so far of the regions that go on below the last strip.

    Parameters
    ----------
    read
        Gives a window's class values, uint8 ``(rows, cols)``. Called for windows of whole rows, from top to bottom,
        by the calling thread only.
    geobox
        The mask's pixel grid; its CRS's ellipsoid is what areas and lengths are measured on.
    nodata
        Class value without polygons; None when each of the 256 values is a class.
    connectivity
        4: pixels that share a side belong together. Pixels that share a corner only never do.
    block_size
        Strips have about ``block_size ** 2`` pixels.
    workers
        Threads that trace strips at the same time.
    confidence
        Gives a window's confidence, uint8 0-100; polygons then carry its mean.
    """
    if connectivity != 4:
        raise UsageError.of("CONNECTIVITY", str(connectivity), "polygons are traced with connectivity 4 only", "Use 4")
    from geoseg.vector.seams import OpenRegions

    nothing, dtype = (65535, np.uint16) if nodata is None else (nodata, np.uint8)
    tracer = _Tracer(geobox, Lattice(geobox), nothing, dtype)
    seams = OpenRegions.of(geobox.shape[1])
    for strip in _in_order(tracer.trace, _strips(read, confidence, geobox.shape, block_size), workers):
        walks = seams.add(strip)
        if len(walks.values):
            yield tracer.finish(walks, confidence is not None)


@dataclass(frozen=True, slots=True)
class _Strip:
    """Rows of a mask with the rows just above and below (None at the raster's edge), and their confidence."""

    row: int
    mask: np.ndarray
    above: np.ndarray | None
    below: np.ndarray | None
    confidence: np.ndarray


def _strips(read: Read, confidence: Read | None, shape: tuple[int, int], block_size: int) -> Iterator[_Strip]:
    rows, cols = shape
    height = min(max(block_size * block_size // cols, 16), rows)
    windows = [Window(row, 0, min(height, rows - row), cols) for row in range(0, rows, height)]
    above, mask = None, read(windows[0])
    for window in windows:
        stop = window.row + window.height
        following = read(Window(stop, 0, min(height, rows - stop), cols)) if stop < rows else None
        sure = confidence(window) if confidence else np.empty((0, 0), np.uint8)
        yield _Strip(window.row, mask, above, None if following is None else following[0], sure)
        above = mask[-1]
        if following is not None:
            mask = following


def _in_order(trace: Callable[[_Strip], StripTrace], strips: Iterator[_Strip], workers: int) -> Iterator[StripTrace]:
    """Trace strips, ``workers`` at a time, and give them back in their order."""
    if workers <= 1:
        yield from map(trace, strips)
        return
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[StripTrace]] = deque()
        for strip in strips:
            waiting.append(pool.submit(trace, strip))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


@dataclass(frozen=True, slots=True)
class _Tracer:
    """What all strips of a mask share; the compiled parts load on first use."""

    geobox: GeoBox
    lattice: Lattice
    nodata: int
    dtype: type[np.unsignedinteger]

    def trace(self, strip: _Strip) -> StripTrace:
        """Label and trace one strip."""
        from geoseg.vector.label import label_strip
        from geoseg.vector.seams import StripTrace, seam_regions
        from geoseg.vector.trace import trace_strip

        height, width = strip.mask.shape
        padded = np.full((height + 2, width + 2), self.nodata, self.dtype)
        padded[1:-1, 1:-1] = strip.mask
        for line, row in ((0, strip.above), (-1, strip.below)):
            if row is not None:
                padded[line, 1:-1] = row
        nodata = self.dtype(self.nodata)
        t = self.lattice.table(strip.row, strip.row + height)
        table = (t.first, t.rows, t.cols, t.pixel, t.before)
        labels, region, values, counts = label_strip(padded, nodata, strip.row, table, strip.confidence)
        seams = (strip.above is not None, strip.below is not None)
        vertices, pieces = trace_strip(padded, nodata, labels, region, strip.row, seams)
        top = seam_regions(padded[1, 1:-1], padded[0, 1:-1], labels[0], region, nodata)
        bottom = seam_regions(padded[-2, 1:-1], padded[-1, 1:-1], labels[-1], region, nodata)
        return StripTrace(vertices, pieces, values, counts, top, bottom)

    def finish(self, walks: Walks, sure: bool) -> Regions:
        """Make polygons of complete regions."""
        from geoseg.vector.rings import finish_rings, ring_lengths

        coords, rings, polygons = finish_rings(walks.vertices, walks.offsets, walks.region, len(walks.values))
        lengths = ring_lengths(coords, rings, *self.lattice.metric)
        pixels = walks.counts[:, 0].copy()
        return Regions(
            values=walks.values.astype(np.uint8),
            n_pixels=pixels,
            area_m2=walks.counts[:, 1].astype(np.float64) * self.lattice.unit_m2,
            perim_m=np.add.reduceat(lengths, polygons[:-1]),
            confidence=walks.counts[:, 2] / pixels if sure else None,
            coords=coords,
            rings=rings,
            polygons=polygons,
        )
