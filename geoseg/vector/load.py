"""Load: the polygons of a run as a GeoDataFrame, all of them or those in a box."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from geoseg.vector.features import distrusted

if TYPE_CHECKING:
    import geopandas


def load_polygons(
    path: str | Path, *, bbox: tuple[float, float, float, float] | None = None, columns: list[str] | None = None
) -> geopandas.GeoDataFrame:
    """Read the polygons that geoseg wrote into a file, with its CRS.

    Parameters
    ----------
    bbox
        (left, bottom, right, top) in the file's CRS: only what meets it is read, by the file's index.
    columns
        Names of the columns that are wanted; all when not given.

    Raises
    ------
    InputRefused
        ``NOT_FOUND``, ``FORMAT``: no such file, or it is none of polygons.
    """

    def read() -> Any:
        import geopandas

        return geopandas.read_file(path, engine="pyogrio", bbox=bbox, columns=columns)

    return distrusted(Path(path), read)
