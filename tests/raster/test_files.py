"""Files: complete or absent, whatever happens in between."""

import errno
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from geoseg.errors import Conflict, ResourceError
from geoseg.raster.files import complete_or_absent, disk_errors, write_durable


def test_a_file_appears_when_the_body_ends_well(tmp_path: Path) -> None:
    final = tmp_path / "new" / "folder" / "areas.csv"
    with complete_or_absent(final) as temporary:
        assert temporary.name == final.name
        temporary.write_text("a")
        assert not final.exists()
    assert final.read_text() == "a"
    assert os.listdir(final.parent) == ["areas.csv"]


def test_nothing_is_left_when_the_body_fails(tmp_path: Path) -> None:
    with pytest.raises(KeyError), complete_or_absent(tmp_path / "x") as temporary:
        temporary.write_text("half")
        raise KeyError
    assert os.listdir(tmp_path) == []


def test_an_old_file_stays_when_its_replacement_fails(tmp_path: Path) -> None:
    final = tmp_path / "x"
    final.write_text("old")
    with pytest.raises(KeyError), complete_or_absent(final) as temporary:
        temporary.write_text("half")
        raise KeyError
    assert final.read_text() == "old"
    with complete_or_absent(final) as temporary:
        temporary.write_text("new")
    assert final.read_text() == "new"


def test_a_body_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), complete_or_absent(tmp_path / "x"):
        pass


def test_sidecars_come_along_and_a_folder_replaces_a_folder(tmp_path: Path) -> None:
    with complete_or_absent(tmp_path / "a.shp") as temporary:
        for suffix in (".shp", ".dbf", ".prj"):
            temporary.with_suffix(suffix).write_text(suffix)
    assert sorted(os.listdir(tmp_path)) == ["a.dbf", "a.prj", "a.shp"]
    for text in ("one", "two"):
        with complete_or_absent(tmp_path / "b.zarr") as temporary:
            (temporary / "deep").mkdir(parents=True)
            (temporary / "deep" / text).write_text(text)
    assert os.listdir(tmp_path / "b.zarr" / "deep") == ["two"]


def test_a_file_does_not_replace_a_folder(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    with pytest.raises(Conflict, match="EXISTS"), complete_or_absent(tmp_path / "x") as temporary:
        temporary.write_text("a")
    assert os.listdir(tmp_path) == ["x"]


def test_two_writers_of_one_file_do_not_disturb_each_other(tmp_path: Path) -> None:
    final = tmp_path / "[x]*.tif"
    with complete_or_absent(final) as one:
        one.write_text("one")
        with complete_or_absent(final) as two:
            two.write_text("two")
        assert one.exists()
    assert final.read_text() == "one"


def test_a_killed_writer_leaves_nothing_visible_and_the_next_one_cleans_up(tmp_path: Path) -> None:
    final = tmp_path / "[x]*.tif"
    code = f"""
        import os, signal
        from geoseg.raster.files import complete_or_absent
        with complete_or_absent({str(final)!r}) as temporary:
            temporary.write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
    """
    assert subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False).returncode == -signal.SIGKILL
    leftovers = os.listdir(tmp_path)
    assert len(leftovers) == 1 and leftovers[0].startswith(".")
    with complete_or_absent(final) as temporary:
        temporary.write_text("whole")
    assert os.listdir(tmp_path) == [final.name]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EFBIG])
def test_disk_trouble_is_a_resource_error_that_names_the_file(tmp_path: Path, number: int) -> None:
    with (
        pytest.raises(ResourceError, match=r"DISK: .*x\.tif: ") as caught,
        complete_or_absent(tmp_path / "x.tif"),
    ):
        raise OSError(number, os.strerror(number))
    assert caught.value.exit_code == 6
    assert os.listdir(tmp_path) == []


def test_other_errors_pass_as_they_are() -> None:
    with pytest.raises(FileNotFoundError), disk_errors("x"):
        raise FileNotFoundError(errno.ENOENT, "gone")


def test_a_folder_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Conflict, match=r"EXISTS: .*file: is not a folder"), complete_or_absent(tmp_path / "file" / "x"):
        pass
    with pytest.raises(ResourceError, match="DISK"), complete_or_absent(tmp_path / "file" / "below" / "x"):
        pass
    with pytest.raises(ResourceError, match="DISK"), complete_or_absent(tmp_path / ("n" * 250)):
        pass


def test_a_durable_file_is_whole_and_replaces_the_old_one(tmp_path: Path) -> None:
    for data in (b"one", b"", b"three" * 100_000):
        write_durable(tmp_path / "receipt", data)
        assert (tmp_path / "receipt").read_bytes() == data
    assert os.listdir(tmp_path) == ["receipt"]


def test_a_durable_write_beyond_the_limit_leaves_the_old_one(tmp_path: Path) -> None:
    write_durable(tmp_path / "receipt", b"old")
    code = f"""
        import resource
        from geoseg.errors import ResourceError
        from geoseg.raster.files import write_durable
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        try:
            write_durable({str(tmp_path / "receipt")!r}, b"x" * 1001)
        except ResourceError as error:
            raise SystemExit(error.exit_code)
    """
    assert subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False).returncode == 6
    assert os.listdir(tmp_path) == ["receipt"]
    assert (tmp_path / "receipt").read_bytes() == b"old"


def test_what_a_durable_write_complains_of_is_the_file_that_was_asked_for(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "none" / "page.html", tmp_path / "folder"):
        with pytest.raises(OSError) as caught:
            write_durable(path, b"x")
        assert (caught.value.filename, caught.value.filename2) == (str(path), None)
    assert os.listdir(tmp_path) == ["folder"]
