"""Geojson: polygons as RFC 7946 wants them: longitude and latitude to 7 decimals, shells counter-clockwise, no ``crs``."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from geoseg.vector.lonlat import LonLatPolygons, ToLonLat
from geoseg.vector.regions import Regions
from geoseg.vector.table import PolygonTable

if TYPE_CHECKING:
    from numpy.typing import NDArray


def write(path: Path, table: PolygonTable) -> None:
    """Write the table, one feature a line; what crosses the antimeridian becomes a MultiPolygon cut there."""
    project = ToLonLat(table.geobox)
    between = b""
    with path.open("wb") as file:
        file.write(b'{"type":"FeatureCollection","name":%s,"features":[\n' % json.dumps(table.layer).encode())
        for part in table.regions():
            file.write(between + b",\n".join(_features(part, project(part), table)))
            between = b",\n"
        file.write(b"\n]}\n")


def _features(part: Regions, shapes: LonLatPolygons, table: PolygonTable) -> list[bytes]:
    from geoseg.vector.geojson_text import coordinates_text

    units = np.rint(shapes.coords * 1e7).astype(np.int64)
    text, ends = coordinates_text(units, shapes.rings, shapes.polygons)
    made = []
    for properties, (first, last) in zip(_properties(part, table), pairwise(shapes.features.tolist()), strict=True):
        inside = [text[ends[i] : ends[i + 1]] for i in range(first, last)]
        made.append(b'{"type":"Feature","properties":{%s},"geometry":%s}' % (properties, _geometry(inside)))
    return made


def _geometry(polygons: list[bytes]) -> bytes:
    if not polygons:
        return b"null"
    if len(polygons) == 1:
        return b'{"type":"Polygon","coordinates":%s}' % polygons[0]
    return b'{"type":"MultiPolygon","coordinates":[%s]}' % b",".join(polygons)


def _properties(part: Regions, table: PolygonTable) -> list[bytes]:
    """The attributes of each polygon as the inside of a JSON object."""
    values = table.attributes(part)
    columns = [_column(name, values[name], text=name in table.texts) for name in table.columns]
    return [",".join(row).encode() for row in zip(*columns, strict=True)]


def _column(name: str, values: NDArray[np.generic], *, text: bool) -> list[str]:
    if text:
        quoted = {word: json.dumps(word, ensure_ascii=False) for word in set(values)}
        return [f'"{name}":{quoted[word]}' for word in values]
    return [f'"{name}":{value!r}' for value in values.tolist()]
