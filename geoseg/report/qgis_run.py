"""QGIS run: what the project of a run shows: groups, names, styles; the map is drawn, the rest waits unticked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from geoseg.compare.maps import MapLayer, Maps, Pair
from geoseg.grid.geobox import GeoBox
from geoseg.legend import Colour, Legend
from geoseg.raster.classes import ClassRaster
from geoseg.raster.dated import AFTER, BEFORE
from geoseg.raster.qml import classes_pipe, ramp_pipe, raster_qml
from geoseg.raster.scene import Scene
from geoseg.raster.sniff import remote_target
from geoseg.report.qgis_project import Group, Layer, relative_source, write_project
from geoseg.report.qgis_scene import Seen, scene_layers
from geoseg.vector.style import polygon_renderer

PROJECT = "project.qgz"
"""The file's name."""

VIRIDIS: tuple[Colour, ...] = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))
"""Even in lightness, and told apart with every kind of colour vision (matplotlib's viridis)."""

_NEVER = (0.0, "never", (236, 236, 236))
"""What the rasters of dates have where nothing changed."""


def write_segment_project(made: Path, home: Path, *, scene: Scene, legend: Legend, seen: Seen | None) -> None:
    """Write the project of a run whose files lie in ``made`` and will stand in ``home``.

    Groups: polygons, confidence, map, scene; what the run has not made is not there. ``seen`` is None where pixels of the
    scene cannot be read.
    """
    box = scene.geobox
    picture = scene_layers(scene, seen, home=home, made=made) if seen else {}
    groups = (
        Group("polygons", _there(made, polygon_layer("landcover", legend, box))),
        Group("confidence", _there(made, confidence_layer(box))),
        Group("map", (Layer("mask", "class", "./mask.tif", box, classes_pipe(legend)),)),
        Group("scene", tuple(picture.values())),
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


def write_images_project(made: Path, home: Path, *, scene: Scene, legend: Legend, seen: Seen, threshold: float) -> None:
    """Write the project of a comparison of two images; groups: polygons, change, magnitude, after, before.

    Parameters
    ----------
    scene
        Both images as one scene; its bands begin with ``before_`` and ``after_``.
    legend
        The classes of ``change.tif``, the changed ones last.
    threshold
        The magnitude, in standard deviations, from which a pixel counts as changed.
    """
    box = scene.geobox
    sides = scene_layers(scene, seen, home=home, made=made, dates=(BEFORE, AFTER))
    stops = [(threshold * i / 2, f"{threshold * i / 2:.3g}", colour) for i, colour in enumerate(VIRIDIS)]
    far = Layer("magnitude", "magnitude, standard deviations", "./magnitude.tif", box, ramp_pipe(stops), False)
    groups = (
        Group("polygons", _there(made, polygon_layer("change", Legend(legend.classes[-1:]), box))),
        Group("change", (Layer("change", "change", "./change.tif", box, classes_pipe(legend)),)),
        Group("magnitude", (far,)),
        Group("after", (sides[AFTER],) if AFTER in sides else ()),
        Group("before", (sides[BEFORE],) if BEFORE in sides else ()),
    )
    write_project(made / PROJECT, f"Change in {scene.name}", groups, box)


def write_trajectory_project(
    made: Path, home: Path, maps: Maps, *, dates: Sequence[tuple[str, int]], masks: Sequence[str], legend: Legend | None
) -> None:
    """Write the project of a comparison of several maps; groups: trajectory, dates, maps.

    Parameters
    ----------
    dates
        Name and number of each date, as ``first_change.tif`` has them.
    masks
        Names of the maps that were filtered; without any the maps as they came are shown.
    legend
        The classes of ``trajectory.tif``; None where it has none, and is left out.
    """
    box, last = maps.geobox, len(dates) - 1
    when = ramp_pipe(
        [_NEVER, *((float(code), name, _viridis(i / max(last, 1))) for i, (name, code) in enumerate(dates))]
    )
    often = ramp_pipe([(float(n), str(n), _viridis(n / max(last, 1))) for n in range(last + 1)])
    rasters = (
        ("first_change", "first change", when),
        ("last_change", "last change", when),
        ("n_changes", "changes", often),
    )
    filtered = [
        Layer(f"map_{i}", name, f"./{name}", box, classes_pipe(maps.legend), False) for i, name in enumerate(masks)
    ]
    came = [layer for i, one in enumerate(maps.layers) for layer in _map_layer(f"map_{i}", one, maps.legend, home)]
    trajectory = [Layer("trajectory", "trajectory", "./trajectory.tif", box, classes_pipe(legend))] if legend else []
    groups = (
        Group("trajectory", tuple(trajectory)),
        Group("dates", tuple(Layer(key, name, f"./{key}.tif", box, pipe, False) for key, name, pipe in rasters)),
        Group("maps", tuple(filtered or came)),
    )
    write_project(made / PROJECT, f"Change from {dates[0][0]} to {dates[-1][0]}", groups, box)


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
    return ramp_pipe([(25.0 * i, f"{25 * i} %", colour) for i, colour in enumerate(VIRIDIS)])


def _viridis(share: float) -> Colour:
    """The colour at 0-1 of the ramp."""
    at = share * (len(VIRIDIS) - 1)
    i = min(int(at), len(VIRIDIS) - 2)
    red, green, blue = (round(a + (b - a) * (at - i)) for a, b in zip(VIRIDIS[i], VIRIDIS[i + 1], strict=True))
    return red, green, blue


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
