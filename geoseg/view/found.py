"""Found: look through a run's folder for what a map can show. Nothing else is ever opened for it.

``run.json`` may come from anybody: what is not as geoseg writes it counts as not said.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from geoseg.errors import GeosegError, InputRefused
from geoseg.grid.geobox import GeoBox
from geoseg.jobs.read_record import RECORD, read_record
from geoseg.legend import Legend, LegendClass
from geoseg.raster.admit import Admitted, admit
from geoseg.raster.band import Band
from geoseg.raster.classes import class_layer, class_names
from geoseg.raster.identity import sample_file
from geoseg.raster.look import COMPOSITES, TAILS
from geoseg.raster.mercator import TileSource, read_small
from geoseg.raster.scene import Scene
from geoseg.report.figures import RAMP as PERCENT
from geoseg.vector.lookup import PolygonFile
from geoseg.view.layers import AFTER, BEFORE, CHANGE, CLASSES, RAMP, SCENE, Composite, Found, MapLayer, Scale

_MOST_DATES = 40
_MOST_BANDS = 200
_HEAT = ((0.0, (15, 12, 40)), (0.45, (110, 40, 110)), (0.6, (230, 90, 80)), (1.0, (255, 240, 180)))
_NUMBERS = {
    "magnitude": ("Magnitude of change", "standard deviations"),
    "pvalue": ("Chance of no change", ""),
    "n_changes": ("Number of changes", ""),
    "first_change": ("First change", ""),
    "last_change": ("Last change", ""),
}
_COMPOSITE_KEYS = ("true", "nir", "swir")

Facts = Mapping[str, Any]


def find_run(folder: str | Path, scene: Scene | None = None) -> Found:
    """Look at a run.

    Parameters
    ----------
    folder
        What segment, change and their like left.
    scene
        Shown instead of the one that the record names, for one that was moved.

    Raises
    ------
    InputRefused
        ``RUN``: the folder is none of a run, or holds no raster that can be shown.
    """
    folder = Path(folder)
    run = read_record(folder)
    notes: list[str] = []
    rasters = [*_rasters(folder, run, notes)]
    if not rasters:
        why = f" ({notes[0]})" if notes else ""
        raise InputRefused.of("RUN", folder, f"holds no raster that can be shown{why}", "Name the folder of a run")
    scenes = [_given(scene)] if scene is not None else _scenes(folder, run, rasters[0].sources[0].geobox, notes)
    main = next((layer for layer in rasters if layer.kind in (CHANGE, CLASSES)), rasters[0])
    return Found(
        title=_title(folder, run), about=tuple(_about(run)), geobox=main.sources[0].geobox,
        layers=(*scenes, *_first_shown(rasters)),
        legend=main.legend, areas=_areas(run), polygons=_polygons(folder, run, notes), notes=tuple(notes),
    )  # fmt: skip


def _rasters(folder: Path, run: Facts, notes: list[str]) -> list[MapLayer]:
    """Layers of the run's own rasters, from the lowest to the highest."""
    made: list[MapLayer] = []

    def take(name: str, make: Callable[[Admitted], Sequence[MapLayer]]) -> None:
        path = folder / name
        if path.is_file():
            try:
                made.extend(make(admit(path, palette_ok=True)))
            except GeosegError as error:
                notes.append(f"{name} is not shown: {error}")

    for key, (title, unit) in _NUMBERS.items():
        take(f"{key}.tif", lambda file, key=key, title=title, unit=unit: [_numbers(file, key, title, unit)])  # type: ignore[misc]
    take("confidence.tif", lambda file: [_percents(file)])
    dated = sorted(path.name for path in folder.glob("mask_*.tif"))
    if len(dated) > _MOST_DATES:
        notes.append(f"of {len(dated)} maps of a date the last {_MOST_DATES} are shown")
    for i, name in enumerate(dated[-_MOST_DATES:]):
        title = f"Class map {name.removeprefix('mask_').removesuffix('.tif')}"
        take(name, lambda file, key=f"date-{i}", title=title: [_classes(file, key, title)])  # type: ignore[misc]
    take("trajectory.tif", lambda file: [_classes(file, "trajectory", "Trajectories")])
    take("mask.tif", lambda file: [_classes(file, "mask", "Class map")])
    legend = _from_to(run)
    take("change.tif", lambda file: _changes(file, legend) if legend else [_classes(file, "change", "Change")])
    return made


def _first_shown(rasters: Sequence[MapLayer]) -> list[MapLayer]:
    """The layers, of which the one that the run is about is seen at first."""
    best = max(range(len(rasters)), key=lambda i: ((RAMP, BEFORE, AFTER, CLASSES, CHANGE).index(rasters[i].kind), i))
    return [replace(layer, shown=i == best) for i, layer in enumerate(rasters)]


def _classes(file: Admitted, key: str, title: str) -> MapLayer:
    layer = class_layer(file, None)
    named = class_names(file, layer, False)
    legend = named.legend or _legend(named.names, named.colours, layer.nodata)
    return MapLayer(key, title, CLASSES, (TileSource(layer, file.overviews),), legend=legend)


def _legend(names: Mapping[int, str], colours: Mapping[int, Any], nodata: float | None) -> Legend:
    left = {value: name for value, name in names.items() if value != nodata}
    return Legend.of(left, dict(colours)) if left else Legend(())


def _changes(file: Admitted, legend: Legend) -> list[MapLayer]:
    """The map before, the map after and what became what: all three are in the codes of changes."""
    if file.dtypes[0] != "uint16":
        return [_classes(file, "change", "Change")]
    source = TileSource(class_layer(file, None), file.overviews)
    titles = {BEFORE: "Class before", AFTER: "Class after", CHANGE: "Change"}
    return [MapLayer(kind, title, kind, (source,), legend=legend) for kind, title in titles.items()]


def _from_to(run: Facts) -> Legend | None:
    """The classes of a comparison of maps."""
    if "matrix" not in run:
        return None
    try:
        return Legend(
            tuple(
                LegendClass(int(item["value"]), str(item["name"]), _colour(item["colour"])) for item in run["classes"]
            ),
            nodata=256,
        )
    except (GeosegError, KeyError, TypeError, ValueError):
        return None


def _colour(parts: Sequence[Any]) -> tuple[int, int, int]:
    red, green, blue = (min(max(int(part), 0), 255) for part in parts)
    return red, green, blue


def _percents(file: Admitted) -> MapLayer:
    source = _source(file, 1)
    return MapLayer("confidence", "Confidence", RAMP, (source,), scale=Scale(PERCENT, "%"))


def _numbers(file: Admitted, key: str, title: str, unit: str) -> MapLayer:
    source = _source(file, 1)
    values, valid = read_small(source)
    factor, offset = file.scales[0], file.offsets[0]
    low, high = np.percentile(values[valid], TAILS) * factor + offset if valid.any() else (0.0, 1.0)
    high = max(high, low + abs(factor))
    stops = tuple((float(low + share * (high - low)), colour) for share, colour in _HEAT)
    return MapLayer(key, title, RAMP, (source,), scale=Scale(stops, unit, factor, offset))


def _source(file: Admitted, index: int) -> TileSource:
    """A band of a file; its alpha band or mask says where it has data."""
    i = index - 1
    alpha = file.colours.index("alpha") + 1 if "alpha" in file.colours else None
    internal = 0 if any("per_dataset" in flags and "alpha" not in flags for flags in file.masks) else None
    band = Band(
        str(index), file.path, index, file.driver, file.dtypes[i], file.nodata[i], grid=file.geobox,
        mask=alpha or internal,
    )  # fmt: skip
    return TileSource(band, file.overviews)


# The scene


def _given(scene: Scene) -> MapLayer:
    """A scene that the caller opened."""
    sources, files = [], {}
    for band in scene.bands[:_MOST_BANDS]:
        if band.path not in files:
            files[band.path] = admit(band.path, assume_crs=scene.geobox.crs)
        sources.append(TileSource(replace(band, grid=band.grid or scene.geobox), files[band.path].overviews))
    names = [band.name for band in scene.bands[:_MOST_BANDS]]
    return _scene_layer("scene", f"Scene {scene.name}", sources, names)


def _scenes(folder: Path, run: Facts, geobox: GeoBox, notes: list[str]) -> list[MapLayer]:
    """The scene, or the scenes of two dates, where the record says and they have not changed."""
    made = []
    for key, title in (("scene", "Scene"), ("before", "Scene before"), ("after", "Scene after")):
        facts = run.get(key)
        if not isinstance(facts, dict) or (key != "scene" and run.get("kind") != "images"):
            continue
        name = str(facts.get("name", ""))[:200]
        try:
            made += _of_dates(key if key == "scene" else f"scene-{key}", title, _places(folder, facts), geobox)
        except GeosegError as error:
            notes.append(f"The scene {name} is not shown: {error} Name it: geoseg view RUN --scene FILE.")
    return made


def _places(folder: Path, facts: Facts) -> list[tuple[str, Path, int, str, float | None]]:
    """Name, file, index, digest and nodata value of each band that the record names."""
    layers = facts.get("layers")
    if not isinstance(layers, list) or not layers:
        raise InputRefused.of("SCENE", folder / RECORD, "does not say where the scene lies")
    found = []
    for one in layers[:_MOST_BANDS]:
        try:
            nodata = one.get("nodata")
            place = Path(os.path.normpath(os.path.join(os.path.realpath(folder), str(one["path"]))))
            known = float(nodata) if isinstance(nodata, int | float) else None
            found.append((str(one["name"])[:100], place, int(one["band"]), str(one["digest"]), known))
        except (AttributeError, KeyError, TypeError, ValueError):
            raise InputRefused.of("SCENE", folder / RECORD, "does not say where the scene lies") from None
    return found


def _of_dates(
    key: str, title: str, places: Sequence[tuple[str, Path, int, str, float | None]], geobox: GeoBox
) -> list[MapLayer]:
    """One layer, or two where the bands are those of two dates."""
    files: dict[Path, Admitted] = {}
    sources: dict[str, TileSource] = {}
    for name, path, index, digest, nodata in places:
        if path not in files:
            if not path.is_file():
                raise InputRefused.of("SCENE", path, "is not there any more")
            files[path] = admit(path, assume_crs=geobox.crs)
            if sample_file(str(path)) != digest:
                raise InputRefused.of("SCENE", path, "has changed since the run")
        if not 1 <= index <= files[path].count:
            raise InputRefused.of("SCENE", path, f"has no band {index}")
        sources[name] = _with_nodata(_source(files[path], index), nodata)
    parts = [
        (date, {name.removeprefix(date): source for name, source in sources.items() if name.startswith(date)})
        for date in ("before_", "after_")
    ]
    if sum(len(part) for _, part in parts) < len(sources):
        return [_scene_layer(key, title, list(sources.values()), list(sources))]
    return [
        _scene_layer(f"{key}-{date[:-1]}", f"{title} {date[:-1]}", list(part.values()), list(part))
        for date, part in parts
        if part
    ]


def _with_nodata(source: TileSource, nodata: float | None) -> TileSource:
    return source if nodata is None else replace(source, layer=replace(source.layer, nodata=nodata))


def _scene_layer(key: str, title: str, sources: Sequence[TileSource], names: Sequence[str]) -> MapLayer:
    """The scene in every composite that its bands allow; by its first bands where they have no known names."""
    at = {name.casefold(): i for i, name in reversed(list(enumerate(names)))}
    composites = [
        Composite(word, told, (at[three[0]], at[three[1]], at[three[2]]))
        for word, (three, told) in zip(_COMPOSITE_KEYS, COMPOSITES, strict=True)
        if all(name in at for name in three)
    ]
    if not composites:
        last = len(names) - 1
        three = (0, min(1, last), min(2, last)) if last >= 2 else (0, 0, 0)
        composites = [Composite("first", " ".join(dict.fromkeys(names[i] for i in three)), three)]
    return MapLayer(key, title, SCENE, tuple(sources), tuple(names), composites=tuple(composites), shown=True)


# Polygons and words


def _polygons(folder: Path, run: Facts, notes: list[str]) -> PolygonFile | None:
    path = folder / "polygons.gpkg"
    if not path.is_file():
        if run.get("polygons"):
            notes.append("The polygons are not shown: polygons.gpkg is not there any more.")
        return None
    try:
        return PolygonFile.open(path)
    except InputRefused as error:
        notes.append(f"The polygons are not shown: {error}")
        return None


def _title(folder: Path, run: Facts) -> str:
    before, after, scene = run.get("before"), run.get("after"), run.get("scene")
    if isinstance(before, dict) and isinstance(after, dict):
        return f"{before.get('name', '')} to {after.get('name', '')}"[:300]
    if isinstance(scene, dict) and scene.get("name"):
        return str(scene["name"])[:300]
    return folder.resolve().name


def _about(run: Facts) -> list[str]:
    """What made the run."""
    lines = []
    bundle = run.get("bundle")
    if isinstance(bundle, dict):
        lines.append(f"model {bundle.get('name')} {bundle.get('version') or ''} ({str(bundle.get('digest'))[:12]})")
    lines.append(f"run {run.get('run')}, geoseg {run.get('geoseg')}, {str(run.get('finished', ''))[:10]}")
    return [" ".join(line.split())[:300] for line in lines]


def _areas(run: Facts) -> dict[int, float]:
    """Hectares by class value; after a change those of the later map."""
    found: dict[int, float] = {}
    rows, classes = run.get("areas") or run.get("by_class"), run.get("classes")
    named = (
        {str(c.get("name")): c.get("value") for c in classes if isinstance(c, dict)}
        if isinstance(classes, list)
        else {}
    )
    for row in rows if isinstance(rows, list) else []:
        if not isinstance(row, dict):
            continue
        value, area = (
            row.get("class_id", named.get(str(row.get("class_name")))),
            row.get("area_ha", row.get("after_ha")),
        )
        if isinstance(value, int) and isinstance(area, int | float) and math.isfinite(area):
            found[value] = float(area)
    return found
