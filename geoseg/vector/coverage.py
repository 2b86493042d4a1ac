"""Coverage: which pixels of a window lie in polygons, by the share of each pixel (exactextract) or by its centre."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from geoseg.errors import UsageError
from geoseg.grid.geobox import Window

Cells = tuple[int, npt.NDArray[np.int64], npt.NDArray[np.float64]]


class Coverage(Protocol):
    """A rule for pixels on a polygon's edge; ``method`` is its name in ``area_method``."""

    method: str

    def of(self, shapes: npt.NDArray[Any], window: Window) -> Iterator[Cells]:
        """For each polygon (pixel coordinates of the raster) its position, and indices into the window with shares 0-1."""


def coverage_of(name: str) -> Coverage:
    """The rule ``fraction``, ``centre``, or the better one that is installed (``auto``).

    Raises
    ------
    UsageError
        ``ZONAL``: exactextract is asked for and not there. ``COVERAGE``: there is no such rule.
    """
    if name not in ("auto", "fraction", "centre"):
        raise UsageError.of("COVERAGE", name, "no rule has this name", "Use auto, fraction or centre")
    there = importlib.util.find_spec("exactextract") is not None
    if name == "fraction" and not there:
        raise UsageError.of(
            "ZONAL", "--coverage fraction", "exactextract is not installed", "pip install geoseg[zonal]"
        )
    return Fraction() if name == "fraction" or (name == "auto" and there) else Centre()


class Centre:
    """A pixel counts whole where its centre lies inside: polygons that share an edge share no pixel."""

    method = "pixel centres"

    def of(self, shapes: npt.NDArray[Any], window: Window) -> Iterator[Cells]:
        """Pixels by GDAL's rasterizer."""
        import shapely
        from affine import Affine
        from rasterio.features import geometry_mask

        for i, shape in enumerate(shapes):
            if shapely.is_empty(shape):
                continue
            left, top, right, bottom = shapely.bounds(shape)  # rows grow downwards
            col, row = max(int(left), window.col), max(int(top), window.row)
            wide = min(int(np.ceil(right)), window.col + window.width) - col
            high = min(int(np.ceil(bottom)), window.row + window.height) - row
            if wide <= 0 or high <= 0:
                continue
            inside = geometry_mask([shape], (high, wide), Affine.translation(col, row), invert=True)
            rows, cols = np.nonzero(inside)
            cells = (rows + row - window.row) * window.width + cols + col - window.col
            yield i, cells.astype(np.int64), np.ones(len(cells))


class Fraction:
    """A pixel counts by the share of it that lies inside, as exactextract computes it (to 1e-7 of a pixel)."""

    method = "shares of pixels by exactextract"

    def of(self, shapes: npt.NDArray[Any], window: Window) -> Iterator[Cells]:
        """Shares from one call for all polygons."""
        import shapely
        from exactextract import exact_extract
        from exactextract.feature import FeatureSource, JSONFeature
        from exactextract.raster import NumPyRasterSource

        class Shape(JSONFeature):  # type: ignore[misc]
            def __init__(self, number: int, wkb: bytes) -> None:
                super().__init__({"type": "Feature", "properties": {"number": number}})
                self.wkb = wkb

            def geometry(self) -> bytes:
                return self.wkb

        class Source(FeatureSource):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__()
                self.features = [Shape(i, shapely.to_wkb(s)) for i, s in enumerate(shapes) if not shapely.is_empty(s)]

            def count(self) -> int:
                return len(self.features)

            def __iter__(self) -> Iterator[Shape]:
                return iter(self.features)

            def srs_wkt(self) -> None:
                return None

        source = Source()
        if not source.features:
            return
        high, wide = window.shape
        corners = (window.col, window.row, window.col + wide, window.row + high)
        grid = NumPyRasterSource(np.zeros(window.shape, np.uint8), *corners)
        for feature in exact_extract(grid, source, ["cell_id", "coverage"], include_cols=["number"], output="geojson"):
            told = feature["properties"]
            cells, shares = np.asarray(told["cell_id"], np.int64), np.asarray(told["coverage"], np.float64)
            # exactextract counts rows from the largest y, and here rows grow with y.
            yield told["number"], (high - 1 - cells // wide) * wide + cells % wide, shares
