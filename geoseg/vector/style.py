"""Style: a legend as a QGIS style for polygons, and its place inside a GeoPackage."""

from __future__ import annotations

import sqlite3
from xml.sax.saxutils import quoteattr

from geoseg.legend import Colour, Legend
from geoseg.raster.qml import label

_TABLE = """
CREATE TABLE "layer_styles" (
  "id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, "f_table_catalog" TEXT(256), "f_table_schema" TEXT(256),
  "f_table_name" TEXT(256), "f_geometry_column" TEXT(256), "styleName" TEXT(30), "styleQML" TEXT, "styleSLD" TEXT,
  "useAsDefault" BOOLEAN, "description" TEXT, "owner" TEXT(30), "ui" TEXT(30),
  "update_time" DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now'))
)
"""


def polygon_qml(legend: Legend, column: str = "class_id") -> str:
    """A categorised style in QGIS's QML; outlines have the fill's colour, so that small polygons keep theirs."""
    return (
        "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>"
        f'<qgis version="3.28" styleCategories="Symbology">{polygon_renderer(legend, column)}</qgis>'
    )


def polygon_renderer(legend: Legend, column: str = "class_id") -> str:
    """The part of the style that draws, as projects hold it too."""
    items = list(enumerate(legend.classes))
    categories = "".join(
        f'<category render="true" symbol="{i}" type="long" value="{item.value}" label={label(item.name)}/>'
        for i, item in items
    )
    symbols = "".join(_symbol(i, item.colour) for i, item in items)
    return (
        f'<renderer-v2 type="categorizedSymbol" attr={quoteattr(column)} forceraster="0" symbollevels="0">'
        f"<categories>{categories}</categories><symbols>{symbols}</symbols></renderer-v2>"
    )


def store_style(file: sqlite3.Connection, layer: str, legend: Legend, when: str) -> None:
    """Put a legend's style where QGIS looks for a layer's default; ``when`` stands for the time of writing."""
    store_qml(file, layer, polygon_qml(legend), when)


def store_qml(file: sqlite3.Connection, layer: str, qml: str, when: str) -> None:
    """Put any style, or form, where QGIS looks for a layer's default; the first in its file."""
    file.execute(_TABLE)
    place = "f_table_catalog, f_table_schema, f_table_name, f_geometry_column"
    columns = f"{place}, styleName, styleQML, useAsDefault, update_time"
    row = ("", "", layer, "geom", layer, qml, True, when)
    file.execute(f"INSERT INTO layer_styles ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    contents = "INSERT INTO gpkg_contents (table_name, data_type, identifier, last_change) VALUES (?, ?, ?, ?)"
    file.execute(contents, ("layer_styles", "attributes", "layer_styles", when))


def _symbol(name: int, colour: Colour) -> str:
    rgba = "{},{},{},255".format(*colour)
    options = {"color": rgba, "style": "solid", "outline_color": rgba, "outline_style": "solid", "outline_width": "0.1"}
    settings = "".join(f'<Option type="QString" name="{key}" value="{value}"/>' for key, value in options.items())
    return (
        f'<symbol type="fill" name="{name}" alpha="1" clip_to_extent="1" force_rhr="0">'
        f'<layer class="SimpleFill" enabled="1" locked="0" pass="0"><Option type="Map">{settings}</Option></layer>'
        "</symbol>"
    )
