"""Scene: a picklable description of one georeferenced multiband raster, from one file, several, or a product."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from geoseg.errors import Conflict, InputRefused
from geoseg.grid.geobox import GeoBox
from geoseg.raster.admit import admit


@dataclass(frozen=True, slots=True)
class Band:
    """One spectral layer: where its values lie, and how they become the scene's units (``value * scale + offset``)."""

    name: str
    path: str
    index: int
    driver: str
    dtype: str
    nodata: float | None = None
    scale: float = 1.0
    offset: float = 0.0
    warped: bool = False


@dataclass(frozen=True, slots=True)
class Quality:
    """A band of flags: pixels whose value is in ``values``, or that have one of ``bits`` set, become nodata."""

    path: str
    index: int
    driver: str
    values: tuple[int, ...] = ()
    bits: tuple[int, ...] = ()
    warped: bool = False


@dataclass(frozen=True, slots=True)
class Scene:
    """One georeferenced multiband raster to map."""

    name: str
    bands: tuple[Band, ...]
    geobox: GeoBox
    units: str = "unknown"
    quality: Quality | None = None
    product: str | None = None
    datetime: str | None = None
    masked: bool = True
    notes: tuple[str, ...] = ()
    allow_remote: bool = False
    fingerprint: str = ""
    stamps: tuple[tuple[str, int, int], ...] = ()

    def select(self, names: Sequence[str]) -> Scene:
        """The scene with these bands, in this order; a missing one is refused by name."""
        have = {band.name: band for band in self.bands}
        for name in names:
            if name not in have:
                raise InputRefused.of(
                    "BANDS", self.name, f"has no band {name!r}; it has {', '.join(have)}", "Name its bands with --bands"
                )
        return replace(self, bands=tuple(have[name] for name in names))

    def check_unchanged(self) -> None:
        """Raise Conflict when a file's size or time differs from when the scene was opened."""
        for path, size, mtime in self.stamps:
            if _stamp(path) != (path, size, mtime):
                raise Conflict.of("CHANGED", path, "has changed since the scene was opened", "Start again with --restart")


def open_scene(
    paths: Sequence[str | Path],
    *,
    bands: Sequence[str] | None = None,
    nodata: float | None = None,
    scale: float | None = None,
    offset: float | None = None,
    assume_crs: str | None = None,
    quality: str | None = None,
    time: str | None = None,
    allow_remote: bool = False,
) -> Scene:
    """Describe a scene (thin for now: files on one grid)."""
    found: list[Band] = []
    geobox: GeoBox | None = None
    names = list(bands) if bands else None
    for path in paths:
        admitted = admit(path, allow_remote=allow_remote, assume_crs=assume_crs)
        geobox = geobox or admitted.geobox
        for i in range(admitted.count):
            name = names[len(found)] if names else admitted.descriptions[i] or str(len(found) + 1)
            found.append(
                Band(
                    name,
                    admitted.path,
                    i + 1,
                    admitted.driver,
                    admitted.dtypes[i],
                    admitted.nodata[i] if nodata is None else nodata,
                    admitted.scales[i] if scale is None else scale,
                    admitted.offsets[i] if offset is None else offset,
                )
            )
    assert geobox is not None
    stamps = tuple(_stamp(path) for path in sorted({band.path for band in found}))
    digest = hashlib.sha256(repr([(b.name, b.index, b.nodata) for b in found] + [s[1] for s in stamps]).encode())
    return Scene(Path(paths[0]).stem, tuple(found), geobox, fingerprint=digest.hexdigest(), stamps=stamps)


def _stamp(path: str) -> tuple[str, int, int]:
    status = os.stat(path)
    return path, status.st_size, status.st_mtime_ns
