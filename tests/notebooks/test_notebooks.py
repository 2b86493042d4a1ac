"""Notebooks: each is a pair of one text, shows what it made, uses public names only, and runs in an empty folder."""

import ast
import json
import shutil
from pathlib import Path

import jupytext
import nbformat
import pytest
from nbmake.nb_run import NotebookRun

import geoseg

FOLDER = Path(__file__).parents[2] / "notebooks"
STEMS = sorted(path.stem for path in FOLDER.glob("*") if path.suffix in (".py", ".ipynb"))
PAIRS = sorted(set(STEMS))
MOST_BYTES = 1_000_000
STORE = "python -m tests.helpers.notebooks"


def code_of(name: str) -> list[nbformat.NotebookNode]:
    return [cell for cell in jupytext.read(FOLDER / f"{name}.ipynb").cells if cell.cell_type == "code"]


def nodes_of(name: str) -> list[ast.AST]:
    return list(ast.walk(ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8"))))


def test_every_notebook_is_a_pair() -> None:
    assert PAIRS
    assert sorted([*PAIRS, *PAIRS]) == STEMS


@pytest.mark.parametrize("name", PAIRS)
def test_both_of_a_pair_say_the_same(name: str) -> None:
    one, other = (jupytext.read(FOLDER / f"{name}{ending}") for ending in (".py", ".ipynb"))
    cells = [[(cell.cell_type, cell.source) for cell in notebook.cells] for notebook in (one, other)]
    assert cells[0] == cells[1], f"{STORE} {name}"


@pytest.mark.parametrize("name", PAIRS)
def test_a_notebook_shows_what_it_made_in_one_go_or_nothing(name: str) -> None:
    code = code_of(name)
    shown = [output for cell in code for output in cell.outputs]
    assert not any(output.output_type == "error" or output.get("name") == "stderr" for output in shown)
    if not shown:
        assert not any(cell.execution_count for cell in code)
        return
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1)), f"{STORE} {name}"
    assert any({"image/png", "text/html"} & set(output.get("data", {})) for output in shown), "nothing to look at"


@pytest.mark.parametrize("name", PAIRS)
def test_what_a_notebook_shows_is_small_and_names_no_place_of_a_machine(name: str) -> None:
    assert (FOLDER / f"{name}.ipynb").stat().st_size < MOST_BYTES
    text = json.dumps([output for cell in code_of(name) for output in cell.outputs])
    assert not any(
        place in text for place in ("/home/", "/root/", "/tmp/", "/work/", "site-packages", str(FOLDER.parent))
    )


@pytest.mark.parametrize("name", PAIRS)
def test_a_notebook_uses_public_names_only(name: str) -> None:
    nodes = nodes_of(name)
    imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    assert {module for module in imported if module.partition(".")[0] in ("geoseg", "bench", "tests")} == {"geoseg"}
    used = {
        node.attr
        for node in nodes
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "geoseg"
    } - {"__file__"}  # where the sample lies
    assert used and used <= set(geoseg.__all__)


@pytest.mark.parametrize("name", PAIRS)
def test_a_notebook_asks_for_nothing_hidden(name: str) -> None:
    names = {node.attr for node in nodes_of(name) if isinstance(node, ast.Attribute)} - {"__file__"}
    assert not [one for one in names if one.startswith("_")]


@pytest.mark.slow
@pytest.mark.parametrize("name", PAIRS)
def test_a_notebook_runs_in_an_empty_folder(
    name: str, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(root))  # the kernel's geoseg is this one, installed or not
    shutil.copy(FOLDER / f"{name}.ipynb", tmp_path)
    done = NotebookRun(tmp_path / f"{name}.ipynb", default_timeout=1200).execute()
    assert done.error is None, done.error and done.error.trace
