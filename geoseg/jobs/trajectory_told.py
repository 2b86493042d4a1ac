"""Trajectory told: what can be said of the change over several dates, and what not, in a few sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from geoseg.report.words import percent


def said_of(record: Mapping[str, Any]) -> str:
    """The statement of a record, see :func:`geoseg.jobs.trajectory_products.record_of`."""
    final, naive = record["by_n_changes"], record["naive_by_n_changes"]
    if not any(row["area_ha"] for row in final):
        return "No pixel has a class at two dates, so nothing can be said of change."
    labels = record["dates"]["labels"]
    once, often = _shares(final)
    said = (
        f"Of the area with a class at two dates or more, {percent(once)} changes its class at least once from {labels[0]} "
        f"to {labels[-1]}, {percent(often)} more than once."
    )
    if record["flicker"]:
        return f"{said} {_filtered(record, naive)}"
    steps = [step["errors"] for step in record["steps"] if "errors" in step]
    if not steps:
        return f"{said} How much of that is the maps' own flicker is not known without their accuracy (--errors, --flicker)."
    return f"{said} {_explained(steps)}"


def _filtered(record: Mapping[str, Any], naive: Sequence[Mapping[str, float]]) -> str:
    flicker = record["flicker"]
    stays = ", ".join(f"{step['probability']:.4g}" for step in flicker["stay"])
    once, often = _shares(naive)
    errors = "; ".join(dict.fromkeys(side["errors"] for side in record["maps"]))
    return (
        f"As the maps have it, it would be {percent(once)} and {percent(often)}: the flicker filter takes out what is less "
        f"likely than an error of a map, if a pixel keeps its class from a date to the next with a probability of {stays} "
        f"({flicker['stay_is']}) and the maps err as stated ({errors}). {_kept(record)}"
    )


def _kept(record: Mapping[str, Any]) -> str:
    """What the filter keeps beside what is estimated: pixel by pixel it cannot keep what it cannot tell from an error."""
    kept = [step["changed"]["share"] for step in record["steps"]]
    real = [step["errors"]["estimated_share"] for step in record["steps"]]
    return (
        f"From a date to the next the filtered maps show {_range(kept)} of change; with the errors taken out, but not pixel by "
        f"pixel, {_range(real)} is estimated. A change that only the first or only the last map shows cannot be told from an "
        "error there, so the filtered maps show too little at the ends of the series."
    )


def _explained(steps: Sequence[Mapping[str, float]]) -> str:
    """What maps with these errors would show if nothing had changed, beside what they show."""
    seen, false, real = ([step[key] for step in steps] for key in ("observed_share", "false_share", "estimated_share"))
    said = (
        f"From a date to the next the maps differ on {_range(seen)} of the pixels; maps with the stated errors would differ on "
        f"{_range(false)} if nothing had changed"
    )
    if all(a <= b for a, b in zip(seen, false, strict=True)):
        return f"{said}: what they show is no more than their own errors explain."
    return f"{said}; with the errors taken out, {_range(real)} changes. The raster has not been filtered (--flicker)."


def _shares(rows: Sequence[Mapping[str, float]]) -> tuple[float, float]:
    """Shares that change at least once, and more than once."""
    return sum(row["share"] for row in rows[1:]), sum(row["share"] for row in rows[2:])


def _range(shares: Sequence[float]) -> str:
    low, high = percent(min(shares)), percent(max(shares))
    return low if low == high else f"{low} to {high}"
