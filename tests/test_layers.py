"""Imports point down, heavy libraries stay in their rooms, and what must start quickly loads none of them."""

import ast
import itertools
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "geoseg"

# From the bottom up; packages of one set do not import each other.
LAYERS = [
    {"errors", "notebook"},
    {"legend", "config", "loopback"},
    {"grid"},
    {"raster"},
    {"model"},
    {"mask", "vector"},
    {"compare", "accuracy"},
    {"training", "report"},
    {"cluster"},
    {"jobs"},
    {"pipeline", "view"},
    {"schedule"},
    {"cli"},
]
IMPORT_NAME = {"pillow": "PIL", "scikit-learn": "sklearn"}  # where it is not the distribution's
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}

# Library: the packages or modules that may import it. What is not named here may be imported anywhere.
ROOMS = {
    "torch": {"model", "training"},
    "segmentation_models_pytorch": {"model/network.py"},
    "timm": {"model/network.py"},
    "onnxruntime": {"model"},
    "openvino": {"model"},
    "nncf": {"model"},
    "jsonschema": {"model"},
    "ukis_csmask": {"model"},
    "distributed": {"cluster"},
    "dask": {"cluster", "raster"},
    "geopandas": {"vector", "compare", "accuracy", "training", "report"},
    "click": {"cli"},
    "cronsim": {"schedule"},
    "tornado": {"schedule", "loopback", "view"},
    "rich": {"cli"},
    "matplotlib": {"report", "training"},
    "jinja2": {"report"},
    "PIL": {"report", "view"},
}

HEAVY = {
    "torch", "segmentation_models_pytorch", "timm", "onnx", "onnxruntime", "openvino", "nncf", "jsonschema",
    "numba", "scipy", "pandas",
    "geopandas", "pyogrio", "pyarrow", "matplotlib", "xarray", "dask", "distributed",
}  # fmt: skip


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Dotted names that a module imports anywhere in it, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(path: Path) -> str:
    """The package below geoseg, or the module's name at the top."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def test_every_package_has_its_layer() -> None:
    assert {room(path) for path in modules()} - {"__init__", "__main__"} <= set(LEVEL)


def test_imports_point_down() -> None:
    wrong = []
    for path in modules():
        own = room(path)
        if own in ("__init__", "__main__"):  # the public names and the command: above everything
            continue
        for name in imports(path):
            parts = [*name.split("."), ""]
            if parts[0] == "geoseg" and parts[1] in LEVEL and parts[1] != own and LEVEL[parts[1]] >= LEVEL[own]:
                wrong.append(f"{path.relative_to(PACKAGE)} imports {name}")
    assert not wrong


def test_libraries_stay_in_their_rooms() -> None:
    wrong = []
    for path in modules():
        for name in imports(path):
            allowed = ROOMS.get(name.split(".")[0])
            if name.startswith("dask.distributed"):
                allowed = ROOMS["distributed"]
            if allowed is not None and not {room(path), str(path.relative_to(PACKAGE))} & allowed:
                wrong.append(f"{path.relative_to(PACKAGE)} imports {name}")
    assert not wrong


def test_the_package_imports_no_tests_and_samples() -> None:
    found = {name.split(".")[0] for path in modules() for name in imports(path)}
    assert not found & {"tests", "samples", "bench", "pipelines"}


def declared(root: Path) -> tuple[set[str], set[str]]:
    """Import names of what pyproject.toml declares: always installed, and in extras other than dev."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    extras = {name: lines for name, lines in project["optional-dependencies"].items() if name != "dev"}

    def names(lines: Iterable[str]) -> set[str]:
        found = (re.match(r"[\w-]+", line) for line in lines)
        return {IMPORT_NAME.get(match[0], match[0].replace("-", "_")) for match in found if match} - {"geoseg"}

    return names(project["dependencies"]), names(itertools.chain.from_iterable(extras.values()))


def test_what_is_imported_is_declared_and_what_is_always_installed_is_imported(root: Path) -> None:
    always, extra = declared(root)
    own = {"geoseg", "__future__", *sys.stdlib_module_names}
    imported = {name.split(".")[0] for path in modules() for name in imports(path)} - own
    undeclared = imported - always - extra
    unused = always - imported - {"tzdata"}  # zoneinfo finds it by itself
    assert not undeclared, "imported and not declared in pyproject.toml"
    assert not unused, "declared in pyproject.toml and not imported"


def loaded_after(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after ``code``."""
    ending = "\nimport sys; print('\\n'.join({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code + ending], capture_output=True, text=True, check=False, cwd=PACKAGE.parent
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


@pytest.mark.parametrize(
    "code",
    [
        "import geoseg",
        "import geoseg.cli.main as m; assert m.run(['--help']) == 0",
        "import geoseg.cli.main as m; assert m.run(['--version']) == 0",
    ],
)
def test_starting_loads_nothing_heavy(code: str) -> None:
    loaded = loaded_after(code)
    assert not loaded & HEAVY
    assert not loaded & {"numpy", "rasterio", "pydantic"}


def test_info_loads_no_network_and_no_cluster(sample: Path) -> None:
    code = f"import geoseg.cli.main as m; assert m.run(['info', {str(sample / 'scene.tif')!r}]) == 0"
    assert not loaded_after(code) & HEAVY
