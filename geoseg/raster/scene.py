"""Scene: a picklable description of one georeferenced multiband raster, from one file, several, or a product."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from geoseg.errors import Conflict, InputRefused, UsageError
from geoseg.grid.geobox import GeoBox
from geoseg.notebook import shown
from geoseg.raster.align import finest, overlaps, pixel_metres, same_grid
from geoseg.raster.band import NETCDF, Band, Quality
from geoseg.raster.dated import BEFORE, date_and_name
from geoseg.raster.find import check_names, find_bands, take_quality
from geoseg.raster.identity import Stamp, sample_file, sample_remote, stamp
from geoseg.raster.quality import Request
from geoseg.raster.resample import on_lattice
from geoseg.raster.sniff import remote_target

if TYPE_CHECKING:
    from xarray import DataArray

__all__ = ["Band", "Quality", "Scene", "open_scene"]

_RESAMPLED = "resampled: "


@dataclass(frozen=True, slots=True)
class Scene:
    """One georeferenced multiband raster to map: files, bands by name, grid, and what counts as no data.

    Parameters
    ----------
    name
        For outputs and messages: a file's stem or a product's id.
    bands, geobox
        The bands, and the grid they are read on: that of the band with the finest pixels (the first of equals).
    units
        What ``value * scale + offset`` is: ``reflectance``, ``dn`` (plain numbers of the file) or ``unknown``.
    flags
        Layers of flags that turn pixels to nodata, where they were asked for.
    product, datetime
        ``sentinel-2-l1c``, ``sentinel-2-l2a``, ``landsat-c2-l1``, ``landsat-c2-l2``; when it was taken, as the product says.
    masked
        Honour nodata values, masks and alpha; without, only NaN and the outside of a file are invalid.
    notes
        What a report must say: bands that are resampled, offsets applied, a collar that looks like nodata.
    fingerprint
        SHA-256 over samples of the files' contents and over every choice made here; paths and times do not enter.
    stamps
        (path, size, modification time in ns) of each local file.
    contents
        (path, digest of samples) of each file, from which ``fingerprint`` is made.
    """

    name: str
    bands: tuple[Band, ...]
    geobox: GeoBox
    units: str = "unknown"
    flags: tuple[Quality, ...] = ()
    product: str | None = None
    datetime: str | None = None
    masked: bool = True
    notes: tuple[str, ...] = ()
    allow_remote: bool = False
    fingerprint: str = ""
    stamps: tuple[Stamp, ...] = ()
    contents: tuple[tuple[str, str], ...] = ()

    def select(self, names: Sequence[str], *, geobox: GeoBox | None = None) -> Scene:
        """The scene with these bands, in this order, on the grid of the finest of them, or on ``geobox``.

        Of two dates the bands of the earlier one decide on the grid. Names are matched as written, then without case, then
        as the product's own (``B02``). A missing one is refused (``BANDS``) with what is there.
        """
        if len(set(names)) != len(names) or not names:
            raise UsageError.of(
                "BANDS", self.name, f"bands must be asked for once each, not {', '.join(names) or 'none'}"
            )
        return fitted_to(self, tuple(self._find(name) for name in names), geobox)

    def in_units(self, units: str) -> Scene:
        """The scene with values in a bundle's units.

        Numbers of the file become reflectance only by a scale that somebody stated (else ``UNITS``); the other way
        the scale is left out. A scene of unknown units is taken as it is.
        """
        if units == self.units or "unknown" in (units, self.units):
            return self
        if self.units == "dn":
            what = f"the bundle expects {units} and the file holds plain numbers"
            raise InputRefused.of(
                "UNITS", self.name, what, "State them with --scale and --offset, e.g. --scale 0.0001 for Sentinel-2"
            )
        raw = tuple(replace(band, scale=1.0, offset=0.0) for band in self.bands)
        note = f"the bundle expects {units}: the file's numbers are used without scale and offset"
        return _identified(replace(self, bands=raw, units=units, notes=(*self.notes, note)))

    def to_xarray(self, *, chunk: int = 2048) -> DataArray:
        """The scene as an xarray array of Dask blocks: pixels are read when a result is asked for.

        Parameters
        ----------
        chunk
            Side of a block, pixels.

        Returns
        -------
        xarray.DataArray
            float32 (band, y, x) in the scene's units, NaN where one of its bands has no data; ``band`` has the names, ``y`` and
            ``x`` the centres of pixels, ``spatial_ref`` the CRS, for rioxarray too.

        Raises
        ------
        UsageError
            ``CHUNK``: not positive.
        """
        from geoseg.raster.lazy import scene_array

        return scene_array(self, chunk=chunk)

    def _repr_html_(self) -> str:
        """The scene in a notebook: what it is, and a small picture."""
        from geoseg.raster.scene_html import scene_html

        return shown(self, lambda: scene_html(self))

    def check_unchanged(self) -> None:
        """Raise Conflict (``CHANGED``) when a file's size or time differs from when the scene was opened."""
        for known in self.stamps:
            if stamp(known[0]) != known:
                raise Conflict.of(
                    "CHANGED", known[0], "has changed since the scene was opened", "Start again with --restart"
                )

    def _find(self, name: str) -> Band:
        wanted = name.casefold()
        for matches in (
            [band for band in self.bands if band.name == name],
            [band for band in self.bands if band.name.casefold() == wanted],
            [
                band
                for band in self.bands
                if band.own and wanted in (band.own.casefold(), band.own.casefold().replace("b0", "b"))
            ],
        ):
            if len(matches) == 1:
                return matches[0]
        date, plain = date_and_name(name)
        there = [band.name for band in self.bands if band.name.startswith(date)]
        numbered = all(band.name == str(i + 1) for i, band in enumerate(self.bands))
        remedy = (
            "Nothing in the file names its bands: name them in order with --bands"
            if numbered
            else "Name its bands with --bands"
        )
        if date and there:  # the scene is a pair of dates
            name = f"{plain} at the {'earlier' if date == BEFORE else 'later'} date"
            there = [other.removeprefix(date) for other in there]
        raise InputRefused.of("BANDS", self.name, f"has no band {name}; it has {', '.join(there)}", remedy)


def open_scene(  # noqa: PLR0913 - one door, each of its settings an option of the command line
    paths: str | Path | Sequence[str | Path],
    *,
    bands: Sequence[str] | None = None,
    nodata: float | None = None,
    scale: float | None = None,
    offset: float | None = None,
    assume_crs: str | None = None,
    quality: str | None = None,
    time: str | None = None,
    date: str | None = None,
    allow_remote: bool = False,
) -> Scene:
    """Describe a scene.

    Parameters
    ----------
    paths
        One raster file, several (their bands in order), or one folder of a Sentinel-2 SAFE or Landsat Collection 2 product,
        or one NetCDF file.
    bands
        Files: a name for each band in order, ``-`` to leave one out. Products: which bands to use.
    nodata, scale, offset
        Override what the files say, for every band. ``value * scale + offset`` is then reflectance.
    assume_crs
        For files that have none.
    quality
        ``clouds`` (the product's own flags), ``none``, ``FILE:values=3,8,9``, ``FILE:bits=3,4``; for FILE also a band's name.
    time
        The time step of a NetCDF file that has several; the start of its label is enough when it is the only one.
    date
        When it was taken, ``2020-06-15`` or with a time of day (UTC where no offset is said), for files that do not say it.
    allow_remote
        Take http(s) and s3 addresses.

    Returns
    -------
    Scene
        A small value, which pickles; no file stays open.

    Raises
    ------
    InputRefused
        The codes of :func:`geoseg.raster.admit.admit`, ``BANDS``, ``PRODUCT``, ``TIME``, ``QUALITY``, ``EXTENT``.
    UsageError
        No path at all; ``--time`` for something other than NetCDF; ``DATE``: ``date`` is none.

    Examples
    --------
    >>> scene = geoseg.open_scene("scene.tif")
    >>> scene.geobox.shape, len(scene.bands)
    ((246, 489), 5)
    """
    names = [str(path) for path in ([paths] if isinstance(paths, str | Path) else paths)]
    if not names:
        raise UsageError.of("SCENE", "no file", "a scene needs at least one file")
    found = find_bands(names, bands=bands, time=time, assume_crs=assume_crs, allow_remote=allow_remote)
    chosen, flags = take_quality(found, Request.parse(quality or "none"), assume_crs, allow_remote)
    check_names(chosen, names[0])
    scene = Scene(
        name=found.name,
        bands=chosen,
        geobox=_own_grid(chosen[0]),
        units=found.units,
        flags=(flags,) if flags else (),
        product=found.product,
        datetime=_moment(date) or found.datetime,
        notes=found.notes,
        allow_remote=allow_remote,
    )
    scene = _overridden(scene, nodata, scale, offset)
    paths_used = dict.fromkeys(
        [(band.path, band.driver) for band in chosen] + ([(flags.path, flags.driver)] if flags else [])
    )
    scene = replace(scene, contents=tuple((path, _sample(path, driver, allow_remote)) for path, driver in paths_used))
    scene = fitted_to(scene, scene.bands)
    return scene.select(bands) if found.product and bands else scene


def _moment(date: str | None) -> str | None:
    """A stated date as products say theirs, in UTC."""
    if date is None:
        return None
    try:
        moment = datetime.fromisoformat(date)
    except ValueError:
        raise UsageError.of("DATE", date, "is no date", "Write it like 2020-06-15 or 2020-06-15T10:20:00Z") from None
    moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment.isoformat().replace("+00:00", "Z")


def _overridden(scene: Scene, nodata: float | None, scale: float | None, offset: float | None) -> Scene:
    bands = scene.bands
    if nodata is not None:
        bands = tuple(replace(band, nodata=nodata) for band in bands)
        scene = replace(scene, notes=tuple(note for note in scene.notes if "--nodata" not in note))
    if scale is not None or offset is not None:
        bands = tuple(
            replace(
                band, scale=band.scale if scale is None else scale, offset=band.offset if offset is None else offset
            )
            for band in bands
        )
        stated = f"scale {bands[0].scale:g} and offset {bands[0].offset:g} as given"
        scene = replace(scene, units="reflectance", notes=(*scene.notes, stated))
    return replace(scene, bands=bands)


def _own_grid(band: Band | Quality) -> GeoBox:
    assert band.grid is not None, band
    return band.grid


def fitted_to(scene: Scene, bands: tuple[Band, ...], geobox: GeoBox | None = None) -> Scene:
    """The scene of these bands on ``geobox`` or the grid of the finest, with what has to be resampled for it in the notes."""
    grids = [band.grid or scene.geobox for band in bands]
    earlier = [grid for band, grid in zip(bands, grids, strict=True) if band.name.startswith(BEFORE)]
    paired = bool(earlier) and all(date_and_name(band.name)[0] for band in bands)
    geobox = geobox or finest(earlier if paired else grids)
    notes = [note for note in scene.notes if not is_about_grids(note)]
    fitted = tuple(replace(band, grid=_off(grid, geobox, band)) for band, grid in zip(bands, grids, strict=True))
    flags = tuple(replace(layer, grid=_off(layer.grid or scene.geobox, geobox, layer)) for layer in scene.flags)
    moved = tuple(band for band in fitted if band.grid is not None and not on_lattice(band.grid, geobox))
    if moved:
        notes.append(_resampled(fitted, moved, geobox))
    used = {band.path for band in fitted} | {layer.path for layer in flags}
    contents = tuple((path, digest) for path, digest in scene.contents if path in used)
    remote = {path for path, _ in contents if remote_target(path, allow_remote=True)}
    return _identified(
        replace(
            scene,
            bands=fitted,
            geobox=geobox,
            flags=flags,
            notes=tuple(notes),
            contents=contents,
            stamps=tuple(stamp(path) for path, _ in contents if path not in remote),
        )
    )


def is_about_grids(note: str) -> bool:
    """Whether a note says what is resampled: it is made anew for other bands."""
    return note.startswith(_RESAMPLED)


def _off(grid: GeoBox, geobox: GeoBox, layer: Band | Quality) -> GeoBox | None:
    """The layer's own grid if it is not the scene's."""
    if same_grid(geobox, grid):
        return None
    if layer.driver == NETCDF:
        raise InputRefused.of(
            "GRID", layer.path, "NetCDF can not be brought onto another grid", "Convert it to GeoTIFF"
        )
    if not overlaps(geobox, grid):
        raise InputRefused.of(
            "EXTENT", layer.path, "lies outside of the scene's other bands", "Name files of one place"
        )
    return grid


def _resampled(bands: tuple[Band, ...], moved: tuple[Band, ...], geobox: GeoBox) -> str:
    sizes = sorted({round(pixel_metres(band.grid), 2) for band in moved if band.grid is not None})
    anchor = next((band.name for band in bands if not band.warped), "the scene")
    shown = ", ".join(f"{size:g}" for size in sizes)
    onto = f"onto the {pixel_metres(geobox):.4g} m grid of {anchor}, bilinear"
    return f"{_RESAMPLED}{', '.join(band.name for band in moved)} ({shown} m) {onto}"


def _sample(path: str, driver: str, allow_remote: bool) -> str:
    remote = driver != NETCDF and remote_target(path, allow_remote=allow_remote)
    return sample_remote(path, driver) if remote else sample_file(path)


def _identified(scene: Scene) -> Scene:
    """The scene with its fingerprint: contents and choices, without paths."""
    contents = dict(scene.contents)
    layers: list[Band | Quality] = [*scene.bands, *scene.flags]
    choices = [(contents.get(layer.path, ""), replace(layer, path="")) for layer in layers]
    text = repr((choices, scene.geobox, scene.units, scene.masked))
    return replace(scene, fingerprint=hashlib.sha256(text.encode()).hexdigest())
