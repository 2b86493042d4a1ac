"""Hostile and broken YAML is refused in one line, quickly, and nothing of it runs."""

import time
from pathlib import Path

import pytest

from geoseg.errors import InputRefused
from geoseg.pipeline.document import read_document
from tests.helpers.pipelines import write

BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("name: !!python/object/apply:os.system [touch pwned]", ":1", "tag"),
        ("name: x\nsteps: !include other.yaml", ":2", "tag"),
        (BOMB, ":1", "anchor"),
        ("name: x\nsteps: *nowhere", ":2", "alias"),
        ("name: x\nname: y", ":2", "duplicate key"),
        ("name: x\n--- {}", ":2", "several documents"),
        ("a: " + "[" * 5000, ":1", "deep"),
        ("\n" + "- " * 5000, ":2", "deep"),
        ("name: [1, 2", ":", "is not YAML"),
        ("name: \x00", "", "is not YAML"),
        ("? [1, 2]\n: 3", "", "is no key"),
        ("", "", "no table|not a table"),
        ("- a\n- b", "", "not a table"),
        ("x: " + "y" * 70_000, "", "larger than 64 KiB"),
        ("when: 2020-02-31", "", "is not YAML"),
    ],
)
def test_what_is_refused_is_said_in_one_line(tmp_path: Path, text: str, line: str, what: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(InputRefused, match=what) as refused:
        read_document(path)
    assert f"{path}{line}" in str(refused.value) and "\n" not in str(refused.value)
    assert not Path("pwned").exists()


def test_the_largest_file_that_is_read_takes_seconds_at_most(tmp_path: Path) -> None:
    text = "\n".join(f"k{i}: [{i}, {{a: {i}}}]" for i in range(2000))
    started = time.process_time()
    assert len(read_document(write(tmp_path, text)).data) == 2000
    assert time.process_time() - started < 30


def test_values_are_plain_and_know_their_lines(tmp_path: Path) -> None:
    found = read_document(write(tmp_path, "a: 1\nb:\n  - x: no\n    y: 2020-05-01\n  - 22:30\n3: 1e-3\n"))
    assert found.data == {"a": 1, "b": [{"x": "no", "y": "2020-05-01"}, "22:30"], "3": 0.001}
    assert [found.line(place) for place in ((), ("a",), ("b", 0, "y"), ("b", 1), ("3",), ("b", 0, "z"))] == [
        1,
        1,
        4,
        5,
        6,
        3,
    ]


def test_a_file_that_is_not_there_or_not_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="NOT_FOUND"):
        read_document(tmp_path / "none.yaml")
    with pytest.raises(InputRefused, match="NOT_FOUND"):
        read_document(tmp_path)
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputRefused, match="UTF-8"):
        read_document(tmp_path / "x.yaml")
