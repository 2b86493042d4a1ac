"""Digest: all that a network is trained and scored on as one number: pixels, labels, recode and split."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from geoseg.raster.align import crs_name
from geoseg.training.data.labelled import LabelledScene
from geoseg.training.data.labels import windows_of
from geoseg.training.settings.job import TrainSettings
from geoseg.training.splits.split import Split

_LISTED = 50
"""Scenes that a card lists one by one."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """``digest``: SHA-256 (hex); ``facts``: what a card says of the data under ``training``, JSON."""

    digest: str
    facts: dict[str, Any]


def dataset_digest(scenes: Sequence[LabelledScene], settings: TrainSettings, splits: Sequence[Split]) -> Dataset:
    """Digest the data of a job in one pass over all pixels, by blocks.

    It changes with any pixel of the bands that are read, where there is data, any label, any code of ``recode``, the
    classes, the scale that makes units of the files' numbers, and any pixel's part in any of the splits. Names, places and
    times of files do not enter.
    """
    seen = hashlib.sha256()
    legend = scenes[0].legend
    recode = {str(code): target for code, target in settings.recode.items()}
    recodes = [
        item.labels.recode and {str(code): target for code, target in item.labels.recode.items()}
        for item in settings.scenes
    ]
    job = {"recode": [recode, recodes], "legend": legend.to_json(), "bands": list(settings.bands)}
    seen.update(json.dumps(job, sort_keys=True).encode())
    for split in splits:
        seen.update(split.digest.encode())
    listed = []
    for scene in scenes:
        own, counts = _scene(scene)
        seen.update(own.encode())
        listed.append(_facts(scene, own, counts))
    total = {name: sum(item["labels"].get(name, 0) for item in listed) for name in legend.names.values()}
    facts = {
        "digest": seen.hexdigest(),
        "scenes": listed[:_LISTED],
        "n_scenes": len(listed),
        "labels": total,
        "recode": recode if not any(recodes) else {"job": recode, "scenes": recodes[:_LISTED]},
        "split": {**settings.split.model_dump(mode="json"), "digests": {split.name: split.digest for split in splits}},
        "licence": settings.licence,
    }
    return Dataset(seen.hexdigest(), facts)


def _scene(scene: LabelledScene) -> tuple[str, dict[int, int]]:
    """SHA-256 of one scene's pixels and labels, and labelled pixels by class value."""
    bands = scene.scene.bands
    head = [list(scene.shape), [[b.name, b.dtype, b.scale, b.offset] for b in bands], scene.scene.units]
    seen = hashlib.sha256(json.dumps(head).encode())
    counts = np.zeros(256, np.int64)
    for window in windows_of(scene.shape):
        image, valid, label = scene.read(window)
        image[:, ~valid] = 0  # what a file holds where it has no data is nobody's business
        little = image.astype(image.dtype.newbyteorder("<"), copy=False)
        for array in (little, valid, label):
            seen.update(np.ascontiguousarray(array).view(np.uint8).data)
        counts += np.bincount(label.reshape(-1), minlength=256)
    return seen.hexdigest(), {value: int(counts[value]) for value in scene.legend.values}


def _facts(scene: LabelledScene, digest: str, counts: dict[int, int]) -> dict[str, Any]:
    names = scene.legend.names
    facts: dict[str, Any] = {
        "name": scene.name,
        "digest": digest,
        "shape": list(scene.shape),
        "crs": crs_name(scene.scene.geobox),
        "bounds": [round(edge, 6) for edge in scene.scene.geobox.bounds],
        "labels": {names[value]: n for value, n in counts.items()},
    }
    if scene.scene.datetime:
        facts["datetime"] = scene.scene.datetime
    return facts if scene.part is None else {**facts, "part": scene.part}
