"""Page: a run as one HTML file that needs nothing else: no network, no other file, no script but its own, named by its hash."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from geoseg.raster.files import write_durable
from geoseg.report.bundle_content import BundleData
from geoseg.report.change_content import ChangeData
from geoseg.report.content import ReportData
from geoseg.report.estimate_content import EstimateData
from geoseg.report.images_content import ImagesData
from geoseg.report.words import area, duration, figure, interval, number, percent

Data = ReportData | ChangeData | ImagesData | BundleData | EstimateData

_TEMPLATES = Path(__file__).parent / "templates"
_PAGES = {
    ReportData: "report.html", ChangeData: "change.html", ImagesData: "images.html", BundleData: "bundle.html",
    EstimateData: "estimate.html",
}  # fmt: skip
_MOST_WARNINGS = 40
_MOST_TEXT = 300
"""Characters of one name: classes and files may be called as someone likes. Sentences have more, as templates say."""


def write_page(path: str | Path, data: Data) -> None:
    """Write the page, complete or not at all; below 3 MB for any scene, since pictures, tables and texts are bounded."""
    write_durable(path, render_page(data).encode("utf-8", "replace"))


def render_page(data: Data) -> str:
    """The page as text. Whatever comes from a file (names of classes, bands, files) is escaped."""
    return render(_PAGES[type(data)], data, live=asset("page.js"))


def render(template: str, data: Any, *, live: str = "", style: str = "", **values: Any) -> str:
    """A page of ``data``, which has what ``templates/base.html`` asks for; all texts are escaped.

    The content security policy lets in nothing but ``data:`` pictures and, by their hashes, the page's style (``style`` after
    the common one) and its script ``live``.
    """
    longest = max((seconds for _, seconds in data.steps), default=1.0)
    css = asset("page.css") + style
    return _environment().get_template(template).render(
        data=data, longest=longest, css=css, live=live, policy=_policy(css, live),
        most_warnings=_MOST_WARNINGS, **values,
    )  # fmt: skip


def _policy(css: str, script: str) -> str:
    ran = f"; script-src '{_hash(script)}'" if script else ""
    return f"default-src 'none'; img-src data:; style-src '{_hash(css)}'{ran}; base-uri 'none'; form-action 'none'"


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def asset(name: str) -> str:
    """The text of a file of ``templates/``."""
    return (_TEMPLATES / name).read_text("utf-8")


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_short,
    )
    environment.filters |= {
        "number": number, "percent": percent, "duration": duration, "area": area, "interval": interval, "figure": figure,
    }  # fmt: skip
    return environment


def _short(value: Any) -> Any:
    """A text that someone made very long, cut; what is markup already stays whole."""
    if isinstance(value, str) and not hasattr(value, "__html__") and len(value) > _MOST_TEXT:
        return value[:_MOST_TEXT] + "…"
    return value
