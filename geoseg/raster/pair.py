"""Pair: two scenes of one place as one scene, whose bands are named ``before_red`` ... and ``after_red`` ..."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from geoseg.errors import InputRefused, UsageError
from geoseg.grid.geobox import GeoBox
from geoseg.raster.align import overlaps, pixel_metres, same_crs, same_grid
from geoseg.raster.band import Band
from geoseg.raster.dated import AFTER, BEFORE, date_and_name, undated
from geoseg.raster.resample import Nested, on_lattice
from geoseg.raster.scene import Scene, fitted_to, is_about_grids, open_scene

__all__ = ["Earlier", "check_dates", "open_dates", "open_inputs", "pair"]

_WHOLE = 0.9995
"""Share of a scene from which its whole is covered, as far as a person is to be told."""

Paths = str | Path | Sequence[str | Path]


@dataclass(frozen=True, slots=True)
class Earlier:
    """What a command says of the earlier date alone: its files, bands, time step and date; empty: as of the later one."""

    files: tuple[str, ...] = ()
    bands: tuple[str, ...] | None = None
    time: str | None = None
    date: str | None = None

    @property
    def said(self) -> bool:
        """Whether it says anything."""
        return self != Earlier()


def pair(before: Scene, after: Scene, *, align: bool = False) -> Scene:
    """Two scenes as one, on the grid of ``before``; a pixel is valid where both are.

    Grids that differ by whole pixels need no resampling: what ``after`` does not cover has no data.

    Parameters
    ----------
    before, after
        Of the earlier and the later date, with bands of the same names.
    align
        Bring ``after`` onto the grid of ``before``, bilinear, where they differ by more than that.

    Raises
    ------
    InputRefused
        ``GRID``: the grids differ, and ``align`` is False. ``EXTENT``: they share no ground.
    """
    _check_grids(before, after, align)
    before, after = _in_one_unit(before, after)
    known = {scene.units for scene in (before, after)} - {"unknown"}
    whole = Scene(
        name=before.name if before.name == after.name else f"{before.name} to {after.name}",
        bands=(*_of_date(before, BEFORE), *_of_date(after, AFTER)),
        geobox=before.geobox,
        units=known.pop() if known else "unknown",
        flags=(*before.flags, *(replace(layer, grid=layer.grid or after.geobox) for layer in after.flags)),
        product=before.product if before.product == after.product else None,
        datetime=f"{before.datetime}/{after.datetime}" if before.datetime and after.datetime else None,
        masked=before.masked and after.masked,
        notes=_notes(before, after),
        allow_remote=before.allow_remote or after.allow_remote,
        contents=tuple(dict((*before.contents, *after.contents)).items()),
    )
    return fitted_to(whole, whole.bands)


def open_dates(
    before: Paths,
    after: Paths,
    *,
    align: bool = False,
    earlier: Earlier = Earlier(),
    **how: Any,
) -> Scene:
    """Open two scenes of one place as one, whose bands are those of both: ``before_red``, ``after_red``.

    Parameters
    ----------
    before, after
        Files or products of the two dates.
    align
        Bring ``after`` onto the grid of ``before``, bilinear, where they differ by more than whole pixels.
    earlier
        Other bands, or another time step, for ``before``; its date is never that of ``after``.
    how
        What :func:`geoseg.open_scene` takes, for both.

    Returns
    -------
    Scene
        On the grid of ``before``; a pixel is valid where both are.

    Raises
    ------
    InputRefused, UsageError
        What :func:`geoseg.open_scene` and :func:`geoseg.raster.pair.pair` raise.

    Examples
    --------
    >>> both = geoseg.open_dates("land/scene_1.tif", "land/scene_2.tif")
    >>> both.bands[0].name, both.bands[-1].name
    ('before_blue', 'after_swir2')
    """
    said = {"bands": earlier.bands, "time": earlier.time}
    own = {"date": earlier.date, **{name: value for name, value in said.items() if value is not None}}
    return pair(open_scene(before, **{**how, **own}), open_scene(after, **how), align=align)


def open_inputs(
    paths: Sequence[str],
    wanted: Sequence[str] = (),
    *,
    earlier: Earlier = Earlier(),
    align: bool = False,
    **how: Any,
) -> Scene:
    """Open what a command names, as one date or two, by the bands that a bundle wants.

    Of two dates ``paths`` are BEFORE and AFTER, or those of the later one where ``earlier`` names files. One path alone
    must have the bands of both dates.

    Raises
    ------
    InputRefused
        ``DATES``: scenes of one date for a bundle of two. Those of :func:`open_dates`.
    UsageError
        ``DATES``: what is said of an earlier date and the bundle maps one date.
    """
    two = undated(wanted) is not None if wanted else earlier.said
    if not two:
        if earlier.said or align:
            option = "--before" if earlier.said else "--align"
            what = "is for a bundle that compares two dates, and this one maps one" if wanted else "needs two dates"
            raise UsageError.of("DATES", option, what, "Leave it out")
        return open_scene(list(paths), **how)
    if earlier.files:
        return open_dates(list(earlier.files), list(paths), align=align, earlier=earlier, **how)
    if len(paths) == 2:
        return open_dates(paths[0], paths[1], align=align, earlier=earlier, **how)
    if len(paths) > 2:
        what = f"{len(paths)} files are given for a bundle that compares two dates"
        remedy = "Name one file or product of each date, BEFORE and AFTER, or those of the earlier one by --before"
        raise InputRefused.of("DATES", paths[0], what, remedy)
    scene = open_scene(list(paths), **how)
    check_dates(scene, wanted)
    return scene


def check_dates(scene: Scene, wanted: Sequence[str]) -> None:
    """Refuse (``DATES``) a scene of one date for a bundle whose bands ``wanted`` are of two, and the other way round."""
    each = undated(wanted)
    dates = {date_and_name(band.name)[0] for band in scene.bands}
    if each is not None and not dates >= {BEFORE, AFTER}:
        what = f"is one date, and the bundle compares two, each with {', '.join(each)}"
        raise InputRefused.of("DATES", scene.name, what, "Name both scenes: BEFORE AFTER")
    if each is None and dates == {BEFORE, AFTER}:
        what = "is a pair of two dates, and the bundle maps one"
        raise InputRefused.of("DATES", scene.name, what, "Name one scene, or a bundle that compares two dates")


def _of_date(scene: Scene, date: str) -> tuple[Band, ...]:
    """The bands with their date in their names, each with its own grid."""
    return tuple(
        replace(band, name=date + band.name, own=band.own and date + band.own, grid=band.grid or scene.geobox)
        for band in scene.bands
    )


def _check_grids(before: Scene, after: Scene, align: bool) -> None:
    one, other = before.geobox, after.geobox
    if same_grid(one, other):
        return
    if not overlaps(one, other):
        raise InputRefused.of("EXTENT", after.name, f"shares no ground with {before.name}", "Name scenes of one place")
    if not align and not on_lattice(other, one):
        what = f"is not on the grid of {before.name}: {_difference(one, other)}"
        raise InputRefused.of("GRID", after.name, what, "Add --align to bring it there, bilinear")


def _difference(one: GeoBox, other: GeoBox) -> str:
    if not same_crs(one.crs, other.crs):
        return "another CRS"
    nested = Nested.of(other, one)
    if nested is None:
        return "its axes are turned"
    if max(abs(scale - 1) * size for scale, size in zip(nested.scale, one.shape, strict=True)) > 0.01:
        return f"pixels of {pixel_metres(other):.6g} m and not {pixel_metres(one):.6g} m"
    rows, cols = (start - math.floor(start + 0.5) for start in nested.start)
    return f"shifted by {rows:.2f} rows and {cols:.2f} columns of a pixel"


def _in_one_unit(before: Scene, after: Scene) -> tuple[Scene, Scene]:
    """Both as numbers of their files where only one of them says what reflectance they are."""
    if {before.units, after.units} != {"reflectance", "dn"}:
        return before, after
    return before.in_units("dn"), after.in_units("dn")


def _notes(before: Scene, after: Scene) -> tuple[str, ...]:
    dates = ((BEFORE, before), (AFTER, after))
    notes = [f"{date[:-1]}: {note}" for date, scene in dates for note in scene.notes if not is_about_grids(note)]
    share = _covered(before.geobox, after.geobox)
    if share < _WHOLE:
        notes.append(f"{after.name} covers {share:.1%} of {before.name}: the rest has no data")
    first, second = _moment(before.datetime), _moment(after.datetime)
    if first and second and first > second:
        notes.append(f"before is of {before.datetime} and after of {after.datetime}: are they the wrong way round?")
    return tuple(notes)


def _covered(one: GeoBox, other: GeoBox) -> float:
    """Share of a grid that another of its CRS covers, by their bounds; 1 where the CRS differ."""
    if not same_crs(one.crs, other.crs):
        return 1.0
    (left, bottom, right, top), (west, south, east, north) = one.bounds, other.bounds
    across, down = min(right, east) - max(left, west), min(top, north) - max(bottom, south)
    return max(across, 0) * max(down, 0) / ((right - left) * (top - bottom))


def _moment(taken: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(taken) if taken else None
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment
