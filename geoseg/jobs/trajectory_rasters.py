"""Trajectory rasters: numbers of sequences, and all that follows from a pixel's number: dates, counts, filtered maps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from geoseg.compare.change_legend import change_legend
from geoseg.compare.series import Numbered
from geoseg.grid.geobox import Window
from geoseg.jobs.trajectory_products import TrajectoryFacts
from geoseg.legend import Legend, LegendClass
from geoseg.raster.band import Band
from geoseg.raster.classes import MOST_CLASSES, read_layer
from geoseg.raster.overview import thin
from geoseg.raster.write import RasterInfo, Strip, in_strips, write_mask, write_raster
from geoseg.vector.threads import in_order

NEVER, NO_DATE, NO_COUNT = 0, -1, 255
"""In the rasters of dates: no change, no data. In ``n_changes.tif``: no data."""
_ROWS = 512


def write_trajectory(facts: TrajectoryFacts, folder: Path, windows: Iterable[Numbered]) -> None:
    """Write ``trajectory.tif``: the number of each pixel's sequence, 0 where no date has data.

    Up to 4096 sequences it is a class raster (uint8 or uint16) with their names, ``tree->tree->bare``; above that int32.
    """
    path, geobox, n = folder / "trajectory.tif", facts.maps.geobox, len(facts.trajectories)
    description, threads = "trajectory, see trajectories.csv", facts.settings.threads
    if n <= MOST_CLASSES:
        legend = trajectory_legend(facts)
        dtype = "uint8" if legend.fits_mask else "uint16"
        strips = _strips(facts, windows, np.dtype(dtype))
        write_mask(path, geobox, legend, strips, description=description, tags=facts.tags, threads=threads)
    else:
        info = RasterInfo(description, "int32", 0, "mode", facts.tags)
        write_raster(path, geobox, _strips(facts, windows, np.dtype(np.int32)), info=info, threads=threads)


def write_rasters(facts: TrajectoryFacts, folder: Path) -> None:
    """Write what a table of the numbers makes of ``trajectory.tif``."""
    found, codes = facts.trajectories, np.array(facts.dates.codes, np.int32)
    changed = found.n_changes > 0
    for name, at in (("first", found.first_change), ("last", found.last_change)):
        info = RasterInfo(
            f"{facts.dates.kind} of the {name} change, 0 where there is none", "int32", NO_DATE, "nearest", facts.tags
        )
        table = np.concatenate([[NO_DATE], np.where(changed, codes[at], NEVER)]).astype(np.int32)
        _write(facts, folder, f"{name}_change.tif", table, info)
    info = RasterInfo("number of changes", "uint8", NO_COUNT, "nearest", facts.tags)
    _write(facts, folder, "n_changes.tif", np.concatenate([[NO_COUNT], found.n_changes]).astype(np.uint8), info)
    if facts.settings.flicker:
        for date, label in enumerate(facts.dates.labels):
            table = np.concatenate([[0], found.rows[:, date]]).astype(np.uint8)
            write_mask(
                folder / f"mask_{label}.tif", facts.maps.geobox, facts.maps.legend, _mapped(facts, folder, table),
                tags=facts.tags, threads=facts.settings.threads,
            )  # fmt: skip


def trajectory_legend(facts: TrajectoryFacts) -> Legend:
    """Numbers, names and colours of the sequences.

    What stayed is nearly grey; a change has the colour of the last class, a little of the first; what came back to its
    class has that class's full colour.
    """
    own, found = facts.maps.legend, facts.trajectories
    classes = []
    for i, row in enumerate(found.rows.tolist()):
        seen = [value for value in row if value]
        code = seen[0] * 256 + seen[-1]
        returned = seen[0] == seen[-1] and found.n_changes[i] > 0
        colour = own.colours[seen[-1]] if returned else change_legend(own, [code]).classes[0].colour
        classes.append(LegendClass(i + 1, facts.name_of(row), colour))
    return Legend(tuple(classes), 0)


def _strips(facts: TrajectoryFacts, windows: Iterable[Numbered], dtype: np.dtype) -> Iterator[Strip]:
    """Windows, row-major, as strips of whole rows; the overview is kept on the way."""

    def tiles() -> Iterator[tuple[Window, npt.NDArray[np.generic]]]:
        for done in windows:
            window, numbers = done.window, done.unpacked()
            small = thin(numbers, window, facts.step)
            row, col = -(-window.row // facts.step), -(-window.col // facts.step)
            facts.overview[row : row + small.shape[0], col : col + small.shape[1]] = small
            yield window, numbers.astype(dtype, copy=False)

    return in_strips(tiles(), facts.maps.geobox.shape[1])


def _write(facts: TrajectoryFacts, folder: Path, name: str, table: npt.NDArray[np.generic], info: RasterInfo) -> None:
    threads = facts.settings.threads
    write_raster(folder / name, facts.maps.geobox, _mapped(facts, folder, table), info=info, threads=threads)


def _mapped(facts: TrajectoryFacts, folder: Path, table: npt.NDArray[np.generic]) -> Iterator[Strip]:
    """``trajectory.tif``, each number replaced by the table's entry."""
    geobox, n = facts.maps.geobox, len(facts.trajectories)
    rows, cols = geobox.shape
    dtype = "uint8" if n <= 255 else "uint16" if n <= MOST_CLASSES else "int32"
    band = Band("trajectory", str(folder / "trajectory.tif"), 1, "GTiff", dtype, 0.0, grid=geobox)
    windows = [Window(row, 0, min(_ROWS, rows - row), cols) for row in range(0, rows, _ROWS)]
    yield from in_order(partial(_look_up, band, table), windows, facts.settings.threads)


def _look_up(band: Band, table: npt.NDArray[np.generic], window: Window) -> Strip:
    return window.row, table[read_layer(band, window, False, threads=1)[0]]
