"""A wrong key is told with its line and the nearest right one; the schema that ships is the model's."""

import json
from pathlib import Path

import pytest

from geoseg.errors import GeosegError, InputRefused, UsageError
from geoseg.pipeline.settings import SCHEMA, Pipeline, schema_text
from tests.helpers.pipelines import write

GOOD = """\
name: archive
scenes:
  glob: scenes/*.tif
bundle: bundle/
steps:
  - step: segment
    filters: {min_area: 500}
  - step: polygonize
  - step: area
    classes: [1, water]
  - step: change
    min_area: {water: 5}
"""


def test_a_pipeline_is_read(tmp_path: Path) -> None:
    made = Pipeline.read(write(tmp_path, GOOD))
    assert [step.name for step in made.steps] == ["segment", "polygonize", "area", "change"]
    assert made.steps[2].model_dump()["classes"] == ("1", "water")


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("min_area: {w", "min_aera: {w", 12, "steps.3.min_aera: no such key; did you mean 'min_area'?"),
        ("step: polygonize", "step: poligonize", 8, "there is no step 'poligonize'; did you mean 'polygonize'?"),
        ("step: polygonize", "stepp: polygonize", 8, "has no key step"),
        ("min_area: 500", "min_areas: 500", 7, "steps.0.filters.min_areas: no such key; did you mean 'min_area'?"),
        ("min_area: 500", "min_area: -500", 7, "greater than or equal to 0"),
        ("min_area: 500", "majority: many", 7, "should be a valid integer, not 'many'"),
        ("  glob", "  glub", 3, "scenes.glub: no such key; did you mean 'glob'?"),
        ("name: archive", "nam: archive", 1, "nam: no such key; did you mean 'name'?"),
        ("name: archive\n", "", 1, "name: is missing"),
        ("name: archive", "name: ../x", 1, "name: "),
        ("bundle: bundle/\n", "", 5, "no bundle is named"),
        ("bundle: bundle/", "bundle: 3", 4, "should be a valid string, not 3"),
        ("bundle: bundle/", 'out: "{scene.name}/{before}"\nbundle: b', 4, "{before} is nothing of a scene"),
        ("step: polygonize", "step: polygonize\n    workers: 2", 9, "under cluster"),
        ("step: polygonize", "step: polygonize\n    overwrite: true", 9, "belongs to a run"),
        ("step: polygonize", "step: polygonize\n    format: gpgk", 9, "did you mean 'gpkg'?"),
        ("step: polygonize", "step: polygonize\n    simplify: '5'", 9, "should be a valid number, not '5'"),
        ("step: polygonize", "step: polygonize\n    input: segmnt", 9, "no step 'segmnt' before this one; did you mean 'segment'?"),
        ("step: polygonize", "step: segment", 8, "there is a step 'segment' already"),
        ("step: polygonize", "step: estimate", 8, "nothing before it to be made of: a step sample"),
        ("steps:", "cluster: {insecure: true}\nsteps:", 5, "--insecure"),
        ("steps:", "cluster: {wokers: 2}\nsteps:", 5, "did you mean 'workers'?"),
        ("steps:", "cluster: {workers: 2, scheduler: 'tcp://h:1'}\nsteps:", 5, "not both"),
        ("  glob: scenes/*.tif", "  glob: x\n  table: t.csv", 2, "give one of paths, glob, table, catalog and api"),
        ("  glob: scenes/*.tif", "  glob: x\n  assume_crs: /etc/passwd", 4, "scenes.assume_crs: "),
        ("step: polygonize", "step: polygonize\n    assume_crs: http://127.0.0.1/x", 8, "assume_crs is written like EPSG:32633"),
        ("  glob: scenes/*.tif", "  api: {url: 'http://x', collections: [a]}", 2, "allow_remote"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_file_line_and_key(tmp_path: Path, old: str, new: str, line: int, said: str) -> None:
    assert old in GOOD
    path = write(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(UsageError) as refused:
        Pipeline.read(path)
    text = str(refused.value)
    assert text.startswith(f"SETTING: {path}:{line}: ") and said in text and "\n" not in text


def test_the_schema_that_ships_is_the_models() -> None:
    assert SCHEMA.read_text("utf-8") == schema_text(), "geoseg run --schema > geoseg/pipeline/schema.json"


def test_every_pipeline_names_the_schema_and_fits_it(root: Path) -> None:
    import jsonschema
    from ruamel.yaml import YAML

    files = [path for path in (root / "pipelines").glob("*.yaml") if "\nsteps:" in path.read_text()]
    assert len(files) >= 5
    check = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))
    for path in files:
        first = path.read_text().partition("\n")[0]
        assert first.startswith("# yaml-language-server: $schema=")
        assert (path.parent / first.partition("$schema=")[2]).resolve() == SCHEMA.resolve()
        check.validate(YAML(typ="safe", pure=True).load(path.read_text()))
        Pipeline.read(path)


def test_the_schema_refuses_what_the_model_refuses(tmp_path: Path) -> None:
    import jsonschema

    check = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))
    good = {"name": "a", "bundle": "b", "scenes": {"glob": "*"}, "steps": [{"step": "segment"}]}
    assert check.is_valid(good)
    for change in ({"nam": 1}, {"steps": [{"step": "sgment"}]}, {"steps": [{"step": "segment", "workers": 2}]}):
        assert not check.is_valid(good | change)


@pytest.mark.parametrize(
    "path", ["/etc/hostname", "../secret.tif", "link/secret.tif", "link.tif", "a://../../secret.tif"]
)
def test_paths_outside_of_the_roots_are_refused_whatever_links_lead_there(tmp_path: Path, path: str) -> None:
    outside, jobs = tmp_path / "outside", tmp_path / "jobs"
    for folder in (outside, jobs):
        folder.mkdir()
    for secret in (outside / "secret.tif", tmp_path / "secret.tif"):
        secret.write_bytes(b"x")
    (jobs / "link").symlink_to(outside)
    (jobs / "link.tif").symlink_to(outside / "secret.tif")
    file = write(jobs, GOOD)
    with pytest.raises(InputRefused, match=r"^ROOT: [^\n]*--root"):
        Pipeline.read(file, roots=[jobs]).paths.at(path)
    assert Pipeline.read(file).paths.at(path)
    if "hostname" not in path:
        assert Pipeline.read(file, roots=[tmp_path]).paths.at(path)


@pytest.mark.parametrize("path", ["", "a\0b"])
def test_what_is_no_path_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(GeosegError, match="PATH"):
        Pipeline.read(write(tmp_path, GOOD)).paths.at(path)
