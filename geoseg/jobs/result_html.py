"""Result HTML: what runs left, in a notebook: a picture of the map beside its figures."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from geoseg import notebook
from geoseg.errors import GeosegError
from geoseg.legend import Legend
from geoseg.raster.thumbnail import classes_thumbnail

log = logging.getLogger(__name__)

_MOST = 6
"""Transitions that are shown, the largest first."""


def segment_html(folder: Path, run: Mapping[str, Any]) -> str:
    """A map: its classes' areas, how it was made, and where."""
    made = picture_of(folder / "mask.tif", f"{folder.name}/mask.tif")
    colours = made[1].colours if made[1] else {}
    rows = [(item["class_id"], item["class_name"], item["area_ha"], item["share"]) for item in run.get("areas", ())]
    blocks, bundle = run.get("blocks", {}), run.get("bundle", {})
    told = {
        "bundle": f"{bundle.get('name')} {bundle.get('version')}",
        "polygons": f"{run['polygons']:,}" if run.get("polygons") is not None else None,
        "blocks": ", ".join(f"{blocks[key]} {key}" for key in ("run", "resumed", "reused") if blocks.get(key)),
        "page": folder / "report.html",
    }
    title = f"Map of {run.get('scene', {}).get('name', folder.name)}"
    return notebook.panel(title, areas(rows, colours), notebook.facts(told), picture=made[0])


def change_html(folder: Path, statement: str, rows: Iterable[tuple[str, str, float]]) -> str:
    """A change: what can be said of it, and the largest transitions (before, after, hectares)."""
    made, _ = picture_of(folder / "change.tif", f"{folder.name}/change.tif")
    largest = sorted(rows, key=lambda row: -row[2])[:_MOST]
    lines = [(before, "→", after, f"{area:,.1f}") for before, after, area in largest if area > 0]
    body = notebook.table(("before", "", "after", "ha"), lines, right=(3,)) if lines else ""
    said = f"<div>{notebook.text(statement)}</div>"
    return notebook.panel("Change", said, body, notebook.facts({"page": folder / "report.html"}), picture=made)


def areas(rows: Iterable[tuple[int, str, float, float]], colours: Mapping[int, tuple[int, int, int]]) -> str:
    """Classes with hectares and shares."""
    lines = [
        (notebook.class_name(name, colours.get(value)), f"{area:,.1f}", f"{share:.1%}")
        for value, name, area, share in rows
    ]
    return notebook.table(("class", "ha", "share"), lines, right=(1, 2))


def picture_of(path: Path, caption: str) -> tuple[str, Legend | None]:
    """A picture of a class raster that geoseg wrote, and its legend; nothing where it cannot be read any more."""
    try:
        made = classes_thumbnail(path)
    except (GeosegError, OSError) as error:
        log.debug("no picture of %s: %s", path, error)
        return "", None
    if made is None:
        return "", None
    return notebook.picture(made.uri, f"{caption}{made.caption}"), made.legend
