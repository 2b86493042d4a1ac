"""Page: a run as one HTML file that needs nothing else: no network, no script, no other file."""

from __future__ import annotations

from pathlib import Path

import jinja2

from geoseg.raster.files import write_durable
from geoseg.report.content import ReportData, duration, number, percent
from geoseg.report.figures import mask_uri, scene_uri

_TEMPLATES = Path(__file__).parent / "templates"


def write_page(path: str | Path, data: ReportData) -> None:
    """Write the page, complete or not at all; below 3 MB for any scene, since images are at most 1024 pixels wide."""
    write_durable(path, render_page(data).encode("utf-8"))


def render_page(data: ReportData) -> str:
    """The page as text. Whatever comes from a file (names of classes, bands, files) is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "percent": percent, "duration": duration}
    images = (scene_uri(data.overview), mask_uri(data.overview, data.legend)) if data.overview else None
    return environment.get_template("report.html").render(
        data=data,
        images=images,
        colours={item.value: "#{:02x}{:02x}{:02x}".format(*item.colour) for item in data.legend.classes},
        longest=max((seconds for _, seconds in data.steps), default=1.0),
    )
