"""Progress: on stderr, for people who look at it; a line now and then for a log; nothing when it is to be quiet."""

import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from geoseg.cli import progress
from geoseg.cli.main import run

SLOW = """
import sys, time
from geoseg.cli import progress
progress._SOON, progress._SPARSE = 0.2, 0.2
with progress.{bar}(quiet={quiet}) as update:
    for i in range(4):
        time.sleep(0.25)
        if update:
            update({arguments})
    time.sleep(0.6)
print("data")
"""


def on_terminal(code: str, **environment: str) -> tuple[str, str]:
    """What a terminal gets on stderr, and what goes to stdout, which is a pipe."""
    mine, its = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=its, stdin=subprocess.DEVNULL,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", **environment},
    )  # fmt: skip
    os.close(its)
    seen = b""
    while True:
        try:
            more = os.read(mine, 65536)
        except OSError:  # the other side is closed
            break
        if not more:
            break
        seen += more
    os.close(mine)
    out, _ = child.communicate()
    assert child.returncode == 0, seen.decode()
    return seen.decode(), out.decode()


def off_terminal(code: str) -> tuple[str, str]:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stderr, done.stdout


STRIPS = SLOW.format(bar="strip_bar", quiet=False, arguments="i + 1, 4")
SPIN = SLOW.format(bar="working", quiet=False, arguments="")


def test_a_terminal_sees_a_bar_that_fills_and_stdout_has_the_data_alone() -> None:
    seen, out = on_terminal(STRIPS)
    assert "4/4 strips" in seen and "polygonize" in seen
    assert "\x1b[3" in seen  # colours
    assert out == "data\n"


def test_what_cannot_say_how_far_it_is_moves_and_is_gone_at_the_end() -> None:
    seen, _ = on_terminal(SPIN)
    assert "geoseg" in seen
    assert "0:00:00" in seen


def test_no_color_is_obeyed() -> None:
    seen, _ = on_terminal(STRIPS, NO_COLOR="1")
    assert "4/4 strips" in seen
    assert not re.search(r"\x1b\[(3[0-9]|38|9[0-9])[;m]", seen)


def test_quiet_shows_nothing() -> None:
    for bar, arguments in (("strip_bar", "i + 1, 4"), ("working", "")):
        seen, out = on_terminal(SLOW.format(bar=bar, quiet=True, arguments=arguments))
        assert seen == ""
        assert out == "data\n"


def test_a_log_gets_a_line_now_and_then_without_colours() -> None:
    err, out = off_terminal(STRIPS)
    lines = err.splitlines()
    assert 1 <= len(lines) <= 6
    assert all(re.fullmatch(r"geoseg: geoseg: (polygonize \d of 4 strips, )?\d+ s", line) for line in lines), err
    assert "\x1b" not in err
    assert out == "data\n"
    err, _ = off_terminal(SPIN)
    assert re.fullmatch(r"(geoseg: geoseg: \d+ s\n)+", err)


def test_short_work_says_nothing_in_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.working(quiet=False), progress.strip_bar(quiet=False) as update:
        assert update is not None
        update(1, 1)
    assert capsys.readouterr() == ("", "")


def test_the_threads_of_bars_end_with_them() -> None:
    import threading

    before = threading.active_count()
    begun = time.monotonic()
    for _ in range(3):
        with progress.working(quiet=False):
            pass
    assert threading.active_count() == before
    assert time.monotonic() - begun < 10


VERBS = ["info", "plan", "segment", "polygonize", "sieve", "area", "sample", "change", "run", "train", "evaluate", "synth",
         "labels", "bundle", "demo", "estimate", "report"]  # fmt: skip


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_that_may_take_long_uses_the_one_helper(verb: str, root: Path) -> None:
    text = (root / "geoseg" / "cli" / f"{verb}.py").read_text("utf-8")
    assert "from geoseg.cli.progress import" in text
    assert "from rich" not in text


@pytest.mark.parametrize("args", [["info", "scene.tif"], ["doctor", "--only", "python,disk", "--json"]])
def test_json_on_stdout_is_json_alone(args: list[str], sample: Path, monkeypatch: pytest.MonkeyPatch,
                                      capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    import json

    monkeypatch.chdir(sample)
    assert run(args) == 0
    out, err = capsys.readouterr()
    assert isinstance(json.loads(out), dict)
    assert not err
