import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from geoseg.errors import Conflict, ResourceError
from geoseg.pipeline.state import Record, State, read_state


@contextmanager
def full(size: int) -> Iterator[None]:
    """No file takes more bytes than this."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_a_full_disk_does_not_take_leaves_the_record_whole(tmp_path: Path) -> None:
    with State(tmp_path) as state:
        state.note(Record("a", "done", "0"))
        with full(state.path.stat().st_size + 10), pytest.raises(ResourceError, match="DISK"):
            state.note(Record("b", "done", "0"))
        state.note(Record("c", "done", "0"))
    assert list(read_state(tmp_path)) == ["a", "c"]


def test_a_folder_is_let_go_whatever_its_disk_says(tmp_path: Path) -> None:
    with State(tmp_path) as state:
        state.note(Record("a", "done", "0"))
    with full(state.path.stat().st_size + 10), pytest.raises(ResourceError, match="DISK"), State(tmp_path) as state:
        state.note(Record("b", "done", "0"))
    with full(10), pytest.raises(ResourceError, match="DISK"), State(tmp_path):
        pass
    with State(tmp_path) as state:
        assert list(state.records) == ["a"]
        with pytest.raises(Conflict, match="LOCKED"), State(tmp_path):
            pass
