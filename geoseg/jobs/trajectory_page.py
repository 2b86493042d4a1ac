"""Trajectory page: the report of a comparison of several dates, from its record and its numbers of trajectories."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.compare.change_legend import change_legend
from geoseg.jobs.change_pages import change_stage
from geoseg.jobs.record import PAGE, linked_from
from geoseg.legend import Legend
from geoseg.report.change_figures import NO_TIMES, ChangeOverview, change_pictures, times_picture
from geoseg.report.estimate_content import Estimated
from geoseg.report.page import write_page
from geoseg.report.trajectory_content import ends_titles, report_of_trajectory
from geoseg.report.trajectory_item import FILES


def write_trajectory_page(
    folder: Path,
    record: Mapping[str, Any],
    legend: Legend,
    numbers: NDArray[np.int32],
    rows: NDArray[np.uint8],
    *,
    page: Path | None = None,
    estimated: Estimated | None = None,
) -> None:
    """Write the page into ``folder`` or as ``page``.

    Parameters
    ----------
    numbers
        int32 (rows, cols): numbers of trajectories, 1-based, of every n-th pixel; 0 without any.
    rows
        uint8 (trajectories, dates): the classes of each.
    """
    counts = np.asarray(record["matrix"]["n_pixels"])
    values = [item.value for item in legend.classes]
    changes = change_legend(legend, [values[i] * 256 + values[j] for i, j in np.argwhere(counts > 0).tolist()])
    files = linked_from(page, folder, (*FILES, *record["masks"]))
    ends = change_pictures(ends_of(numbers, rows), legend, changes, ends_titles(record))
    pictures = [*ends, times_picture(np.where(numbers > 0, np.append(0, times_of(rows))[numbers], NO_TIMES))]
    data = report_of_trajectory(record, legend, changes=changes, stage=change_stage(record, pictures), files=files)
    write_page(page or folder / PAGE, replace(data, estimated=estimated))


def times_of(rows: NDArray[np.uint8]) -> NDArray[np.int64]:
    """How often the class changes in each trajectory, int64 (trajectories,); dates without data are passed over."""
    times, last = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.uint8)
    for column in rows.T:
        times += (column != 0) & (last != 0) & (column != last)
        last = np.where(column != 0, column, last)
    return times


def ends_of(numbers: NDArray[np.int32], rows: NDArray[np.uint8]) -> ChangeOverview:
    """First and last class of every n-th pixel, and the change between them."""
    ends = np.concatenate([np.zeros((1, 2), np.uint8), rows[:, [0, -1]]])
    before, after = ends[numbers, 0], ends[numbers, 1]
    codes = np.where((before > 0) & (after > 0), before.astype(np.uint16) * 256 + after, 0).astype(np.uint16)
    return ChangeOverview(before, after, codes)
