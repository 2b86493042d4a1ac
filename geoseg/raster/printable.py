"""Printable: text of others, such as names of classes, for files that hold no control characters."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text with a space for each control character: XML 1.0 has none, not even as references; dBASE may end there."""
    return "".join(c if c.isprintable() else " " for c in text)
