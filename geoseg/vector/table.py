"""Table: polygons as Arrow batches, the same columns in the same order for every format, counted as they pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from geoseg.errors import ResourceError
from geoseg.grid.geobox import GeoBox
from geoseg.legend import Legend
from geoseg.vector.regions import Regions

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

COLUMNS = ("class_id", "class_name", "area_m2", "area_ha", "perim_m", "n_pixels", "conf_mean")
"""Names of ten letters at most, because a Shapefile keeps no more; ``conf_mean`` only where the regions know it."""
ByClass = Mapping[int, Mapping[str, int | str]]
"""Class value to further columns that follow from it; the same columns, in one order, for each."""
BATCH = 20_000
"""Polygons of a batch, whatever batches they come in: the pages and row groups of a file depend on it."""

MOST_VERTICES = 100_000_000
"""Vertices of an Arrow array: 1.6 GB of coordinates."""


class PolygonTable:
    """Polygons on their way into one file; lives as long as that file is written.

    Attributes
    ----------
    n
        How many polygons went through so far.
    error
        What stopped them on their way into GDAL, which does not pass it on.
    """

    def __init__(
        self,
        regions: Regions | Iterable[Regions],
        geobox: GeoBox,
        legend: Legend,
        layer: str,
        more: ByClass | None = None,
    ) -> None:
        """Look at the first batch, which says whether there is a confidence."""
        self._parts = iter([regions] if isinstance(regions, Regions) else regions)
        self._first = next(self._parts, None) or Regions.empty()
        self.geobox = geobox
        self.legend = legend
        self.layer = layer
        self._more = more or {}
        self.n = 0
        self.error: BaseException | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, without the geometry's."""
        own = COLUMNS if self._first.confidence is not None else COLUMNS[:-1]
        return (*own, *next(iter(self._more.values()), {}))

    @property
    def texts(self) -> frozenset[str]:
        """The columns that hold text."""
        first = next(iter(self._more.values()), {})
        return frozenset({"class_name", *(name for name, value in first.items() if isinstance(value, str))})

    @property
    def geometry_type(self) -> str:
        """``Polygon`` or ``MultiPolygon``, the same for all."""
        return self._first.geometry_type

    def regions(self) -> Iterator[Regions]:
        """The polygons, once, in batches of :data:`BATCH`; shells counter-clockwise in the CRS, holes clockwise."""
        for part in _even(chain([self._first], self._parts)):
            self.n += len(part)
            for piece in _light(part):
                yield _turned(piece, self.geobox)

    def schema(self, geometry: str = "geom") -> pa.Schema:
        """The columns' Arrow types; the geometry, WKB, comes last."""
        import pyarrow as pa

        types = {"class_id": pa.int32(), "n_pixels": pa.int64()}
        types |= {
            name: pa.string() if name in self.texts else pa.int32() for name in self.columns if name not in COLUMNS
        }
        types |= {"class_name": pa.string()}
        fields = [(name, types.get(name, pa.float64())) for name in self.columns]
        return pa.schema([*fields, (geometry, pa.binary())])

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The polygons as record batches of :meth:`schema`."""
        for part in self.regions():
            yield self.record(part, wkb_array(part, self.geobox))

    def record(self, part: Regions, geometries: pa.Array) -> pa.RecordBatch:
        """Polygons as a record batch of :meth:`schema`."""
        import pyarrow as pa

        schema, values = self.schema(), self.attributes(part)
        arrays = [pa.array(values[name], schema.field(name).type) for name in self.columns]
        return pa.record_batch([*arrays, geometries], schema=schema)

    def attributes(self, part: Regions) -> dict[str, NDArray[np.generic]]:
        """Values of all columns, by name."""
        found, at = np.unique(part.values, return_inverse=True)
        known = self.legend.names
        names = np.array([known.get(int(value), str(value)) for value in found], dtype=object)
        values: dict[str, NDArray[np.generic]] = {
            "class_id": part.values.astype(np.int32),
            "class_name": names[at],
            "area_m2": part.area_m2,
            "area_ha": part.area_m2 / 1e4,
            "perim_m": part.perim_m,
            "n_pixels": part.n_pixels,
        }
        if part.confidence is not None:
            values["conf_mean"] = part.confidence
        for name in self.columns:
            if name not in values:
                follows = [self._more[int(value)][name] for value in found]
                values[name] = np.array(follows, object if name in self.texts else np.int32)[at]
        return values


def wkb_array(part: Regions, geobox: GeoBox) -> pa.Array:
    """Polygons or multipolygons as an Arrow array of well-known binary, in the geobox's CRS."""
    from geoseg.vector.wkb import regions_to_wkb

    wkb = regions_to_wkb(part, geobox)
    return binary_array(wkb.data, wkb.offsets)


def binary_array(data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> pa.Array:
    """Byte strings one after another as an Arrow array; ``offsets`` ``(n + 1,)`` says where each begins."""
    import pyarrow as pa

    buffers = [None, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.binary(), len(offsets) - 1, buffers)


def whole_box(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """The box around boxes, ``(1, 4)``; around none it is inside out."""
    low, high = boxes[:, :2].min(axis=0, initial=np.inf), boxes[:, 2:].max(axis=0, initial=-np.inf)
    return np.concatenate([low, high])[None]


def bounds_of(part: Regions) -> NDArray[np.int64]:
    """Offsets of the regions in the rings: those of the polygons, or of the first polygon of each where there are parts."""
    return part.polygons if part.parts is None else part.polygons[part.parts]


def _even(parts: Iterable[Regions]) -> Iterator[Regions]:
    waiting: list[Regions] = []
    count = 0
    for part in parts:
        waiting.append(part)
        count += len(part)
        if count >= BATCH:
            whole = Regions.concat(waiting)
            stop = count - count % BATCH
            yield from (whole.pick(start, start + BATCH) for start in range(0, stop, BATCH))
            waiting, count = [whole.pick(stop, len(whole))], count - stop
    rest = Regions.concat(waiting)
    if len(rest):
        yield rest


def _light(part: Regions) -> Iterator[Regions]:
    """Halves, until each has few enough vertices for one Arrow array of WKB, whose offsets end at 2 GiB."""
    if len(part.coords) <= MOST_VERTICES:
        yield part
    elif len(part) == 1:
        what = f"a polygon has {len(part.coords)} vertices, and {MOST_VERTICES} are the limit"
        raise ResourceError.of("TOO_BIG", "polygons", what, "Simplify the outlines (--simplify), or map a part")
    else:
        yield from _light(part.pick(0, len(part) // 2))
        yield from _light(part.pick(len(part) // 2, len(part)))


def _turned(part: Regions, geobox: GeoBox) -> Regions:
    """The same polygons, rings turned so that shells go counter-clockwise in the CRS."""
    from geoseg.vector.outlines import turn_rings

    a, b, _, d, e, _ = geobox.transform
    if a * e - b * d < 0 and np.issubdtype(part.coords.dtype, np.integer):  # as they are traced
        return part
    coords = turn_rings(part.coords, part.rings, part.polygons, counterclockwise=a * e - b * d > 0)
    return part if coords is part.coords else replace(part, coords=coords)
