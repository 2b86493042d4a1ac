"""Arcs: cut the rings of polygons at nodes and leave out vertices of each arc, whoever's ring it comes from; compiled.

An arc is reduced by Visvalingam and Whyatt (1993): the vertex whose triangle with its neighbours is smallest goes
first. What is left depends on the arc alone and on where the mask has vertices at all, not on the direction nor on the
ring, so polygons are done one by one and neighbours still touch vertex by vertex.

Why nothing crosses: a vertex goes only when its triangle, edges included, holds no vertex that any *other* arc had at
first, and none that this arc still has. Take all arcs at any moment: none cross. The one edge that takes the place of
two could only cross an edge that enters the triangle; being straight, that one would have to end in it, at a vertex that
is one of those. So none cross afterwards, in whatever order arcs are reduced, and each keeps all others on the side
where they were. What is left is that two arcs between the same two nodes both become the straight line. An arc's
last vertex therefore stays where it lies right of the line from the upper node to the lower one (were both left, the
inner one would lie in the outer one's triangle), and where both nodes lie on one row or column, since an arc without
vertices may run there. Arcs that begin and end in one place keep four vertices.
"""

from __future__ import annotations

import numpy as np

from geoseg.raster.jit import jit
from geoseg.vector.nodes import any_in_triangle, clear_bit, is_set, set_bit

FREE, NODE, GONE = 0, 1, 2
"""Kinds of vertices while a ring is reduced."""


@jit
def reduce_rings(coords, rings, bits, settings, ground):  # type: ignore[no-untyped-def]
    """Reduce rings as traced.

    Parameters
    ----------
    coords, rings
        As in :class:`Regions`, int32.
    bits
        ``(nodes, vertices)`` of :class:`Nodes`; ``vertices`` is used for notes and left as it was. It may be empty when
        the limit is 0.
    settings
        ``(smooth, limit)``: whether corners are cut between the middles of their pixel edges first, and up to which
        area (m²) triangles go; 0: only those without area.
    ground
        ``(density, row step, column step)``: area of pixels (m²) at lattice places that many pixels apart.

    Returns
    -------
    coords, rings
        int32; counted in half pixels when smooth.
    change
        By how much the ring's signed area (half the sum of ``x0 y1 - x1 y0``) changed, in m².
    """
    nodes, vertices = bits
    smooth, limit = settings
    scale = (2 if smooth else 1, limit, *ground)
    out, at = np.empty((len(coords) + 16, 2), np.int32), 0
    starts, change = np.zeros(len(rings), np.int64), np.zeros(len(rings) - 1)
    line = np.empty((1024, 3), np.int32)
    for i in range(len(rings) - 1):
        corners = coords[rings[i] : rings[i + 1] - 1]
        if smooth and not _is_pixel(corners, nodes):
            line, n, change[i] = _cut(corners, nodes, line, scale)
        else:
            line, n = _keep(corners, nodes, line, scale[0])
        line, whole = _rotate(line, n)
        if whole:
            change[i] += _reduce(line[:n], True, vertices, scale)
        else:
            begin = 0
            for k in range(1, n + 1):
                if line[k, 2] == NODE:
                    change[i] += _reduce(line[begin : k + 1], False, vertices, scale)
                    begin = k
        out = _room(out, at + n + 1)
        for k in range(n):
            if line[k, 2] != GONE:
                out[at, 0], out[at, 1] = line[k, 0], line[k, 1]
                at += 1
        out[at] = out[starts[i]]
        at += 1
        starts[i + 1] = at
    return out[:at].copy(), starts, change


@jit
def _is_pixel(corners, nodes):  # type: ignore[no-untyped-def]
    """Whether a ring is a pixel without nodes: cutting its corners would halve it, so it stays a square."""
    if len(corners) != 4:
        return False
    for k in range(4):
        x, y = corners[k]
        if abs(x - corners[k - 1, 0]) + abs(y - corners[k - 1, 1]) != 1 or is_set(nodes, x, y):
            return False
    return True


@jit
def _keep(corners, nodes, line, factor):  # type: ignore[no-untyped-def]
    """Corners of a ring, and the nodes on its edges: ``line`` (x, y, kind), and how many."""
    n = 0
    for k in range(len(corners)):
        x, y = np.int64(corners[k, 0]), np.int64(corners[k, 1])
        line, n = _add(line, n, factor * x, factor * y, NODE if is_set(nodes, x, y) else FREE)
        line, n = _nodes_on_edge(corners, k, nodes, line, n, factor)
    return line, n


@jit
def _cut(corners, nodes, line, scale):  # type: ignore[no-untyped-def]
    """Like :func:`_keep` with the corners that are no nodes cut; also says how much the signed area changed, m²."""
    n, change, m = 0, 0.0, len(corners)
    for k in range(m):
        x, y = np.int64(corners[k, 0]), np.int64(corners[k, 1])
        if is_set(nodes, x, y):
            line, n = _add(line, n, 2 * x, 2 * y, NODE)
        else:
            x0, y0 = 2 * x + np.sign(corners[k - 1, 0] - x), 2 * y + np.sign(corners[k - 1, 1] - y)
            x1, y1 = 2 * x + np.sign(corners[(k + 1) % m, 0] - x), 2 * y + np.sign(corners[(k + 1) % m, 1] - y)
            if n == 0 or line[n - 1, 0] != x0 or line[n - 1, 1] != y0:
                line, n = _add(line, n, x0, y0, FREE)
            line, n = _add(line, n, x1, y1, FREE)
            twice = _cross(x0, y0, 2 * x, 2 * y, x1, y1)
            change -= _ground_area(twice, 2 * x, 2 * y, scale)
        line, n = _nodes_on_edge(corners, k, nodes, line, n, 2)
    if line[n - 1, 0] == line[0, 0] and line[n - 1, 1] == line[0, 1]:
        n -= 1
    return line, n, change


@jit
def _nodes_on_edge(corners, k, nodes, line, n, factor):  # type: ignore[no-untyped-def]
    """Add the nodes between corner ``k`` and the next."""
    x, y = np.int64(corners[k, 0]), np.int64(corners[k, 1])
    dx, dy = corners[(k + 1) % len(corners), 0] - x, corners[(k + 1) % len(corners), 1] - y
    steps, dx, dy = abs(dx) + abs(dy), np.sign(dx), np.sign(dy)
    for s in range(1, steps):
        if is_set(nodes, x + s * dx, y + s * dy):
            line, n = _add(line, n, factor * (x + s * dx), factor * (y + s * dy), NODE)
    return line, n


@jit
def _rotate(line, n):  # type: ignore[no-untyped-def]
    """Let a ring begin with a node, with its first vertex once more behind its end; and whether it has no node."""
    first = 0
    while first < n and line[first, 2] != NODE:
        first += 1
    whole = first == n
    line = _room(line, n + 1)
    if 0 < first < n:
        line[:n] = np.concatenate((line[first:n], line[:first]))
    line[n] = line[0]
    return line, whole


@jit
def _reduce(arc, whole, vertices, scale):  # type: ignore[no-untyped-def]
    """Mark vertices of an arc as gone, smallest triangle first; return how much the signed area changed, m².

    An arc has its nodes at both ends; a whole ring has none.
    """
    n = len(arc)
    loop = whole or (arc[0, 0] == arc[n - 1, 0] and arc[0, 1] == arc[n - 1, 1])
    least = 4 + (not whole) if loop else 2
    if n <= least:
        return 0.0
    before, after, area = (np.arange(n) - 1) % n, (np.arange(n) + 1) % n, np.empty(n, np.int64)
    queue = np.empty(n, np.int64), np.full(n, -1, np.int64)
    low, high = (0, n) if whole else (1, n - 1)
    size, left, change = 0, n, 0.0
    for k in range(low, high):
        size = _offer(k, arc, (before, after, area), queue, size, scale)
    while size and left > least:
        k, size = _take_first(arc, area, queue, size)
        i, j = before[k], after[k]
        x, y = (arc[i, 0], arc[k, 0], arc[j, 0]), (arc[i, 1], arc[k, 1], arc[j, 1])
        twice = _cross(x[0], y[0], x[1], y[1], x[2], y[2])
        if twice != 0 and not _may_go(vertices, x, y, twice, scale):
            continue
        if left == 3 and not loop and _stays(x, y, twice):
            continue
        change -= _ground_area(twice, x[1], y[1], scale)
        if vertices.size:  # else none is ever asked for: only vertices on straight lines go
            clear_bit(vertices, x[1], y[1])
        arc[k, 2] = GONE
        after[i], before[j] = j, i
        left -= 1
        for near in (i, j):
            if low <= near < high:
                size = _offer(near, arc, (before, after, area), queue, size, scale)
    _set_bits(vertices, arc[low:high])
    return change


@jit
def _set_bits(vertices, arc):  # type: ignore[no-untyped-def]
    """Make the bits of an arc's vertices 1 again."""
    if vertices.size:
        for k in range(len(arc)):
            set_bit(vertices, arc[k, 0], arc[k, 1])


@jit
def _stays(x, y, twice):  # type: ignore[no-untyped-def]
    """Whether the last vertex (in the middle) of an arc between two nodes must stay, lest two arcs become one line."""
    if x[0] == x[2] or y[0] == y[2]:
        return True
    return (twice > 0) == (y[0] < y[2]) and twice != 0


@jit
def _may_go(vertices, x, y, twice, scale):  # type: ignore[no-untyped-def]
    """Whether a triangle is within the limit and has no vertex in it but its own."""
    if abs(_ground_area(twice, x[1], y[1], scale)) > scale[1]:
        return False
    for k in range(3):
        clear_bit(vertices, x[k], y[k])
    found = any_in_triangle(vertices, x, y)
    for k in range(3):
        set_bit(vertices, x[k], y[k])
    return not found


@jit
def _cross(x0, y0, x1, y1, x2, y2):  # type: ignore[no-untyped-def]
    """Twice the signed area of a triangle."""
    return (np.int64(x1) - x0) * (np.int64(y2) - y0) - (np.int64(y1) - y0) * (np.int64(x2) - x0)


@jit
def _ground_area(twice, x, y, scale):  # type: ignore[no-untyped-def]
    """Area on the ground (m²) of what has twice the area ``twice`` at (x, y), bilinear in the table of densities."""
    factor, _, density, row_step, col_step = scale
    row, col = y / factor / row_step, x / factor / col_step
    i, j = min(int(row), density.shape[0] - 2), min(int(col), density.shape[1] - 2)
    u, v = row - i, col - j
    upper = density[i, j] * (1 - v) + density[i, j + 1] * v
    lower = density[i + 1, j] * (1 - v) + density[i + 1, j + 1] * v
    return twice * (upper * (1 - u) + lower * u) / (2 * factor * factor)


@jit
def _offer(k, arc, chain, queue, size, scale):  # type: ignore[no-untyped-def]
    """Put vertex ``k`` where its triangle belongs in the queue, unless it is too large for it; return the size."""
    before, after, area = chain
    heap, place = queue
    i, j = before[k], after[k]
    area[k] = abs(_cross(arc[i, 0], arc[i, 1], arc[k, 0], arc[k, 1], arc[j, 0], arc[j, 1]))
    if place[k] < 0:
        if area[k] != 0 and _ground_area(area[k], arc[k, 0], arc[k, 1], scale) > scale[1]:
            return size
        heap[size], place[k] = k, size
        size += 1
    _sift_up(arc, area, heap, place, place[k])
    _sift_down(arc, area, heap, place, place[k], size)
    return size


@jit
def _take_first(arc, area, queue, size):  # type: ignore[no-untyped-def]
    """Take the vertex with the smallest triangle off the queue; return it and the size."""
    heap, place = queue
    first, last = heap[0], heap[size - 1]
    place[first] = -1
    if size > 1:
        heap[0], place[last] = last, 0
        _sift_down(arc, area, heap, place, 0, size - 1)
    return first, size - 1


@jit
def _is_less(arc, area, i, j):  # type: ignore[no-untyped-def]
    """Order of vertices: by area, then by place, so that it does not depend on where the arc begins."""
    if area[i] != area[j]:
        return area[i] < area[j]
    if arc[i, 1] != arc[j, 1]:
        return arc[i, 1] < arc[j, 1]
    return arc[i, 0] < arc[j, 0]


@jit
def _sift_up(arc, area, heap, place, at):  # type: ignore[no-untyped-def]
    item = heap[at]
    while at > 0 and _is_less(arc, area, item, heap[(at - 1) >> 1]):
        heap[at] = heap[(at - 1) >> 1]
        place[heap[at]] = at
        at = (at - 1) >> 1
    heap[at], place[item] = item, at


@jit
def _sift_down(arc, area, heap, place, at, size):  # type: ignore[no-untyped-def]
    item = heap[at]
    while 2 * at + 1 < size:
        child = 2 * at + 1
        if child + 1 < size and _is_less(arc, area, heap[child + 1], heap[child]):
            child += 1
        if not _is_less(arc, area, heap[child], item):
            break
        heap[at] = heap[child]
        place[heap[at]] = at
        at = child
    heap[at], place[item] = item, at


@jit
def _add(line, n, x, y, kind):  # type: ignore[no-untyped-def]
    """Append a vertex."""
    line = _room(line, n + 1)
    line[n, 0], line[n, 1], line[n, 2] = x, y, kind
    return line, n + 1


@jit
def _room(array, needed):  # type: ignore[no-untyped-def]
    """The array, or a longer copy when it has fewer rows than needed."""
    if needed <= len(array):
        return array
    larger = np.empty((2 * needed, array.shape[1]), array.dtype)
    larger[: len(array)] = array
    return larger
