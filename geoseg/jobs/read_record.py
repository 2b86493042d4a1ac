"""Read record: what ``run.json`` in the folder of a run says; it may come from anybody."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

from geoseg.errors import InputRefused

RECORD = "run.json"
_MOST_BYTES = 64 << 20
_REMEDY = "Name the folder of a run that ended"


def read_record(folder: Path) -> dict[str, Any]:
    """Read the record of a run.

    Raises
    ------
    InputRefused
        ``RUN``: no run ended in that folder, or its record cannot be read or is none.
    """
    path = folder / RECORD
    if _is_absent(path):
        what = f"has no {RECORD}, which is the last that a run writes" if folder.is_dir() else "is no folder of a run"
        raise InputRefused.of("RUN", folder, what, _REMEDY)
    found = read_json(path, "RUN")
    if not isinstance(found, dict):
        raise InputRefused.of("RUN", path, "is no record of a run", _REMEDY)
    return found


def read_json(path: Path, code: str) -> Any:
    """What a small JSON file says; InputRefused of ``code`` where it cannot be read."""
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode) or about.st_size > _MOST_BYTES:
            raise ValueError("it is no file, or too large")
        return json.loads(path.read_bytes())
    except OSError as error:
        what = f"cannot be read ({error.strerror})"
        raise InputRefused.of(code, path, what, "Check that it is there, and its permissions") from None
    except (ValueError, RecursionError) as error:
        raise InputRefused.of(code, path, f"cannot be read as JSON ({error})", "Copy it again") from None


def _is_absent(path: Path) -> bool:
    """Whether nothing is there; not, as of ``Path.exists``, whether it cannot be looked at."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:  # what is wrong is said when it is read
        return False
    return False
