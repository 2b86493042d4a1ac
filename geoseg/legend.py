"""Legend: the classes of a class raster, their values, names and colours, and the value that means nodata."""

from __future__ import annotations

import colorsys
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from geoseg import notebook
from geoseg.errors import UsageError

Colour = tuple[int, int, int]

MOST = 65535
"""The largest class value: class rasters have 16 bits, masks that geoseg writes have 8."""


@dataclass(frozen=True, slots=True)
class LegendClass:
    """One class: the integer stored in rasters, its name and its colour (red, green, blue; 0-255)."""

    value: int
    name: str
    colour: Colour


@dataclass(frozen=True, slots=True)
class Legend:
    """Ordered classes; the class at index ``i`` is channel ``i`` of the network.

    Values are unique, 0-65535 (0-255 in what geoseg writes as a mask: :attr:`fits_mask`), and none equals ``nodata``.
    ``nodata`` is 0 unless a class owns 0; then it is 255, or 65535 where values are larger than 255. A raster without
    any class has a legend without classes; whoever names classes names at least one (:meth:`of`).
    """

    classes: tuple[LegendClass, ...]
    nodata: int = 0

    def __post_init__(self) -> None:
        """Refuse repeated values, and values that do not fit a class raster."""
        values = [item.value for item in self.classes]
        if len(set(values)) != len(values):
            raise UsageError.of("LEGEND", "legend", f"a value occurs twice: {sorted(values)}", "Make values unique")
        if values and (min(values) < 0 or max(values) > MOST):
            raise UsageError.of("LEGEND", "legend", f"class values must lie in 0-{MOST}", "Recode the classes")
        if self.nodata in values:
            raise UsageError.of("LEGEND", "legend", f"nodata {self.nodata} is also a class", "Use another nodata value")

    @classmethod
    def of(
        cls,
        names: Iterable[str] | Mapping[int, str],
        colours: Mapping[int, Colour] | None = None,
        *,
        nodata: int | None = None,
    ) -> Self:
        """Make a legend from names (values 1, 2, ...) or value-to-name; missing colours are spread over the hues."""
        table = dict(names) if isinstance(names, Mapping) else dict(enumerate(names, start=1))
        if not table:
            raise UsageError.of("LEGEND", "legend", "no classes", "Name at least one class")
        colours = colours or {}
        classes = tuple(
            LegendClass(int(value), str(name), colours.get(int(value), _spread(i, len(table))))
            for i, (value, name) in enumerate(table.items())
        )
        values = {item.value for item in classes}
        free = 0 if 0 not in values else 255 if max(values) <= 255 else MOST
        return cls(classes, free if nodata is None else nodata)

    @property
    def fits_mask(self) -> bool:
        """Whether all values and nodata fit the 8 bits of a mask."""
        return max((*self.values, self.nodata)) <= 255

    @property
    def values(self) -> tuple[int, ...]:
        """The class values in channel order."""
        return tuple(item.value for item in self.classes)

    @property
    def names(self) -> dict[int, str]:
        """Class value to name."""
        return {item.value: item.name for item in self.classes}

    @property
    def colours(self) -> dict[int, Colour]:
        """Class value to colour."""
        return {item.value: item.colour for item in self.classes}

    def value_of(self, name: str) -> int:
        """Return the value of the class ``name``: a name, whatever its case; else a value; else a word of one name only.

        Raises
        ------
        UsageError
            ``LEGEND``: none of these; the known names are said.
        """
        wanted = name.strip().casefold()
        same = [item for item in self.classes if item.name.casefold() == wanted]
        if not same and wanted.isdecimal() and int(wanted) in self.values:
            return int(wanted)
        with_word = [item for item in self.classes if wanted in item.name.casefold().split()]
        for found in (same, with_word):
            if len(found) == 1:
                return found[0].value
        known = ", ".join(item.name for item in self.classes)
        raise UsageError.of("LEGEND", name, "no class of this name", f"The legend has: {known}")

    def to_stac(self) -> list[dict[str, Any]]:
        """STAC ``classification:classes`` (classification extension 2.0: value, name, description, color_hint)."""
        return [
            {
                "value": item.value,
                "name": "".join(c if c.isascii() and c.isalnum() else "_" for c in item.name.lower()),
                "description": item.name,
                "color_hint": "{:02X}{:02X}{:02X}".format(*item.colour),
            }
            for item in self.classes
        ]

    @classmethod
    def from_stac(cls, classes: Iterable[Mapping[str, Any]], nodata: int | None = None) -> Self:
        """Read ``classification:classes``; ``description`` is the name where it is given."""
        items = list(classes)
        names = {int(c["value"]): str(c.get("description") or c["name"]) for c in items}
        hints = {int(c["value"]): str(c["color_hint"]) for c in items if c.get("color_hint")}
        colours = {v: (int(h[0:2], 16), int(h[2:4], 16), int(h[4:6], 16)) for v, h in hints.items()}
        return cls.of(names, colours, nodata=nodata)

    def _repr_html_(self) -> str:
        """The classes in a notebook, each with its colour."""

        def made() -> str:
            rows = [(item.value, notebook.class_name(item.name, item.colour)) for item in self.classes]
            title = f"Legend of {len(rows)} classes, nodata {self.nodata}"
            return notebook.panel(title, notebook.table(("value", "class"), rows, right=(0,)))

        return notebook.shown(self, made)

    def to_json(self) -> str:
        """One line of JSON with sorted keys: equal legends give equal text."""
        return json.dumps({"nodata": self.nodata, "classes": self.to_stac()}, sort_keys=True)


def _spread(i: int, n: int) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(i / max(n, 1), 0.6, 0.8)
    return (round(red * 255), round(green * 255), round(blue * 255))


HARMONISED = Legend.of(
    {
        1: "water", 2: "tree", 3: "low vegetation", 4: "cropland", 5: "built",
        6: "bare", 7: "wetland", 8: "snow or ice", 9: "cloud", 10: "shadow",
    },
    {
        1: (38, 112, 184), 2: (28, 110, 60), 3: (166, 200, 100), 4: (240, 200, 90), 5: (200, 60, 60),
        6: (180, 160, 140), 7: (110, 170, 170), 8: (230, 240, 250), 9: (200, 200, 200), 10: (90, 90, 100),
    },
)  # fmt: skip
