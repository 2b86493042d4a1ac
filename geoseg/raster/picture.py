"""Picture: an image without georeference (PNG, JPEG, TIFF) as a scene on a made-up grid in metres."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from geoseg.errors import InputRefused
from geoseg.raster.admit import Admitted, admit_picture
from geoseg.raster.band import Band
from geoseg.raster.identity import sample_file
from geoseg.raster.plain import rename
from geoseg.raster.scene import Scene

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")


def open_picture(
    path: str | Path, bands: Sequence[str], *, res: float = 1.0, corner: tuple[float, float] = (0.0, 0.0)
) -> Scene:
    """Describe a picture whose bands are named in order; a grey one is taken for each name of a colour one.

    Parameters
    ----------
    res, corner
        Side of a pixel and place of the upper left corner, metres of :data:`geoseg.raster.admit.PICTURE_CRS`.

    Raises
    ------
    InputRefused
        The codes of :func:`geoseg.raster.admit.admit_picture`; ``PALETTE``; ``BANDS``: another number of bands than names.
    """
    file = admit_picture(path, corner, res)
    if file.colours[0] == "palette":
        what = "a palette image: its numbers are colours or classes, not measurements"
        raise InputRefused.of("PALETTE", path, what, "Use the original picture")
    plain = [i for i in range(file.count) if file.colours[i] != "alpha"]
    notes: tuple[str, ...] = ()
    if len(plain) == 1 < len(bands):
        plain, notes = plain * len(bands), (f"{Path(path).name}: grey, taken for each band",)
    named = rename([_band(file, i) for i in plain], bands, path)
    scene = Scene(
        Path(path).stem, named, file.geobox, units="dn", notes=notes, contents=((file.path, sample_file(file.path)),)
    )
    return scene.select([band.name for band in named])


def _band(file: Admitted, i: int) -> Band:
    alpha = file.colours.index("alpha") + 1 if "alpha" in file.colours else None
    return Band("", file.path, i + 1, file.driver, file.dtypes[i], file.nodata[i], mask=alpha)
