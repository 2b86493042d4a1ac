"""Change pages: the STAC Item and the report page of a change, from its record and the small pictures of its maps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from geoseg.grid.geobox import GeoBox
from geoseg.jobs.record import ITEM, PAGE, RECORD, pending
from geoseg.legend import Legend
from geoseg.report.change_content import FILES, report_of_change
from geoseg.report.change_figures import ChangeOverview
from geoseg.report.change_item import build_change_item
from geoseg.report.item import write_item
from geoseg.report.page import write_page


def write_change_item(
    folder: Path, record: Mapping[str, Any], geobox: GeoBox, changes: Legend, *, page: bool = True
) -> None:
    """Write ``item.json`` of what lies in ``folder``; ``page``: a page will."""
    write_item(folder / ITEM, build_change_item(record, geobox, changes, folder, pending=pending(page=page)))


def write_change_page(
    folder: Path, record: Mapping[str, Any], legend: Legend, changes: Legend, overview: ChangeOverview | None
) -> None:
    """Write ``report.html``; ``legend`` is that of the joined classes, ``changes`` that of the change raster."""
    files = [name for name in FILES if (folder / name).exists() or name in (RECORD, PAGE)]
    write_page(folder / PAGE, report_of_change(record, legend, changes=changes, overview=overview, files=files))
