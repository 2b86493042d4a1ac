"""Report: ``scores.json`` as lines for a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

JUDGES = ("kappa", "macro_f1")
"""Scores by which a network is compared with gradient boosting."""
_ZONE_SCORES = ("overall_accuracy", "kappa", "macro_f1", "mean_iou")


def table(scores: Mapping[str, Any]) -> str:
    """The overall scores with their intervals, the scores of each class, and the main ones of each zone and scene."""
    blocks = scores["blocks"]
    lines = [
        f"{scores['pixels']:,} pixels ({scores['part']}), {blocks['count']} blocks of up to {blocks['side']} pixels' side",
        "",
        *_aligned(_overall(scores)),
        "",
        *_aligned(_classes(scores["classes"])),
    ]
    for kind in ("scenes", "zones"):
        if len(scores[kind]) > (kind == "scenes"):
            lines += ["", *_aligned(_groups(kind, scores[kind]))]
    if "folds" in scores:
        lines += ["", *_aligned(_folds(scores))]
    if "baseline" in scores:
        lines += ["", *_aligned(_versus(scores["baseline"])), verdict(scores["baseline"])]
    return "\n".join([*lines, "", *_said(scores)]) + "\n"


def verdict(comparison: Mapping[str, Any]) -> str:
    """Whether the network beats gradient boosting, in a sentence."""
    if comparison["better"]:
        return (
            "The network does better than gradient boosting on pixels with their surroundings, in kappa and macro-F1."
        )
    return (
        "The network does NOT do better than gradient boosting on pixels with their surroundings: "
        "what it knows of shapes is worth nothing here."
    )


def _overall(scores: Mapping[str, Any]) -> Iterator[list[str]]:
    yield ["score", "value", "95 % interval", f"only {scores['largest_class']}"]
    for name, score in scores["overall"].items():
        yield [name, _figure(score["value"]), _span(score), _figure(score["largest_class"])]


def _classes(classes: Mapping[str, Any]) -> Iterator[list[str]]:
    names = [name for name, score in next(iter(classes.values())).items() if isinstance(score, Mapping)]
    yield ["class", *names, "label_pixels", "mask_pixels"]
    for name, row in classes.items():
        scores = [_figure(row[score]["value"]) for score in names]
        yield [name, *scores, f"{row['label_pixels']:,}", f"{row['mask_pixels']:,}"]


def _groups(kind: str, groups: Mapping[str, Any]) -> Iterator[list[str]]:
    yield [kind, "pixels", *_ZONE_SCORES]
    for name, group in groups.items():
        figures = [group["overall"][score] for score in _ZONE_SCORES]
        yield [
            name,
            f"{group['pixels']:,}",
            *(f"{_figure(score['value'])} {_span(score)}".strip() for score in figures),
        ]


def _folds(scores: Mapping[str, Any]) -> Iterator[list[str]]:
    yield ["fold", *_ZONE_SCORES]
    for name, fold in scores["folds"].items():
        yield [name, *(f"{_figure(fold[score]['value'])} {_span(fold[score])}".strip() for score in _ZONE_SCORES)]
    yield ["mean of folds", *(_figure(scores["mean_of_folds"][score]) for score in _ZONE_SCORES)]


def _versus(baseline: Mapping[str, Any]) -> Iterator[list[str]]:
    means = baseline.get("mean_of_folds", {})
    yield [
        "baseline",
        "network",
        "boosting",
        "difference",
        "95 % interval",
        *(["boosting, mean of folds"] if means else []),
    ]
    for name in JUDGES:
        pair = baseline[name]
        difference = pair["difference"]
        row = [
            name,
            *(_figure(value) for value in (pair["network"], pair["baseline"], difference["value"])),
            _span(difference),
        ]
        yield [*row, _figure(means[name])] if means else row


def _said(scores: Mapping[str, Any]) -> Iterator[str]:
    yield f"boundaries at {scores['boundary_m']} m; intervals: {scores['intervals']['how']}"
    yield from (line for line in (scores["caveat"], *scores["notes"]) if line)


def _aligned(rows: Iterator[Sequence[str]]) -> Iterator[str]:
    """Columns side by side: the first from the left, numbers from the right."""
    held = list(rows)
    widths = [max(len(row[i]) for row in held) for i in range(len(held[0]))]
    for row in held:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        yield "  ".join(cells).rstrip()


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _span(score: Mapping[str, float | None]) -> str:
    return "" if score["low"] is None else f"{_figure(score['low'])}..{_figure(score['high'])}"
