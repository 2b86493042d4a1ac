"""Stage: the pictures of a page that lie on each other, all of one extent, with a curtain between two of them.

Pictures are ``data:`` addresses of bounded length, so that a page stays below 3 MB whatever the scene; noisier ones are coarser.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

_LONG_SIDE = 1000.0
_SHORT_SIDE = 40.0

_MOST_MARKS = 20

LENGTH = 700_000
"""Characters of a picture on a page with few of them."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture: a plain ``key``, what it shows, its ``data:`` address, and whether it is a photograph or a map of classes."""

    key: str
    title: str
    uri: str = field(repr=False)
    photo: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """A numbered place: its middle as shares (0-1) of width and height from the upper left corner."""

    number: int
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Stage:
    """Pictures of one extent of ``shape`` (rows, cols), the two that are shown first, and numbered places."""

    shape: tuple[int, int]
    pictures: tuple[Picture, ...]
    left: str
    right: str
    marks: tuple[Mark, ...] = ()

    @property
    def width(self) -> float:
        """In the drawing's units; a very long or wide scene is drawn thicker than it is."""
        rows, cols = self.shape
        return max(_SHORT_SIDE, round(_LONG_SIDE * cols / max(rows, cols, 1), 1))

    @property
    def height(self) -> float:
        """In the drawing's units."""
        rows, cols = self.shape
        return max(_SHORT_SIDE, round(_LONG_SIDE * rows / max(rows, cols, 1), 1))

    @property
    def first(self) -> tuple[Picture, ...]:
        """The two that are shown first."""
        named = {picture.key: picture for picture in self.pictures}
        return tuple(named[key] for key in dict.fromkeys((self.left, self.right)))

    @property
    def beside(self) -> tuple[Picture, ...]:
        """All of them, as they stand side by side where there is no curtain."""
        return (*self.first, *(picture for picture in self.pictures if picture not in self.first))


def stage_of(
    shape: Sequence[int],
    pictures: Sequence[Picture | None],
    left: str,
    right: str,
    places: Sequence[Mapping[str, Any]] = (),
) -> Stage | None:
    """A stage of the pictures that are there; None without one. ``places``: their ``row`` and ``col`` in pixels of ``shape``."""
    there = tuple(picture for picture in pictures if picture is not None)
    if not there:
        return None
    keys = [picture.key for picture in there]
    rows, cols = max(int(shape[0]), 1), max(int(shape[1]), 1)
    marks = [
        Mark(i, (float(p["col"]) + 0.5) / cols, (float(p["row"]) + 0.5) / rows)
        for i, p in enumerate(places[:_MOST_MARKS], start=1)
    ]
    one = left if left in keys else keys[0]
    two = right if right in keys else keys[-1]
    return Stage((rows, cols), there, one, two, tuple(marks))


def renamed(picture: Picture | None, key: str, title: str) -> Picture | None:
    """The same picture in another role."""
    return None if picture is None else replace(picture, key=key, title=title)


def bounded(encode: Callable[[int], str], length: int = LENGTH) -> str:
    """The first of ``encode(1), encode(2), ...`` (every n-th pixel) that has at most ``length`` characters."""
    step = 1
    while len(uri := encode(step)) > length and step < 64:
        step += 1
    return uri
