"""QGIS run: what the project of a run shows: groups, names, styles; the map is drawn, the rest waits unticked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from geoseg.compare.maps import MapLayer, Pair
from geoseg.grid.geobox import GeoBox
from geoseg.legend import Colour, Legend
from geoseg.raster.classes import ClassRaster
from geoseg.raster.qml import classes_pipe, ramp_pipe, raster_qml
from geoseg.raster.scene import Scene
from geoseg.raster.sniff import remote_target
from geoseg.report.qgis_project import Group, Layer, relative_source, write_project
from geoseg.report.qgis_scene import Seen, scene_layer
from geoseg.vector.style import polygon_renderer

PROJECT = "project.qgz"
"""The file's name."""

_VIRIDIS: tuple[Colour, ...] = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))
"""Even in lightness, and told apart with every kind of colour vision (matplotlib's viridis)."""


def write_segment_project(made: Path, home: Path, scene: Scene, legend: Legend, seen: Seen | None) -> None:
    """Write the project of a run whose files lie in ``made`` and will stand in ``home``.

    Groups: polygons, confidence, map, scene; what the run has not made is not there. ``seen`` is None where pixels of the
    scene cannot be read.
    """
    box = scene.geobox
    picture = scene_layer(scene, seen, home, made) if seen else None
    groups = (
        Group("polygons", _there(made, polygon_layer("landcover", legend, box))),
        Group("confidence", _there(made, confidence_layer(box))),
        Group("map", (Layer("mask", "class", "./mask.tif", box, classes_pipe(legend)),)),
        Group("scene", (picture,) if picture else ()),
    )
    write_project(made / PROJECT, f"Class map of {scene.name}", groups, box)


def write_change_project(made: Path, home: Path, pair: Pair, changes: Legend) -> None:
    """Write the project of a change run; groups: polygons, change, after, before. ``changes``: the classes of change.tif."""
    box = pair.geobox
    moved = Legend(tuple(item for item in changes.classes if item.value >> 8 != item.value & 255))
    before, after = (_map_layer(key, layer, pair.legend, home) for key, layer in _sides(pair))
    groups = (
        Group("polygons", _there(made, polygon_layer("change", moved, box))),
        Group("change", (Layer("change", "change", "./change.tif", box, classes_pipe(changes)),)),
        Group("after", after),
        Group("before", before),
    )
    write_project(made / PROJECT, f"Change from {pair.before.name} to {pair.after.name}", groups, box)


def polygon_layer(name: str, legend: Legend, geobox: GeoBox) -> Layer:
    """``polygons.gpkg``, by class."""
    return Layer("polygons", "polygons", "./polygons.gpkg", geobox, polygon_renderer(legend), False, name)


def confidence_layer(geobox: GeoBox) -> Layer:
    """``confidence.tif``, percent."""
    return Layer("confidence", "confidence (percent)", "./confidence.tif", geobox, _confidence_pipe(), False)


def confidence_qml() -> str:
    """The style that stands beside ``confidence.tif``."""
    return raster_qml(_confidence_pipe())


def _confidence_pipe() -> str:
    return ramp_pipe([(25.0 * i, f"{25 * i} %", colour) for i, colour in enumerate(_VIRIDIS)])


def _there(made: Path, *layers: Layer) -> tuple[Layer, ...]:
    """The layers whose files were made."""
    return tuple(layer for layer in layers if (made / layer.source).exists())


def _sides(pair: Pair) -> tuple[tuple[str, MapLayer], tuple[str, MapLayer]]:
    return ("before", pair.before), ("after", pair.after)


def _map_layer(key: str, layer: MapLayer, joined: Legend, home: Path) -> tuple[Layer, ...]:
    """One of the maps, as its own file has it, in the colours of the joined legend; none where it is an address."""
    raster = layer.placed.raster
    if remote_target(raster.path, allow_remote=True) or not raster.path.isprintable():
        return ()
    legend = _recoloured(raster, layer, joined.colours)
    style = classes_pipe(legend, raster.layer.index)
    return (Layer(key, layer.name, relative_source(raster.path, home), raster.geobox, style, False),)


def _recoloured(raster: ClassRaster, layer: MapLayer, colours: Mapping[int, Colour]) -> Legend:
    """The file's classes, each in the colour of the class that it became."""
    own = raster.legend
    mixed = {value: colours.get(int(layer.table[value]), own.colours[value]) for value in own.values}
    return Legend.of(own.names, mixed, nodata=own.nodata) if own.classes else own
