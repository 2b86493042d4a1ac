"""Change pages: the STAC Item and the report page of a change, from its record and the small pictures of its maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from geoseg.compare.maps import MapLayer
from geoseg.grid.geobox import GeoBox
from geoseg.jobs.record import ITEM, PAGE, linked_from, pending
from geoseg.legend import Legend
from geoseg.report.change_content import FILES, report_of_change, titles_of
from geoseg.report.change_figures import SCENE_LENGTH, ChangeOverview, change_pictures
from geoseg.report.change_item import build_change_item
from geoseg.report.estimate_content import Estimated
from geoseg.report.figures import shrunk
from geoseg.report.item import write_item
from geoseg.report.made_before import pictures_of
from geoseg.report.page import write_page
from geoseg.report.stage import Picture, Stage, stage_of

INPUTS = ("before", "after", "before-scene", "after-scene")
"""Keys of the pictures of what was compared: nothing else in the folder has them."""


def write_change_item(
    folder: Path, record: Mapping[str, Any], geobox: GeoBox, changes: Legend, *, page: bool = True
) -> None:
    """Write ``item.json`` of what lies in ``folder``; ``page``: a page will."""
    write_item(folder / ITEM, build_change_item(record, geobox, changes, folder, pending=pending(page=page)))


def write_change_page(
    folder: Path,
    record: Mapping[str, Any],
    legend: Legend,
    changes: Legend,
    pictures: Sequence[Picture],
    *,
    page: Path | None = None,
    estimated: Estimated | None = None,
) -> None:
    """Write the page into ``folder`` or as ``page``; ``legend`` is that of the joined classes, ``changes`` that of the raster."""
    files = linked_from(page, folder, FILES)
    data = report_of_change(
        record, legend, changes=changes, stage=change_stage(record, pictures), files=files, estimated=estimated
    )
    write_page(page or folder / PAGE, data)


def change_stage(record: Mapping[str, Any], pictures: Sequence[Picture]) -> Stage | None:
    """The pictures of a change on each other, with the places where most changed."""
    return stage_of(record["grid"]["shape"], pictures, "before", "after", record.get("places") or ())


def pictures_of_change(
    record: Mapping[str, Any],
    overview: ChangeOverview,
    *,
    legend: Legend,
    changes: Legend,
    sides: Sequence[MapLayer] = (),
) -> list[Picture]:
    """Both maps, the change and, where the maps are folders of segment runs on this grid, their scenes."""
    made = list(change_pictures(overview, legend, changes, titles_of(record)))
    for side, layer in zip(("before", "after"), sides, strict=False):
        if layer.placed.offset == (0, 0) and layer.placed.source.shape == tuple(record["grid"]["shape"]):
            found = pictures_of(Path(layer.path).parent / PAGE).get("scene")
            uri = shrunk(found.uri, SCENE_LENGTH) if found is not None else None
            if found is not None and uri is not None:
                title = f"{side.title()}, {found.title[:1].lower()}{found.title[1:]}"
                made.append(Picture(f"{side}-scene", title, uri, photo=True))
    return made
