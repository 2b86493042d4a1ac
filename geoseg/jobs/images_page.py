"""Images page: the report of a comparison of two images, from its record, its rasters, and pictures of both images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from geoseg.compare.magnitude import STEP
from geoseg.jobs.record import PAGE, linked_from
from geoseg.legend import Legend
from geoseg.raster.overview import read_mask_overview, read_overview
from geoseg.raster.scene import Scene
from geoseg.report.figures import make_overview, mask_picture
from geoseg.report.images_content import FILES, ImagesOverview, images_pictures, magnitude_picture, report_of_images
from geoseg.report.page import write_page
from geoseg.report.qgis_scene import Seen
from geoseg.report.stage import Picture, stage_of

_LENGTH = 560_000


def write_images_page(
    folder: Path,
    record: Mapping[str, Any],
    legend: Legend,
    magnitudes: Scene,
    pictures: Sequence[Picture],
    *,
    page: Path | None = None,
) -> None:
    """Write the page into ``folder`` or as ``page``; ``pictures`` are those of both images, ``magnitudes`` an opened raster."""
    codes, there = read_overview(magnitudes)
    shown = [
        *pictures,
        magnitude_picture(np.where(there, codes[0] * STEP, np.nan), float(record["threshold"]["magnitude"])),
        mask_picture(
            read_mask_overview(folder / "change.tif"), legend, "change", "What counts as changed", length=_LENGTH
        ),
    ]
    stage = stage_of(record["grid"]["shape"], shown, "before", "after", record.get("places") or ())
    files = linked_from(page, folder, FILES)
    write_page(page or folder / PAGE, report_of_images(record, legend, stage, files))


def images_of(seen: Seen, bands: Sequence[str]) -> list[Picture]:
    """Both images of a pair: what was seen has the bands of the earlier date, then those of the later one."""
    nothing, n = np.zeros((1, 1), np.uint8), len(bands)
    parts = seen.image[:n], seen.image[n:]
    before, after = (make_overview(part, seen.valid, bands, nothing) for part in parts)
    return images_pictures(ImagesOverview(before, after))
