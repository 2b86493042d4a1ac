"""Notebook: values as small pieces of HTML for ``_repr_html_``; every text is escaped, and nothing here raises."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape

log = logging.getLogger(__name__)

_LONGEST = 300
"""Characters of a text, and rows of a table, that are shown."""
_ROWS = 30
_CELL = "padding:1px 12px 1px 0;text-align:{};vertical-align:top;background:none;border:none"
_SWATCH = (
    '<span style="display:inline-block;width:.8em;height:.8em;margin-right:.4em;background:{};'
    'border:1px solid rgba(128,128,128,.6)"></span>{}'
)


def shown(value: object, make: Callable[[], str]) -> str:
    """What ``make`` gives, or the value's plain text where that fails: looking at a value must never be an error."""
    try:
        return make()
    except Exception as error:  # whatever it is, the value itself is sound
        log.debug("no rich view of %s: %s", type(value).__name__, error)
        return f"<pre>{text(repr(value))}</pre>"


def panel(title: str, *parts: str, picture: str = "") -> str:
    """A title above pieces of HTML, with a picture at their left."""
    body = f"<div><strong>{text(title)}</strong>{''.join(parts)}</div>"
    return f'<div style="display:flex;gap:1em;align-items:flex-start;max-width:60em">{picture}{body}</div>'


def facts(pairs: Mapping[str, object]) -> str:
    """Names and values, one a line; what is None or empty is left out."""
    kept = [(name, value) for name, value in pairs.items() if value not in (None, "", (), [])]
    return table((), kept, right=())


def table(header: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[int] = ()) -> str:
    """Rows of texts; those after the first thirty are counted only. ``right``: columns of numbers."""
    lines = [tuple(row) for row in rows]

    def line(cells: Sequence[object], tag: str) -> str:
        styles = (_CELL.format("right" if i in right else "left") for i in range(len(cells)))
        made = (
            f'<{tag} style="{style}">{cell if isinstance(cell, Html) else text(cell)}</{tag}>'
            for cell, style in zip(cells, styles, strict=True)
        )
        return f'<tr style="background:none">{"".join(made)}</tr>'

    body = "".join(line(row, "td") for row in lines[:_ROWS])
    head = line(header, "th") if header else ""
    more = f"<div>and {len(lines) - _ROWS:,} more</div>" if len(lines) > _ROWS else ""
    return f'<table style="border:none;margin:.3em 0">{head}{body}</table>{more}'


def picture(uri: str, caption: str) -> str:
    """An image from a ``data:`` address with what it shows below it; nothing where there is none."""
    if not uri.startswith("data:image/"):
        return ""
    image = f'<img src="{escape(uri)}" alt="{text(caption)}" style="display:block;image-rendering:pixelated">'
    return f'<figure style="margin:0">{image}<figcaption style="font-size:80%">{text(caption)}</figcaption></figure>'


def swatches(names: Mapping[int, str], colours: Mapping[int, tuple[int, int, int]]) -> str:
    """The classes of a legend with their colours, in one paragraph."""
    items = [class_name(name, colours.get(value)) for value, name in list(names.items())[:_ROWS]]
    more = [f"and {len(names) - _ROWS:,} more"] if len(names) > _ROWS else []
    spans = (f'<span style="white-space:nowrap;margin-right:1em">{item}</span>' for item in [*items, *more])
    return f'<div style="margin:.3em 0">{"".join(spans)}</div>'


def class_name(name: str, colour: tuple[int, int, int] | None) -> Html:
    """A class with its colour; grey where it has none."""
    return Html(_SWATCH.format("#{:02x}{:02x}{:02x}".format(*(colour or (128, 128, 128))), text(name)))


def text(value: object) -> str:
    """Escaped, of bounded length, without control characters."""
    plain = "".join(c if c.isprintable() else " " for c in str(value)[: _LONGEST + 1])
    return escape(plain if len(plain) <= _LONGEST else plain[:_LONGEST] + "…")


class Html(str):
    """HTML that is made already and is not escaped again."""

    __slots__ = ()
