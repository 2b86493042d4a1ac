"""Train: a labelled scene goes in, a bundle comes out that says how good it is on an area that it has not seen.

scene + labels -> split by place -> statistics of the training area -> fit -> map of the held-out area -> scores -> bundle.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from geoseg.errors import Conflict, UsageError
from geoseg.legend import HARMONISED, Legend
from geoseg.model.bundle import Bundle, BundleFacts, NetworkSpec, save_bundle
from geoseg.raster.scene import open_scene
from geoseg.train.confusion import scores
from geoseg.train.simple import Crops, Labelled, Report, Split, TrainSettings, confusion_in, fit, predict_scene

SELF_TEST_CHIPS = 8
SELF_TEST_SIDE = 64


def train(
    settings: TrainSettings, out: str | Path, *, overwrite: bool = False, on_step: Report | None = None
) -> Bundle:
    """Make a bundle.

    Parameters
    ----------
    settings
        See :class:`TrainSettings`; classes are those of the harmonised legend that ``recode`` gives.
    out
        The folder of the bundle.
    on_step
        Called after each step of the fit with steps done, steps in all, loss.

    Raises
    ------
    Conflict
        ``EXISTS``: the folder is there and ``overwrite`` is False; said before anything is computed.
    InputRefused, UsageError
        Scene, labels or settings cannot be used.
    """
    if Path(out).exists() and not overwrite:
        raise Conflict.of("EXISTS", out, "exists already", "Add --overwrite or choose another name")
    settings.check()
    labelled, split = _read(settings)
    facts = _facts(settings, labelled, split)
    assert facts.network is not None
    image = labelled.normalized(facts.bands)
    crops = Crops.of(labelled, image, facts.legend, split=split, size=settings.fit.crop)
    weights = fit(facts.network, crops, settings.fit, on_step or _silent)
    mask = predict_scene(labelled, facts, weights)
    facts = replace(facts, scores=_scores(settings, labelled, split, facts=facts, mask=mask))
    return save_bundle(
        out, facts, weights=weights, sample=_self_test(image, labelled.valid, split), overwrite=overwrite
    )


def describe(settings: TrainSettings) -> BundleFacts:
    """What the card will say but for the scores: nothing is fitted."""
    return _facts(settings, *_read(settings))


def _read(settings: TrainSettings) -> tuple[Labelled, Split]:
    scene = open_scene([settings.scene]).select(settings.bands)
    labelled = Labelled.read(scene, settings.labels, settings.recode)
    held = settings.held_out
    return labelled, Split.of(labelled.label.shape, held.rows, held.cols, buffer=held.buffer)


def _facts(settings: TrainSettings, labelled: Labelled, split: Split) -> BundleFacts:
    legend = _legend(settings)
    choice = settings.network
    params = tuple(sorted(choice.params.items()))
    network = NetworkSpec(choice.architecture, choice.encoder, len(settings.bands), len(legend.classes), params)
    return BundleFacts(
        name=settings.name, bands=labelled.statistics(split.train), legend=legend,
        units="reflectance" if labelled.scene.units == "reflectance" else "dn",
        chip_size=settings.chip_size, halo=settings.halo, network=network,
        description=settings.description, licence=settings.licence,
        training=_training(settings, labelled, split),
    )  # fmt: skip


def _legend(settings: TrainSettings) -> Legend:
    wanted = set(settings.recode.values())
    unknown = wanted - set(HARMONISED.values)
    if unknown:
        known = ", ".join(f"{value} {name}" for value, name in HARMONISED.names.items())
        raise UsageError.of("LEGEND", f"recode to {min(unknown)}", "is no harmonised class", f"The legend has: {known}")
    return Legend(tuple(item for item in HARMONISED.classes if item.value in wanted))


def _training(settings: TrainSettings, labelled: Labelled, split: Split) -> dict[str, Any]:
    """What the bundle was trained on: change a pixel, a label, the recode or the split, and the digest changes."""
    w = split.held_out
    place = {"rows": [w.row, w.row + w.height], "cols": [w.col, w.col + w.width], "buffer": split.buffer}
    recode = {str(code): value for code, value in sorted(settings.recode.items())}
    seen = hashlib.sha256(
        json.dumps({"recode": recode, "held_out": place, "bands": list(settings.bands)}, sort_keys=True).encode()
    )
    for array in (labelled.image, labelled.valid, labelled.label):
        seen.update(f"{array.dtype}{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    trained = split.train & labelled.valid & (labelled.label > 0)
    return {
        "digest": seen.hexdigest(), "scene": Path(settings.scene).name, "labels": Path(settings.labels).name,
        "crs": labelled.scene.geobox.crs, "shape": list(split.shape), "recode": recode, "held_out": place,
        "pixels": int(trained.sum()), "licence": settings.licence, "fit": settings.fit.model_dump(mode="json"),
    }  # fmt: skip


def _scores(
    settings: TrainSettings, labelled: Labelled, split: Split, *, facts: BundleFacts, mask: npt.NDArray[np.uint8]
) -> dict[str, Any]:
    w = split.held_out
    area = f"rows {w.row}-{w.row + w.height - 1}, columns {w.col}-{w.col + w.width - 1} of {Path(settings.scene).name}"
    held = scores(confusion_in(split.held, labelled, mask, facts), facts.legend.names)
    place = f"{area}, {split.buffer} pixels from the training area"
    return {"held_out": {**held, "area": place, "caveat": settings.caveat}}


def _self_test(
    image: npt.NDArray[np.float32], valid: npt.NDArray[np.bool_], split: Split
) -> npt.NDArray[np.float32] | None:
    """A few normalized chips (n, bands, side, side) from the held-out area, those with most valid pixels; None if too small."""
    w, side = split.held_out, SELF_TEST_SIDE
    origins = [
        (row, col)
        for row in range(w.row, w.row + w.height - side + 1, side // 2)
        for col in range(w.col, w.col + w.width - side + 1, side // 2)
    ]
    squares = [(slice(row, row + side), slice(col, col + side)) for row, col in origins]
    best = sorted(squares, key=lambda where: -int(valid[where].sum()))[:SELF_TEST_CHIPS]
    return np.stack([image[:, *where] for where in best]) if best else None


def _silent(done: int, total: int, loss: float) -> None:
    """Report nothing."""
