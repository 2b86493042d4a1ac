"""Locate: the compiled loop that finds the pixels of given ranks; loaded when samples are drawn."""

from __future__ import annotations

from geoseg.raster.jit import jit


@jit
def locate(strata, wanted, starts, seen, found):  # type: ignore[no-untyped-def]
    """Find pixels by their rank in their stratum, counted along rows.

    Parameters
    ----------
    strata
        uint16 (rows, cols), the position of each pixel's stratum; others are those beyond ``seen``.
    wanted, starts
        int64 ranks, ascending within a stratum: those of stratum ``i`` are ``wanted[starts[i] : starts[i + 1]]``.
    seen
        int64, the rank of the next pixel of each stratum; changed.
    found
        int64 (len(wanted), 2), gets row and column of each.
    """
    at = starts.copy()
    for row in range(strata.shape[0]):
        for col in range(strata.shape[1]):
            i = strata[row, col]
            if i < len(seen):
                if at[i] < starts[i + 1] and wanted[at[i]] == seen[i]:
                    found[at[i], 0] = row
                    found[at[i], 1] = col
                    at[i] += 1
                seen[i] += 1
