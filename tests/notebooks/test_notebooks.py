"""Notebooks: each is a pair of one text, holds no output, uses public names only, and runs in an empty folder."""

import ast
import shutil
from pathlib import Path

import jupytext
import pytest
from nbmake.nb_run import NotebookRun

import geoseg

FOLDER = Path(__file__).parents[2] / "notebooks"
STEMS = sorted(path.stem for path in FOLDER.glob("*") if path.suffix in (".py", ".ipynb"))
PAIRS = sorted(set(STEMS))


def test_every_notebook_is_a_pair() -> None:
    assert PAIRS
    assert sorted([*PAIRS, *PAIRS]) == STEMS


@pytest.mark.parametrize("name", PAIRS)
def test_both_of_a_pair_say_the_same(name: str) -> None:
    one, other = (jupytext.read(FOLDER / f"{name}{ending}") for ending in (".py", ".ipynb"))
    cells = [[(cell.cell_type, cell.source) for cell in notebook.cells] for notebook in (one, other)]
    assert cells[0] == cells[1], f"jupytext --to ipynb notebooks/{name}.py"


@pytest.mark.parametrize("name", PAIRS)
def test_a_notebook_holds_no_output(name: str) -> None:
    code = [cell for cell in jupytext.read(FOLDER / f"{name}.ipynb").cells if cell.cell_type == "code"]
    assert code
    assert not any(cell.outputs or cell.execution_count for cell in code)


@pytest.mark.parametrize("name", PAIRS)
def test_a_notebook_uses_public_names_only(name: str) -> None:
    nodes = list(ast.walk(ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8"))))
    imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    assert {module for module in imported if module.partition(".")[0] in ("geoseg", "bench", "tests")} == {"geoseg"}
    used = {
        node.attr
        for node in nodes
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "geoseg"
    }
    assert used and used <= set(geoseg.__all__)


@pytest.mark.slow
@pytest.mark.parametrize("name", PAIRS)
def test_a_notebook_runs_in_an_empty_folder(
    name: str, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(root))  # the kernel's geoseg is this one, installed or not
    shutil.copy(FOLDER / f"{name}.ipynb", tmp_path)
    done = NotebookRun(tmp_path / f"{name}.ipynb", default_timeout=1200).execute()
    assert done.error is None, done.error and done.error.trace
