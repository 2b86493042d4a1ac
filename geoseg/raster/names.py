"""Names: what a class raster says of its classes: names, colours, and which value is none.

In order: the legend that geoseg writes into its masks, the attribute table and the category names of ``FILE.aux.xml``
(GDAL, QGIS, ArcGIS), the colour table. The sidecar is read here and not by GDAL, which would follow more than names in
it: a plain file of bounded size, without a document type.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

import rasterio

from geoseg.errors import GeosegError
from geoseg.legend import MOST, Colour, Legend

LEGEND_TAG = "GEOSEG_LEGEND"
"""The metadata item with :meth:`geoseg.legend.Legend.to_json`."""

_MOST_BYTES = 8 << 20
_NAME, _MIN_MAX, _RED, _GREEN, _BLUE = 2, 5, 6, 7, 8  # GDALRATFieldUsage, gdal.h
_STRING = 2
_VALUE_WORDS = ("value", "class_id", "code", "gridcode")
_NAME_WORDS = ("class_name", "class name", "classname", "name", "label", "class", "description", "category")


@dataclass(frozen=True, slots=True)
class Named:
    """Names and colours by class value; ``legend`` where geoseg itself wrote the whole of it."""

    names: Mapping[int, str] = field(default_factory=dict)
    colours: Mapping[int, Colour] = field(default_factory=dict)
    legend: Legend | None = None


def read_names(dataset: rasterio.DatasetReader, band: int, sidecar: Path | None) -> Named:
    """Read what an open dataset and its sidecar (None: there is none to look at) say of the classes in ``band``.

    What cannot be understood counts as not said: names are no reason to refuse pixels.
    """
    legend = _own_legend(dataset.tags().get(LEGEND_TAG))
    if legend is not None:
        return Named(legend.names, legend.colours, legend)
    names, colours = _read_pam(sidecar, band) if sidecar is not None else ({}, {})
    return Named(names, _colour_table(dataset, band) | colours)


def _own_legend(text: str | None) -> Legend | None:
    try:
        told = json.loads(text or "null")
        return Legend.from_stac(told["classes"], int(told["nodata"])) if told else None
    except (GeosegError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _colour_table(dataset: rasterio.DatasetReader, band: int) -> dict[int, Colour]:
    try:
        table = dataset.colormap(band)
    except ValueError:  # there is none
        return {}
    return {int(value): (int(red), int(green), int(blue)) for value, (red, green, blue, _) in table.items()}


def _read_pam(path: Path, band: int) -> tuple[dict[int, str], dict[int, Colour]]:
    """Names and colours from ``FILE.aux.xml``; empty where there is none."""
    try:
        if not path.is_file() or path.stat().st_size > _MOST_BYTES:
            return {}, {}
        text = path.read_bytes()
        if b"<!" in text.replace(b"<!--", b"").replace(b"<![CDATA[", b""):  # entities could grow without end
            return {}, {}
        root = ElementTree.fromstring(text)
    except (OSError, ElementTree.ParseError, ValueError):
        return {}, {}
    found = next((node for node in root.iter("PAMRasterBand") if node.get("band", "1") == str(band)), None)
    if found is None:
        return {}, {}
    names, colours = _categories(found.find("CategoryNames")), _entries(found.find("ColorTable"))
    more_names, more_colours = _attributes(found.find("GDALRasterAttributeTable"))
    return names | more_names, colours | more_colours


def _categories(node: ElementTree.Element | None) -> dict[int, str]:
    texts = [] if node is None else [(item.text or "").strip() for item in node.iter("Category")]
    return {value: text for value, text in enumerate(texts[: MOST + 1]) if text}


def _entries(node: ElementTree.Element | None) -> dict[int, Colour]:
    entries = [] if node is None else list(node.iter("Entry"))[: MOST + 1]
    made = {value: _colour([entry.get(name, "") for name in ("c1", "c2", "c3")]) for value, entry in enumerate(entries)}
    return {value: colour for value, colour in made.items() if colour is not None}


def _attributes(node: ElementTree.Element | None) -> tuple[dict[int, str], dict[int, Colour]]:
    """Names and colours from a raster attribute table; without a column of values the rows count from 0."""
    if node is None:
        return {}, {}
    fields = [_Field.of(item) for item in node.findall("FieldDefn")]
    rows = [[(cell.text or "").strip() for cell in row.findall("F")] for row in node.findall("Row")[: MOST + 1]]
    rows = [row for row in rows if len(row) == len(fields)]
    value = _find(fields, lambda f: f.usage == _MIN_MAX, _VALUE_WORDS)
    name = _find(fields, lambda f: f.usage == _NAME, _NAME_WORDS, kind=_STRING)
    parts = [
        _find(fields, lambda f, usage=usage: f.usage == usage, (word,))  # type: ignore[misc]
        for usage, word in ((_RED, "red"), (_GREEN, "green"), (_BLUE, "blue"))
    ]
    names, colours = {}, {}
    for i, row in enumerate(rows):
        key = i if value is None else _whole(row[value])
        if key is None:
            continue
        if name is not None and row[name]:
            names[key] = row[name]
        colour = _colour([row[part] for part in parts if part is not None])
        if colour is not None:
            colours[key] = colour
    return names, colours


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    kind: int
    usage: int

    @classmethod
    def of(cls, node: ElementTree.Element) -> _Field:
        kind, usage = _whole(node.findtext("Type", "")), _whole(node.findtext("Usage", ""))
        return cls(node.findtext("Name", "").strip().lower(), kind or 0, usage or 0)


def _find(
    fields: Sequence[_Field], used: Callable[[_Field], bool], words: Iterable[str], kind: int | None = None
) -> int | None:
    """The column that is used for something, else the first whose name is one of ``words``, in their order."""
    right = [i for i, item in enumerate(fields) if kind is None or item.kind == kind]
    by_use = [i for i in right if used(fields[i])]
    by_name = [i for word in words for i in right if fields[i].name == word]
    return next(iter(by_use + by_name), None)


def _whole(text: str) -> int | None:
    try:
        number = float(text)
        return int(number) if number.is_integer() and 0 <= number <= MOST else None
    except (ValueError, OverflowError):
        return None


def _colour(texts: Sequence[str]) -> Colour | None:
    """Three parts, 0-255 or, as ArcGIS has them, fractions of 1 written with a point."""
    try:
        numbers = [float(text) for text in texts]
    except ValueError:
        return None
    if len(numbers) != 3 or not all(0 <= number <= 255 for number in numbers):
        return None
    share = max(numbers) <= 1 and any("." in text for text in texts)
    red, green, blue = (round(number * 255) if share else round(number) for number in numbers)
    return red, green, blue
