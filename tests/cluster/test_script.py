"""Scripts without a main guard are refused with one line before any process starts; guarded ones and notebooks are not."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from geoseg.cluster.script import _is_guarded, check_script

CALL = "from geoseg.cluster.script import check_script\n"


@pytest.mark.parametrize(
    ("text", "guarded"),
    [
        ("call()", False),
        ("if __name__ == '__main__':\n    call()", True),
        ("if '__main__' == __name__:\n    x = 1\n    call()", True),
        ("if len(argv) > 1:\n    call()", False),
        ("for i in range(2):\n    call()", False),
        ("if multiprocessing.parent_process() is None:\n    call()", True),
        ("try:\n    if __name__ == '__main__':\n        call()\nfinally:\n    pass", True),
    ],
)
def test_a_guard_is_an_if_that_asks_who_runs_it(text: str, guarded: bool) -> None:
    line = next(i for i, one in enumerate(text.split("\n"), start=1) if "call()" in one)
    assert _is_guarded(ast.parse(text), line) is guarded


def ran(path: Path, root: Path, text: str, *how: str) -> subprocess.CompletedProcess[str]:
    path.write_text(text)
    command = [sys.executable, *(how or [str(path)])]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=root, input=text if "-" in how else None
    )


def test_a_script_without_a_guard_is_refused_by_its_line(tmp_path: Path, root: Path) -> None:
    done = ran(tmp_path / "mine.py", root, f"{CALL}\ndef main():\n    check_script()\n\nmain()\n")
    assert done.returncode == 1
    last = done.stderr.strip().split("\n")[-1]
    assert "UsageError: MAIN: mine.py, line 6: workers start by importing this script" in last
    assert '__name__ == "__main__"' in last


@pytest.mark.parametrize("how", [(), ("-",), ("-c", f"{CALL}check_script()")])
def test_what_has_a_guard_or_no_file_passes(tmp_path: Path, root: Path, how: tuple[str, ...]) -> None:
    text = f"{CALL}check_script()\n" if how else f"{CALL}if __name__ == '__main__':\n    check_script()\n"
    done = ran(tmp_path / "mine.py", root, text, *how)
    assert done.returncode == 0, done.stderr


def test_the_command_passes() -> None:
    check_script()  # pytest's own script has a guard


@pytest.mark.slow
def test_a_guarded_script_has_its_workers_and_another_none(tmp_path: Path, root: Path) -> None:
    body = "import geoseg\n{}geoseg.polygonize({!r}, {!r}, workers=1, overwrite=True)\n"
    from geoseg.jobs.synth import synth

    mask, out = str(synth(tmp_path / "land", size=64).truths[0]), str(tmp_path / "out.gpkg")
    bare = ran(tmp_path / "bare.py", root, body.format("", mask, out))
    assert bare.returncode == 1 and "MAIN: bare.py, line 2" in bare.stderr and not Path(out).exists()
    good = ran(tmp_path / "good.py", root, body.format("if __name__ == '__main__':\n    ", mask, out))
    assert good.returncode == 0 and Path(out).is_file(), good.stderr
