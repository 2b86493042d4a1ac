"""Summary: what a bundle's card says of its scores: a few figures, of which places, and against what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from geoseg.training.scoring.report import verdict
from geoseg.training.settings.data import SplitSettings
from geoseg.training.splits.split import TEST
from geoseg.training.trial import Trial

OVERALL = ("overall_accuracy", "kappa", "macro_f1", "mean_iou", "boundary_f1", "expected_calibration_error")
BY_CLASS = ("iou", "f1")


def card_scores(scores: Mapping[str, Any], comparison: Mapping[str, Any] | None) -> dict[str, Any]:
    """The card's part of ``scores.json``; ``comparison`` is that with the baseline."""
    overall = {name: scores["overall"][name] for name in OVERALL if scores["overall"][name]["value"] is not None}
    by_class = {
        name: {
            of: figures[name]["value"]
            for of, figures in scores["classes"].items()
            if figures[name]["value"] is not None
        }
        for name in BY_CLASS
    }
    held = {
        "of": scores["part"], "pixels": scores["pixels"], **overall, **by_class,
        "largest_class": scores["largest_class"], "caveat": scores["caveat"],
    }  # fmt: skip
    told: dict[str, Any] = {"held_out": {name: value for name, value in held.items() if value != ""}}
    if "mean_of_folds" in scores:
        told["mean_of_folds"] = scores["mean_of_folds"]
    if comparison is not None:
        told["baseline"] = {name: figure for name, figure in comparison.items() if name != "folds"}
        told["baseline"]["verdict"] = verdict(comparison)
    return told


def part_of(trials: Sequence[Trial], split: SplitSettings) -> str:
    """Of which places the scores are, in a sentence."""
    if len(trials) > 1:
        how = "windows" if split.by == "windows" else f"{split.by} dealt by seed {split.seed}"
        return (
            f"{len(trials)} folds ({how}, buffer {split.buffer} px): each is mapped by a network trained without it; "
            "this bundle's network is trained on all of them"
        )
    if trials[0].part == TEST:
        return f"the test part ({split.by}, buffer {split.buffer} px), which was not looked at in training"
    return "the validation part, which chose the weights: an independent test would score lower"
