"""Child: the process of one check; ``python -m geoseg.jobs.doctor.child CHECK FOLDER`` says one line of JSON."""

from __future__ import annotations

import json
import sys

from geoseg.errors import GeosegError
from geoseg.jobs.doctor.examine import CHECKS, MARK
from geoseg.jobs.doctor.finding import Finding, fail


def answer(name: str, folder: str) -> Finding:
    """Run a check; whatever goes wrong is its finding."""
    try:
        return CHECKS[name](folder)
    except GeosegError as error:
        return fail(name, str(error), "See what it says")
    except ImportError as error:
        remedy = "Install geoseg into a new environment"
        return fail(name, f"cannot be loaded: {' '.join(str(error).split())[:300]}", remedy)
    except OSError as error:
        what = f"{error.filename or folder}: {error.strerror or error}"
        return fail(name, what, "Check the path and its permissions, or name another folder by --folder")
    except Exception as error:
        what = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        return fail(
            name, what.rstrip(". "), "See the lines of gdal and proj first; else install geoseg into a new environment"
        )


if __name__ == "__main__":
    print(MARK + json.dumps(answer(*sys.argv[1:]).facts()), flush=True)
