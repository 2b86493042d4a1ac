"""Estimate: labelled samples to areas and accuracies with intervals. Read, put onto the map, estimate."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from geoseg.accuracy.damage import missing
from geoseg.accuracy.estimate_table import NO_CLASS, EstimateTable, tabulate
from geoseg.accuracy.mask_at import MaskAt
from geoseg.accuracy.plain_samples import read_plain
from geoseg.accuracy.samples import Samples
from geoseg.accuracy.samples_file import is_samples_file, read_samples
from geoseg.accuracy.settings import EstimateSettings
from geoseg.errors import InputRefused, UsageError
from geoseg.jobs.area import count_classes
from geoseg.jobs.sample import mask_of
from geoseg.legend import Legend
from geoseg.raster.classes import open_classes
from geoseg.raster.identity import sample_file

Areas = dict[int, tuple[int, float]]
"""Class value to pixels and m²."""


def estimate(
    samples: str | Path, *, mask: str | Path | None = None, settings: EstimateSettings | None = None, **options: Any
) -> EstimateTable:
    """Estimate the areas of a map's classes and how accurate it is, from labelled samples, with 95 % intervals.

    Parameters
    ----------
    samples
        What ``geoseg sample`` wrote, labelled since; or a CSV or vector file from elsewhere with a column of references.
    mask
        The map. With a file of ``geoseg sample`` it may be another map than the one that was sampled: strata stay those of
        the design, and the map is judged that is named here. With samples from elsewhere its classes are the strata, unless
        a table of strata says otherwise (``strata``); they are taken for a random sample of each stratum.
    settings, options
        :class:`geoseg.accuracy.settings.EstimateSettings`, whole or as keywords: ``interval="normal"``.

    Returns
    -------
    EstimateTable
        Areas are those of the strata with labelled samples; what that leaves out is in its notes.

    Raises
    ------
    InputRefused
        ``SAMPLES``, ``STRATA``: no such column, no sample is labelled, a reference is no class, sizes of strata are not
        known. ``LEGEND``: the map's classes are not those of the samples. Those of ``open_classes``.

    Notes
    -----
    The formulas stand in :mod:`geoseg.accuracy.estimators` and :mod:`geoseg.accuracy.intervals`.

    Examples
    --------
    >>> table = geoseg.estimate("labelled.gpkg")
    >>> table.overall.value
    1.0
    """
    settings = EstimateSettings.either(settings, options)
    at, mapped = None, None
    notes: tuple[str, ...] = ()
    if mask is not None:
        raster = open_classes(mask_of(mask), band=settings.band, nodata=settings.nodata, assume_crs=settings.assume_crs)
        at, notes = MaskAt.of(raster), raster.notes
    own = is_samples_file(samples)
    if own:
        _refuse_elsewhere(samples, settings)
        made = read_samples(samples, reference=settings.reference_field)
        mapped = _counted(samples, made.facts)
        notes += (lost,) if (lost := missing(made)) else ()
        if at is not None:
            made, said = _onto(samples, made, at)
            notes += said
    if at is not None:
        rows = [row for row in count_classes(at.raster) if row.n_pixels]
        mapped = {row.class_id: (row.n_pixels, row.area_m2) for row in rows}
    if not own:
        made = read_plain(samples, settings, at, rows if at is not None else ())
    _check(samples, made, strict=own)
    notes += tuple(json.loads(made.facts.get("said", "[]")))
    table = tabulate(made, mapped, interval=settings.interval, correction=settings.correction)
    return replace(table, notes=(*notes, *table.notes))


def _refuse_elsewhere(path: str | Path, settings: EstimateSettings) -> None:
    """Refuse what is asked of samples from elsewhere: geoseg's own file says it itself."""
    for name in ("map_field", "stratum_field", "strata", "layer"):
        if getattr(settings, name) is not None:
            what = (
                f"is of geoseg sample and says its strata and map classes itself: {name} is for tables from elsewhere"
            )
            raise UsageError.of("FIELDS", path, what, f"Leave --{name.replace('_', '-')} out")


def _counted(path: str | Path, facts: Mapping[str, str]) -> Areas | None:
    """Pixels and areas of the sampled map's classes, where the file says them."""
    try:
        told = json.loads(facts.get("classes", "null"))
        return {int(value): (int(n), float(m2)) for value, (n, m2) in told.items()} if told else None
    except (AttributeError, TypeError, ValueError) as error:
        what = f"its table of the map's classes is damaged ({error})"
        raise InputRefused.of("SAMPLES", path, what, "Take the file that geoseg sample wrote") from None


def _onto(path: str | Path, samples: Samples, at: MaskAt) -> tuple[Samples, tuple[str, ...]]:
    """Samples with the classes of another map, or the same ones where it is the map that was sampled."""
    name = Path(at.raster.path).name
    if samples.facts.get("fingerprint") == sample_file(at.raster.path):
        if np.array_equal(at.values(samples.row, samples.col), samples.map_class):  # also read in the same way
            return samples, ()
    if np.isnan(samples.x).any():
        raise InputRefused.of("SAMPLES", path, "has samples without a place", "Give the file that geoseg sample wrote")
    row, col = at.pixels(samples.x, samples.y, crs=samples.crs)
    values = at.values(row, col)
    legend, code = _joined(samples.legend, at.raster.legend, name)
    values = np.array([code.get(v, v) for v in values.tolist()], np.int64)
    notes = [
        f"the samples were drawn from {samples.facts.get('mask', 'another map')}: strata are its, {name} is judged"
    ]
    none = values < 0
    if none.any():
        free = next(v for v in (0, *range(65535, 0, -1)) if v not in legend.names)
        legend = Legend.of({**legend.names, free: NO_CLASS}, legend.colours)
        values = np.where(none, free, values)
        notes.append(f"{none.sum()} samples lie off {name}, or where it has no class: its errors, as {NO_CLASS}")
    strata = tuple(replace(s, map_class=None, classes=()) for s in samples.strata)
    return replace(samples, map_class=values, strata=strata, legend=legend), tuple(notes)


def _joined(samples: Legend, mask: Legend, name: str) -> tuple[Legend, dict[int, int]]:
    """The samples' legend, and the mask's values in it: by name where a name is there, which has to be so for all."""
    known = {text.casefold(): value for value, text in samples.names.items()}
    strange = [text for text in mask.names.values() if text.casefold() not in known]
    if strange:
        what = f"its classes {', '.join(strange)} are none of the samples'"
        there = ", ".join(samples.names.values())
        raise InputRefused.of("LEGEND", name, what, f"Name them as in the samples: {there}")
    return samples, {value: known[text.casefold()] for value, text in mask.names.items()}


def _check(path: str | Path, samples: Samples, *, strict: bool) -> None:
    """Refuse what cannot be estimated from; of geoseg's own files also references that are no class."""
    seen = samples.labelled
    if not seen.any():
        if not len(samples):
            raise InputRefused.of("SAMPLES", path, "has no sample on the map", "Check the map and the places")
        remedy = "Fill the column reference, in QGIS by the form"
        raise InputRefused.of("SAMPLES", path, "no sample is labelled", remedy)
    for s in samples.strata:
        n = int((samples.stratum[seen] == s.value).sum())
        if 0 < s.n_pixels < n:
            what = f"stratum {s.name} has {s.n_pixels} pixels and {n} labelled samples"
            raise InputRefused.of("STRATA", path, what, "Check the strata; a pixel is one sample")
    if not strict:
        return
    wrong = seen & ~np.isin(samples.reference, samples.legend.values)
    if wrong.any():
        i = int(np.flatnonzero(wrong)[0])
        what = f"sample {samples.sample_id[i]} has the reference {samples.reference[i]}, which is no class"
        classes = ", ".join(f"{value} {name}" for value, name in samples.legend.names.items())
        raise InputRefused.of("SAMPLES", path, what, f"The classes are: {classes[:300]}")
