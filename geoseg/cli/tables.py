"""Tables: rows of text in columns, for people."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

_WIDEST = 72  # characters of a cell


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, right: Collection[str] = ()) -> str:
    """Columns as wide as their cells; no cell can steer the terminal, or is wider than a line bears but for the last.

    Parameters
    ----------
    right
        Heads of the columns that end at their right side, as numbers do.
    """
    from geoseg.schedule.logs import plain

    made = [tuple(head), *(tuple(" ".join(plain(cell).split()) for cell in row) for row in rows)]
    made = [(*(_cut(cell) for cell in row[:-1]), row[-1]) for row in made]
    wide = [max(map(len, column)) for column in zip(*made, strict=True)]
    sides = [str.rjust if name in right else str.ljust for name in head]
    return "\n".join(
        "  ".join(side(cell, w) for side, cell, w in zip(sides, row, wide, strict=True)).rstrip() for row in made
    )


def _cut(cell: str) -> str:
    return cell if len(cell) <= _WIDEST else f"{cell[: _WIDEST // 3]}…{cell[-(_WIDEST - _WIDEST // 3 - 1) :]}"
