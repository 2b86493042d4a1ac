"""Paths: what the paths of a pipeline's file mean, and which of them it may name."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from geoseg.errors import InputRefused

_ADDRESS = re.compile(r"(https?|s3)://[^/]", re.IGNORECASE)


def is_address(text: str) -> bool:
    """Whether a text is an address of the network; all others are paths, whatever is in them."""
    return _ADDRESS.match(text) is not None


@dataclass(frozen=True, slots=True)
class Paths:
    """Paths relative to ``folder``; where there are ``roots``, below one of them only, after every link is followed."""

    folder: Path
    roots: tuple[Path, ...] | None = None

    def at(self, path: str | Path) -> str:
        """The path as files are opened by; an address of the network as it is.

        Raises
        ------
        InputRefused
            ``PATH``: no path at all. ``ROOT``: it leaves the allowed folders.
        """
        text = str(path)
        if is_address(text):
            return text
        if not text or "\0" in text:
            raise InputRefused.of("PATH", text.replace("\0", "?") or "''", "is no path", "Name a file")
        whole = self.folder / text
        self.check(whole)
        return os.path.normpath(whole) if not whole.is_symlink() and ".." not in whole.parts else str(whole)

    def check(self, path: Path) -> None:
        """Refuse a path outside of the roots."""
        if self.roots is None:
            return
        real = Path(os.path.realpath(path))
        if not any(real.is_relative_to(os.path.realpath(root)) for root in self.roots):
            what = "lies outside of the folders that jobs may read"
            raise InputRefused.of("ROOT", path, what, "Move it, or allow its folder with --root")
