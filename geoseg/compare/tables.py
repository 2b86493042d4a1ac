"""Tables: transitions as lines of CSV, of the whole map or by zone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from geoseg.compare.transition import Transitions
from geoseg.legend import Legend
from geoseg.vector.measure import write_csv
from geoseg.vector.zones import Zones, ZoneSum

HEADER = (
    "from_id", "from_name", "to_id", "to_name", "n_pixels", "area_m2", "area_ha",
    "share_of_before", "share_of_after", "share", "area_method",
)  # fmt: skip
ZONE_HEADER = ("zone_id", "zone_name", *HEADER)


def write_transitions(path: str | Path, transitions: Transitions) -> None:
    """Write ``transitions.csv``: one line for each transition that occurs, persistence too."""
    write_csv(path, HEADER, transition_lines(transitions))


def transition_lines(transitions: Transitions) -> Iterator[list[object]]:
    """The lines of ``transitions.csv``, row by row of the matrix."""
    classes, areas, units = transitions.legend.classes, transitions.area_m2, transitions.area_units
    of_before, of_after, total = transitions.share_of_before, transitions.share_of_after, int(units.sum()) or 1
    for i, j in transitions.occurring():
        shares = (of_before[i, j], of_after[i, j], int(units[i, j]) / total)
        yield [
            classes[i].value, classes[i].name, classes[j].value, classes[j].name, int(transitions.n_pixels[i, j]),
            f"{areas[i, j]:.3f}", f"{areas[i, j] / 1e4:.7f}", *(f"{share:.9f}" for share in shares), transitions.area_method,
        ]  # fmt: skip


def write_zones(
    path: str | Path, zones: Zones, sums: Sequence[Mapping[int, ZoneSum]], legend: Legend, method: str
) -> None:
    """Write ``zones.csv``: one line for each zone and transition in it; shares are those of the zone."""
    lines = (
        line for i in range(len(zones)) for line in _zone_lines(zones.ids[i], zones.names[i], sums[i], legend, method)
    )
    write_csv(path, ZONE_HEADER, lines)


def zone_facts(zones: Zones, sums: Sequence[Mapping[int, ZoneSum]]) -> list[dict[str, object]]:
    """Each zone's area with a class at both dates, and how much of it changed, for ``run.json``."""
    made: list[dict[str, object]] = []
    for i in range(len(zones)):
        mapped = sum(item.area_m2 for code, item in sums[i].items() if code)
        changed = sum(item.area_m2 for code, item in sums[i].items() if code and code >> 8 != code & 255)
        share = changed / mapped if mapped else 0.0
        made.append({
            "zone_id": zones.ids[i], "zone_name": zones.names[i], "zone_ha": float(zones.area_m2[i]) / 1e4,
            "mapped_ha": mapped / 1e4, "changed_ha": changed / 1e4, "changed_share": share,
        })  # fmt: skip
    return made


def _zone_lines(
    zone: int | str, name: str, sums: Mapping[int, ZoneSum], legend: Legend, method: str
) -> Iterator[list[object]]:
    names = legend.names
    had: dict[int, float] = {}
    has: dict[int, float] = {}
    for code, item in sums.items():
        if code:
            had[code >> 8] = had.get(code >> 8, 0.0) + item.area_m2
            has[code & 255] = has.get(code & 255, 0.0) + item.area_m2
    total = sum(had.values())
    for code, item in sorted(sums.items()):
        old, new = divmod(code, 256)
        if not code:
            continue
        pixels = int(item.n_pixels) if float(item.n_pixels).is_integer() else f"{item.n_pixels:.6f}"
        shares = (f"{item.area_m2 / whole if whole else 0.0:.9f}" for whole in (had[old], has[new], total))
        areas = (f"{item.area_m2:.3f}", f"{item.area_m2 / 1e4:.7f}")
        yield [zone, name, old, names[old], new, names[new], pixels, *areas, *shares, method]
