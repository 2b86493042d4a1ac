"""Cost page: what a list of tasks would take and cost on a cluster, as one HTML file in which the figures can be changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geoseg.raster.files import complete_or_absent
from geoseg.report.page import asset, render
from geoseg.report.words import Headline, Rows, Section


@dataclass(frozen=True, slots=True)
class CostPage:
    """Everything that the page shows; texts are plain, the page escapes them.

    ``groups`` are tasks that are alike in all that time depends on, ``n`` of each, and ``constants`` what the times of
    :mod:`geoseg.pipeline.forecast` are made of; ``templates/cost.js`` computes the same from them.
    """

    title: str
    subtitle: str
    groups: tuple[Mapping[str, Any], ...]
    constants: Mapping[str, Any]
    warnings: tuple[str, ...] = ()
    sections: tuple[Section, ...] = ()
    headlines: tuple[Headline, ...] = ()
    steps: tuple[tuple[str, float], ...] = ()
    files: Rows = ()


def write_cost_page(path: str | Path, data: CostPage) -> None:
    """Write the page, complete or not at all."""
    with complete_or_absent(path) as target:
        target.write_text(render_cost_page(data), "utf-8")


def render_cost_page(data: CostPage) -> str:
    """The page as text; its one script is allowed by its digest, and nothing that the page holds can be another."""
    facts = json.dumps({"groups": list(data.groups), **data.constants}, allow_nan=False)
    for letter in "<>&":  # so that no name ends the element
        facts = facts.replace(letter, f"\\u{ord(letter):04x}")
    return render("cost.html", data, live=asset("cost.js"), style=asset("cost.css"), facts=facts)
