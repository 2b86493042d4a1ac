"""Sample: a class raster to random pixels that a person labels. Open, count, allocate, draw, write."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import geoseg
from geoseg.accuracy.allocation import Allocation, allocation_of
from geoseg.accuracy.draw import Border, Census, Drawn, Frame, count, draw, widest_reach
from geoseg.accuracy.samples import UNLABELLED, Samples, Stratum, with_labels_of
from geoseg.accuracy.samples_file import is_samples_file, read_samples, write_samples
from geoseg.accuracy.settings import MOST_REACH, SampleSettings
from geoseg.accuracy.strata import Rule, decide, read_groups
from geoseg.accuracy.transitions import all_pairs, is_change, is_persistence
from geoseg.errors import Conflict, InputRefused, UsageError
from geoseg.jobs.outputs import check_files
from geoseg.legend import MOST, Legend
from geoseg.raster.classes import ClassRaster, open_classes
from geoseg.raster.env import gdal_env
from geoseg.raster.identity import sample_file
from geoseg.raster.tiles import usable_threads
from geoseg.vector.lattice import Lattice

PIXEL_RULE = (
    "Pixels were drawn at random without replacement, those of one stratum with one probability (incl_prob). "
    "A sample is the square of its pixel: label the class that covers most of it."
)
_ORDER = 1 << 20
"""Seeds the order of the samples; no stratum has this number."""


@dataclass(frozen=True, slots=True)
class SampleResult:
    """The file, its strata with how many pixels each was to give and gave, and what to expect of it.

    ``expected_error`` is the standard error of the overall accuracy if the stated user's accuracies are right; None
    where none were stated or a stratum has one sample only.
    """

    path: Path
    total: int
    strata: tuple[Stratum, ...]
    area_method: str
    expected_error: float | None
    notes: tuple[str, ...]
    samples: Samples = field(repr=False)

    def facts(self) -> dict[str, Any]:
        """The same for JSON."""
        strata = [{**asdict(stratum), "incl_prob": stratum.incl_prob} for stratum in self.strata]
        told = {"path": str(self.path), "total": self.total, "strata": strata, "area_method": self.area_method}
        return {**told, "expected_error": self.expected_error, "notes": list(self.notes)}


def sample(
    mask: ClassRaster | str | Path, out: str | Path, *, settings: SampleSettings | None = None, **options: Any
) -> SampleResult:
    """Draw a stratified random sample of a mask's pixels and write it with its design, to be labelled.

    Strata are the classes, of a change map the transitions; groups of them (``group``, ``group_below``); and the pixels
    near borders (``buffer``, ``buffer_m``). Of each, pixels are drawn without replacement, with one probability; the
    same seed and map give the same pixels, whatever the blocks and threads, and the pixels of a smaller ``total`` are
    among those of a larger one. Areas of strata and pixels are true, whatever the CRS.

    Parameters
    ----------
    mask
        A class raster of any origin, what :func:`geoseg.raster.classes.open_classes` gave, or the folder of a run.
    out
        The GeoPackage to write: layer ``samples`` with a ``reference`` column to fill (in QGIS from a list of the
        classes; the form does not tell the map's class), tables ``design`` and ``design_facts``.
    settings, options
        :class:`geoseg.accuracy.settings.SampleSettings`, whole or as keywords: ``total=500``, ``allocation="neyman"``.

    Returns
    -------
    SampleResult
        The file, its strata, and the standard error to expect.

    Raises
    ------
    InputRefused
        The raster is none of classes, or no pixel has one.
    UsageError
        ``FORMAT``: the output's name does not end in .gpkg. ``LEGEND``: no class of a name that was given. ``TOTAL``:
        fewer samples than strata, or than their minimum. ``STRATA``, ``BUFFER``: groups or a buffer that cannot be.
    Conflict
        ``EXISTS``, ``INPUT``: the output would replace a file. ``LABELLED``: the file holds somebody's labels, and those
        are never replaced.

    Notes
    -----
    Memory: a few strips of about ``block_size`` x ``block_size`` pixels, and the samples.

    Examples
    --------
    >>> drawn = geoseg.sample("map/mask.tif", "samples.gpkg", total=60, seed=1)
    >>> sum(stratum.sampled for stratum in drawn.strata)
    60
    """
    settings = SampleSettings.either(settings, options)
    out = Path(out)
    if out.suffix.lower() != ".gpkg":
        raise UsageError.of("FORMAT", out, "samples are a GeoPackage, and its name does not say so", "Name it .gpkg")
    path = Path(mask.path) if isinstance(mask, ClassRaster) else mask_of(mask)
    check_files([out], [path, settings.labels], overwrite=settings.overwrite)
    _keep_labels(out)
    earlier = read_samples(settings.labels) if settings.labels is not None else None
    if not isinstance(mask, ClassRaster):
        mask = open_classes(path, band=settings.band, nodata=settings.nodata, assume_crs=settings.assume_crs)
    change = _is_change(mask, settings.change)
    lattice = Lattice(mask.geobox)
    threads = settings.threads or usable_threads()
    frame = Frame(mask.read, lattice, mask.nodata, _border(mask.legend, lattice, settings, change))
    with gdal_env(threads=1):
        census = count(frame, block_size=settings.block_size, threads=threads)
        parts = decide(census.cells, mask.legend, _rule(mask.legend, lattice, settings, change))
        design = allocation_of(path, census.cells, parts, lattice.unit_m2, settings)
        drawn = draw(frame, census, parts, [s.sampled for s in design.strata], seed=settings.seed, threads=threads)
    legend = all_pairs(mask.legend) if change else mask.legend
    facts = _facts(path, mask, settings, design, lattice) | {"is_change": json.dumps(change)}
    facts["classes"] = _areas_by_class(census, mask.nodata, lattice)
    made = _samples(drawn, design, lattice, legend, facts, settings.seed)
    notes = (*mask.notes, *design.notes)
    if earlier is not None:
        made, told = _labelled(made, earlier, settings.labels)
        notes = (*notes, *told)
    write_samples(out, made, mask.geobox, squares=settings.squares)
    return SampleResult(out, len(made), design.strata, lattice.method, design.expected_error, notes, made)


def mask_of(path: str | Path) -> Path:
    """The class raster of a run's folder (``mask.tif`` or ``change.tif``); a path to anything else as it is."""
    path = Path(path)
    there = [path / name for name in ("mask.tif", "change.tif") if (path / name).is_file()] if path.is_dir() else []
    return there[0] if there else path


def _keep_labels(out: Path) -> None:
    """Refuse to replace what a person labelled."""
    if is_samples_file(out) and (n := int(read_samples(out).labelled.sum())):
        remedy = "Choose another OUT; --labels takes the labels over"
        raise Conflict.of("LABELLED", out, f"holds {n} labels, which are never replaced", remedy)


def _labelled(samples: Samples, earlier: Samples, path: object) -> tuple[Samples, tuple[str, ...]]:
    """The samples with labels taken over, and how many of those found no place."""
    if earlier.facts.get("grid") != samples.facts["grid"]:
        raise InputRefused.of("SAMPLES", path, "is of another grid than the mask", "Labels are taken over on one grid")
    made = with_labels_of(samples, earlier)
    had, kept = int(earlier.labelled.sum()), int(made.labelled.sum())
    lost = f", {had - kept} are of pixels that are not drawn now" if had > kept else ""
    return made, (f"{kept} of {len(made)} samples are labelled already{lost}",)


def _is_change(mask: ClassRaster, stated: bool | None) -> bool:
    if stated and not all(value >> 8 and value & 255 for value in mask.legend.values):
        what = "has classes that are no transitions (from * 256 + to)"
        raise UsageError.of("CHANGE", mask.path, what, "Leave --change out")
    return is_change(mask.legend) if stated is None else stated


def _rule(legend: Legend, lattice: Lattice, settings: SampleSettings, change: bool) -> Rule:
    kept = frozenset(legend.value_of(name) for name in settings.classes) or frozenset(range(MOST + 1))

    def other(value: int) -> str:
        return "other classes" if not change else "other persistence" if is_persistence(value) else "other changes"

    border = "near change" if change and not settings.buffer_around else "border"
    if settings.buffer_around:
        border = "near " + ", ".join(legend.names[legend.value_of(name)] for name in settings.buffer_around)
    least = int(min(np.ceil(settings.group_below / lattice.unit_m2), 2.0**63))
    return Rule(kept, read_groups(settings.group, legend), least, border, other)


def _border(legend: Legend, lattice: Lattice, settings: SampleSettings, change: bool) -> Border | None:
    limit = settings.buffer or settings.buffer_m
    if not limit:
        return None
    around = None
    if settings.buffer_around or change:
        around = np.zeros(MOST + 1, bool)
        around[[legend.value_of(name) for name in settings.buffer_around]] = True
        if not settings.buffer_around:
            around[[value for value in legend.values if not is_persistence(value)]] = True
    reach = widest_reach(lattice, limit) if settings.buffer_m else limit
    if not 1 <= reach <= MOST_REACH:
        what = f"the buffer spans {reach:.4g} pixels, and 1 to {MOST_REACH} are possible"
        raise UsageError.of("BUFFER", f"{limit:g}", what, "Give another width, or one in pixels")
    return Border(limit, bool(settings.buffer_m), around, int(reach))


def _facts(
    path: Path, mask: ClassRaster, settings: SampleSettings, design: Allocation, lattice: Lattice
) -> dict[str, str]:
    """What the file says of the design, as text."""
    rows, cols = mask.geobox.shape
    own = settings.model_dump(
        mode="json", exclude={"threads", "block_size", "overwrite", "squares", "change", "labels"}
    )
    return {
        "geoseg": geoseg.__version__,
        "mask": path.name,
        "fingerprint": sample_file(mask.path),
        "seed": str(settings.seed),
        "allocation": settings.allocation,
        "total": str(sum(s.sampled for s in design.strata)),
        "min_per_class": str(design.minimum),
        "area_method": lattice.method,
        "pixel_rule": PIXEL_RULE,
        "grid": json.dumps({"shape": [rows, cols], "transform": list(mask.geobox.transform)}),
        "settings": json.dumps(own, sort_keys=True, ensure_ascii=False),
    }


def _areas_by_class(census: Census, nodata: int, lattice: Lattice) -> str:
    """Pixels and m² of each class on the map as JSON: strata that hold several classes do not tell."""
    n_pixels, units = census.cells.n_pixels.sum(axis=0), census.cells.units.sum(axis=0)
    there = [value for value in np.flatnonzero(n_pixels).tolist() if value != nodata]
    return json.dumps({value: (int(n_pixels[value]), int(units[value]) * lattice.unit_m2) for value in there})


def _samples(
    drawn: Drawn, design: Allocation, lattice: Lattice, legend: Legend, facts: dict[str, str], seed: int
) -> Samples:
    """The samples in random order, so that whoever labels the first ones labels some of every stratum."""
    order = np.random.default_rng([seed, _ORDER]).permutation(len(drawn.row))
    row, col = drawn.row[order], drawn.col[order]
    a, b, c, d, e, f = lattice.geobox.transform
    values = np.array([stratum.value for stratum in design.strata], np.int64)
    area = np.asarray(drawn.units[order] * lattice.unit_m2, np.float64)
    return Samples(
        np.arange(1, len(row) + 1, dtype=np.int64), row, col,
        c + a * (col + 0.5) + b * (row + 0.5), f + d * (col + 0.5) + e * (row + 0.5),
        values[drawn.part[order]], drawn.value[order], area,
        np.full(len(row), UNLABELLED, np.int64), ("",) * len(row), design.strata, legend, facts, lattice.geobox.crs,
    )  # fmt: skip
