"""Border: which pixels lie near a pixel of another class; compiled loops, loaded when a buffer is asked for."""

from __future__ import annotations

import numpy as np

from geoseg.raster.jit import jit


@jit
def near_another(values, nodata, first, reach, across, down, limit):  # type: ignore[no-untyped-def]
    """Where a class of another value lies within ``limit``, centre to centre; bool (len(across), cols).

    Parameters
    ----------
    values
        uint16 (rows, cols), with up to ``reach`` rows more than asked for above and below; ``nodata`` is no class, has
        no border and is in none.
    first, reach
        The row of ``values`` that the result begins with; the most rows that ``limit`` spans.
    across, down
        float64, width and height of a pixel for each row of the result, in the unit of ``limit``.

    Notes
    -----
    For each column the nearest class above or below a row and the nearest that differs from it are known; a pixel asks
    the columns beside it for the nearest of another class than its own. Exact, at a cost of ``2 reach + 1`` for pixels
    that have a border about and of one for the others.
    """
    cols = values.shape[1]
    far = reach + 1
    below = _scan_up(values, nodata, far)
    out = np.zeros((len(across), cols), np.bool_)
    state = np.zeros((3, cols), np.int64)
    state[0] = nodata
    state[1:] = far
    line = np.zeros((3, cols), np.int64)
    about = np.zeros(cols + 1, np.int64)
    for r in range(first + len(across)):
        for c in range(cols):
            _step(state, c, values[r, c], nodata, far)
        if r < first:
            continue
        _merge(state, below[:, r], line)
        for c in range(cols):
            turn = c > 0 and line[0, c] != line[0, c - 1]
            about[c + 1] = about[c] + (1 if turn or line[2, c] < far else 0)
        i = r - first
        scale = (across[i], down[i], limit)
        width = min(int(limit / across[i]), cols)
        for c in range(cols):
            left, right = max(c - width, 0), min(c + width, cols - 1)
            if values[r, c] != nodata and about[right + 1] > about[left]:
                out[i, c] = _found(line, c, values[r, c], width, scale, far)
    return out


@jit
def _found(line, c, own, width, scale, far):  # type: ignore[no-untyped-def]
    """Whether a column within ``width`` of ``c`` has a class other than ``own`` near enough."""
    cols = line.shape[1]
    across, down, limit = scale
    for dc in range(width + 1):
        for side in range(2):
            at = c + dc if side else c - dc
            if 0 <= at < cols:
                rows = line[2, at] if line[0, at] == own else line[1, at]
                if rows < far and (dc * across) ** 2 + (rows * down) ** 2 <= limit * limit:
                    return True
    return False


@jit
def _step(state, c, value, nodata, far):  # type: ignore[no-untyped-def]
    """One row further: nearest class, rows to it, rows to the nearest that differs from it."""
    state[1, c] = min(state[1, c] + 1, far)
    state[2, c] = min(state[2, c] + 1, far)
    if value != nodata:
        if value != state[0, c]:
            state[2, c] = state[1, c]
            state[0, c] = value
        state[1, c] = 0


@jit
def _scan_up(values, nodata, far):  # type: ignore[no-untyped-def]
    """The states of all rows, seen from below: uint16 (3, rows, cols)."""
    rows, cols = values.shape
    made = np.zeros((3, rows, cols), np.uint16)
    state = np.zeros((3, cols), np.int64)
    state[0] = nodata
    state[1:] = far
    for back in range(rows):
        r = rows - 1 - back
        for c in range(cols):
            _step(state, c, values[r, c], nodata, far)
            made[0, r, c], made[1, r, c], made[2, r, c] = state[0, c], state[1, c], state[2, c]
    return made


@jit
def _merge(above, below, line):  # type: ignore[no-untyped-def]
    """The states seen from above and from below, as one."""
    for c in range(above.shape[1]):
        if above[1, c] <= below[1, c]:
            nearest, rows = above[0, c], above[1, c]
        else:
            nearest, rows = np.int64(below[0, c]), np.int64(below[1, c])
        up = above[2, c] if above[0, c] == nearest else above[1, c]
        low = np.int64(below[2, c] if below[0, c] == nearest else below[1, c])
        line[0, c], line[1, c], line[2, c] = nearest, rows, min(up, low)
