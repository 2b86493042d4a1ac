"""QGIS for tests: the system's own, in a process of its own, because it brings its own GDAL and Python."""

from __future__ import annotations

import functools
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

LOOK = Path(__file__).with_name("qgis_look.py")
PYTHON = "/usr/bin/python3"


@functools.cache
def missing() -> str | None:
    """Why there is no QGIS here; None where there is."""
    if not Path(PYTHON).exists():
        return f"no {PYTHON}"
    done = subprocess.run([PYTHON, "-c", "import qgis.core, qgis.gui"], capture_output=True, env=environment())
    return None if done.returncode == 0 else f"{PYTHON} has no QGIS (Debian: python3-qgis)"


def environment(home: Path | None = None) -> dict[str, str]:
    """The environment without what leads QGIS to the GDAL, PROJ or Python of the tests."""
    kept = {key: os.environ[key] for key in ("PATH", "LANG", "TMPDIR") if key in os.environ}
    return {
        **kept,
        "QT_QPA_PLATFORM": "offscreen",
        "HOME": str(home or "/nonexistent"),
        "LC_ALL": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def look(*args: object, home: Path, script: Path = LOOK) -> Any:
    """What a script says, as JSON on its last line; the test is skipped without QGIS."""
    if missing():
        pytest.skip(str(missing()))
    command = [PYTHON, str(script), *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(home), timeout=300, cwd=home)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])
