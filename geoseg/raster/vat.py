"""VAT: the attribute table of a class raster as ArcGIS reads it, ``mask.tif.vat.dbf`` (dBASE III), one row for each class.

Columns: ``Value``, ``Count`` (pixels), ``Class_name``, ``Red``, ``Green``, ``Blue`` (0-255). ArcGIS draws a raster in the
three colours of its table where columns of these names are there.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from geoseg.legend import Legend
from geoseg.raster.printable import printable

ENCODING = "UTF-8"
"""What ``mask.tif.vat.cpg`` says: the encoding of the names."""

_LONGEST = 254
"""Bytes that a text of dBASE III can have."""
_DATE = (70, 1, 1)
"""The day of the last update, which would be a clock in the bytes: 1970-01-01."""


def vat_dbf(legend: Legend, counts: Mapping[int, int]) -> bytes:
    """Return the bytes of ``mask.tif.vat.dbf``; rows stand in the order of the values.

    Parameters
    ----------
    legend
        The classes. A name longer than 254 bytes of UTF-8 is cut between letters.
    counts
        Pixels by class value; a class that is not there has 0.

    Notes
    -----
    dBASE III: a header of 32 bytes, 32 for each column, 0x0D; rows of fixed width, each after a space; 0x1A.
    """
    classes = sorted(legend.classes, key=lambda item: item.value)
    names = {item.value: _text(item.name) for item in classes}
    columns = (
        (b"Value", b"N", 5), (b"Count", b"N", 18), (b"Class_name", b"C", max([1, *map(len, names.values())])),
        (b"Red", b"N", 3), (b"Green", b"N", 3), (b"Blue", b"N", 3),
    )  # fmt: skip
    widths = [width for _, _, width in columns]
    fields = b"".join(struct.pack("<11sc4xBB14x", name, kind, width, 0) for name, kind, width in columns)
    head = struct.pack("<B3BIHH20x", 3, *_DATE, len(classes), 32 + len(fields) + 1, 1 + sum(widths))
    rows = b"".join(
        b" " + _row((item.value, counts.get(item.value, 0), names[item.value], *item.colour), widths)
        for item in classes
    )
    return head + fields + b"\r" + rows + b"\x1a"


def _row(cells: tuple[int | bytes, ...], widths: list[int]) -> bytes:
    """Numbers to the right, texts to the left."""
    return b"".join(
        cell.ljust(width) if isinstance(cell, bytes) else str(cell).encode().rjust(width)
        for cell, width in zip(cells, widths, strict=True)
    )


def _text(name: str) -> bytes:
    """A name that fits, without control characters, which some readers take for the end."""
    return printable(name).encode(errors="replace")[:_LONGEST].decode(errors="ignore").encode()
