"""Read record: what is no record of a run is refused in one line that says what it is."""

import json
import os
from pathlib import Path

import pytest

from geoseg.errors import InputRefused
from geoseg.jobs.read_record import read_json, read_record


def test_what_a_run_wrote_is_read(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"kind": "é"}), encoding="utf-8")
    assert read_record(tmp_path) == {"kind": "é"}


def test_what_is_not_there_is_told_from_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match=r"RUN: .*has no run\.json"):
        read_record(tmp_path)
    for path in (tmp_path / "none", Path(__file__)):
        with pytest.raises(InputRefused, match=r"RUN: .*is no folder of a run"):
            read_record(path)
    (tmp_path / "run.json").symlink_to("run.json")
    with pytest.raises(InputRefused, match=r"RUN: .*symbolic links"):
        read_record(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(InputRefused, match=r"RUN: .*cannot be read as JSON"):
        read_record(tmp_path)


def test_a_record_that_is_no_file_or_too_large_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "run.json")  # a read of it would wait for ever
    with pytest.raises(InputRefused, match="it is no file"):
        read_record(tmp_path)
    (tmp_path / "run.json").unlink()
    with (tmp_path / "run.json").open("wb") as file:
        file.truncate((64 << 20) + 1)
    with pytest.raises(InputRefused, match="too large"):
        read_record(tmp_path)


def test_a_table_that_is_not_there_is_refused_too(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match=r"ESTIMATE: .*cannot be read"):
        read_json(tmp_path / "none.json", "ESTIMATE")


def test_a_list_is_no_record(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("[]")
    with pytest.raises(InputRefused, match="is no record of a run"):
        read_record(tmp_path)
