"""Script: whether a script may start worker processes: they import it, so it must not start them when it is imported."""

from __future__ import annotations

import ast
import multiprocessing
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from geoseg.errors import UsageError

_GUARDS = {"__name__", "parent_process", "current_process"}
_REMEDY = 'Let the script make the call only if __name__ == "__main__"'


def check_script() -> None:
    """Refuse a call at the top level of a script, without a guard: each worker would run the script again.

    Workers are new processes that import the main module (``spawn``, the one method that is sound beside threads). A
    notebook and an interpreter have no file to import and pass; so does what is called inside ``if __name__ == ...``.

    Raises
    ------
    UsageError
        ``MAIN``.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):  # a worker that is just being started
        what = "a worker that starts imports this script, which would start workers again"
        raise UsageError.of("MAIN", Path(sys.argv[0] or "script").name, what, _REMEDY)
    path = getattr(sys.modules.get("__main__"), "__file__", None)
    line = next((frame.f_lineno for frame in _frames() if _is_script(frame, path)), None)
    if path is None or line is None:
        return
    try:
        tree = ast.parse(Path(path).read_bytes())
    except (OSError, SyntaxError, ValueError):  # no text of Python: nobody can say
        return
    if not _is_guarded(tree, line):
        what = "workers start by importing this script, and would run it again"
        raise UsageError.of("MAIN", f"{Path(path).name}, line {line}", what, _REMEDY)


def _frames() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back


def _is_script(frame: FrameType, path: str | None) -> bool:
    """Whether a frame is the top level of the main module's own file: a notebook's cells have other names."""
    code = frame.f_code
    return code.co_name == "<module>" and code.co_filename == path and frame.f_globals.get("__name__") == "__main__"


def _is_guarded(tree: ast.Module, line: int) -> bool:
    """Whether the statement at a line stands below an ``if`` that asks who runs it."""
    around = (
        node for node in ast.walk(tree) if isinstance(node, ast.If) and node.lineno <= line <= (node.end_lineno or 0)
    )
    names = (name for node in around for name in ast.walk(node.test))
    return any(getattr(name, "id", getattr(name, "attr", None)) in _GUARDS for name in names)
