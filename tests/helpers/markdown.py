"""Pages: the blocks of a Markdown file, run as a reader would run them.

What follows the language of a block says what becomes of it:

- ``sh``: run, line by line; ``sh elsewhere``: not run here (SLURM, GPUs, ssh, systemd, minutes of work), but verb and
  options of each line that begins with ``geoseg`` must exist. A block without a language is taken as that.
- ``python``: run; all of a page share their names. ``python elsewhere``: compiled only.
- ``yaml NAME``, ``json NAME``, ``csv NAME``: written to the file NAME, where later blocks use it.
- All else is shown only.

``<!-- here: land, safe -->`` names what lies in the folder before the first block, see ``stages.py``.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from geoseg.cli.main import cli, run

SHELL = set("|<>$&;*`?{}()=\n")
_BLOCK = re.compile(r"^(?P<fence>```+)(?P<info>[^\n`]*)\n(?P<text>.*?)^(?P=fence)$", re.M | re.S)
_STAGES = re.compile(r"^<!-- here: (.*?) -->$", re.M)
_SPAN = re.compile(r"(?<!`)`(geoseg [^`]+)`(?!`)")


@dataclass(frozen=True)
class Block:
    """A fenced block: language, the words after it, its text, and the line where it begins."""

    language: str
    words: tuple[str, ...]
    text: str
    line: int

    @property
    def elsewhere(self) -> bool:
        return "elsewhere" in self.words or self.language == ""


def blocks(page: Path) -> list[Block]:
    text = page.read_text("utf-8")
    return [
        Block(*_words(found["info"]), found["text"], text[: found.start()].count("\n") + 1)
        for found in _BLOCK.finditer(text)
    ]


def stages(page: Path) -> list[str]:
    found = _STAGES.search(page.read_text("utf-8"))
    return [name.strip() for name in found[1].split(",")] if found else []


def spans(page: Path) -> list[str]:
    """What stands in a line of text as a command."""
    return _SPAN.findall(_BLOCK.sub("", page.read_text("utf-8")))


def commands(text: str) -> Iterator[str]:
    """The lines of a shell block; a backslash joins two, and what a here-document holds belongs to its line."""
    lines = iter(text.replace("\\\n", " ").splitlines())
    for line in lines:
        found = re.search(r"<<\s*['\"]?(\w+)['\"]?", line)
        if found:
            for more in lines:
                line += f"\n{more}"
                if more.strip() == found[1]:
                    break
        if line.strip() and not line.strip().startswith("#"):
            yield line


def do(page: Path, until: str = "") -> None:
    """Run the blocks of a page in the current folder, in their order; those before a heading where one is named."""
    text = page.read_text("utf-8")
    last = text[: text.index(f"\n{until}\n")].count("\n") if until else text.count("\n")
    names: dict[str, object] = {"__name__": "page"}
    for block in blocks(page):
        where = f"{page.name}:{block.line}"
        if block.elsewhere or block.line > last:
            continue
        if block.language in ("sh", "bash"):
            for line in commands(block.text):
                run_line(line, where)
        elif block.language == "python":
            exec(compile(block.text, where, "exec"), names)
        elif block.language in ("yaml", "json", "csv") and block.words:
            Path(block.words[0]).parent.mkdir(parents=True, exist_ok=True)
            Path(block.words[0]).write_text(block.text, "utf-8")


def check(line: str) -> None:
    """Read a command as click does, without doing it: verb, options and their values must be such."""
    words = shlex.split(re.split(r"\s[|>]|\s2>|&$", line)[0], comments=True)
    if words[0] != "geoseg":
        return
    context = click.Context(cli, info_name="geoseg")
    command: click.Command = cli
    rest = words[1:]
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        name, *rest = rest
        found = command.get_command(context, name)
        assert found is not None, f"{line}: no verb {name}"
        command = found
    if isinstance(command, click.Group):
        return
    try:
        with command.make_context("geoseg", rest, parent=context):
            pass
    except click.exceptions.Exit:
        pass
    except click.ClickException as error:
        raise AssertionError(f"{line}: {error.format_message()}") from None


def check_span(text: str) -> None:
    """The verb and the names of the options of a command in a line of text; the rest may be left out of it."""
    words = re.findall(r"[\w.-]+", text.replace("\n", " "))[1:]
    context = click.Context(cli, info_name="geoseg")
    command: click.Command = cli
    for word in words:
        found = command.get_command(context, word) if isinstance(command, click.Group) else None
        if found is None:
            break
        command = found
    assert command is not cli or words[0].isupper() or words[0].startswith("--"), f"{text}: no verb {words[0]}"
    known = {name for part in command.params for name in (*part.opts, *part.secondary_opts)} | {"--help", "--version"}
    strange = {word for word in words if word.startswith("--")} - known
    assert not strange or isinstance(command, click.Group), f"{text}: no option {strange}"


def prepare(line: str) -> None:
    """Make what an example speaks of in the current folder, and take away what it makes itself."""
    if not line.startswith(("geoseg report", "geoseg view")):
        shutil.rmtree("out", ignore_errors=True)
    if line.startswith(("geoseg train", "geoseg bundle import")) or "B2.tif" in line:
        shutil.rmtree("bundle")
    if "B2.tif" in line:
        shutil.copytree("rgb-bundle", "bundle")
    if line.startswith("geoseg sample"):
        os.remove("samples.gpkg")
    if line.startswith("geoseg report change/"):
        os.remove("samples.gpkg")
        shutil.copy("change_samples.gpkg", "samples.gpkg")
    if line.startswith("geoseg jobs") and not line.startswith("geoseg jobs add"):
        run(["jobs", "add", "weekly", "change.yaml", "--cron", "0 6 * * 1"])
        run(["jobs", "run", "weekly"])
    if line.startswith(("geoseg jobs logs", "geoseg service")):
        run(["jobs", "add", "now", "change.yaml", "--store", "jobs.db"])
        run(["service", "--once", "--store", "jobs.db"])


def run_line(line: str, where: str, codes: tuple[int, ...] = (0,)) -> None:
    """Run one line: geoseg in this process, all else by bash."""
    words = shlex.split(line, comments=True) if "\n" not in line else []
    if words[:1] == ["geoseg"] and not SHELL & set(_unquoted(line)):
        code = run(words[1:])
        assert code in codes, f"{where}: {line}: exit code {code}"
        return
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", line], capture_output=True, text=True, check=False, env=environment()
    )
    assert done.returncode == 0, f"{where}: {line}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}"


def environment() -> dict[str, str]:
    """A shell's, in which geoseg and python are those of the test."""
    shim = Path.cwd() / ".bin"
    if not shim.is_dir():
        shim.mkdir()
        (shim / "geoseg").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m geoseg "$@"\n')
        (shim / "geoseg").chmod(0o755)
        (shim / "python").symlink_to(sys.executable)
    root = str(Path(__file__).parents[2])
    return {**os.environ, "PYTHONPATH": root, "PATH": f"{shim}{os.pathsep}{os.environ['PATH']}"}


def _unquoted(line: str) -> str:
    return re.sub(r"'[^']*'|\"[^\"$`]*\"|#.*$|--[\w-]+=|[\w.]+=", "", line)


def _words(info: str) -> tuple[str, tuple[str, ...]]:
    first, *rest = [*info.split(), ""]
    return first, tuple(word for word in rest if word)
