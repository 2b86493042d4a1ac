"""Split files: a split as GeoJSON in longitude and latitude, and drawn over a quicklook of each scene."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from geoseg.grid.geobox import GeoBox
from geoseg.training.data.quicklook import quicklook
from geoseg.training.figure import blank_figure
from geoseg.training.splits.split import NONE, PARTS, SceneSplit, Split
from geoseg.vector.lonlat import ToLonLat
from geoseg.vector.regions import Regions

if TYPE_CHECKING:
    from geoseg.training.data.labelled import LabelledScene

_COLOURS = {"train": (68, 119, 170), "validation": (204, 187, 68), "test": (238, 102, 119)}
"""Told apart by the colour-blind: Tol, Colour schemes, SRON technical note (bright)."""
_OPAQUE = 0.45
_PANELS = 12
"""Pictures on one sheet."""
_SIDE = 512
"""Of a picture, pixels at most."""


def split_geojson(scenes: Sequence[LabelledScene], splits: Sequence[Split]) -> bytes:
    """The parts of all splits as GeoJSON (RFC 7946).

    One feature for each connected area of a part, without its buffers, with ``split``, ``scene``, ``part`` and its number of
    pixels ``n_pixels``. What no feature covers is not used.
    """
    lines = [
        json.dumps({
            "type": "Feature",
            "properties": {"split": split.name, "scene": scene.name, "part": part, "n_pixels": pixels},
            "geometry": geometry,
        }, ensure_ascii=False)
        for split in splits
        for scene, parts in zip(scenes, split.scenes, strict=True)
        for part, pixels, geometry in _areas(parts, scene.scene.geobox)
    ]  # fmt: skip
    return ('{"type": "FeatureCollection", "features": [\n' + ",\n".join(lines) + "\n]}\n").encode()


def split_png(scenes: Sequence[LabelledScene], splits: Sequence[Split]) -> bytes:
    """The parts over a quicklook: scenes below each other, splits side by side; the first twelve, where there are more."""
    from matplotlib.patches import Patch

    columns = min(len(splits), _PANELS)
    shown = list(zip(scenes, range(max(_PANELS // columns, 1)), strict=False))
    heights = [min(max(4 * scene.shape[0] / scene.shape[1], 0.5), 12) + 0.3 for scene, _ in shown]
    out = io.BytesIO()
    with blank_figure(4 * columns, sum(heights) + 0.5) as figure:
        panels = figure.subplots(len(shown), columns, squeeze=False, height_ratios=heights)
        for (scene, number), row in zip(shown, panels, strict=True):
            picture, step = quicklook(scene.scene, max_side=_SIDE)
            for split, axes in zip(splits, row, strict=False):
                axes.imshow(_drawn(picture, split.scenes[number], step), interpolation="nearest")
                axes.set_title(f"{scene.name}: {split.name}", fontsize=9)
                axes.set_axis_off()
        left = len(scenes) * len(splits) - columns * len(shown)
        patches = [Patch(color=(r / 255, g / 255, b / 255), label=part) for part, (r, g, b) in _COLOURS.items()]
        figure.legend(handles=patches, ncols=3, loc="outside lower center", frameon=False)
        if left:
            figure.suptitle(f"{left} more are not drawn", fontsize=9)
        figure.savefig(out, format="png", dpi=100, metadata={"Software": None})
    return out.getvalue()


def _drawn(picture: npt.NDArray[np.uint8], parts: SceneSplit, step: int) -> npt.NDArray[np.uint8]:
    codes = parts.thinned(step)
    drawn = picture.astype(np.float64)
    for part, colour in _COLOURS.items():
        where = codes == PARTS[part]
        drawn[where] = drawn[where] * (1 - _OPAQUE) + np.array(colour) * _OPAQUE
    return drawn.astype(np.uint8)


def _areas(parts: SceneSplit, geobox: GeoBox) -> Iterator[tuple[str, int, dict[str, Any] | None]]:
    """Part, number of pixels and geometry of each connected area."""
    regions = _regions(parts)
    names = {code: name for name, code in PARTS.items()}
    shapes = ToLonLat(geobox)(regions)
    coords = (np.round(shapes.coords, 7) + 0.0).tolist()
    for value, pixels, (first, last) in zip(
        regions.values.tolist(), regions.n_pixels.tolist(), pairwise(shapes.features.tolist()), strict=True
    ):
        polygons = [
            [coords[start:stop] for start, stop in pairwise(shapes.rings[begin : end + 1].tolist())]
            for begin, end in pairwise(shapes.polygons[first : last + 1].tolist())
        ]
        yield names[value], pixels, _geometry(polygons)


def _geometry(polygons: list[Any]) -> dict[str, Any] | None:
    """None where the projection reaches no place on Earth."""
    if len(polygons) == 1:
        return {"type": "Polygon", "coordinates": polygons[0]}
    return {"type": "MultiPolygon", "coordinates": polygons} if polygons else None


def _regions(parts: SceneSplit) -> Regions:
    """The connected areas, traced on the lattice of rectangles, in pixels of the scene."""
    import shapely
    from rasterio.features import shapes

    rows, cols, table = np.array(parts.rows), np.array(parts.cols), parts.table()
    found = [(shapely.geometry.shape(shape), int(code)) for shape, code in shapes(table, mask=table != NONE)]
    if not found:
        return Regions.empty()
    polygons = np.array([polygon for polygon, _ in found])
    kind, at, (rings, offsets) = shapely.to_ragged_array(polygons)
    assert kind == shapely.GeometryType.POLYGON
    at = at.astype(np.int64)
    coords = np.column_stack([cols[at[:, 0]], rows[at[:, 1]]])
    pixels = shapely.area(shapely.from_ragged_array(kind, coords.astype(np.float64), (rings, offsets)))
    nothing = np.zeros(len(found))
    return Regions(
        np.array([code for _, code in found], np.uint16), pixels.astype(np.int64), nothing, nothing, None,
        coords.astype(np.int32), rings.astype(np.int64), offsets.astype(np.int64),
    )  # fmt: skip
