"""Help that reads like a manual: every option is explained, options stand under headings, and every example runs."""

import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from geoseg.cli.help import _COMMON, GROUPS
from geoseg.cli.main import VERBS, run
from tests.helpers import markdown
from tests.helpers.stages import set_stage


def leaves(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[str, click.Command]]:
    yield " ".join(path), command
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from leaves(inner, (*path, name))


COMMANDS = {
    name: command
    for verb in VERBS
    for name, command in leaves(importlib.import_module(f"geoseg.cli.{verb}").command, (verb,))
}
EXAMPLES = {
    line.strip(): name
    for name, command in COMMANDS.items()
    for line in (command.epilog or "").splitlines()
    if line.strip().startswith("geoseg ")
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_says_what_it_does_and_each_option_what_it_means(name: str) -> None:
    command = COMMANDS[name]
    assert command.help and command.help.strip()
    options = [param for param in command.params if isinstance(param, click.Option)]
    assert not [param.opts for param in options if not param.help and "--help" not in param.opts]
    numbers = (click.types.FloatParamType, click.types.IntParamType, click.FloatRange, click.IntRange)
    bare = [p.opts for p in options if isinstance(p.type, numbers) and not p.metavar and not p.count and not p.is_flag]
    assert not bare, "a number without its unit"


@pytest.mark.parametrize("name", [name for name, command in COMMANDS.items() if not isinstance(command, click.Group)])
def test_every_option_stands_once_in_the_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*name.split(), "--help"]) == 0
    out = capsys.readouterr().out
    heads = [line.split()[0].rstrip(",") for line in out[out.index(":\n  -") :].splitlines() if line.startswith("  -")]
    wanted = [param.opts[0] for param in COMMANDS[name].params if isinstance(param, click.Option)]
    assert len(heads) == len(set(heads))
    assert set(wanted) <= set(heads) | {"-h"}
    assert "For every verb:" in out


def test_a_long_page_has_headings_in_one_order(capsys: pytest.CaptureFixture[str]) -> None:
    for verb in ("segment", "change", "polygonize"):
        assert run([verb, "--help"]) == 0
        out = capsys.readouterr().out
        places = [out.find(f"\n{heading}:\n") for heading in GROUPS]
        found = [place for place in places if place >= 0]
        assert len(found) >= 4
        assert found == sorted(found)


def test_a_name_stands_below_one_heading() -> None:
    names = [name for group in GROUPS.values() for name in group]
    assert len(names) == len(set(names))
    assert not set(names) & set(_COMMON)


@pytest.mark.parametrize("line", EXAMPLES)
def test_an_example_is_a_command(line: str) -> None:
    markdown.check(line)


SHORTER = {"--size 8192": "--size 256", "--size 2048": "--size 256", "--total 500": "--total 200"}
NOT_ALONE = {  # what else has to be there, or does not end
    "geoseg doctor": "a verdict on the machine; tests/cli/test_doctor.py",
    "geoseg bundle export openvino": "quantized only where classes stay; tests/model/test_openvino_export.py",
    "geoseg view": "stays until it is stopped; tests/cli/test_view.py",
    "geoseg service --store jobs.db --root /data": "stays until it is stopped; tests/cli/test_service.py",
    "geoseg bundle import ukis-csmask clouds/ --model 4b_l2a": "a large network; tests/model/test_csmask.py",
    "geoseg bundle import ukis-csmask clouds/ --model 6b_l2a": "a large network; tests/model/test_csmask.py",
}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("examples")
    set_stage(["land", "bands", "examples"], folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("line", [line for line in EXAMPLES if not line.startswith(tuple(NOT_ALONE))])
def test_an_example_runs(line: str, stage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "here"
    shutil.copytree(stage, folder, symlinks=True)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("GEOSEG_STORE", str(folder / "jobs.db"))
    for long, short in SHORTER.items():
        line = line.replace(long, short)
    markdown.prepare(line)
    markdown.run_line(line, "example", codes=(0, 8) if line.startswith("geoseg service") else (0,))


def complete(tmp_path: Path, *words: str) -> list[str]:
    """What bash offers for the last of the words."""
    script = tmp_path / "geoseg.bash"
    command = [sys.executable, "-m", "geoseg", "completion", "bash"]
    script.write_text(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    shim = tmp_path / "geoseg"
    shim.write_text(f'#!/bin/sh\nexec {sys.executable} -m geoseg "$@"\n')
    shim.chmod(0o755)
    quoted = " ".join(f"'{word}'" for word in words)
    asked = (
        f". {script}; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; compopt() {{ :; }}; _geoseg_completion geoseg; "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", asked], capture_output=True, text=True, check=True, env={**os.environ, "PATH": path}
    )
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_bash_completes_verbs_options_and_choices(tmp_path: Path) -> None:
    assert complete(tmp_path, "geoseg", "poly") == ["polygonize"]
    assert complete(tmp_path, "geoseg", "polygonize", "--conn") == ["--connectivity"]
    assert complete(tmp_path, "geoseg", "polygonize", "--connectivity", "") == ["4", "8"]
    assert set(complete(tmp_path, "geoseg", "jobs", "re")) == {"remove", "resume"}


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_their_scripts(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", shell]) == 0
    out = capsys.readouterr().out
    assert "_GEOSEG_COMPLETE" in out and "geoseg" in out and f"{shell}_complete" in out
