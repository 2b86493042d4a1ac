"""Count: the compiled loops over pixels that add up areas; loaded when something is counted."""

from __future__ import annotations

import numpy as np

from geoseg.raster.jit import jit


@jit
def area_before(col, line, pixel, before, cols):  # type: ignore[no-untyped-def]
    """Area of a row's pixels left of column ``col`` in units of an :class:`AreaTable`; ``line`` is the cell row."""
    cell = col // cols
    return before[line, cell] + pixel[line, cell] * (col - cell * cols)


@jit
def count_classes(strip, row, table, n_pixels, area):  # type: ignore[no-untyped-def]
    """Add a strip's pixels and areas to the entries of ``n_pixels`` and ``area`` (int64, one a value), run by run."""
    first, rows, cols, pixel, before = table
    height, width = strip.shape
    for r in range(height):
        line = (row + r) // rows - first
        start = 0
        left = np.int64(0)
        while start < width:
            value = strip[r, start]
            stop = start + 1
            while stop < width and strip[r, stop] == value:
                stop += 1
            right = area_before(stop, line, pixel, before, cols)
            n_pixels[value] += stop - start
            area[value] += right - left
            start, left = stop, right


@jit
def count_cells(values, place, cells, shares, table, sums):  # type: ignore[no-untyped-def]
    """Add pixels of a window, each by its share, to ``sums``; without ``cells`` all of them, whole.

    ``place`` is (row, column) of the window, ``cells`` are indices into it, ``shares`` 0-1. Whole pixels are counted in
    integers (``sums[0]`` pixels, ``sums[1]`` area units, one entry a value), parts in float64 (``sums[2]``, ``sums[3]``).
    """
    first, rows, cols, pixel, _before = table
    whole, units, part, part_units = sums
    height, width = values.shape
    for k in range(height * width if len(cells) == 0 else len(cells)):
        cell, share = (k, 1.0) if len(cells) == 0 else (cells[k], shares[k])
        r, c = cell // width, cell % width
        value = values[r, c]
        area = pixel[(place[0] + r) // rows - first, (place[1] + c) // cols]
        if share >= 1.0:
            whole[value] += 1
            units[value] += area
        else:
            part[value] += share
            part_units[value] += share * area
