"""Labels: the main path of ``geoseg labels check``: a file of labels against the scene that it is for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from geoseg.errors import InputRefused
from geoseg.legend import Legend
from geoseg.raster.classes import open_classes
from geoseg.raster.files import complete_or_absent
from geoseg.raster.scene import Scene
from geoseg.training.checking.checks import tidy
from geoseg.training.checking.conflicts import alike_names, conflicts
from geoseg.training.checking.finding import Finding
from geoseg.training.data.label_vectors import VectorLabels, words_of
from geoseg.training.data.labelled import LabelledScene
from geoseg.training.data.labels import is_vector, open_labels, windows_of
from geoseg.training.settings.data import LabelSettings

_MOST = 254


@dataclass(frozen=True, slots=True)
class LabelReport:
    """What a file of labels is on a scene's grid: pixels by class, how much of the scene, what is wrong with it."""

    labels: str
    scene: str
    classes: Mapping[str, int]
    labelled_share: float
    on_nodata: int
    notes: tuple[str, ...]
    findings: tuple[Finding, ...]

    def to_json(self) -> str:
        """All but the places, as JSON."""
        told = {
            "labels": self.labels,
            "scene": self.scene,
            "classes": dict(self.classes),
            "labelled_share": round(self.labelled_share, 6),
            "on_nodata": self.on_nodata,
            "notes": list(self.notes),
            "findings": [finding.to_json() for finding in self.findings],
        }
        return json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def write(self, path: str | Path) -> None:
        """Write the findings as GeoJSON (RFC 7946), one feature for each place; a finding without one has no geometry."""
        features: list[dict[str, Any]] = []
        for finding in self.findings:
            told = {key: value for key, value in finding.to_json().items() if key != "numbers"}
            for place in finding.places or (None,):
                features.append({"type": "Feature", "geometry": place, "properties": told})
        with complete_or_absent(path) as temporary:
            text = json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False)
            temporary.write_text(text + "\n", encoding="utf-8")


def check_labels(settings: LabelSettings, scene: Scene) -> LabelReport:
    """Check labels against a scene; the classes are those that the file has.

    Raises
    ------
    InputRefused
        Those of :func:`geoseg.training.data.labels.open_labels`; ``CLASSES``: more than 254 classes.
    """
    names = names_in(settings)
    if not 0 < len(names) <= _MOST:
        what = f"has {len(names)} classes, and 1 to {_MOST} can be checked"
        raise InputRefused.of("CLASSES", settings.path, what, "Name the field or band that holds classes")
    legend = Legend.of(list(names.values()))
    recode = {code: value for value, code in enumerate(names, start=1)}
    labelled = LabelledScene(scene.name, scene, open_labels(settings, scene.geobox, legend, recode), legend)
    counts, on_nodata, valid = _count(labelled)
    where = Path(settings.path).name
    found = [*labelled.labels.findings(), *alike_names(names.values(), where)]
    if isinstance(labelled.labels, VectorLabels):
        found += conflicts(labelled.labels.drawing, scene.geobox, legend, where)
    total = int(counts.sum())
    if on_nodata > 0.01 * (total + on_nodata):
        what = f"{on_nodata} labelled pixels have no data in the scene ({on_nodata / (total + on_nodata):.1%})"
        remedy = "Fine at a scene's edge; else check the pair of files, their CRS, and nodata"
        found.append(Finding("warning", "LABELS_ON_NODATA", where, what, remedy))
    if not total and not on_nodata and not any(finding.level == "error" for finding in found):
        remedy = "Check that geometries are not empty, and larger than a pixel"
        found.append(Finding("error", "NO_LABELS", where, "no pixel of the scene gets a label", remedy))
    by_name = {name: int(counts[value]) for value, name in legend.names.items()}
    notes = (*scene.notes, *labelled.labels.notes)
    return LabelReport(where, scene.name, by_name, total / max(valid, 1), on_nodata, notes, tidy(found))


def names_in(settings: LabelSettings, *, coded: bool = True) -> dict[int | str, str]:
    """Codes or words of the file, and what they are called; ``coded``: with the code before the name."""
    if is_vector(settings.path):
        return {word: word for word in words_of(settings)}
    raster = open_classes(settings.path, band=settings.band, nodata=settings.nodata, assume_crs=settings.assume_crs)
    occurring = _occurring(raster)
    names = {value: name for value, name in raster.legend.names.items() if value in occurring}
    return {value: f"{value} {name}" if coded and name != str(value) else name for value, name in names.items()}


def _occurring(raster: Any) -> set[int]:
    """Class values that occur: a palette names 256 of them."""
    there = np.zeros(65536, bool)
    for window in windows_of(raster.geobox.shape):
        there[np.unique(raster.read(window))] = True
    return set(np.flatnonzero(there).tolist())


def _count(scene: LabelledScene) -> tuple[np.ndarray[Any, np.dtype[np.int64]], int, int]:
    """Labelled valid pixels by class value, labelled ones without data, and valid ones."""
    counts, on_nodata, valid_pixels = np.zeros(256, np.int64), 0, 0
    for window in windows_of(scene.shape):
        raw = scene.labels.read(window)
        _, valid, label = scene.read(window)
        counts += np.bincount(label.reshape(-1), minlength=256)
        on_nodata += int(((raw != scene.legend.nodata) & ~valid).sum())
        valid_pixels += int(valid.sum())
    counts[scene.legend.nodata] = 0
    return counts, on_nodata, valid_pixels
