"""Folder: a run's outputs appear together or not at all; what is not its own stays."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from geoseg.errors import Conflict, UsageError
from geoseg.jobs.folder import COMPARISONS, run_folder
from geoseg.jobs.trajectory_products import NAMES as SERIES

NAMES = ("a.txt", "b.txt", "run.json")


def make(out: Path, *names: str, overwrite: bool = False, inputs: tuple[Path, ...] = ()) -> None:
    with run_folder(out, NAMES, inputs=inputs, overwrite=overwrite) as folder:
        for name in names:
            (folder / name).write_text(name)


def listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_everything_appears_and_nothing_else(tmp_path: Path) -> None:
    make(tmp_path / "deep" / "out", "a.txt", "run.json")
    assert listing(tmp_path / "deep" / "out") == ["a.txt", "run.json"]


def test_an_error_leaves_nothing_and_what_was_there(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), run_folder(tmp_path / "out", NAMES, inputs=[], overwrite=False) as folder:
        (folder / "a.txt").write_text("x")
        raise RuntimeError
    assert not (tmp_path / "out").exists()
    make(tmp_path / "out", "a.txt", "run.json")
    with pytest.raises(RuntimeError), run_folder(tmp_path / "out", NAMES, inputs=[], overwrite=True) as folder:
        (folder / "a.txt").write_text("new")
        raise RuntimeError
    assert (tmp_path / "out" / "a.txt").read_text() == "a.txt" and listing(tmp_path / "out") == ["a.txt", "run.json"]


def test_an_earlier_run_is_replaced_only_when_told_and_whole(tmp_path: Path) -> None:
    make(tmp_path / "out", "a.txt", "b.txt", "run.json")
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(Conflict, match="EXISTS"):
        make(tmp_path / "out", "a.txt", "run.json")
    make(tmp_path / "out", "a.txt", "run.json", overwrite=True)
    assert listing(tmp_path / "out") == ["a.txt", "mine.txt", "run.json"]


def test_an_input_is_never_replaced(tmp_path: Path) -> None:
    make(tmp_path / "out", "a.txt", "run.json")
    for given in (tmp_path / "out", tmp_path / "out" / "a.txt"):
        with pytest.raises(Conflict, match="INPUT"):
            make(tmp_path / "out", "a.txt", "run.json", overwrite=True, inputs=(given,))
    make(tmp_path / "out", "a.txt", "run.json", overwrite=True, inputs=(tmp_path / "out" / "other.tif", tmp_path))


def test_one_kind_of_comparison_leaves_nothing_of_another(tmp_path: Path) -> None:
    for kind, other in itertools.permutations(COMPARISONS.values(), 2):
        out = tmp_path / f"{kind[0]}-{other[0]}"
        (out / "mine").mkdir(parents=True)
        for names in (kind, other):
            with run_folder(out, names, inputs=[], overwrite=names is other) as folder:
                for name in names:
                    (folder / name).write_text(names[0])
        assert set(listing(out)) == {*other, "mine"}
        assert {path.read_text() for path in out.iterdir() if path.is_file()} == {other[0]}
    assert set(COMPARISONS["trajectory.tif"]) == set(SERIES)


def test_a_comparison_beside_a_map_leaves_the_map(tmp_path: Path) -> None:
    (tmp_path / "areas.csv").write_text("of the map")
    make(tmp_path, "change.tif", "run.json", overwrite=True)
    assert listing(tmp_path) == ["areas.csv", "change.tif", "run.json"]


@pytest.mark.parametrize("name", ["a\nb", "a\tb", "a\x7fb"])
def test_names_that_gdal_would_change_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="NAME"):
        make(tmp_path / name, "run.json")
    assert not list(tmp_path.iterdir())
    make(tmp_path / "a; b ö", "run.json")


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("x")
    with pytest.raises(UsageError, match="OUT"):
        make(tmp_path / "out", "run.json")
