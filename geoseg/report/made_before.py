"""Made before: the pictures of a page that was made earlier, for a page that is made again.

A page is the only file of a run that keeps small pictures of the run's inputs, which may be elsewhere by then, or gone.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

from geoseg.report.stage import Picture

_PREFIX = "picture-"
_MOST_BYTES = 3_500_000
_URI = re.compile(r"data:image/(?:jpeg|png);base64,[A-Za-z0-9+/]+={0,2}")


def pictures_of(page: Path) -> dict[str, Picture]:
    """The pictures of a page by key; none where there is no page, or it is not one that geoseg made."""
    try:
        if page.stat().st_size > _MOST_BYTES:
            return {}
        text = page.read_text("utf-8")
    except (OSError, ValueError):
        return {}
    reader = _Reader()
    reader.feed(text)
    return {picture.key: picture for picture in reader.found}


class _Reader(HTMLParser):
    """Finds ``<image id="picture-KEY" href="data:..."><title>...</title></image>``."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Picture] = []
        self._now: tuple[str, str, bool] | None = None
        self._title = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        key, uri = known.get("id") or "", known.get("href") or ""
        if tag == "image" and key.startswith(_PREFIX) and _URI.fullmatch(uri):
            self._now, self._title = (key.removeprefix(_PREFIX), uri, known.get("class") != "classes"), ""

    def handle_data(self, data: str) -> None:
        self._title += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "image" and self._now is not None:
            key, uri, photo = self._now
            self.found.append(Picture(key, self._title, uri, photo))
            self._now = None
