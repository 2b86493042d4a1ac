"""Bundle content: what a page says of a bundle: how good it is and on what that was measured, and what it was made of."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from geoseg.model.bundle import Bundle
from geoseg.report.charts import Line, curve_of, reliability_of
from geoseg.report.content import LegendLine, legend_lines
from geoseg.report.scores_told import Figure, ScoresTold, figure_of, measured_on, scores_of
from geoseg.report.vision import clash_notes
from geoseg.report.words import Headline, Rows, Section, number, rows_of, settings_rows

_MOST_SQUARE = 24
_MOST_PICTURE = 900_000
"""Bytes of a picture that is shown on the page; a larger one is left to its file."""
FILES = {
    "card.json": "what the bundle is: a STAC Item with MLM fields",
    "weights.safetensors": "the network's weights", "model.onnx": "the network as a graph",
    "sample.safetensors": "chips to test it with", "scores.json": "all scores with intervals",
    "confusion.png": "labels against map", "reliability.png": "confidence against accuracy",
    "metrics.jsonl": "loss and scores by step", "curves.png": "the same as a picture",
    "split.geojson": "which places were trained on, validate and test", "split.png": "the same as a picture",
    "findings.json": "what the checks found in the data",
}  # fmt: skip
_SCORED = ("iou", "f1", "precision", "recall")


@dataclass(frozen=True, slots=True)
class ClassScores:
    """One class: its scores, those of boundaries left out, and its pixels in the labels and on the map."""

    name: str
    colour: str
    iou: Figure
    f1: Figure
    precision: Figure
    recall: Figure
    label_pixels: int
    mask_pixels: int


@dataclass(frozen=True, slots=True)
class BundleData:
    """Everything that the page of a bundle shows; texts are plain, the page escapes them."""

    title: str
    subtitle: str
    lines: tuple[LegendLine, ...] = ()
    legend_notes: tuple[str, ...] = ()
    headlines: tuple[Headline, ...] = ()
    warnings: tuple[str, ...] = ()
    scores: ScoresTold | None = None
    classes: tuple[ClassScores, ...] = ()
    names: tuple[str, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    loss: Line | None = None
    looks: Line | None = None
    reliability: Line | None = None
    split: str = ""
    steps: tuple[tuple[str, float], ...] = ()
    sections: tuple[Section, ...] = ()
    files: Rows = ()


def report_of_bundle(bundle: Bundle, beside: Mapping[str, bytes]) -> BundleData:
    """Say what a bundle holds; ``beside`` are the files that lie beside the model, by name."""
    scores = _json(beside, "scores.json", {})
    told = _told(bundle, scores)
    metrics = _lines(beside.get("metrics.jsonl", b""))
    return BundleData(
        title=f"Bundle {bundle.name} {bundle.version}",
        subtitle=str(json.loads(bundle.card)["properties"].get("description") or bundle.id),
        lines=legend_lines(bundle.legend),
        legend_notes=clash_notes(bundle.legend),
        headlines=tuple(_headlines(bundle, told)),
        warnings=tuple(_warnings(told, scores, _json(beside, "findings.json", []))),
        scores=told,
        classes=tuple(_classes(bundle, scores)),
        **_confusion(scores),
        loss=curve_of([(m["step"], m["loss"]) for m in metrics if _is_number(m.get("loss"))], smooth=True),
        looks=curve_of([(m["step"], m["mean_iou"]) for m in metrics if _is_number(m.get("mean_iou"))], top=1.0),
        reliability=reliability_of(scores.get("reliability") or ()),
        split=_picture(beside.get("split.png", b"")),
        sections=tuple(section for section in _sections(bundle) if section.rows),
        files=tuple(_files(bundle)),
    )


def _told(bundle: Bundle, scores: Mapping[str, Any]) -> ScoresTold | None:
    """All scores of ``scores.json``, else what the card says."""
    card = scores_of(json.loads(bundle.scores))
    if not isinstance(scores.get("overall"), Mapping):
        return card
    figures = tuple(figure_of(name, told) for name, told in scores["overall"].items())
    others = card.others if card else ()
    return ScoresTold(
        figures, measured_on(scores.get("part"), scores.get("pixels")), str(scores.get("caveat") or ""), others
    )


def _headlines(bundle: Bundle, told: ScoresTold | None) -> Iterator[Headline]:
    known = {one.name: one for one in told.figures} if told else {}
    for name in ("Overall accuracy", "F1, mean of the classes", "IoU, mean of the classes"):
        one = known.get(name)
        if one is not None and one.value is not None:
            span = f"95 %: {one.low:.3f} to {one.high:.3f}" if one.low is not None else ""
            alone = f"largest class alone {one.alone:.3f}" if one.alone is not None else ""
            yield Headline(name, f"{one.value:.3f}", "; ".join(part for part in (span, alone) if part))
    yield Headline("Classes", number(len(bundle.legend.classes)))
    yield Headline("Bands", number(len(bundle.bands)), ", ".join(band.name for band in bundle.bands)[:80])


def _warnings(
    told: ScoresTold | None, scores: Mapping[str, Any], findings: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    if told is None:
        yield "The bundle names no scores: how good its maps are is not known."
    elif told.caveat:
        yield told.caveat
    better = (scores.get("baseline") or {}).get("better")
    if better is False:
        yield "The network does not do better than gradient boosting on single pixels with their surroundings."
    yield from (str(note) for note in scores.get("notes") or ())
    for finding in findings:
        what = f"{finding.get('where')}: {finding.get('what')}"
        yield f"{what}. {finding['remedy']}." if finding.get("remedy") else f"{what}."


def _classes(bundle: Bundle, scores: Mapping[str, Any]) -> Iterator[ClassScores]:
    colours = {line.name: line.colour for line in legend_lines(bundle.legend)}
    for name, row in (scores.get("classes") or {}).items():
        iou, f1, precision, recall = (figure_of(score, row.get(score) or {}) for score in _SCORED)
        pixels = int(row["label_pixels"]), int(row["mask_pixels"])
        yield ClassScores(str(name), colours.get(name, "#808080"), iou, f1, precision, recall, *pixels)


def _confusion(scores: Mapping[str, Any]) -> dict[str, Any]:
    table = scores.get("confusion") or {}
    names = table.get("classes") or ()
    if not 0 < len(names) <= _MOST_SQUARE:
        return {}
    counts = tuple(tuple(int(n) for n in row) for row in table["counts"])
    return {"names": tuple(str(name) for name in names), "confusion": counts}


def _sections(bundle: Bundle) -> Iterator[Section]:
    properties = json.loads(bundle.card)["properties"]
    training = properties["geoseg:bundle"].get("training") or {}
    yield Section("Network", rows_of(_network(bundle, properties)))
    bands = ((band.name, f"mean {band.mean:.6g}, standard deviation {band.std:.6g}") for band in bundle.bands)
    yield Section("Bands", rows_of(bands))
    yield Section("Trained on", rows_of(_trained_on(training)))
    for key, title in (("fit", "Training"), ("samples", "Crops"), ("augment", "Augmentation"), ("loss", "Loss")):
        yield Section(title, rows_of(settings_rows(training.get(key) or {})))
    yield Section("Calibration of the confidence", rows_of(settings_rows(training.get("calibration") or {})))


def _network(bundle: Bundle, properties: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    network = bundle.network
    yield "Kind", bundle.kind
    yield "Architecture", f"{network.architecture}, encoder {network.encoder}" if network else None
    yield "Chip", f"{bundle.chip_size} px, halo {bundle.halo} px, aligned to {bundle.align} px"
    yield "Units", bundle.units
    yield "Licence", properties.get("license")
    yield "Digest", bundle.digest


def _trained_on(training: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    scenes = training.get("scenes") or ()
    yield "Scenes", ", ".join(str(scene.get("name")) for scene in scenes[:20])
    for name, pixels in (training.get("labels") or {}).items():
        yield str(name), f"{number(pixels)} labelled pixels"
    split = training.get("split") or {}
    yield "Kept for tests by", split.get("by")
    yield "Steps", training.get("steps")
    yield "Licence of the data", training.get("licence")
    yield "Digest of the data", training.get("digest")


def _files(bundle: Bundle) -> Iterator[tuple[str, str]]:
    weights, sample = bundle.weights.rpartition("/")[2], (bundle.sample or "").rpartition("/")[2]
    for name in dict.fromkeys(("card.json", weights, sample, *bundle.beside)):
        if name:
            yield name, FILES.get(name, "")


def _json(beside: Mapping[str, bytes], name: str, nothing: Any) -> Any:
    """A file beside the model; ``nothing`` where it is not there, or is of another form."""
    try:
        found = json.loads(beside.get(name, b""))
    except ValueError:
        return nothing
    return found if isinstance(found, type(nothing)) else nothing


def _lines(text: bytes) -> list[dict[str, Any]]:
    found = []
    for line in text.decode("utf-8", "replace").splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            break
    return [line for line in found if isinstance(line, dict) and _is_number(line.get("step"))]


def _picture(png: bytes) -> str:
    if not png.startswith(b"\x89PNG") or len(png) > _MOST_PICTURE:
        return ""
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
