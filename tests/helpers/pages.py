"""Pages: HTML taken apart: elements, words, whether tags close in order, and what a page must be whatever it shows."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
from PIL import Image

VOID = {"meta", "img", "br", "link", "input", "hr"}
HOSTILE = "<script>alert(1)</script>\"'&"


class Page(HTMLParser):
    """Every element with its attributes, the text, and whether tags close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.source = text
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & {*self.open}:
            self.words += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def picture(self, key: str) -> np.ndarray:
        """The pixels of a picture, uint8 (rows, cols, 4)."""
        uri = next(str(image["href"]) for image in self.all("image") if image["id"] == f"picture-{key}")
        return pixels_of(uri)


def pixels_of(uri: str) -> np.ndarray:
    """The pixels of a ``data:`` address, uint8 (rows, cols, 4)."""
    with Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) as image:
        return np.asarray(image.convert("RGBA"))


def check_page(text: str) -> Page:
    """A page that is whole, needs nothing else, runs nothing but its own script, and can be read by everyone."""
    page = Page(text)
    assert page.open == [] and text.startswith("<!doctype html>")
    assert len(page.all("script")) <= 1 and not page.all("script")[0:1] == [{"src": None}]
    assert not page.all("link") + page.all("iframe") + page.all("form") + page.all("object")
    assert not any(name.startswith("on") or name == "style" for _, known in page.elements for name in known)
    assert all(str(known["src"]).startswith("data:image/") and known["alt"] for known in page.all("img"))
    assert all(str(known["href"]).startswith("data:image/") for known in page.all("image"))
    assert not re.search(r"https?:|url\((?!#)|@import|eval\(", text)
    policy = str(next(known["content"] for known in page.all("meta") if known.get("http-equiv")))
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert page.all("html")[0]["lang"] == "en" and len(page.all("h1")) == 1
    assert all(cell.get("scope") in ("row", "col") for cell in page.all("th"))
    named = [known["aria-labelledby"] for _, known in page.elements if "aria-labelledby" in known]
    ids = [known["id"] for _, known in page.elements if "id" in known]
    assert set(named) <= set(ids) and len(ids) == len(set(ids)), "an id names one element"
    used = {str(known["href"])[1:] for known in page.all("use")}
    assert used <= set(ids)
    links = "".join(str(known["href"]) for known in page.all("a"))
    assert not set(links) & set("<>\"'")
    return page
