"""Bundle HTML: a bundle in a notebook: what it maps, how good it says it is, and a picture of its self-test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from geoseg import notebook
from geoseg.errors import GeosegError
from geoseg.model.bundle import Bundle, read_sample
from geoseg.raster.thumbnail import SIDE, classes_png

_MOST_BYTES = 64 << 20
_SCORES = {"overall_accuracy": "overall accuracy", "mean_iou": "mean IoU", "macro_f1": "macro F1"}


def bundle_html(bundle: Bundle) -> str:
    """Facts and classes beside the classes that the bundle gave its self-test."""
    network = bundle.network
    told = {
        "bands": f"{', '.join(band.name for band in bundle.bands)} ({bundle.units})",
        "network": f"{network.architecture} {network.encoder}" if network else bundle.kind,
        "chips": f"{bundle.chip_size} pixels, halo {bundle.halo}, multiples of {bundle.align}",
        "scores": _scores(bundle),
        "folder": bundle.path,
        "id": bundle.id,
    }
    classes = notebook.swatches(bundle.legend.names, bundle.legend.colours)
    title = f"Bundle {bundle.name} {bundle.version}"
    return notebook.panel(title, notebook.facts(told), classes, picture=_picture(bundle))


def _scores(bundle: Bundle) -> str:
    """The overall figures with their intervals, where the card has them in the form that ``geoseg train`` gives."""
    told = json.loads(bundle.scores)
    found = told if isinstance(told, dict) else {}
    found = next((found[part] for part in ("held_out", "overall") if isinstance(found.get(part), dict)), found)
    said = (_said(name, found.get(key)) for key, name in _SCORES.items())
    return ", ".join(one for one in said if one)


def _said(name: str, score: Any) -> str:
    if isinstance(score, dict) and isinstance(score.get("value"), int | float):
        low, high = score.get("low"), score.get("high")
        known = isinstance(low, int | float) and isinstance(high, int | float)
        return f"{name} {score['value']:.2f}" + (f" ({low:.2f} to {high:.2f})" if known else "")
    return f"{name} {score:.2f}" if isinstance(score, int | float) else ""


def _picture(bundle: Bundle) -> str:
    """The classes of the first self-test image; nothing where there is none, or it is large or damaged."""
    try:
        if bundle.sample is None or Path(bundle.sample).stat().st_size > _MOST_BYTES:
            return ""
        found = read_sample(bundle)
    except (GeosegError, OSError):
        return ""
    if found is None or found[1] is None:
        return ""
    index = found[1][0]
    step = -(-max(index.shape) // SIDE)
    table = np.full(256, bundle.legend.nodata, np.uint16)
    table[: len(bundle.legend.values)] = bundle.legend.values
    return notebook.picture(classes_png(table[index[::step, ::step]], bundle.legend), "what it makes of its self-test")
