"""Synth: a folder of synthetic scenes with their true classes and true transitions."""

from __future__ import annotations

import csv
import json
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
from affine import Affine
from numpy.typing import NDArray

import geoseg
from geoseg.errors import Conflict, UsageError
from geoseg.grid.geobox import GeoBox
from geoseg.legend import Legend
from geoseg.raster.files import complete_or_absent
from geoseg.raster.tiles import usable_threads
from geoseg.raster.write import RasterInfo, write_mask, write_raster
from geoseg.training.synth.change import dates
from geoseg.training.synth.land import Date
from geoseg.training.synth.scene import NODATA, Landscape
from geoseg.training.synth.settings import SynthSettings
from geoseg.training.synth.spectra import BANDS, SCALE, legend
from geoseg.vector.measure import AreaCounter

STRIP = 32
"""Rows that are made at once."""
_SIDE = 1 << 20
Report = Callable[[str, int, int], None]
"""Called with a file's name, its rows that are made, and all of them."""


@dataclass(frozen=True, slots=True)
class SynthResult:
    """The scenes, their truths, and between dates the table of true transitions."""

    scenes: tuple[Path, ...]
    truths: tuple[Path, ...]
    transitions: Path | None
    facts: dict[str, Any] = field(repr=False)


def synth(
    out: str | Path, *, settings: SynthSettings | None = None, on_progress: Report | None = None, **options: Any
) -> SynthResult:
    """Make synthetic scenes of which every pixel's class is known.

    The same settings give the same bytes, for any number of threads, and a strip of rows is made without the others, so
    that memory grows with the columns (8192 of them: 0.6 GiB) and not with the rows.

    Parameters
    ----------
    out
        The folder: ``scene.tif`` and ``truth.tif``, or with several dates ``scene_1.tif``, ``truth_1.tif``, ... and
        ``transitions.csv``; ``synth.json`` says what was made of what.
    settings, options
        :class:`SynthSettings`, whole or as keywords: ``size=8192``, ``dates=2``, ``seed=3``, ``change=0.05``.

    Returns
    -------
    SynthResult
        The files of scenes and truths, and between dates of the true transitions.

    Raises
    ------
    UsageError
        ``SIZE``, ``CRS``: not in metres. ``CHANGE``: more than the land can do.
    Conflict
        ``EXISTS``: the folder holds something, and is none of an earlier run that may be replaced.

    Examples
    --------
    >>> made = geoseg.synth("synthetic", size=64, seed=3)
    >>> made.truths[0].name
    'truth.tif'
    """
    settings = SynthSettings.either(settings, options)
    out = Path(out)
    _refuse(out, overwrite=settings.overwrite)
    landscape = Landscape(_geobox(settings), settings.seed, settings.clouds, settings.collar)
    series = dates(landscape, settings.dates, settings.change)
    with complete_or_absent(out) as folder:
        folder.mkdir()
        facts = _make(folder, landscape, series, settings, on_progress)
        text = json.dumps(facts, indent=2, ensure_ascii=False) + "\n"
        (folder / "synth.json").write_text(text, encoding="utf-8")
    scenes, truths = (tuple(out / name for name in facts[kind]) for kind in ("scenes", "truths"))
    return SynthResult(scenes, truths, out / "transitions.csv" if len(series) > 1 else None, facts)


def _refuse(out: Path, *, overwrite: bool) -> None:
    """Refuse to replace what is no earlier run's folder, or what is one without leave."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not (out / "synth.json").is_file():
        raise Conflict.of("EXISTS", out, "holds something else than synthetic scenes", "Choose another OUT")
    if not overwrite:
        raise Conflict.of("EXISTS", out, "exists", "Add --overwrite, or choose another OUT")


def _geobox(settings: SynthSettings) -> GeoBox:
    rows, cols = settings.shape
    if not (0 < rows <= _SIDE and 0 < cols <= _SIDE):
        raise UsageError.of("SIZE", f"{rows} x {cols}", "is no size of a raster", f"Take 1 to {_SIDE} pixels a side")
    try:
        crs = pyproj.CRS.from_user_input(settings.crs)
    except pyproj.exceptions.CRSError as error:
        raise UsageError.of("CRS", settings.crs, "is no CRS that PROJ knows", "Name one as EPSG:32632") from error
    if not crs.is_projected or {axis.unit_name for axis in crs.axis_info} != {"metre"}:
        raise UsageError.of("CRS", settings.crs, "is not projected in metres", "Take a UTM zone, as EPSG:32632")
    x, y = settings.origin
    return GeoBox.of((rows, cols), Affine(settings.res, 0, x, 0, -settings.res, y), crs.to_wkt())


def _make(
    folder: Path, landscape: Landscape, series: tuple[Date, ...], settings: SynthSettings, on_progress: Report | None
) -> dict[str, Any]:
    """All files but ``synth.json``, which the facts returned are for."""
    endings = [""] if len(series) == 1 else [f"_{i}" for i in range(1, len(series) + 1)]
    known = legend(clouds=settings.clouds > 0)
    made: list[dict[str, Any]] = []
    steps: list[AreaCounter] = []
    before: _Truth | None = None
    for date, ending in zip(series, endings, strict=True):
        truth = _Truth(folder / f".truth{ending}")
        name = f"scene{ending}.tif"
        _scene(folder / name, landscape, date, truth, settings, on_progress)
        tags = {"TIFFTAG_SOFTWARE": f"geoseg {geoseg.__version__}", "GEOSEG_SYNTH": _said(settings, date)}
        counts = write_mask(
            folder / f"truth{ending}.tif", landscape.geobox, known, truth.strips(), tags=tags, threads=settings.threads
        )
        made.append({known.names.get(value, "nodata"): count for value, count in counts.items()})
        if before is not None:
            steps.append(_transitions(landscape.geobox, before, truth))
            before.path.unlink()
        before = truth
    assert before is not None
    before.path.unlink()
    changed = _write_transitions(folder / "transitions.csv", steps, known) if steps else []
    return {
        "geoseg": geoseg.__version__,
        "settings": settings.model_dump(mode="json", exclude={"threads", "overwrite"}),
        "scenes": [f"scene{ending}.tif" for ending in endings],
        "truths": [f"truth{ending}.tif" for ending in endings],
        "bands": list(BANDS),
        "scale": SCALE,
        "pixels": made,
        "changed_share": changed,
    }


def _said(settings: SynthSettings, date: Date) -> str:
    told = {"seed": settings.seed, "date": date.number + 1, "change": round(date.change, 9)}
    return json.dumps({**told, "clouds": settings.clouds, "shift": settings.shift if date.number else 0.0})


def _scene(
    path: Path, landscape: Landscape, date: Date, truth: _Truth, settings: SynthSettings, on_progress: Report | None
) -> None:
    """Write the picture and keep the truth for the mask."""
    level = landscape.cloud_level(date) if settings.clouds else 0.0
    shift = settings.shift if date.number else 0.0
    threads = settings.threads or usable_threads()

    def strip(row: int, rows: int) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
        return landscape.strip(date, row, rows, shift=shift, level=level)

    def strips() -> Iterator[tuple[int, NDArray[np.uint16]]]:
        for row, (pixels, classes) in _ahead(strip, landscape.geobox.shape[0], threads):
            truth.add(row, classes)
            yield row, pixels
            if on_progress is not None:
                on_progress(path.name, row + len(pixels), landscape.geobox.shape[0])

    tags = {
        "TIFFTAG_SOFTWARE": f"geoseg {geoseg.__version__}", "GEOSEG_SYNTH": _said(settings, date), "AREA_OR_POINT": "Area"
    }  # fmt: skip
    info = RasterInfo(BANDS, "uint16", NODATA, "average", tags, SCALE)
    with truth:
        write_raster(path, landscape.geobox, strips(), info=info, threads=threads)


def _ahead(
    strip: Callable[[int, int], Any], height: int, threads: int
) -> Iterator[tuple[int, tuple[NDArray[np.uint16], NDArray[np.uint8]]]]:
    """Strips in order, as many at work as there are threads."""
    waiting: deque[tuple[int, Future[Any]]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="geoseg-synth") as pool:
        try:
            for row in range(0, height, STRIP):
                waiting.append((row, pool.submit(strip, row, min(STRIP, height - row))))
                if len(waiting) > threads:
                    first, future = waiting.popleft()
                    yield first, future.result()
            while waiting:
                first, future = waiting.popleft()
                yield first, future.result()
        finally:
            pool.shutdown(cancel_futures=True)


class _Truth:
    """Strips of true classes, compressed in a file while the picture is written; read as often as wanted."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._parts: list[tuple[int, int, tuple[int, int]]] = []

    def __enter__(self) -> _Truth:
        self._file = self.path.open("xb")
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def add(self, row: int, classes: NDArray[np.uint8]) -> None:
        """Take the next strip."""
        data = zlib.compress(np.ascontiguousarray(classes).data, 1)
        self._file.write(data)
        self._parts.append((row, len(data), (classes.shape[0], classes.shape[1])))

    def strips(self) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """All strips, from the first row on."""
        with self.path.open("rb") as file:
            for row, size, shape in self._parts:
                yield row, np.frombuffer(zlib.decompress(file.read(size)), np.uint8).reshape(shape)


def _transitions(geobox: GeoBox, before: _Truth, after: _Truth) -> AreaCounter:
    """Pixels and areas of ``from * 256 + to``."""
    counter = AreaCounter(geobox, Legend(()))
    for (row, old), (_, new) in zip(before.strips(), after.strips(), strict=True):
        counter.add(row, old.astype(np.uint16) * np.uint16(256) + new)
    return counter


_HEADER = ("before", "after", "from_id", "from_name", "to_id", "to_name", "n_pixels", "area_ha")


def _write_transitions(path: Path, steps: list[AreaCounter], known: Legend) -> list[float]:
    """One line for each pair of classes of each pair of dates; the shares that changed, of what is land at both dates."""
    names = known.names
    land = set(legend(clouds=False).values)
    shares = []
    with path.open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(_HEADER)
        for step, counter in enumerate(steps, start=1):
            changed = whole = 0
            for pair in counter.rows():
                old, new = divmod(pair.class_id, 256)
                if old not in names or new not in names:
                    continue
                lines.writerow((step, step + 1, old, names[old], new, names[new], pair.n_pixels, f"{pair.area_ha:.4f}"))
                if {old, new} <= land:
                    whole += pair.n_pixels
                    changed += pair.n_pixels * (old != new)
            shares.append(round(changed / max(whole, 1), 6))
    return shares
