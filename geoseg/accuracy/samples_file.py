"""Samples file: samples to a GeoPackage that is labelled in QGIS, and back.

Three tables: ``samples`` (a feature each), ``design`` (a row for each stratum) and ``design_facts`` (key, value).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geoseg.accuracy.damage import refuse_damage
from geoseg.accuracy.form import sample_qml
from geoseg.accuracy.samples import UNLABELLED, Samples, Stratum
from geoseg.errors import InputRefused
from geoseg.grid.geobox import GeoBox
from geoseg.legend import MOST, Legend
from geoseg.raster.files import complete_or_absent, disk_error
from geoseg.vector.features import distrusted
from geoseg.vector.ogr import WHEN, same_bytes
from geoseg.vector.style import store_qml

if TYPE_CHECKING:
    import pyarrow as pa

LAYER, DESIGN, FACTS = "samples", "design", "design_facts"

HIDDEN = ("row", "col", "stratum", "stratum_nm", "map_class", "map_name", "incl_prob", "weight", "area_m2")
"""Columns that the form in QGIS does not show."""

_NEEDED = ("sample_id", "row", "col", "stratum", "map_class", "area_m2", "reference")
_REMEDY = "Give a file that geoseg sample wrote, or name its columns and the mask"


def write_samples(path: str | Path, samples: Samples, geobox: GeoBox, *, squares: bool = False) -> None:
    """Write samples, complete or not at all; the same samples give the same bytes.

    Parameters
    ----------
    geobox
        The mask's grid.
    squares
        Draw each sample as the square of its pixel; by default it is the pixel's centre.

    Raises
    ------
    ResourceError
        ``DISK``.
    """
    import pyogrio.errors as ogr

    with complete_or_absent(path) as temporary:
        try:
            _write_tables(temporary, samples, geobox, squares)
            _finish(temporary, samples, sample_qml(samples.legend, HIDDEN, points=not squares))
        except (ogr.DataSourceError, ogr.DataLayerError, ogr.FeatureError, sqlite3.Error) as error:
            raise disk_error(path, " ".join(str(error).split())) from error


def read_samples(path: str | Path, *, reference: str = "reference") -> Samples:
    """Read what :func:`write_samples` wrote, labelled by then or not; samples that somebody deleted are missing.

    Parameters
    ----------
    reference
        The column of labels, where somebody added one for a second interpreter.

    Raises
    ------
    InputRefused
        ``NOT_FOUND``, ``FORMAT``, and ``SAMPLES``: a table or a column is missing, a reference is no whole number in
        0-65535, a sample's stratum is not in the design, an id occurs twice, and what :func:`refuse_damage` finds.
    """
    import pyogrio

    def read() -> tuple[Any, Any, Any]:
        there = {str(name) for name, _ in pyogrio.list_layers(path)}
        for name in (LAYER, DESIGN, FACTS):
            if name not in there:
                raise InputRefused.of("SAMPLES", path, f"has no table {name}", _REMEDY)
        return tuple(pyogrio.read_arrow(path, layer=name) for name in (LAYER, DESIGN, FACTS))

    if Path(path).suffix.lower() != ".gpkg":
        what = "is no GeoPackage" if Path(path).exists() else "is not a file"
        raise InputRefused.of("FORMAT" if Path(path).exists() else "NOT_FOUND", path, what, _REMEDY)
    (meta, rows), (_, design), (_, told) = distrusted(Path(path), read)
    for name in (*_NEEDED, reference):
        if name not in rows.column_names:
            raise InputRefused.of("SAMPLES", path, f"has no column {name}", _REMEDY)
    facts = {str(key): str(value) for key, value in zip(*(told[c].to_pylist() for c in ("key", "value")), strict=True)}
    labels = rows[reference]
    made = _samples(Path(path), rows, labels, _read_strata(path, design), facts, meta)
    refuse_damage(path, made)
    return made


def is_samples_file(path: str | Path) -> bool:
    """Whether a file has the tables of :func:`write_samples`; False too where it cannot be read."""
    import pyogrio

    if Path(path).suffix.lower() != ".gpkg" or not Path(path).is_file():
        return False
    try:
        there = {str(name) for name, _ in distrusted(Path(path), lambda: pyogrio.list_layers(path))}
    except InputRefused:
        return False
    return there >= {LAYER, DESIGN, FACTS}


def _write_tables(path: Path, samples: Samples, geobox: GeoBox, squares: bool) -> None:
    import pyogrio

    tables = [(LAYER, _sample_table(samples, geobox, squares)), (DESIGN, _design_table(samples.strata))]
    tables.append((FACTS, _facts_table(samples.facts, samples.legend)))
    with same_bytes(path):
        for name, table in tables:
            shape: dict[str, Any] = {}
            if name == LAYER:
                kind = "Polygon" if squares else "Point"
                shape = {"geometry_name": "geom", "geometry_type": kind, "crs": samples.crs or None}
                shape["dataset_options"] = {"VERSION": "1.2"}  # later ones make GDAL before 3.11 warn
            pyogrio.write_arrow(table, path, layer=name, driver="GPKG", **shape)


def _sample_table(samples: Samples, geobox: GeoBox, squares: bool) -> pa.Table:
    import pyarrow as pa
    import shapely

    names = {stratum.value: stratum.name for stratum in samples.strata}
    classes = samples.legend.names
    unlabelled = ~samples.labelled
    if squares:
        a, b, c, d, e, f = geobox.transform
        around = [(samples.col + dc, samples.row + dr) for dc, dr in ((0, 0), (0, 1), (1, 1), (1, 0), (0, 0))]
        ring = [np.stack([c + a * col + b * row, f + d * col + e * row], axis=-1) for col, row in around]
        shapes = shapely.polygons(np.stack(ring, axis=1))
    else:
        shapes = shapely.points(samples.x, samples.y)
    return pa.table(
        {
            "sample_id": pa.array(samples.sample_id, pa.int32()),
            "reference": pa.array(samples.reference, pa.int32(), mask=unlabelled),
            "notes": pa.array([note or None for note in samples.notes], pa.string()),
            "row": pa.array(samples.row, pa.int32()),
            "col": pa.array(samples.col, pa.int32()),
            "stratum": pa.array(samples.stratum, pa.int32()),
            "stratum_nm": pa.array([names[value] for value in samples.stratum.tolist()], pa.string()),
            "map_class": pa.array(samples.map_class, pa.int32()),
            "map_name": pa.array([classes.get(v, str(v)) for v in samples.map_class.tolist()], pa.string()),
            "incl_prob": samples.incl_prob,
            "weight": samples.weight,
            "area_m2": samples.area_m2,
            "geom": pa.array(shapely.to_wkb(shapes).tolist(), pa.binary()),
        }
    )


def _design_table(strata: tuple[Stratum, ...]) -> pa.Table:
    import pyarrow as pa

    return pa.table(
        {
            "stratum": pa.array([s.value for s in strata], pa.int32()),
            "stratum_nm": pa.array([s.name for s in strata], pa.string()),
            "map_class": pa.array([s.map_class for s in strata], pa.int32()),
            "classes": pa.array([json.dumps(s.classes) for s in strata], pa.string()),
            "n_pixels": pa.array([s.n_pixels for s in strata], pa.int64()),
            "area_m2": pa.array([s.area_m2 for s in strata], pa.float64()),
            "sampled": pa.array([s.sampled for s in strata], pa.int64()),
            "incl_prob": pa.array([s.incl_prob for s in strata], pa.float64()),
        }
    )


def _facts_table(facts: Mapping[str, str], legend: Legend) -> pa.Table:
    import pyarrow as pa

    told = {**facts, "legend": legend.to_json()}
    return pa.table({"key": pa.array(told, pa.string()), "value": pa.array(told.values(), pa.string())})


def _finish(path: Path, samples: Samples, qml: str) -> None:
    """Add the form, and make sure that every sample arrived: GDAL may swallow what fails while closing."""
    file = sqlite3.connect(path)
    try:
        with file:
            file.execute("PRAGMA synchronous = OFF")
            store_qml(file, LAYER, qml, WHEN)
        counts = [file.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in (LAYER, DESIGN)]
    finally:
        file.close()
    if counts != [len(samples), len(samples.strata)]:
        raise sqlite3.OperationalError(f"{counts} rows of {[len(samples), len(samples.strata)]} were written")


def _read_strata(path: str | Path, table: pa.Table) -> tuple[Stratum, ...]:
    try:
        return tuple(
            Stratum(
                int(row["stratum"]), str(row["stratum_nm"]), None if row["map_class"] is None else int(row["map_class"]),
                int(row["n_pixels"]), float(row["area_m2"]), int(row["sampled"]),
                tuple(int(value) for value in json.loads(row["classes"])),
            )
            for row in table.to_pylist()
        )  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise InputRefused.of("SAMPLES", path, f"its table {DESIGN} is damaged ({error})", _REMEDY) from None


def _samples(
    path: Path, rows: pa.Table, labels: pa.ChunkedArray, strata: tuple[Stratum, ...], facts: dict[str, str],
    meta: Mapping[str, Any],
) -> Samples:  # fmt: skip
    import shapely

    def column(name: str) -> np.ndarray[Any, np.dtype[Any]]:
        values = rows[name]
        if values.null_count:
            raise InputRefused.of("SAMPLES", path, f"the column {name} has empty cells", "Only reference may have them")
        return np.asarray(values.to_numpy())

    ids = column("sample_id").astype(np.int64)
    order = np.argsort(ids, kind="stable")
    twice = ids[order][1:][np.diff(ids[order]) == 0]
    if len(twice):
        raise InputRefused.of("SAMPLES", path, f"sample {twice[0]} is there twice", "Delete one of them")
    stratum = column("stratum").astype(np.int64)
    strange = ~np.isin(stratum, [s.value for s in strata])
    if strange.any():
        what = f"sample {ids[strange][0]} is of stratum {stratum[strange][0]}, which the design has not"
        raise InputRefused.of("SAMPLES", path, what, _REMEDY)
    centres = np.full((len(ids), 2), np.nan)
    geometry = meta.get("geometry_name") or "wkb_geometry"
    if geometry in rows.column_names and len(ids):
        points = shapely.centroid(shapely.from_wkb(rows[geometry].to_pylist()))
        centres = np.stack([shapely.get_x(points), shapely.get_y(points)], axis=-1)
    notes = rows["notes"].to_pylist() if "notes" in rows.column_names else [None] * len(ids)
    try:
        legend = Legend.from_stac(
            **{k: v for k, v in json.loads(facts.pop("legend")).items() if k in ("classes", "nodata")}
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputRefused.of("SAMPLES", path, f"its legend is damaged ({error})", _REMEDY) from None
    return Samples(
        ids[order], column("row").astype(np.int64)[order], column("col").astype(np.int64)[order],
        centres[order, 0], centres[order, 1], stratum[order], column("map_class").astype(np.int64)[order],
        column("area_m2").astype(np.float64)[order], _references(path, labels, ids)[order],
        tuple(str(notes[i] or "") for i in order), strata, legend, facts, str(meta.get("crs") or ""),
    )  # fmt: skip


def _references(path: Path, column: pa.ChunkedArray, ids: np.ndarray[Any, np.dtype[np.int64]]) -> np.ndarray[Any, Any]:
    """Reference classes, int64; empty cells are :data:`UNLABELLED`, anything but whole numbers is refused."""
    made = np.full(len(ids), UNLABELLED, np.int64)
    for i, value in enumerate(column.to_pylist()):
        if value is None or value == "":
            continue
        try:
            made[i] = number = int(value)
            wrong = number != float(value) or not 0 <= number <= MOST
        except (TypeError, ValueError, OverflowError):
            wrong = True
        if wrong:
            what = f"sample {ids[i]} has the reference {value!r}, which is no class value"
            raise InputRefused.of("SAMPLES", path, what, "Choose a class in the form, or leave it empty")
    return made
