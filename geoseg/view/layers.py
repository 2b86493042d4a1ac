"""Layers: what a map shows of a run, as values: which rasters, in which colours, under which names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from geoseg.grid.geobox import GeoBox
from geoseg.legend import Colour, Legend
from geoseg.raster.mercator import TileSource
from geoseg.vector.lookup import PolygonFile

SCENE, CLASSES, BEFORE, AFTER, CHANGE, RAMP = "scene", "classes", "before", "after", "change", "ramp"
"""Kinds: bands as colours; codes of classes; the class before, the class after and what became what in codes of changes
(``before * 256 + after``); numbers in the colours of a ramp."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How numbers become colours: those of ``stops`` between, in units of the raster (``value * factor + offset``)."""

    stops: tuple[tuple[float, Colour], ...]
    unit: str = ""
    factor: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True, slots=True)
class Composite:
    """Which three bands of a scene are red, green and blue; by their place among the layer's sources."""

    key: str
    title: str
    bands: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class MapLayer:
    """One layer; ``key`` is what its tiles are asked for by.

    Parameters
    ----------
    sources, names
        The bands it is drawn from, and what they are called: one, but for scenes.
    legend
        Of the classes, for kinds of classes.
    shown
        Whether it is seen at first.
    """

    key: str
    title: str
    kind: str
    sources: tuple[TileSource, ...]
    names: tuple[str, ...] = ()
    legend: Legend | None = None
    scale: Scale | None = None
    composites: tuple[Composite, ...] = ()
    shown: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """What a run's folder holds for a map.

    Parameters
    ----------
    title, about
        The run in a line, and its makers line by line.
    layers
        From the lowest to the highest.
    areas
        Hectares by class value, where the run says them.
    notes
        What the user has to know: what is missing, and why.
    """

    title: str
    about: tuple[str, ...]
    geobox: GeoBox
    layers: tuple[MapLayer, ...]
    legend: Legend | None = None
    areas: Mapping[int, float] = field(default_factory=dict)
    polygons: PolygonFile | None = None
    notes: tuple[str, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether classes before and after are told apart."""
        return any(layer.kind == CHANGE for layer in self.layers)
