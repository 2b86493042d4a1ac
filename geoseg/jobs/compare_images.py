"""Compare images: two scenes, without a model, to where they differ by more than noise. Open, fit, measure, decide, write.

scenes -> statistics of what has not changed -> magnitude, pixel by pixel -> threshold -> changed or not -> polygons, areas.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import geoseg
from geoseg.cluster.connect import ClusterSettings, connect
from geoseg.cluster.pool import Pool
from geoseg.compare.difference import Difference
from geoseg.compare.fitted import Fitted, fit
from geoseg.compare.image_settings import ImageSettings
from geoseg.compare.image_shift import measure_image_shift
from geoseg.compare.images import ImagePair, pair_images
from geoseg.compare.magnitude import LARGEST, NODATA, STEP, Magnitudes, Measured, Sectors
from geoseg.compare.shift import MapShift
from geoseg.compare.threshold import Decision, decide
from geoseg.config import PerClass
from geoseg.errors import InputRefused
from geoseg.grid.geobox import GeoBox, Window
from geoseg.jobs.area import count_classes
from geoseg.jobs.folder import run_folder
from geoseg.jobs.sieve import sieved
from geoseg.legend import Legend
from geoseg.raster.align import crs_name
from geoseg.raster.classes import ClassRaster, open_classes
from geoseg.raster.files import write_durable
from geoseg.raster.scene import Scene, open_scene
from geoseg.raster.write import RasterInfo, Strip, write_mask, write_raster
from geoseg.vector.measure import ClassArea, write_areas
from geoseg.vector.polygonize import iter_polygons
from geoseg.vector.simplify import SimplifySettings, simplify
from geoseg.vector.write import write_polygons

NAMES = (
    "magnitude.tif", "pvalue.tif", "direction.tif", "change.tif", "change.tif.aux.xml", "change.qml",
    "areas.csv", "polygons.gpkg", "run.json",
)  # fmt: skip
"""What a comparison may leave."""

UNCHANGED, CHANGED = 1, 2
LEGEND = Legend.of({UNCHANGED: "unchanged", CHANGED: "changed"}, {UNCHANGED: (225, 225, 220), CHANGED: (200, 40, 90)})

Report = Callable[[str, int, int], None]
"""Called with a step's name, its cells that are done, and all of them."""


@dataclass(frozen=True, slots=True)
class ImageChangeResult:
    """Where things are, what counts as changed, and what the run's record says."""

    folder: Path
    statement: str
    magnitude: float
    changed_ha: float
    changed_share: float
    polygons: int | None
    record: dict[str, Any] = field(repr=False)


def compare_images(
    before: Scene | str | Path,
    after: Scene | str | Path,
    out: str | Path,
    *,
    settings: ImageSettings | None = None,
    on_progress: Report | None = None,
    **options: Any,
) -> ImageChangeResult:
    """Say where two images of one place differ by more than noise, without a model: a first look.

    What has changed is not said, and seasons, clouds and shadows are changes like others. Memory is flat: pixels are read
    cell by cell. The outputs depend neither on workers nor on threads.

    Parameters
    ----------
    before, after
        Scenes (:func:`geoseg.open_scene`) or files; bands are paired by name.
    out
        The folder: ``magnitude.tif`` (standard deviations of what has not changed), ``pvalue.tif`` (chance that a pixel
        without change has a larger magnitude), with CVA ``direction.tif`` (bit ``i``: band ``i + 1`` has grown),
        ``change.tif`` (1 unchanged, 2 changed), ``areas.csv``, ``polygons.gpkg`` (what has changed), ``run.json``.
    settings, options
        :class:`ImageSettings`, whole or as keywords: ``method="cva"``, ``false_alarm=1e-4``, ``min_area=5000``.

    Raises
    ------
    InputRefused
        Those of :func:`geoseg.compare.images.pair_images` and of the methods; ``SHIFT``: the images lie further apart
        than ``max_shift``.
    Conflict
        ``EXISTS``, ``INPUT``: the output would replace a file.
    """
    settings = ImageSettings.either(settings, options)
    run = _Run(settings, on_progress)
    scenes = tuple(scene if isinstance(scene, Scene) else open_scene(scene) for scene in (before, after))
    inputs = [path for scene in scenes for path, _ in scene.contents]
    with run_folder(out, NAMES, inputs=inputs, overwrite=settings.overwrite) as folder:
        with run.step("open"):
            pair = pair_images(*scenes, align=settings.align)
        with connect(ClusterSettings(settings.workers, settings.scheduler)) as pool:
            with run.step("fit"):
                fitted = fit(pair, settings.method, settings.sample, run.reported("fit", pool))
            with run.step("shift"):
                shift = _shift(pair, fitted.difference, settings)
            with run.step("magnitude"):
                measured = _measure(pair, fitted.difference, folder, run.reported("magnitude", pool))
                _directions(pair, fitted.difference, settings, folder, run.reported("direction", pool))
            with run.step("change"):
                decision = decide(measured.counts, STEP, fitted.null, settings.threshold, settings.false_alarm)
                _write_pvalues(folder, measured, fitted)
                areas = _write_change(folder, measured, decision, settings, pair)
            with run.step("polygons"):
                polygons = _write_polygons(folder, settings, pool) if settings.only is None else None
        pair.scene.check_unchanged()
        record = _record(pair, settings, shift, fitted, decision) | _outcome(areas, decision, polygons, measured)
        record |= {"seconds": run.seconds, "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
        write_durable(folder / "run.json", (json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode())
    changed = record["changed"]
    return ImageChangeResult(
        Path(out), record["statement"], decision.magnitude, changed["area_ha"], changed["share"], polygons, record
    )


class _Run:
    """Settings, progress and the seconds of each step."""

    def __init__(self, settings: ImageSettings, on_progress: Report | None) -> None:
        self.settings = settings
        self.on_progress = on_progress
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a step."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = round(time.monotonic() - started, 3)

    def reported(self, name: str, pool: Pool) -> Callable[[Callable[[Window], Any], Iterable[Window]], Iterator[Any]]:
        """``pool.in_order``, which says after each cell how far it is."""

        def run(function: Callable[[Window], Any], windows: Iterable[Window]) -> Iterator[Any]:
            todo = list(windows)
            for done, result in enumerate(pool.in_order(function, todo), start=1):
                if self.on_progress is not None:
                    self.on_progress(name, done, len(todo))
                yield result

        return run


def _shift(pair: ImagePair, difference: Difference, settings: ImageSettings) -> MapShift | None:
    shift = measure_image_shift(pair, difference)
    if shift is not None and 0 < settings.max_shift < shift.px:
        what = f"lies {shift} beside {pair.scenes[0].name}, more than {settings.max_shift:g} px"
        remedy = "Register the images first, or raise --max-shift (0: never refuse)"
        raise InputRefused.of("SHIFT", pair.scenes[1].name, what, remedy)
    return shift


def _measure(pair: ImagePair, difference: Difference, folder: Path, run: Any) -> Measured:
    """Write ``magnitude.tif``, counting while it is written."""
    counts = np.zeros(NODATA + 1, np.int64)
    path = folder / "magnitude.tif"

    def counted() -> Iterator[Strip]:
        for row, strip in _strips(pair, run(Magnitudes(pair, difference), pair.cells())):
            counts[:] += np.bincount(strip.reshape(-1), minlength=len(counts))
            yield row, strip

    info = RasterInfo("magnitude, standard deviations", "uint16", NODATA, tags=_tags(), scale=STEP)
    write_raster(path, pair.geobox, counted(), info=info)
    return Measured(open_scene(path), counts[:NODATA])


def _directions(pair: ImagePair, difference: Difference, settings: ImageSettings, folder: Path, run: Any) -> None:
    """Write ``direction.tif``, where there are vectors of few enough bands."""
    if settings.method != "cva" or len(pair.bands) > Sectors.MOST:
        return
    bits = ", ".join(f"{2**i} {name}" for i, name in enumerate(pair.bands))
    info = RasterInfo(f"bands that have grown: {bits}", "uint16", NODATA, "nearest", _tags())
    strips = _strips(pair, run(Sectors(pair, difference), pair.cells()))
    write_raster(folder / "direction.tif", pair.geobox, strips, info=info)


def _write_pvalues(folder: Path, measured: Measured, fitted: Fitted) -> None:
    table = np.append(np.rint(fitted.null.chance(np.arange(NODATA, dtype=np.float64) * STEP) * 1e9), -1).astype(
        np.int32
    )
    info = RasterInfo("chance without change", "int32", -1, tags=_tags(), scale=1e-9)
    strips = ((row, table[codes]) for row, codes in measured.strips())
    write_raster(folder / "pvalue.tif", measured.scene.geobox, strips, info=info)


def _write_change(
    folder: Path, measured: Measured, decision: Decision, settings: ImageSettings, pair: ImagePair
) -> list[ClassArea]:
    read = measured.above(decision.code, UNCHANGED, CHANGED)
    minimum = PerClass(classes={str(CHANGED): settings.min_area} if settings.min_area else {})
    done = sieved(read, pair.geobox, LEGEND, minimum, connectivity=settings.connectivity)
    rows, cols = pair.geobox.shape
    final = done.read if done else read
    strips = ((row, final(Window(row, 0, min(512, rows - row), cols))) for row in range(0, rows, 512))
    write_mask(folder / "change.tif", pair.geobox, LEGEND, strips, description="change", tags=_tags())
    areas = count_classes(open_classes(folder / "change.tif"))
    write_areas(folder / "areas.csv", areas)
    return areas


def _write_polygons(folder: Path, settings: ImageSettings, pool: Pool) -> int:
    """Polygons of what has changed; none of what has not."""
    raster = open_classes(folder / "change.tif")
    read = _Changed(raster)
    regions = iter_polygons(read, raster.geobox, connectivity=settings.connectivity, trace_map=pool.in_order)
    simple = simplify(regions, read, raster.geobox, SimplifySettings(settings.simplify, settings.smooth))
    return write_polygons(folder / "polygons.gpkg", simple, raster.geobox, LEGEND, layer="change")


@dataclass(frozen=True, slots=True)
class _Changed:
    raster: ClassRaster

    def __call__(self, window: Window) -> NDArray[np.uint8]:
        values = self.raster.read(window)
        return np.where(values == CHANGED, values, 0).astype(np.uint8)


def _strips(pair: ImagePair, cells: Iterable[NDArray[np.uint16]]) -> Iterator[Strip]:
    """Cells, row-major, as strips of whole rows."""
    cols, row, wide = pair.geobox.shape[1], 0, 0
    parts: list[NDArray[np.uint16]] = []
    for cell in cells:
        parts.append(cell)
        wide += cell.shape[1]
        if wide == cols:
            strip = np.concatenate(parts, axis=1)
            yield row, strip
            row, wide, parts = row + len(strip), 0, []


def _tags() -> dict[str, str]:
    return {"TIFFTAG_SOFTWARE": f"geoseg {geoseg.__version__}"}


def _record(
    pair: ImagePair, settings: ImageSettings, shift: MapShift | None, fitted: Fitted, decision: Decision
) -> dict[str, Any]:
    """What ``run.json`` says of the inputs and of how the threshold came about."""
    told = settings.model_dump(mode="json", exclude={"overwrite", "workers", "scheduler"})
    key = json.dumps([geoseg.__version__, [scene.fingerprint for scene in pair.scenes], told], sort_keys=True)
    sides = {side: _side(scene) for side, scene in zip(("before", "after"), pair.scenes, strict=True)}
    return {
        "geoseg": geoseg.__version__,
        "run": hashlib.sha256(key.encode()).hexdigest()[:12],
        "kind": "images",
        **sides,
        "grid": _grid(pair.geobox),
        "bands": list(pair.bands),
        "method": fitted.facts,
        "threshold": asdict(decision),
        "shift": shift.to_json() if shift else None,
        "settings": told,
        "notes": [*pair.notes, *fitted.notes, *_decision_notes(settings, decision)],
    }


def _decision_notes(settings: ImageSettings, decision: Decision) -> list[str]:
    if decision.rule == settings.threshold:
        return []
    return [
        f"{settings.threshold} finds no two heaps of magnitudes: the threshold is that of {settings.false_alarm:g} false alarms"
    ]


def _side(scene: Scene) -> dict[str, Any]:
    names = sorted({Path(band.path).name for band in scene.bands})
    return {
        "name": scene.name, "path": ", ".join(names), "datetime": scene.datetime, "fingerprint": scene.fingerprint,
        "notes": list(scene.notes),
    }  # fmt: skip


def _grid(geobox: GeoBox) -> dict[str, Any]:
    return {"shape": list(geobox.shape), "res": list(geobox.res), "crs": crs_name(geobox)}


def _outcome(areas: list[ClassArea], decision: Decision, polygons: int | None, measured: Measured) -> dict[str, Any]:
    changed = next(row for row in areas if row.class_id == CHANGED)
    beyond = int(measured.counts[-1])
    outcome: dict[str, Any] = {
        "classes": [{"value": c.value, "name": c.name, "colour": list(c.colour)} for c in LEGEND.classes],
        "areas": [asdict(row) for row in areas],
        "changed": {"area_ha": changed.area_ha, "share": changed.share, "n_pixels": changed.n_pixels},
        "statement": _statement(areas, changed, decision),
        "polygons": polygons,
    }
    return outcome | ({"clipped": {"magnitude": LARGEST, "n_pixels": beyond}} if beyond else {})


def _statement(areas: list[ClassArea], changed: ClassArea, decision: Decision) -> str:
    """What was found, against what noise alone would give."""
    n = sum(row.n_pixels for row in areas)
    false = decision.false_alarm * 100
    found = f"{changed.share:.2%} of the ground compared ({changed.area_ha:.4g} ha) differs by more than {decision.magnitude:.3g}"
    alone = f"noise alone, if normal, would give {false:.2g} % ({decision.false_alarm * n:.3g} of {n} pixels)"
    if changed.n_pixels <= 2 * decision.false_alarm * n:
        return f"No change beyond noise: {found} standard deviations, and {alone}."
    return (
        f"{found} standard deviations of what has not changed; {alone}. "
        "Seasons, clouds, shadows and shifts count as change; what has changed into what is not said."
    )
