"""Shapefile: polygons within the old format's limits (names of ten letters, texts of 254 bytes, files of 2 GB), by GDAL."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from geoseg.errors import ResourceError
from geoseg.vector.ogr import check_count, reader_of, write_layer
from geoseg.vector.regions import Regions
from geoseg.vector.table import PolygonTable, bounds_of, wkb_array

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

LIMIT = 2**31 - 1
"""Bytes of a .shp or a .dbf that every reader takes."""
STALE = (".qix", ".sbn", ".sbx", ".idm", ".ind", ".cpg", ".prj")
"""Endings of what may stand beside an older Shapefile of the same name and must not be taken for the new one's."""
_LONGEST_TEXT = 254
_DIGITS = 19
_DECIMALS = {"area_m2": 3, "area_ha": 7, "perim_m": 3, "conf_mean": 6}
"""The Earth has 5.1e14 m2: with the point, that fills the 19 characters of a number."""
_HEADER = 100
_DATE = "2000-01-01"


def write(path: Path, table: PolygonTable, *, split: bool = False) -> None:
    """Write the table to ``path`` or, with ``split``, to as many numbered Shapefiles as it takes, ``path`` the first.

    Raises
    ------
    ResourceError
        ``TOO_BIG``: the next polygons would make the .shp or the .dbf larger than :data:`LIMIT`.
    """
    schema = _schema(table)
    parts = _Parts(path, table, schema, split)
    for number, batches in enumerate(parts, start=1):
        target = numbered(path, number)
        options = {"DBF_DATE_LAST_UPDATE": _DATE, "SPATIAL_INDEX": "NO"}
        reader = reader_of(table, schema, batches)
        write_layer(
            target, reader, table, "ESRI Shapefile", geometry_type="Polygon", layer_options=options, encoding="UTF-8"
        )
        parts.check(target)
    check_count(parts.n, table)


def numbered(first: Path, number: int) -> Path:
    """The path of part ``number`` of which ``first`` (``OUT_1.shp``) is the first; the path itself where it has no number."""
    return first.with_name(f"{first.stem.removesuffix('_1')}_{number}{first.suffix}") if number > 1 else first


class _Parts:
    """The batches of each file in turn, cut where a file is full; sizes are known before anything is written."""

    def __init__(self, path: Path, table: PolygonTable, schema: pa.Schema, split: bool) -> None:
        self.path, self.table, self.schema, self.split = path, table, schema, split
        self.n = 0
        self._regions = table.regions()
        self._waiting: Regions | None = next(self._regions, None)
        widths = {"class_id": 9, "n_pixels": 18, **{name: _text_width(table) for name in table.texts}}
        self._row = 1 + sum(widths.get(name, _DIGITS + 2) for name in table.columns)  # GDAL adds a sign and a point
        self._head = 32 * (len(table.columns) + 1) + 2  # of the .dbf, with the byte that ends it
        self._shp = self._dbf = self._count = 0

    def __iter__(self) -> Iterator[Iterator[pa.RecordBatch]]:
        yield self._one()
        while self._waiting is not None:
            yield self._one()

    def _one(self) -> Iterator[pa.RecordBatch]:
        """Batches until the next polygon would not fit."""
        self._shp, self._dbf, self._count = _HEADER, self._head, 0
        while (part := self._waiting) is not None:
            shp = self._shp + np.cumsum(_record_sizes(part))
            dbf = self._dbf + self._row * np.arange(1, len(part) + 1)
            fit = int(np.searchsorted(np.maximum(shp, dbf), LIMIT, side="right"))
            if fit < len(part):
                self._refuse(self._count + fit)
            if fit:
                self._shp, self._dbf, self._count = int(shp[fit - 1]), int(dbf[fit - 1]), self._count + fit
                self.n += fit
                self._waiting = part.pick(fit, len(part)) if fit < len(part) else next(self._regions, None)
                yield _record(part.pick(0, fit), self.table, self.schema)
            if fit < len(part):
                return

    def _refuse(self, count: int) -> None:
        if self.split and count:
            return
        what = f"its .shp or .dbf would pass 2 GB after {count} polygons, which few programs read"
        remedy = "Write another format" if self.split else "Add --split for several Shapefiles, or write .gpkg"
        raise ResourceError.of("TOO_BIG", self.path, what, remedy)

    def check(self, path: Path) -> None:
        """Make sure that the files are as long as they have to be: GDAL may swallow what fails while closing."""
        with path.with_suffix(".dbf").open("rb") as file:
            _, count, head, row = struct.unpack("<4sIHH", file.read(12))
        lengths = {".shp": self._shp, ".shx": _HEADER + 8 * self._count, ".dbf": head + row * self._count}
        short = [end for end, length in lengths.items() if path.with_suffix(end).stat().st_size < length]
        if short or count != self._count:
            raise RuntimeError(f"{' and '.join(short or ['.dbf'])} lack polygons")


def _record_sizes(part: Regions) -> NDArray[np.int64]:
    """Bytes of each polygon in a .shp (ESRI Shapefile Technical Description, 1998, table 9)."""
    rings = np.diff(polygons := bounds_of(part))
    points = np.diff(part.rings[polygons])
    made: NDArray[np.int64] = 8 + 44 + 4 * rings + 16 * points
    return made


def _text_width(table: PolygonTable) -> int:
    known = (_cut(item.name).encode() for item in table.legend.classes)
    return max([len(str(np.iinfo(np.uint16).max)), *map(len, known)])


def _cut(text: str) -> str:
    """A text that fits a .dbf, cut between letters."""
    return text.encode()[:_LONGEST_TEXT].decode(errors="ignore")


def _schema(table: PolygonTable) -> pa.Schema:
    """Types that GDAL gives the right widths: decimals where the others have doubles."""
    import pyarrow as pa

    text = {"GDAL:OGR:width": str(_text_width(table))}
    fields = [
        field.with_metadata(text) if field.name in table.texts else
        field.with_type(pa.decimal128(_DIGITS, _DECIMALS[field.name])) if field.name in _DECIMALS else field
        for field in table.schema()
    ]  # fmt: skip
    return pa.schema(fields)


def _record(part: Regions, table: PolygonTable, schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    values = table.attributes(part)
    for text in table.texts:
        short = {name: _cut(name) for name in set(values[text])}
        values[text] = np.array([short[name] for name in values[text]], dtype=object)
    arrays = [pa.array(values[name]).cast(schema.field(name).type) for name in table.columns]
    return pa.record_batch([*arrays, wkb_array(clockwise(part, table), table.geobox)], schema=schema)


def clockwise(part: Regions, table: PolygonTable) -> Regions:
    """The same polygons with shells clockwise and holes counter-clockwise in the CRS, as the format wants."""
    from geoseg.vector.outlines import turn_rings

    a, b, _, d, e, _ = table.geobox.transform
    coords = turn_rings(part.coords, part.rings, part.polygons, counterclockwise=a * e - b * d < 0)
    return replace(part, coords=coords)


def leftovers(final: Path, temporary: Path, split: bool) -> list[Path]:
    """Files of an older Shapefile of this name that the new one does not replace: indexes, and parts with higher numbers."""
    made = {path.name for path in temporary.parent.iterdir()}
    parts = [final]
    while split and ((part := numbered(final, len(parts) + 1)).exists() or part.name in made):
        parts.append(part)
    endings = (final.suffix, ".shx", ".dbf", *STALE)
    return [own for part in parts for end in endings if (own := part.with_suffix(end)).name not in made]


def members(final: Path, *, split: bool) -> list[Path]:
    """The files of the Shapefile at ``final`` and, with ``split``, of the parts after it that are there: .shp before the rest."""
    parts = [final]
    while split and (part := numbered(final, len(parts) + 1)).exists():
        parts.append(part)
    return [part.with_suffix(end) for end in (final.suffix, ".shx", ".dbf", ".prj", ".cpg") for part in parts]
