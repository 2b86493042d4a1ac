"""Checks: what is wrong or odd with the data of a job, found before training, each with what to do about it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from geoseg.training.checking.finding import Finding, refuse_errors
from geoseg.training.checking.likeness import Sketch, compare, negative
from geoseg.training.data.cells import SceneCells
from geoseg.training.data.labelled import LabelledScene
from geoseg.training.settings.job import TrainSettings
from geoseg.training.splits.split import PARTS, TRAIN, Split

Ints = NDArray[np.int64]

_RARE = 100
"""The largest class over the smallest one, pixels, from which balance is worth a word."""
_LITTLE = 0.5
_SHOWN = 5


def check(
    scenes: Sequence[LabelledScene],
    splits: Sequence[Split],
    *,
    cells: Sequence[SceneCells],
    counts: Sequence[Ints],
    settings: TrainSettings,
) -> tuple[Finding, ...]:
    """Check the data of a job; errors first.

    Parameters
    ----------
    cells
        Of :func:`geoseg.training.data.cells.count_cells`, one for each scene.
    counts
        Of :func:`geoseg.training.data.cells.count_parts`, one for each split: int64 (scenes, parts, classes).
    """
    sketches = [Sketch.of(scene) for scene in scenes]
    found = [finding for scene, sketch in zip(scenes, sketches, strict=True) for finding in _of_scene(scene, sketch)]
    found += _on_nodata(scenes, cells)
    found += _nowhere(np.sum([of_split.sum(axis=(0, 1)) for of_split in counts], axis=0), scenes)
    for split, of_split in zip(splits, counts, strict=True):
        found += _of_parts(split, of_split.sum(axis=0), scenes, alone=len(splits) == 1)
        found += _baseline(split, of_split[:, TRAIN].sum(axis=0), settings)
        found += _amounts(split, of_split[:, TRAIN].sum(axis=0), scenes, settings)
    found += compare(scenes, splits, sketches)
    return tidy(found)


def refuse_unlabelled(scenes: Sequence[LabelledScene], cells: Sequence[SceneCells]) -> None:
    """Raise ``InputRefused`` where no scene has a label, with what the labels themselves say of it: it is no fault of a split."""
    if any(len(own.at) for own in cells):
        return
    found = [_named(finding, scene) for scene in scenes for finding in scene.labels.findings()]
    what, remedy = "no pixel with data has a label that recode or classes name", "Check the labels, recode and nodata"
    refuse_errors([*found, *_on_nodata(scenes, cells), Finding("error", "NO_LABELS", scenes[0].name, what, remedy)])


def tidy(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Errors first, each once; of more than a few of one kind the first ones, and how many more there are."""
    groups: dict[tuple[str, str], dict[Finding, None]] = defaultdict(dict)
    for finding in findings:
        groups[finding.level, finding.code].setdefault(finding)
    made: list[Finding] = []
    for (_, code), group in sorted(groups.items(), key=lambda item: item[0][0] != "error"):
        same = list(group)
        made += same[:_SHOWN]
        if len(same) > _SHOWN:
            more = len(same) - _SHOWN
            what = f"{more} more findings of this kind"
            made.append(Finding(same[0].level, code, f"{more} more", what, same[0].remedy))
    return tuple(made)


def _of_scene(scene: LabelledScene, sketch: Sketch) -> list[Finding]:
    """What a scene and its labels say by themselves."""
    found = [_named(finding, scene) for finding in scene.labels.findings()]
    for note in scene.scene.notes:
        if "--nodata 0" in note:
            what = "a corner is 0 in every band and no nodata value is set: a collar would be trained on as dark ground"
            found.append(Finding("warning", "COLLAR", scene.name, what, "If it is a collar, set nodata: 0"))
    return found + negative(scene, sketch)


def _named(finding: Finding, scene: LabelledScene) -> Finding:
    where = finding.where if scene.name in finding.where else f"{scene.name}: {finding.where}"
    return Finding(
        finding.level, finding.code, where, finding.what, finding.remedy, finding.places, finding.numbers
    )  # fmt: skip


def _on_nodata(scenes: Sequence[LabelledScene], cells: Sequence[SceneCells]) -> list[Finding]:
    """Labels where the scene has no data."""
    found = []
    for scene, own in zip(scenes, cells, strict=True):
        total = own.invalid + int(own.totals.sum())
        if total and own.invalid > 0.01 * total:
            what = f"{own.invalid / total:.1%} of the labelled pixels have no data in the scene, and are ignored"
            remedy = "Fine at a scene's edge; else check the pair of files, their CRS, and nodata"
            found.append(Finding("warning", "LABELS_ON_NODATA", scene.name, what, remedy))
        elif not total and not scene.labels.findings():
            found.append(
                Finding("error", "NO_LABELS", scene.name, "has no label at all", "Check its labels and recode")
            )
    return found


def _nowhere(counts: Ints, scenes: Sequence[LabelledScene]) -> list[Finding]:
    """Classes without a label."""
    missing = [name for name, n in zip(scenes[0].legend.names.values(), counts, strict=True) if not n]
    if not missing:
        return []
    what = f"no label is {' or '.join(missing)}, in any scene: the map will not have it"
    remedy = "Leave it out of recode or classes, or correct the labels"
    return [Finding("warning", "CLASS_MISSING", "labels", what, remedy)]


def _of_parts(split: Split, counts: Ints, scenes: Sequence[LabelledScene], *, alone: bool) -> list[Finding]:
    """Classes that a part lacks, and another has; counts (parts, classes). Of folds the network on all learns them still."""
    names = scenes[0].legend.names.values()
    found: list[Finding] = []
    for part, code in PARTS.items():
        if not split.pixels(code):
            continue
        where, remedy = f"{split.name}: {part}", "use smaller squares (split.block) or another split.seed"
        somewhere = counts.sum(axis=0) > 0
        missing = [name for name, n, there in zip(names, counts[code], somewhere, strict=True) if there and not n]
        what = f"no label of {part} is {' or '.join(missing)}"
        if missing and code == TRAIN and alone:
            found.append(Finding("error", "CLASS_MISSING", where, what, f"It can not be learned: {remedy}"))
        elif missing:
            lost = "learned" if code == TRAIN else "scored"
            found.append(Finding("warning", "CLASS_MISSING", where, what, f"It is not {lost} there: {remedy}"))
    return found


def _baseline(split: Split, counts: Ints, settings: TrainSettings) -> list[Finding]:
    """What the baseline could not be trained on, said before the network is; counts (classes,)."""
    classes = int((counts > 0).sum())
    if not settings.scores.baseline or classes > 1:
        return []
    what = f"has labels of {classes} class, and the baseline needs two to choose from"
    remedy = "Leave scores.baseline and --baseline out, or correct the labels or the split"
    return [Finding("error", "BASELINE", f"{split.name}: train", what, remedy)]


def _amounts(split: Split, counts: Ints, scenes: Sequence[LabelledScene], settings: TrainSettings) -> list[Finding]:
    """How much is labelled of what is trained on, and how evenly."""
    found = []
    names = list(scenes[0].legend.names.values())
    share = int(counts.sum()) / max(split.pixels(TRAIN), 1)
    where = f"{split.name}: train"
    if share < _LITTLE:
        what = f"{1 - share:.1%} of the training area has no label, and is ignored"
        remedy = "Fine for sparse labels: what is not labelled is not taken for background"
        if share < settings.samples.labelled:
            remedy = (
                f"A crop needs {settings.samples.labelled:.0%} of labels: set samples.labelled to 0 for sparse labels"
            )
        found.append(Finding("warning", "UNLABELLED", where, what, remedy, numbers={"labelled": share}))
    there = counts[counts > 0]
    if len(there) > 1 and there.max() > _RARE * there.min():
        least, most = int(np.argmin(np.where(counts > 0, counts, counts.max()))), int(np.argmax(counts))
        times = f"{counts[most] / counts[least]:.0f} times the labels of {names[least]} ({counts[least]} pixels)"
        remedy = "Set samples.balance to 0.5 or so, or loss.weights to auto"
        found.append(Finding("warning", "IMBALANCE", where, f"{names[most]} has {times}", remedy))
    return found
