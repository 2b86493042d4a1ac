"""Notebooks: run one in an empty folder and store what it shows, without paths of the machine that ran it.

``python -m tests.helpers.notebooks NAME...`` does so with ``notebooks/NAME.py``; no name: all.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "notebooks"
PICTURES = ("text/html", "image/png")


def run(name: str, *, timeout: int = 1800) -> nbformat.NotebookNode:
    """The notebook with the outputs of a run in an empty folder; the kernel's geoseg is this one, installed or not."""
    notebook = jupytext.read(FOLDER / f"{name}.py")
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook, timeout=timeout, startup_timeout=600, resources={"metadata": {"path": folder}}
        )
        client.execute(env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)})
        return tidied(notebook, [str(Path(folder).resolve()), folder])


def tidied(notebook: nbformat.NotebookNode, folders: list[str]) -> nbformat.NotebookNode:
    """Without times, warnings on stderr, plain text beside a picture, and the folders of this machine."""
    hidden = {**dict.fromkeys(folders, "."), str(ROOT): "."}

    def without(text: str) -> str:
        for folder, shown in hidden.items():
            text = text.replace(folder, shown)
        return text

    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        outputs = [one for one in cell.get("outputs", []) if one.get("name") != "stderr"]
        for one in outputs:
            if "text" in one:
                one["text"] = without(one["text"])
            data = one.get("data", {})
            if any(kind in data for kind in PICTURES):
                data.pop("text/plain", None)
            for kind in ("text/html", "text/plain"):
                if kind in data:
                    data[kind] = without(data[kind])
        if cell.cell_type == "code":
            cell["outputs"] = outputs
    return notebook


def write(name: str, notebook: nbformat.NotebookNode) -> None:
    """Store it beside its text."""
    jupytext.write(notebook, FOLDER / f"{name}.ipynb")


if __name__ == "__main__":
    for one in sys.argv[1:] or sorted(path.stem for path in FOLDER.glob("*.py")):
        write(one, run(one))
