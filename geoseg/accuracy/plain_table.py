"""Plain table: a CSV, or the attributes and places of a vector file, as columns of text."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from geoseg.accuracy.samples import Floats
from geoseg.errors import InputRefused


@dataclass(frozen=True, slots=True)
class Table:
    """Cells as text, by column in lower case; ``places`` are x and y in ``crs`` where the file has geometries."""

    path: str
    columns: Mapping[str, list[str]]
    n: int
    places: tuple[Floats, Floats] | None = None
    crs: str | None = None

    def column(self, name: str) -> list[str]:
        """A column; InputRefused ``SAMPLES`` where there is none."""
        if name.casefold() not in self.columns:
            there = ", ".join(self.columns) or "none"
            raise InputRefused.of("SAMPLES", self.path, f"has no column {name}", f"Its columns: {there}")
        return self.columns[name.casefold()]


def read_table(path: str | Path, *, layer: str | None = None) -> Table:
    """Read a CSV (comma, semicolon or tab), or the attributes and points of a vector file."""
    path = Path(path)
    if path.suffix.lower() not in (".csv", ".tsv", ".txt"):
        return _vector(path, layer)
    if not path.is_file():
        raise InputRefused.of("NOT_FOUND", path, "is not a file", "Check the path")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (UnicodeDecodeError, OSError) as error:
        raise InputRefused.of(
            "FORMAT", path, f"cannot be read as text in UTF-8 ({error})", "Save it as UTF-8"
        ) from None
    if "\0" in text:
        raise InputRefused.of("FORMAT", path, "is no text: it has zero bytes", "Save it as CSV in UTF-8")
    first = text.partition("\n")[0]
    mark = max(",;\t", key=first.count)
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True) if any(row)]
    except csv.Error as error:
        raise InputRefused.of("FORMAT", path, f"is no CSV ({error})", "Check its quotes") from None
    head = [name.strip().casefold() for name in rows[0]] if rows else []
    wrong = next((i for i, row in enumerate(rows) if len(row) != len(head)), None)
    if len(set(head)) != len(head) or not head or wrong is not None:
        what = "is empty" if not head else "names a column twice" if wrong is None else ""
        what = what or f"row {(wrong or 0) + 1} has {len(rows[wrong or 0])} cells, and the header has {len(head)}"
        raise InputRefused.of("FORMAT", path, what, "A CSV with one line of names is needed")
    columns = {name: [row[i].strip() for row in rows[1:]] for i, name in enumerate(head)}
    return Table(str(path), columns, len(rows) - 1)


def _vector(path: Path, layer: str | None) -> Table:
    import shapely

    from geoseg.vector.features import layers_of, read_features

    there = layers_of(path)
    if layer is None and len(there) > 1:
        what = f"has {len(there)} layers"
        raise InputRefused.of("LAYER", path, what, f"Name one with --layer: {', '.join(there)}")
    frame = read_features(path, layer=layer)
    shapes = frame.geometry.to_numpy()
    if (shapely.is_missing(shapes) | shapely.is_empty(shapes)).any():
        raise InputRefused.of("SAMPLES", path, "has samples without a place", "Delete them, or give them points")
    centres = shapely.get_coordinates(shapely.centroid(shapes))
    attributes = frame.drop(columns=frame.geometry.name)
    columns = {
        str(name).casefold(): ["" if _none(cell) else _text(cell) for cell in attributes[name].tolist()]
        for name in attributes.columns
    }
    return Table(str(path), columns, len(frame), (centres[:, 0], centres[:, 1]), frame.crs.to_wkt())


def _none(cell: object) -> bool:
    return cell is None or (isinstance(cell, float) and math.isnan(cell)) or str(cell) in ("<NA>", "NaT")


def _text(cell: object) -> str:
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell).strip()
