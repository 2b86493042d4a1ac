"""The public names: each is there, documented as the house asks, with examples that run, and hidden by no package."""

import doctest
import inspect
import json
import pickle
import shutil
from pathlib import Path
from types import FunctionType

import pytest

import geoseg

FUNCTIONS = sorted(name for name in geoseg.__all__ if not name[0].isupper() and name != "errors")
VERBS = {
    "area", "change", "estimate", "evaluate", "plan", "polygonize", "run", "sample", "segment", "sieve", "synth", "train",
}  # fmt: skip


def doc_of(name: str) -> str:
    return inspect.getdoc(getattr(geoseg, name)) or ""


def section(doc: str, title: str) -> str:
    """The text below a title of a NumPy docstring; empty where there is none."""
    _, _, after = f"\n{doc}".partition(f"\n{title}\n{'-' * len(title)}\n")
    lines = after.split("\n")
    ends = [i for i, line in enumerate(lines) if line and set(line) == {"-"}]
    return "\n".join(lines[: ends[0] - 1] if ends else lines)


def test_all_names_are_sorted_and_there() -> None:
    assert sorted(geoseg.__all__) == geoseg.__all__ == sorted(set(dir(geoseg)) - {"__version__"})
    assert all(getattr(geoseg, name) is not None for name in geoseg.__all__)
    with pytest.raises(AttributeError, match="nothing_of_this_name"):
        geoseg.nothing_of_this_name  # noqa: B018


def test_each_verb_that_computes_is_a_function() -> None:
    assert set(FUNCTIONS) >= VERBS
    assert all(isinstance(getattr(geoseg, name), FunctionType) for name in FUNCTIONS)


def test_no_room_has_the_name_of_a_function() -> None:
    folder = Path(geoseg.__file__).parent
    rooms = {path.stem for path in folder.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert not rooms & set(FUNCTIONS), "importing the room would hide the function"


def test_errors_are_importable_in_both_ways() -> None:
    def is_error(value: object) -> bool:
        return inspect.isclass(value) and issubclass(value, Exception)

    kinds = [name for name in geoseg.__all__ if is_error(getattr(geoseg, name))]
    assert {name for name, value in vars(geoseg.errors).items() if is_error(value)} == set(kinds)
    for name in kinds:
        assert getattr(geoseg, name) is getattr(geoseg.errors, name)
        assert issubclass(getattr(geoseg, name), geoseg.GeosegError)
        error = getattr(geoseg, name).of("CODE", "file", "what", "Remedy")
        assert str(pickle.loads(pickle.dumps(error))) == "CODE: file: what. Remedy."


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(geoseg.__file__).parent / "py.typed").is_file()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_says_what_it_takes_gives_and_raises(name: str) -> None:
    doc = doc_of(name)
    for title in ("Parameters", "Returns", "Raises", "Examples"):
        assert section(doc, title).strip(), f"{name} has no section {title}"
    said = [
        word.strip() for line in section(doc, "Parameters").split("\n") if line[:1].strip() for word in line.split(",")
    ]
    taken = inspect.signature(getattr(geoseg, name)).parameters
    optional = {"on_progress", "on_step", "on_block", "cluster", "overwrite"}
    assert set(said) <= set(taken), f"{name} documents what it does not take"
    assert set(taken) - set(said) <= optional, f"{name} takes what it does not document"
    raised = [
        kind.strip() for line in section(doc, "Raises").split("\n") if line[:1].strip() for kind in line.split(",")
    ]
    assert all(issubclass(getattr(geoseg, kind), geoseg.GeosegError) for kind in raised)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_its_example_calls_it(name: str) -> None:
    assert f"geoseg.{name}(" in section(doc_of(name), "Examples")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, sample: Path) -> Path:
    """A folder with what the examples name."""
    import geopandas

    folder = tmp_path_factory.mktemp("examples")
    for name in ("scene.tif", "labels.tif"):
        shutil.copy(sample / name, folder)
    shutil.copytree(sample / "bundle", folder / "bundle")
    geoseg.segment(folder / "scene.tif", folder / "bundle", folder / "map", backend="torch", precision="fp32")
    geoseg.synth(folder / "land", size=128, dates=2)
    geoseg.sample(folder / "map" / "mask.tif", folder / "labelled.gpkg", total=40, seed=2)
    points = geopandas.read_file(folder / "labelled.gpkg", layer="samples")
    points["reference"] = points["stratum"]
    points.to_file(folder / "labelled.gpkg", layer="samples")
    job = {
        "name": "example", "scenes": [{"scene": "scene.tif", "labels": "labels.tif"}],
        "bands": ["red", "nir"], "recode": {"5": "tree", "6": "water", "1": "built"}, "chip_size": 64,
        "split": {"by": "blocks", "block": 32, "buffer": 0}, "samples": {"crop": 16, "labelled": 0},
        "network": {"architecture": "Dilated", "encoder": "none", "params": {"width": 8, "dilations": [1]}},
        "fit": {"steps": 2, "batch_size": 2},
    }  # fmt: skip
    (folder / "job.yaml").write_text(json.dumps(job))  # JSON is YAML
    pipeline = {
        "name": "example", "scenes": {"paths": ["scene.tif"]}, "bundle": "bundle",
        "steps": [{"step": "segment", "only": "mask"}, {"step": "area"}],
    }  # fmt: skip
    (folder / "pipeline.yaml").write_text(json.dumps(pipeline))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", FUNCTIONS)
def test_its_example_runs(name: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    found = doctest.DocTestFinder(recurse=False).find(getattr(geoseg, name), name, globs={"geoseg": geoseg})
    said: list[str] = []
    runner = doctest.DocTestRunner()
    results = [runner.run(one, out=said.append) for one in found]
    assert sum(one.attempted for one in results) > 0
    assert not sum(one.failed for one in results), "".join(said)
