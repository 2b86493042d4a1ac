"""Likeness: scenes compared by a sketch of each: copies of one another in two parts, ground shared by two parts, shifted values.

A sketch is a lattice of small squares, so it costs the same for a scene of any size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoseg.grid.geobox import Window
from geoseg.raster.admit import PICTURE_CRS
from geoseg.raster.align import overlaps, pixels_of
from geoseg.raster.georef import lonlat, outline
from geoseg.raster.read import read_window
from geoseg.training.checking.finding import Finding
from geoseg.training.data.labelled import LabelledScene
from geoseg.training.splits.split import TRAIN, VALIDATION, Split

SIDE = 12
"""Squares along each side of a scene."""
_SQUARE = 8
_SMALL = 1 << 20
"""Scenes of at most so many pixels are read in one piece."""
_ALIKE = 0.985
"""Correlation of two sketches, band by band, from which scenes count as copies; two dates of one place stay below 0.97."""
_MOST = 20_000
_CHUNK = 1024
_DARK = 1.0
"""Percentile that stands for the darkest ground, where reflectance is a few percent at most."""
_BASELINE = {"dn": 1000.0, "unknown": 1000.0, "reflectance": 0.1}
"""What Sentinel-2's processing baseline 04.00 adds to each pixel (ESA, 25 January 2022), as numbers of files and as reflectance."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Sketch:
    """``means`` (bands, SIDE, SIDE) of squares, NaN without data, and ``dark`` (bands,), both in the scene's units."""

    means: Floats
    dark: Floats
    wide: bool

    @classmethod
    def of(cls, scene: LabelledScene) -> Sketch:
        """Read a scene's squares."""
        bands = scene.scene.bands
        scale = np.array([band.scale for band in bands])[:, None]
        offset = np.array([band.offset for band in bands])[:, None]
        means = np.full((len(bands), SIDE, SIDE), np.nan)
        kept = []
        whole = Window(0, 0, *scene.shape)
        held = read_window(scene.scene, whole) if whole.height * whole.width <= _SMALL else None
        for i, k, window in squares(scene.shape):
            image, valid = _part(held, window) if held else read_window(scene.scene, window)
            if valid.any():
                pixels = image[:, valid] * scale + offset
                means[:, i, k] = pixels.mean(axis=1)
                kept.append(pixels)
        dark = np.percentile(np.concatenate(kept, axis=1), _DARK, axis=1) if kept else np.full(len(bands), np.nan)
        wide = all(np.dtype(band.dtype).kind in "iu" and np.dtype(band.dtype).itemsize > 1 for band in bands)
        return cls(means, dark, wide)

    @property
    def pattern(self) -> NDArray[np.float32] | None:
        """A vector of length 1 whose product with another's is their correlation; None for a scene without any pattern."""
        flat = self.means.reshape(len(self.means), -1)
        if np.isnan(flat).mean() > 0.5:
            return None
        flat = np.where(np.isnan(flat), np.nanmean(flat, axis=1, keepdims=True), flat)
        flat = flat - flat.mean(axis=1, keepdims=True)
        length = np.linalg.norm(flat, axis=1, keepdims=True)
        if not (length > 1e-6 * np.abs(self.means[~np.isnan(self.means)]).max()).all():
            return None
        return np.asarray((flat / length).reshape(-1) / np.sqrt(len(flat)), np.float32)


def squares(shape: tuple[int, int]) -> Iterator[tuple[int, int, Window]]:
    """Places in the lattice, and the square of pixels at each."""
    rows, cols = ([int((i + 0.5) * n / SIDE) for i in range(SIDE)] for n in shape)
    whole = Window(0, 0, *shape)
    for i, row in enumerate(rows):
        for k, col in enumerate(cols):
            yield i, k, Window(row - _SQUARE // 2, col - _SQUARE // 2, _SQUARE, _SQUARE).intersect(whole)


def compare(scenes: Sequence[LabelledScene], splits: Sequence[Split], sketches: Sequence[Sketch]) -> list[Finding]:
    """What scenes say about each other; nothing for one scene."""
    if len(scenes) < 2:
        return []
    copies, pairs = _copies(scenes, splits, sketches)
    return [*copies, *_shared_ground(scenes, splits, pairs), *_shifted(scenes, sketches)]


def negative(scene: LabelledScene, sketch: Sketch) -> list[Finding]:
    """Say so where reflectance is far below 0 in every band: an offset that the file does not have."""
    if scene.scene.units != "reflectance" or not (sketch.dark < -0.04).all():
        return []
    what = f"its darkest ground has reflectances of {sketch.dark.min():.3f} to {sketch.dark.max():.3f}, in every band"
    remedy = "Set its offset to 0: Sentinel-2 before processing baseline 04.00 has none"
    return [Finding("warning", "OFFSET", scene.name, what, remedy)]


def _part(
    held: tuple[NDArray[np.generic], NDArray[np.bool_]], window: Window
) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
    image, valid = held
    return image[:, *window.slices], valid[window.slices]


def _copies(
    scenes: Sequence[LabelledScene], splits: Sequence[Split], sketches: Sequence[Sketch]
) -> tuple[list[Finding], set[tuple[int, int]]]:
    """Near-duplicates where one is trained on what the other holds out; and all near-duplicates."""
    if len(scenes) > _MOST:
        what = f"{len(scenes)} scenes are too many to be compared"
        return [Finding("warning", "NOT_COMPARED", "scenes", what, "Check for copies in two parts yourself")], set()
    known = [(i, pattern) for i, sketch in enumerate(sketches) if (pattern := sketch.pattern) is not None]
    if not known:
        return [], set()
    numbers = np.array([i for i, _ in known])
    table = np.stack([pattern for _, pattern in known])
    found, pairs = [], set()
    for start in range(0, len(table), _CHUNK):
        for a, b in np.argwhere(table[start : start + _CHUNK] @ table.T >= _ALIKE).tolist():
            i, k = int(numbers[start + a]), int(numbers[b])
            if i >= k:
                continue
            pairs.add((i, k))
            told = [split.name for split in splits if _leaks(scenes, split, i, k)]
            if told:
                what = (
                    f"is a copy of {scenes[k].name}, or nearly; in {told[0]} one is trained on what the other holds out"
                )
                remedy = "Leave one out, or give both the same part"
                found.append(Finding("error", "NEAR_DUPLICATE", scenes[i].name, what, remedy))
    return found, pairs


def _leaks(scenes: Sequence[LabelledScene], split: Split, i: int, k: int) -> bool:
    """Whether a place of the lattice is trained on in one scene and held out in the other."""
    one, other = (
        np.array([split.scenes[n].read(window).flat[0] for _, _, window in squares(scenes[n].shape)]) for n in (i, k)
    )
    return bool((((one == TRAIN) & (other >= VALIDATION)) | ((other == TRAIN) & (one >= VALIDATION))).any())


def _shared_ground(
    scenes: Sequence[LabelledScene], splits: Sequence[Split], copies: set[tuple[int, int]]
) -> list[Finding]:
    """Scenes of one place, such as of two dates, where one is trained on ground that the other holds out."""
    found = []
    for i, k in _overlapping(scenes):
        if (min(i, k), max(i, k)) not in copies:
            shares = {split.name: share for split in splits if (share := _seen(scenes, split, i, k)) > 0}
            if shares:
                name, share = max(shares.items(), key=lambda item: item[1])
                what = f"{share:.0%} of what it holds out in {name} is trained on in {scenes[k].name}, which shows the same ground"
                remedy = "Fine to score another date of known places; for unknown places give both the same part"
                found.append(Finding("warning", "SAME_GROUND", scenes[i].name, what, remedy, numbers=shares))
    return found


def _overlapping(scenes: Sequence[LabelledScene]) -> Iterator[tuple[int, int]]:
    """Pairs of scenes that share ground, each both ways."""
    import shapely

    placed = [i for i, scene in enumerate(scenes) if scene.scene.geobox.crs != PICTURE_CRS]
    outlines = [lonlat(scenes[i].scene.geobox, outline(scenes[i].shape)) for i in placed]
    boxes = [
        shapely.box(*np.min(ring, axis=0), *np.max(ring, axis=0)) if ring else shapely.Point() for ring in outlines
    ]
    for a, b in sorted(map(tuple, shapely.STRtree(boxes).query(boxes).T.tolist())):
        i, k = placed[a], placed[b]
        if i != k and overlaps(scenes[i].scene.geobox, scenes[k].scene.geobox):
            yield i, k


def _seen(scenes: Sequence[LabelledScene], split: Split, i: int, k: int) -> float:
    """Share of the held-out places of one scene that are trained on in another."""
    high, wide = scenes[i].shape
    steps = 32
    rows, cols = ((np.arange(steps) + 0.5) * n / steps for n in (high, wide))
    at = np.array([axis.ravel() for axis in np.meshgrid(cols, rows)])
    held = np.array([_code(split, i, col, row) >= VALIDATION for col, row in at.T])
    if not held.any():
        return 0.0
    there = pixels_of(scenes[i].scene.geobox, scenes[k].scene.geobox, at[:, held])
    return float(np.mean([_code(split, k, col, row) == TRAIN for col, row in there.T]))


def _code(split: Split, number: int, col: float, row: float) -> int:
    scene = split.scenes[number]
    if not (np.isfinite([col, row]).all() and 0 <= row < scene.shape[0] and 0 <= col < scene.shape[1]):
        return 0
    return int(scene.read(Window(int(row), int(col), 1, 1))[0, 0])


def _shifted(scenes: Sequence[LabelledScene], sketches: Sequence[Sketch]) -> list[Finding]:
    """Scenes whose darkest ground is by about the offset of baseline 04.00 brighter than that of others, in every band."""
    step = _BASELINE[scenes[0].scene.units]
    dark = {
        i: sketch.dark / step for i, sketch in enumerate(sketches) if sketch.wide and np.isfinite(sketch.dark).all()
    }
    low = [i for i, level in dark.items() if (level < 0.6).all() and (level > -0.4).all()]
    high = [i for i, level in dark.items() if (level > 0.9).all()]
    if not low or not high:
        return []
    usual = max(float(dark[i].max()) for i in low) * step
    found = []
    for i in high:
        what = (
            f"its darkest ground is at {dark[i].min() * step:.4g} or more in every band, that of {scenes[low[0]].name} "
            f"{f'and {len(low) - 1} more ' if len(low) > 1 else ''}at {usual:.4g} or less: it looks shifted by {step:g}, "
            "as Sentinel-2 is since processing baseline 04.00"
        )
        remedy = "If it is, set scale: 0.0001 and offset: -0.1 for this scene, and offset: 0 for the others"
        found.append(Finding("warning", "OFFSET", scenes[i].name, what, remedy))
    return found
