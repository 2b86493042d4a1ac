"""Plain: the bands of ordinary raster files, one with many bands or many with one each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from rasterio.windows import Window as RasterioWindow

from geoseg.errors import InputRefused
from geoseg.raster.admit import Admitted, admit, open_admitted
from geoseg.raster.band import Band, Found

_CORNER = 32
"""Side of the squares that are looked at for a black collar."""


def find_files(
    paths: Sequence[str], *, names: Sequence[str] | None, assume_crs: str | None, allow_remote: bool
) -> Found:
    """Describe the bands of raster files in order; alpha bands mask and are no bands of their own."""
    admitted = [admit(path, assume_crs=assume_crs, allow_remote=allow_remote) for path in paths]
    bands = rename([band for file in admitted for band in _bands_of(file)], names, paths[0])
    notes = [note for file in admitted for note in _notes_of(file)]
    for file in admitted:
        if _has_collar(file, {band.path for band in bands}):
            notes.append(
                f"{Path(file.path).name}: a corner is 0 in every band and no nodata value is set; "
                "if that is a collar without data, say so with --nodata 0"
            )
    return Found(_common_name(paths), bands, units=_units(bands), notes=tuple(notes))


def rename(bands: Sequence[Band], names: Sequence[str] | None, where: object) -> tuple[Band, ...]:
    """Give bands their names: those of the user in order (``-`` leaves one out), else what the files say, else numbers."""
    if names is None:
        return tuple(replace(band, name=band.name or str(i + 1)) for i, band in enumerate(bands))
    if len(names) != len(bands):
        what = f"--bands names {len(names)} bands ({', '.join(names)}) and there are {len(bands)}"
        raise InputRefused.of("BANDS", where, what, "Name each in the files' order, with - for one to leave out")
    return tuple(replace(band, name=name) for band, name in zip(bands, names, strict=True) if name != "-")


def _bands_of(file: Admitted) -> list[Band]:
    alpha = file.colours.index("alpha") + 1 if "alpha" in file.colours else None
    internal = 0 if any("per_dataset" in flags and "alpha" not in flags for flags in file.masks) else None
    return [
        Band(
            name=file.descriptions[i].strip(),
            path=file.path,
            index=i + 1,
            driver=file.driver,
            dtype=file.dtypes[i],
            nodata=file.nodata[i],
            scale=file.scales[i],
            offset=file.offsets[i],
            grid=file.geobox,
            mask=alpha or internal,
        )
        for i in range(file.count)
        if file.colours[i] != "alpha"
    ]


def _notes_of(file: Admitted) -> list[str]:
    name = Path(file.path).name
    notes = []
    if "alpha" in file.colours:
        notes.append(f"{name}: band {file.colours.index('alpha') + 1} is an alpha band: it says where there is data")
    if any((scale, offset) != (1.0, 0.0) for scale, offset in zip(file.scales, file.offsets, strict=True)):
        notes.append(f"{name}: the file's own scale and offset are applied")
    return notes


def _units(bands: Sequence[Band]) -> str:
    plain = all((band.scale, band.offset) == (1.0, 0.0) and np.dtype(band.dtype).kind in "iu" for band in bands)
    return "dn" if plain else "unknown"


def _has_collar(file: Admitted, used: set[str]) -> bool:
    """Say whether an integer file without nodata is 0 in a corner, in all bands, and not in its middle; five small reads."""
    rows, cols = file.shape
    local = not file.path.startswith(("http:", "https:", "s3:", "/vsi"))
    silent = all(value is None for value in file.nodata) and all("all_valid" in flags for flags in file.masks)
    if not (local and silent and file.path in used and min(rows, cols) >= 4 * _CORNER and file.dtypes[0][0] in "iu"):
        return False
    far = rows - _CORNER, cols - _CORNER
    places = [(0, 0), (0, far[1]), (far[0], 0), far, (far[0] // 2, far[1] // 2)]
    with open_admitted(file.path, file.driver) as dataset:
        black = [not dataset.read(window=RasterioWindow(col, row, _CORNER, _CORNER)).any() for row, col in places]
    return any(black[:4]) and not black[4]


def _common_name(paths: Sequence[str]) -> str:
    stems = [Path(path).stem for path in paths]
    same = [len(set(letters)) == 1 for letters in zip(*stems, strict=False)]
    common = stems[0][: [*same, False].index(False)].rstrip("_-. ")
    return common if len(stems) > 1 and len(common) >= 3 else stems[0]
