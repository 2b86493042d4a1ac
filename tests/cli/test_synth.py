"""geoseg synth on the command line."""

import shlex
from pathlib import Path

import pytest
import rasterio
from click.testing import CliRunner

from geoseg.cli.main import cli
from geoseg.cli.synth import command


def synth(*words: object):
    return CliRunner().invoke(cli, ["synth", *map(str, words)])


def test_it_names_what_it_made(tmp_path: Path) -> None:
    done = synth(tmp_path / "pair", "--size", "60,80", "--dates", 2, "--seed", 3, "--shift", 0.4)
    assert done.exit_code == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == [str(tmp_path / "pair" / name) for name in ("scene_1.tif", "truth_1.tif")]
    assert lines[2].startswith(str(tmp_path / "pair" / "transitions.csv")) and "% of the land" in lines[2]
    with rasterio.open(tmp_path / "pair" / "scene_2.tif") as dataset:
        assert dataset.shape == (60, 80)
    again = synth(tmp_path / "pair", "--size", 60)
    assert again.exit_code == 4 and again.stderr.count("\n") == 1 and "--overwrite" in again.stderr
    assert synth(tmp_path / "pair", "--size", 60, "--overwrite").exit_code == 0
    assert (tmp_path / "pair" / "scene.tif").is_file() and not (tmp_path / "pair" / "scene_1.tif").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["--size", "big"],
        ["--size", "1,2,3"],
        ["--res", "0"],
        ["--clouds", "2"],
        ["--size", "0"],
        ["--origin", "nan", "0"],
        ["--origin", "0", "inf"],
        ["--origin", "1e300", "0"],
    ],
)
def test_wrong_usage_is_one_line_and_writes_nothing(tmp_path: Path, words: list[str]) -> None:
    done = synth(tmp_path / "land", *words)
    assert done.exit_code == 2 and done.stderr.count("\n") == 1
    assert not (tmp_path / "land").exists()


def test_the_examples_of_the_help_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [line.strip() for line in (command.epilog or "").splitlines() if line.strip().startswith("geoseg")]
    assert lines
    for line in lines:
        words = shlex.split(line)[2:]
        words[words.index("--size") + 1] = "64"
        assert synth(*words).exit_code == 0
