"""Page: a run as one HTML file that needs nothing else: no network, no script, no other file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2

from geoseg.legend import Legend
from geoseg.raster.files import write_durable
from geoseg.report.change_content import ChangeData
from geoseg.report.change_figures import change_uris
from geoseg.report.content import ReportData
from geoseg.report.figures import mask_uri, scene_uri
from geoseg.report.images_content import ImagesData, images_uris
from geoseg.report.words import area, duration, hex_colour, number, percent

_TEMPLATES = Path(__file__).parent / "templates"


def write_page(path: str | Path, data: ReportData | ChangeData | ImagesData) -> None:
    """Write the page, complete or not at all; below 3 MB for any scene, since images are at most 1024 pixels wide."""
    write_durable(path, render_page(data).encode("utf-8"))


def render_page(data: ReportData | ChangeData | ImagesData) -> str:
    """The page as text. Whatever comes from a file (names of classes, bands, files) is escaped."""
    if isinstance(data, ImagesData):
        return render("images.html", data, images=images_uris(data), colours=_colours(data.legend))
    return _change_page(data) if isinstance(data, ChangeData) else _map_page(data)


def _map_page(data: ReportData) -> str:
    images = (scene_uri(data.overview), mask_uri(data.overview, data.legend)) if data.overview else None
    return render("report.html", data, images=images, colours=_colours(data.legend))


def _change_page(data: ChangeData) -> str:
    images = change_uris(data.overview, data.legend, data.changes) if data.overview else None
    return render("change.html", data, images=images, colours=_colours(data.legend))


def _colours(legend: Legend) -> dict[int, str]:
    return {item.value: hex_colour(item.colour) for item in legend.classes}


def render(template: str, data: Any, **values: Any) -> str:
    """A page of ``data``, which has what ``templates/base.html`` asks for; all texts are escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "percent": percent, "duration": duration, "area": area}
    longest = max((seconds for _, seconds in data.steps), default=1.0)
    return environment.get_template(template).render(data=data, longest=longest, **values)
