"""Install: checks of the interpreter, of geoseg's own requirements and of the optional ones."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import geoseg
from geoseg.jobs.doctor.finding import Finding, fail, ok, warn

_OLDEST = (3, 11)
_INNER = {"dev", "docs"}
"""Extras that only those need who work on geoseg itself."""


def python(_: str) -> Finding:
    """The interpreter's version and width, and whether file names may hold any letter."""
    said = f"{platform.python_version()}, {sys.executable}"
    if sys.version_info < _OLDEST:
        return fail("python", said, f"Use Python {_OLDEST[0]}.{_OLDEST[1]} or newer")
    if sys.maxsize < 2**32:
        return fail("python", f"{said}, 32 bits", "Use a Python of 64 bits: large rasters do not fit into 32")
    if sys.getfilesystemencoding().lower().replace("-", "") != "utf8":
        what = f"{said}; file names are {sys.getfilesystemencoding()}"
        return warn("python", what, "Set LC_ALL=C.UTF-8: names of other letters cannot be opened")
    return ok("python", said)


def packages(_: str) -> Finding:
    """What geoseg needs: whether it is there, in a version that will do."""
    said = f"{geoseg.__version__}, {Path(geoseg.__file__).parent}"
    try:
        lines = requires("geoseg") or []
    except PackageNotFoundError:
        return warn("geoseg", f"{said}; not installed, it runs from its source", "Run: pip install .")
    needed = [line for line in lines if "extra ==" not in line]
    missing = list(_unmet(needed))
    if missing:
        return fail("geoseg", f"{said}; does not have {', '.join(missing)}", f"Run: pip install {_quoted(missing)}")
    return ok("geoseg", f"{said}; all {len(needed)} requirements are met")


def extras(_: str) -> Finding:
    """Which optional parts are there; none of them has to be."""
    try:
        lines = requires("geoseg") or []
    except PackageNotFoundError:
        return ok("extras", "not known: geoseg is not installed, it runs from its source")
    names = sorted({name for line in lines for name in _extra(line)} - _INNER)
    lacking = {name: list(_unmet([line for line in lines if name in _extra(line)])) for name in names}
    there = [name for name in names if not lacking[name]]
    text = f"there: {', '.join(there) or 'none'}"
    away = [f"{name} ({', '.join(lacking[name])})" for name in names if lacking[name]]
    return ok("extras", text + (f"; not there: {', '.join(away)}: pip install 'geoseg[NAME]'" if away else ""))


def _unmet(lines: Iterable[str]) -> Iterable[str]:
    """The requirements that are not installed, or not in a version that will do, as pip would take them."""
    from packaging.requirements import Requirement

    for line in lines:
        need = Requirement(line)
        if need.name == "geoseg" or (need.marker and not need.marker.evaluate({"extra": ""}) and not _extra(line)):
            continue  # geoseg[a,b] of another extra; what other systems or Pythons need
        try:
            fits = need.specifier.contains(version(need.name), prereleases=True)
        except PackageNotFoundError:
            fits = False
        if not fits:
            yield f"{need.name}{need.specifier}"


def _extra(line: str) -> list[str]:
    return re.findall(r"extra == ['\"]([\w-]+)['\"]", line)


def _quoted(requirements: Iterable[str]) -> str:
    return " ".join(f"'{item}'" for item in requirements)
