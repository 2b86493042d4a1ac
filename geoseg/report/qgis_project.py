"""QGIS project: groups of layers with their styles as one ``.qgz``, which opens at the extent of the run.

A ``.qgz`` is a zip with one XML file. It is written here, without QGIS; paths are relative to it, so that a folder that
was moved still opens. No clock and no random name enters: equal layers give equal bytes.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from xml.sax.saxutils import escape, quoteattr

import rasterio.crs

from geoseg.grid.geobox import GeoBox
from geoseg.raster.files import write_durable
from geoseg.raster.printable import printable

_VERSION = "3.22.0"
"""The oldest QGIS that is known to open it."""
_MARGIN = 0.02
_MOMENT = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of a project.

    Parameters
    ----------
    key
        Its id, unique in the project.
    name
        What the list of layers says.
    source
        What QGIS opens, relative to the project (``./mask.tif``).
    geobox
        Extent and CRS.
    style
        The pipe of a raster (:mod:`geoseg.raster.qml`), or the renderer of polygons (:mod:`geoseg.vector.style`).
    shown
        Whether it is drawn when the project opens.
    polygons
        The name of the layer inside a file of polygons; None: a raster.
    """

    key: str
    name: str
    source: str
    geobox: GeoBox
    style: str
    shown: bool = True
    polygons: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Layers under one heading, from the top down."""

    name: str
    layers: tuple[Layer, ...]


def write_project(path: Path, title: str, groups: Sequence[Group], geobox: GeoBox) -> None:
    """Write a project of ``groups``, the first drawn on top, that opens at the extent of ``geobox``; empty ones are left out."""
    text = project_xml(title, [group for group in groups if group.layers], geobox)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo(f"{path.stem}.qgs", _MOMENT)
        entry.create_system, entry.external_attr = 3, 0o644 << 16
        entry.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(entry, text)
    write_durable(path, buffer.getvalue())


def project_xml(title: str, groups: Sequence[Group], geobox: GeoBox) -> str:
    """The XML of a project."""
    layers = [layer for group in groups for layer in group.layers]
    return (
        "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
        f'<qgis projectname={_attribute(title)} version="{_VERSION}">\n'
        f"<title>{_text(title)}</title>\n"
        f"<projectCrs>{_crs(geobox)}</projectCrs>\n"
        f"<layer-tree-group>\n{''.join(_tree(group) for group in groups)}</layer-tree-group>\n"
        f'<mapcanvas name="theMapCanvas" annotationsVisible="1"><units>{_units(geobox)}</units>{_extent(geobox, _MARGIN)}'
        f"<rotation>0</rotation><destinationsrs>{_crs(geobox)}</destinationsrs></mapcanvas>\n"
        f"<projectlayers>\n{''.join(_layer(layer) for layer in layers)}</projectlayers>\n"
        f"<layerorder>{''.join(f'<layer id={_attribute(_id(layer))}/>' for layer in layers)}</layerorder>\n"
        '<properties><Paths><Absolute type="bool">false</Absolute></Paths>'
        '<SpatialRefSys><ProjectionsEnabled type="int">1</ProjectionsEnabled></SpatialRefSys></properties>\n'
        "</qgis>\n"
    )


def relative_source(path: str | Path, home: Path) -> str:
    """A file as a project in ``home`` names it: relative, or whole where there is no relative path (another drive)."""
    whole, home = os.path.abspath(path), Path(os.path.abspath(home))
    try:
        near = os.path.relpath(whole, home)
    except ValueError:
        return PurePath(whole).as_posix()
    near = PurePath(near).as_posix()
    return near if near.startswith("../") else f"./{near}"


def _tree(group: Group) -> str:
    shown = any(layer.shown for layer in group.layers)
    leaves = "".join(
        f"<layer-tree-layer id={_attribute(_id(layer))} name={_attribute(layer.name)} source={_attribute(_source(layer))} "
        f'providerKey="{_provider(layer)}" checked="{_checked(layer.shown)}" expanded="{int(layer.shown)}"/>\n'
        for layer in group.layers
    )
    head = f'<layer-tree-group name={_attribute(group.name)} checked="{_checked(shown)}" expanded="1">'
    return f"{head}\n{leaves}</layer-tree-group>\n"


def _layer(layer: Layer) -> str:
    kind = 'type="raster"' if layer.polygons is None else 'type="vector" geometry="Polygon" simplifyDrawingHints="1"'
    return (
        f'<maplayer {kind} hasScaleBasedVisibilityFlag="0">{_extent(layer.geobox)}<id>{_text(_id(layer))}</id>'
        f"<datasource>{_text(_source(layer))}</datasource><layername>{_text(layer.name)}</layername>"
        f"<srs>{_crs(layer.geobox)}</srs><provider{_encoding(layer)}>{_provider(layer)}</provider>\n"
        f"{layer.style}<blendMode>0</blendMode></maplayer>\n"
    )


def _id(layer: Layer) -> str:
    """QGIS replaces ids of ten letters and fewer."""
    return f"geoseg_layer_{layer.key}"


def _source(layer: Layer) -> str:
    return layer.source if layer.polygons is None else f"{layer.source}|layername={layer.polygons}"


def _provider(layer: Layer) -> str:
    return "gdal" if layer.polygons is None else "ogr"


def _encoding(layer: Layer) -> str:
    return "" if layer.polygons is None else ' encoding="UTF-8"'


def _checked(shown: bool) -> str:
    return "Qt::Checked" if shown else "Qt::Unchecked"


def _extent(geobox: GeoBox, margin: float = 0.0) -> str:
    left, bottom, right, top = geobox.bounds
    wide, high = (right - left) * margin, (top - bottom) * margin
    sides = ("xmin", left - wide), ("ymin", bottom - high), ("xmax", right + wide), ("ymax", top + high)
    return "<extent>" + "".join(f"<{name}>{value!r}</{name}>" for name, value in sides) + "</extent>"


def _crs(geobox: GeoBox) -> str:
    """A CRS as projects have it; QGIS takes the authority's code where there is one, else the text."""
    crs = rasterio.crs.CRS.from_wkt(geobox.crs)
    authority = crs.to_authority(confidence_threshold=100)
    code = f"<authid>{_text(':'.join(authority))}</authid>" if authority else ""
    wkt = crs.to_wkt(version="WKT2_2019")
    return f'<spatialrefsys nativeFormat="Wkt"><wkt>{_text(wkt)}</wkt>{code}</spatialrefsys>'


def _units(geobox: GeoBox) -> str:
    crs = rasterio.crs.CRS.from_wkt(geobox.crs)
    if crs.is_geographic:
        return "degrees"
    return "feet" if "foot" in crs.linear_units.lower() else "meters"


def _text(text: str) -> str:
    return escape(printable(text))


def _attribute(text: str) -> str:
    return quoteattr(printable(text))
