"""The command itself: its table of verbs, what an error looks like, exit codes, and a quick start."""

import errno
import importlib.metadata
import importlib.util
import logging
import os
import resource
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import geoseg
from geoseg.cli import options
from geoseg.cli.main import VERBS, Verbs, cli, report, run
from geoseg.errors import (
    BundleError,
    ClusterLost,
    Conflict,
    DoneInPart,
    GeosegError,
    InputRefused,
    Interrupted,
    ResourceError,
    Terminated,
    UsageError,
)


def group_that(does: Callable[[], object]) -> Verbs:
    """The command ``geoseg`` with one verb more, ``try``, that does something."""
    group = Verbs("geoseg", params=options.common_params())
    group.add_command(click.Command("try", callback=does))
    return group


def raiser(error: BaseException) -> Callable[[], object]:
    def fail() -> None:
        raise error

    return fail


def test_every_verb_in_the_table_is_a_page_with_a_command() -> None:
    for verb in VERBS:
        assert importlib.util.find_spec(f"geoseg.cli.{verb}") is not None, verb


def test_the_readme_has_a_row_for_every_verb(root: Path) -> None:
    rows = [line for line in (root / "README.md").read_text("utf-8").splitlines() if line.startswith("| `geoseg ")]
    assert {row.split("`")[1].split()[1] for row in rows} == set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb_ends_with_a_line_that_calls_it(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([verb, "--help"]) == 0
    out, err = capsys.readouterr()
    assert out.rstrip().splitlines()[-1].strip().startswith(f"geoseg {verb}")
    assert not err


def test_help_lists_the_verbs_in_the_order_of_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    out = capsys.readouterr().out
    places = [out.index(f"\n  {verb} ") for verb in VERBS]
    assert places == sorted(places)
    assert out.rstrip().splitlines()[-1].strip().startswith("geoseg ")


def test_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"geoseg {geoseg.__version__}\n"


@pytest.mark.parametrize(
    "args", [["--no-such-option"], ["no-such-verb"], ["info"], ["info", "--nodata", "much", "a.tif"]]
)
def test_wrong_usage_is_one_line_and_exit_2(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(args) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith("geoseg: USAGE: ")
    assert err.count("\n") == 1
    assert "--help" in err


def test_a_missing_scene_is_one_line_and_exit_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = tmp_path / "none.tif"
    assert run(["info", str(missing)]) == 3
    out, err = capsys.readouterr()
    assert not out
    assert err.count("\n") == 1
    assert str(missing) in err


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (UsageError, 2),
        (InputRefused, 3),
        (Conflict, 4),
        (BundleError, 5),
        (ResourceError, 6),
        (ClusterLost, 7),
        (DoneInPart, 8),
        (Interrupted, 130),
        (Terminated, 143),
    ],
)
def test_our_errors_are_one_line_with_their_exit_code(
    kind: type[GeosegError], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    error = kind.of("WHY", "scene.tif", "a reason", "A remedy.")
    assert group_that(raiser(error)).main(["try"], standalone_mode=False) == code
    assert capsys.readouterr() == ("", "geoseg: WHY: scene.tif: a reason. A remedy.\n")


@pytest.mark.parametrize(
    ("error", "code", "begins"),
    [
        (KeyboardInterrupt(), 130, "geoseg: INTERRUPTED: "),
        (MemoryError(), 6, "geoseg: MEMORY: "),
        (OSError(errno.ENOSPC, "No space left on device"), 6, "geoseg: DISK: "),
        (PermissionError(errno.EACCES, "Permission denied", "/out/mask.tif"), 6, "geoseg: FILE: /out/mask.tif: "),
        (ZeroDivisionError("by\nzero"), 1, "geoseg: INTERNAL: ZeroDivisionError: by zero. Add --debug"),
    ],
)
def test_other_errors_are_one_line_too(
    error: BaseException, code: int, begins: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert group_that(raiser(error)).main(["try"], standalone_mode=False) == code
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith(begins)
    assert err.count("\n") == 1


def test_debug_shows_the_traceback_and_keeps_line_and_code(capsys: pytest.CaptureFixture[str]) -> None:
    group = group_that(raiser(ZeroDivisionError("by zero")))
    assert group.main(["--debug", "try"], standalone_mode=False) == 1
    err = capsys.readouterr().err
    assert "Traceback (most recent call last)" in err
    assert err.rstrip().splitlines()[-1].startswith("geoseg: INTERNAL: ")


def test_a_broken_pipe_that_is_not_stdouts_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(BrokenPipeError(errno.EPIPE, "Broken pipe"), debug=False) == 1
    assert "INTERNAL" in capsys.readouterr().err


@pytest.mark.parametrize("args", [["--help"], ["info", "--headers-only", "samples/north_carolina/scene.tif"]])
def test_a_closed_stdout_ends_quietly(args: list[str], root: Path, sample: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "geoseg", *args]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False, cwd=root)
    os.close(writer)
    assert done.stderr == ""
    assert done.returncode in (1, 141)  # click's own answer, and that of a process that SIGPIPE ended


@pytest.mark.parametrize(
    ("flags", "level"),
    [([], logging.WARNING), (["-v"], logging.INFO), (["-vv"], logging.DEBUG), (["-q"], logging.ERROR)],
)
def test_verbosity_is_the_level_of_the_log_and_stderr_its_place(
    flags: list[str], level: int, sample: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*flags, "info", "--headers-only", str(sample / "scene.tif")]) == 0
    assert logging.getLogger("geoseg").level == level
    logging.getLogger("geoseg.somewhere").error("something")
    assert capsys.readouterr().err.endswith("geoseg: ERROR: something\n")
    assert run(["info", "--headers-only", *flags, str(sample / "scene.tif")]) == 0  # after the verb as well
    assert logging.getLogger("geoseg").level == level


def test_help_takes_less_than_0_4_seconds_of_cpu(root: Path) -> None:
    def seconds() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "geoseg", "--help"], stdout=subprocess.DEVNULL, check=True, cwd=root)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(seconds() for _ in range(3)) < 0.4


def test_rio_runs_geoseg_as_a_plugin_with_the_same_errors(tmp_path: Path) -> None:
    rio = click.Group("rio")
    rio.add_command(cli)  # as rio does with what an entry point loads
    assert CliRunner().invoke(rio, ["geoseg", "--version"]).output == f"geoseg {geoseg.__version__}\n"
    refused = CliRunner().invoke(rio, ["geoseg", "info", str(tmp_path / "none.tif")])
    assert refused.exit_code == 3
    assert refused.stderr.startswith("geoseg: ")
    assert refused.stderr.count("\n") == 1


def test_the_entry_points_name_the_command_and_the_plugin(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    plugin = project["entry-points"]["rasterio.rio_plugins"]["geoseg"]
    assert importlib.metadata.EntryPoint("geoseg", plugin, "rasterio.rio_plugins").load() is cli
    script = importlib.metadata.EntryPoint("geoseg", project["scripts"]["geoseg"], "console_scripts")
    assert script.load().__name__ == "main"
    assert project["version"] == geoseg.__version__


@pytest.mark.parametrize(
    ("text", "count"),
    [("4GiB", 4 << 30), ("512 MB", 512_000_000), ("1.5g", 3 << 29), ("1000", 1000), ("2kb", 2000), ("10B", 10)],
)
def test_sizes_are_read_with_their_unit(text: str, count: int) -> None:
    assert options.size(text) == count


@pytest.mark.parametrize("text", ["", "GiB", "4 parsec", "-1GiB", "nan"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        options.size(text)


def test_names_between_commas() -> None:
    assert options.names("blue, green,red") == ("blue", "green", "red")
    with pytest.raises(click.BadParameter):
        options.names("blue,,red")


def test_a_halo_is_pixels_or_auto() -> None:
    assert options.pixels_or_auto("auto") == "auto"
    assert options.pixels_or_auto("64") == 64
    for wrong in ("-1", "1.5", "wide"):
        with pytest.raises(click.BadParameter):
            options.pixels_or_auto(wrong)


@pytest.mark.parametrize(
    ("name", "value"),
    [("aoi", ""), ("work", ""), ("progress", ""), ("bundle", ""), ("scale", "0"), ("scale", "nan"), ("offset", "inf"),
     ("chip-size", "1" + "0" * 20), ("halo", "\N{ARABIC-INDIC DIGIT THREE}")],
)  # fmt: skip
def test_values_that_mean_nothing_are_wrong_usage(name: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["segment", "scene.tif", "out", f"--{name}", value]) == 2
    err = capsys.readouterr().err
    assert err.startswith("geoseg: USAGE: ")
    assert f"'--{name}'" in err


def test_an_empty_out_is_not_the_current_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["segment", "scene.tif", "", "--bundle", "bundle"]) == 2
    assert "the path is empty" in capsys.readouterr().err
