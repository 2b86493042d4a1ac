"""The units of docs/service.md are what systemd takes, and what they start is what the command line takes."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from geoseg.cli.service import command

NAMES = ("geoseg.service", "geoseg-once.service", "geoseg-once.timer")
GEOSEG = "/opt/geoseg/bin/geoseg"


@pytest.fixture
def units(root: Path) -> dict[str, str]:
    text = (root / "docs/service.md").read_text("utf-8")
    return dict(zip(NAMES, re.findall(r"^```ini\n(.*?)^```$", text, flags=re.M | re.S), strict=True))


def test_systemd_takes_them_without_a_word(units: dict[str, str], tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    for name, text in units.items():
        (tmp_path / name).write_text(text.replace(GEOSEG, "/bin/true"))
    words = ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / name) for name in NAMES)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    said = [line for line in done.stderr.splitlines() if str(tmp_path) in line]  # of others' units it may speak too
    assert (done.returncode, said) == (0, [])


def test_what_they_start_is_a_service(units: dict[str, str], root: Path) -> None:
    started = re.findall(rf"^ExecStart={GEOSEG} (.*)$", "\n".join(units.values()), flags=re.M)
    started += re.findall(r"`\*/5 \* \* \* \* geoseg (.*?)`", (root / "docs/service.md").read_text("utf-8"))
    assert len(started) == 3
    for line in started:
        verb, *words = shlex.split(line)
        with command.make_context(verb, words) as context:
            assert verb == "service" and context.params["store"] == "/var/lib/geoseg/jobs.db"
