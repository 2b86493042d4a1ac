"""Folder: the outputs of a run that is not resumed: made in a hidden folder inside OUT, they appear together at the end.

``run.json`` comes last: its presence means that all is there. What an earlier run left and this one has not goes.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from geoseg.errors import Conflict, UsageError
from geoseg.jobs.outputs import refuse_name
from geoseg.raster.files import complete_or_absent
from geoseg.raster.sidecars import sidecars

LAST = "run.json"

_PAGES = ("scene.vrt", "project.qgz", "item.json", "report.html", LAST)
COMPARISONS = {
    "change.tif": (
        "change.tif", *sidecars("change.tif"), "transitions.csv", "zones.csv", "polygons.gpkg", *_PAGES,
    ),
    "magnitude.tif": (
        "magnitude.tif", "pvalue.tif", "direction.tif", "change.tif", *sidecars("change.tif"), "areas.csv",
        "polygons.gpkg", *_PAGES,
    ),
    "trajectory.tif": (
        "trajectory.tif", *sidecars("trajectory.tif"), "first_change.tif", "last_change.tif",
        "n_changes.tif", "trajectories.csv", "transitions.csv", *_PAGES,
    ),
}  # fmt: skip
"""What comparisons of two maps, two images and more maps may leave, by the raster that tells them apart."""


@contextmanager
def run_folder(
    out: str | Path, names: Sequence[str], *, inputs: Iterable[str | Path | None], overwrite: bool
) -> Iterator[Path]:
    """Give the hidden folder in which a run makes its files; they take their places when the body ends well.

    Parameters
    ----------
    names
        Every name that such a run may leave; ``run.json``, which the body has to write, is one. A comparison also
        replaces what another kind of :data:`COMPARISONS` left.
    inputs
        What is read; never replaced, whatever ``overwrite`` says.

    Raises
    ------
    UsageError
        ``OUT``: it is a file. ``NAME``: see :func:`geoseg.jobs.outputs.refuse_name`.
    Conflict
        ``EXISTS``, ``INPUT``.
    """
    folder = Path(out)
    refuse_name(folder)
    names = _with_others(folder, names)
    if folder.exists() and not folder.is_dir():
        raise UsageError.of("OUT", folder, "is a file", "Name a folder for the outputs")
    _spare(folder, names, inputs)
    there = [name for name in names if (folder / name).exists()]
    if there and not overwrite:
        raise Conflict.of("EXISTS", folder / there[0], "exists", "Add --overwrite, or choose another OUT")
    new = not folder.exists()
    try:
        with complete_or_absent(folder / LAST) as last:
            yield last.parent
            made = {path.name for path in last.parent.iterdir()}
            (folder / LAST).unlink(missing_ok=True)
            for name in set(names) - made:
                _remove(folder / name)
    finally:
        if new and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _with_others(folder: Path, names: Sequence[str]) -> tuple[str, ...]:
    """The names, and those of another kind of comparison that is there: files of two runs side by side mislead."""
    others = (
        [made for raster, made in COMPARISONS.items() if (folder / raster).exists()]
        if set(names) & set(COMPARISONS)
        else []
    )
    return tuple(dict.fromkeys([*names, *(name for made in others for name in made)]))


def _spare(folder: Path, names: Sequence[str], inputs: Iterable[str | Path | None]) -> None:
    """Conflict where an input is, or lies in, what the run would replace."""
    home = folder.resolve()
    for path in inputs:
        if path is None:
            continue
        whole = Path(path).resolve()
        if whole == home or (whole.is_relative_to(home) and whole.relative_to(home).parts[0] in names):
            raise Conflict.of("INPUT", path, "is an input, and the output would replace it", "Choose another OUT")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
