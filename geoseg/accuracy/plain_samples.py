"""Plain samples: labelled points made elsewhere, of a CSV or any vector file, with strata of a mask or of a table."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from geoseg.accuracy.mask_at import MaskAt
from geoseg.accuracy.plain_table import Table, read_table
from geoseg.accuracy.samples import UNLABELLED, Ints, Samples, Stratum
from geoseg.accuracy.settings import EstimateSettings
from geoseg.errors import InputRefused, UsageError
from geoseg.legend import MOST, Legend
from geoseg.vector.measure import ClassArea

_MAP = ("map_class", "map")
_PLACES = (("row", "col"), ("x", "y"), ("lon", "lat"), ("longitude", "latitude"))
_EMPTY = {"", "null", "none", "nan", "na", "n/a"}
_NUMBER = re.compile(r"[-+]?[0-9.]+(e[-+]?[0-9]+)?", re.IGNORECASE)
_ALIKE = "pixels of a stratum count alike"


def read_plain(
    path: str | Path, settings: EstimateSettings, mask: MaskAt | None, counted: Sequence[ClassArea]
) -> Samples:
    """Read samples of a CSV or a vector file.

    Parameters
    ----------
    mask, counted
        The map, and the areas of its classes; it says what the map is at a sample where no column does, and how large strata
        are where ``settings.strata`` does not.

    Raises
    ------
    InputRefused
        ``SAMPLES``: no such column, a sample without a stratum. ``STRATA``: their sizes are not known. Those of
        :func:`geoseg.accuracy.plain_table.read_table`.
    """
    table = read_table(path, layer=settings.layer)
    words = _whole(table.column(settings.reference_field))
    named = _map_column(table, settings)
    strata_words = table.column(settings.stratum_field) if settings.stratum_field else None
    sizes = _sizes(path, settings, counted, mask)
    legend = _legend(mask, sizes, strata_words is None, [words, *([named] if named else [])])
    row, col = _places(table, mask) if mask is not None else (None, None)
    if named is not None:
        mapped = np.array([_value(word, legend) for word in named], np.int64)
    elif mask is not None and row is not None and col is not None:
        mapped = mask.values(row, col)
    else:
        what = "does not say what the map is at a sample"
        raise InputRefused.of("SAMPLES", path, what, "Name the column with --map-field, or the map with --mask")
    reference = np.array([UNLABELLED if _no(word) else _value(word, legend) for word in words], np.int64)
    nodata = str(mask.raster.nodata) if mask is not None else ""
    wrong = next(
        (w for w, v in zip(words, reference.tolist(), strict=True) if v < 0 and not _no(w) and w != nodata), None
    )
    if wrong is not None:
        raise InputRefused.of(
            "SAMPLES", path, f"the reference {wrong!r} is no class", f"Classes are names, or 0-{MOST}"
        )
    if strata_words is None:
        stratum = mapped
        strata = [_of_class(size, legend) for size in sizes]
        _check_classes(path, named or (), mapped, strata)
    else:
        stratum, strata = _by_name(path, strata_words, sizes)
    return _made(path, table, mask, (row, col), (stratum, mapped, reference), (tuple(strata), legend))


@dataclass(frozen=True, slots=True)
class _Size:
    """A stratum's number (None: not numbered), name, pixels (0: not known) and area, and the map class it is, if any."""

    number: int | None
    name: str
    n_pixels: int
    area_m2: float
    map_class: str | None


def _no(word: str) -> bool:
    return word.casefold() in _EMPTY


def _map_column(table: Table, settings: EstimateSettings) -> list[str] | None:
    if settings.map_field is not None:
        return _whole(table.column(settings.map_field))
    return next((_whole(table.columns[name]) for name in _MAP if name in table.columns), None)


def _whole(words: Sequence[str]) -> list[str]:
    """Words with ``3.0`` as ``3``: a column of numbers with empty cells is written so by some programs."""
    return [re.sub(r"^(\d+)\.0*$", r"\1", word) for word in words]


def _sizes(
    path: str | Path, settings: EstimateSettings, counted: Sequence[ClassArea], mask: MaskAt | None
) -> list[_Size]:
    """How large the strata are: by the table that was named, else by the mask's classes."""
    if settings.strata is not None:
        return _size_table(settings.strata)
    if mask is None:
        remedy = "Name the map with --mask, or a table with n_pixels and area_m2 with --strata"
        raise InputRefused.of("STRATA", path, "does not say how large the strata are", remedy)
    if settings.stratum_field is not None:
        remedy = "Name a table of strata with --strata, or leave --stratum-field out: strata are then the map's classes"
        raise UsageError.of("STRATA", settings.stratum_field, "strata of a column have no sizes in a mask", remedy)
    return [_Size(c.class_id, c.class_name, c.n_pixels, c.area_m2, str(c.class_id)) for c in counted if c.n_pixels]


def _size_table(path: str | Path) -> list[_Size]:
    """Strata of a CSV: stratum or class_id, names, n_pixels, area_m2 or area_ha, map_class."""
    table = read_table(path)
    there = table.columns
    key = next((name for name in ("stratum", "class_id", "name", "class_name") if name in there), None)
    area = next((name for name in ("area_m2", "area_ha") if name in there), None)
    if key is None or area is None:
        what = f"has no column {'stratum' if key is None else 'area_m2 or area_ha'}"
        raise InputRefused.of("STRATA", path, what, f"Its columns: {', '.join(there)}")
    names = next((there[n] for n in ("stratum_nm", "class_name", "name") if n in there), there[key])
    classes = there.get("map_class", there[key] if key in ("class_id", "class_name") else [""] * table.n)
    made = []
    for i, word in enumerate(there[key]):
        n = _number(path, there["n_pixels"][i], "n_pixels") if "n_pixels" in there else 0.0
        m2 = _number(path, there[area][i], area) * (1e4 if area == "area_ha" else 1.0)
        number = int(word) if word.isascii() and word.isdecimal() and int(word) <= MOST else None
        made.append(_Size(number, names[i] or word, int(n), m2, classes[i] or None))
    numbers = [s.number for s in made if s.number is not None]
    if not made or len(set(numbers)) != len(numbers) or len({s.name for s in made}) != len(made):
        raise InputRefused.of("STRATA", path, "names a stratum twice, or none", "Give one line for each stratum")
    return made


def _number(path: str | Path, cell: str, name: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise InputRefused.of("STRATA", path, f"{name} is {cell!r} in a line", "Numbers of 0 or more are needed")
    return value


def _legend(mask: MaskAt | None, sizes: Sequence[_Size], of_class: bool, columns: Sequence[list[str]]) -> Legend:
    """The classes: of the mask, else of the strata that are classes; then what stands in the samples besides."""
    names = dict(mask.raster.legend.names) if mask is not None else {}
    nodata = mask.raster.nodata if mask is not None else None
    if mask is None:
        free = iter(v for v in range(1, MOST) if v not in {s.number for s in sizes})
        for s in sizes:
            if of_class or s.map_class is not None:
                own = s.map_class if s.map_class is not None and not of_class else None
                if own is not None and own.isdecimal():
                    names.setdefault(int(own), s.name if own == str(s.number) else own)
                else:
                    names.setdefault(s.number if s.number is not None else next(free), own or s.name)
    known = {name.casefold() for name in names.values()}
    others = dict.fromkeys(w for column in columns for w in column if not _no(w) and w.casefold() not in known)
    numbers = {int(w) for w in others if w.isascii() and w.isdecimal() and int(w) <= MOST and int(w) != nodata}
    names |= {v: str(v) for v in sorted(numbers - names.keys())}
    for word in sorted(w for w in others if not _NUMBER.fullmatch(w)):
        names[max(names, default=0) + 1] = word
    return Legend.of(names) if names else Legend(())


def _value(word: str, legend: Legend) -> int:
    """The class of a name (whatever its case) or a value; the legend holds all that occur."""
    wanted = word.casefold()
    for value, name in legend.names.items():
        if name.casefold() == wanted:
            return value
    return int(word) if word.isascii() and word.isdecimal() and int(word) in legend.names else UNLABELLED


def _of_class(size: _Size, legend: Legend) -> Stratum:
    value = size.number if size.number is not None else _value(size.name, legend)
    return Stratum(value, size.name, value, size.n_pixels, size.area_m2, 0, (value,))


def _check_classes(path: str | Path, words: Sequence[str], mapped: Ints, strata: Sequence[Stratum]) -> None:
    """Refuse a class of the map's column that is no stratum: a slip of the pen, or another map."""
    known = {s.value for s in strata}
    wrong = next((w for w, v in zip(words, mapped.tolist(), strict=bool(words)) if not _no(w) and v not in known), None)
    if words and wrong is not None:
        there = ", ".join(s.name for s in strata)
        raise InputRefused.of("SAMPLES", path, f"the map's class of a sample is {wrong!r}", f"Its classes are: {there}")


def _by_name(path: str | Path, words: Sequence[str], sizes: Sequence[_Size]) -> tuple[Ints, list[Stratum]]:
    """Strata of a column, by number or name; ``sampled`` is not known and stands at 0."""
    free = iter(v for v in range(1, len(sizes) + MOST) if v not in {s.number for s in sizes})
    strata = [Stratum(s.number or next(free), s.name, None, s.n_pixels, s.area_m2, 0) for s in sizes]
    known = {s.name.casefold(): s.value for s in strata} | {str(s.number): s.number for s in sizes if s.number}
    wrong = next((word for word in words if word.casefold() not in known), None)
    if wrong is not None:
        there = ", ".join(s.name for s in strata)
        raise InputRefused.of("SAMPLES", path, f"a sample is of stratum {wrong!r}", f"The strata are: {there}")
    return np.array([known[word.casefold()] for word in words], np.int64), strata


def _places(table: Table, mask: MaskAt) -> tuple[Ints | None, Ints | None]:
    """Row and column of each sample on the mask, -1 where it lies off it; None where the table has no places."""
    if table.places is not None:
        return mask.pixels(*table.places, crs=table.crs)
    pair = next((names for names in _PLACES if all(name in table.columns for name in names)), None)
    if pair is None:
        return None, None
    try:
        first, second = (np.array([float(word) for word in table.columns[name]]) for name in pair)
    except ValueError as error:
        raise InputRefused.of("SAMPLES", table.path, f"a place is no number ({error})", "Mend the cell") from None
    if pair == ("row", "col"):
        return mask.cut(np.nan_to_num(first, nan=-1), np.nan_to_num(second, nan=-1))
    return mask.pixels(first, second, crs=None if pair == ("x", "y") else "OGC:CRS84")


def _made(
    path: str | Path,
    table: Table,
    mask: MaskAt | None,
    places: tuple[Ints | None, Ints | None],
    arrays: tuple[Ints, Ints, Ints],
    known: tuple[tuple[Stratum, ...], Legend],
) -> Samples:
    """The samples that lie in a stratum; notes are in the facts under ``said``, as JSON."""
    stratum, mapped, reference = arrays
    strata, legend = known
    row, col = (np.full(table.n, -1, np.int64) if part is None else part for part in places)
    kept = np.isin(stratum, [s.value for s in strata]) & (mapped >= 0)
    placed = mask is not None and bool((row[kept] >= 0).all())
    area = mask.areas(row, col) if mask is not None and placed else np.ones(table.n)
    method = mask.lattice.method if mask is not None else "as given"
    facts = {"area_method": method if placed else f"{method}; {_ALIKE}"}
    notes = []
    if not kept.all():
        notes.append(f"{(~kept).sum()} of {table.n} samples lie off the map, or where it has no class: left out")
    if placed and (twice := int(kept.sum()) - len(np.unique(np.stack([row[kept], col[kept]]), axis=1).T)):
        notes.append(f"{twice} of {table.n} samples lie in a pixel of another sample: standard errors may be too small")
    facts["said"] = json.dumps(notes)
    return Samples(
        np.arange(1, table.n + 1)[kept], row[kept], col[kept], np.full(kept.sum(), np.nan), np.full(kept.sum(), np.nan),
        stratum[kept], mapped[kept], area[kept], reference[kept], ("",) * int(kept.sum()), strata, legend, facts, "",
    )  # fmt: skip
