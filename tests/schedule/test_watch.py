import json
import os
import shutil
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import rasterio

from geoseg.errors import InputRefused
from geoseg.schedule.command import Roots
from geoseg.schedule.service import serve
from geoseg.schedule.serving import ServiceSettings
from geoseg.schedule.settings import JobSettings
from geoseg.schedule.store import JobStore
from geoseg.schedule.watch import Watcher, arrivals
from tests.helpers.standin import standin, write

AGE = timedelta(seconds=30)


class Later:
    """The computer's clock, ahead by what a test says: files age without waiting."""

    ahead = timedelta(seconds=60)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


def raster(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {"driver": "GTiff", "height": 32, "width": 32, "count": 1, "dtype": "uint8", "crs": "EPSG:32632"}
    with rasterio.open(path, "w", transform=rasterio.Affine(10, 0, 5e5, 0, -10, 5e6), **profile) as out:
        out.write(np.ones((1, 32, 32), np.uint8))
    return path


@pytest.fixture
def look(tmp_path: Path) -> Callable[[], list[str]]:
    """Looks once at tmp_path/in as a fresh service would; the scenes of all slots made so far."""
    (tmp_path / "in").mkdir()

    def look() -> list[str]:
        with JobStore(tmp_path / "jobs.db", clock=Later()) as store:
            if not store.jobs():
                watch = str(tmp_path / "in")
                store.add(
                    JobSettings.of(name="job", pipeline=str(tmp_path / "p"), out=str(tmp_path / "o"), watch=watch)
                )
            Watcher(store, Roots(), AGE).look_at(store.job("job"))
            made = [path for entry in store.history(limit=500) for path in entry.slot.scenes]
            return sorted(str(Path(path).relative_to(tmp_path / "in")) for path in made)

    return look


def test_each_scene_is_taken_once(tmp_path: Path, look: Callable[[], list[str]]) -> None:
    assert look() == []
    raster(tmp_path / "in/a.tif")
    assert look() == ["a.tif"] == look()
    raster(tmp_path / "in/deep/er/b.tif")
    raster(tmp_path / "in/a.tif")
    assert look() == ["a.tif", "deep/er/b.tif"] == look()


def test_files_that_are_young_or_temporary_or_no_rasters_wait(tmp_path: Path, look: Callable[[], list[str]]) -> None:
    raster(tmp_path / "in/.hidden.tif")
    raster(tmp_path / "in/.partial/a.tif")
    shutil.copy(raster(tmp_path / "whole.tif"), tmp_path / "in/b.tif.part")
    (tmp_path / "in/empty.tif").touch()
    (tmp_path / "in/empty.nc").touch()
    (tmp_path / "in/odd.nc").write_text("no NetCDF")
    os.mkfifo(tmp_path / "in/pipe.nc")
    (tmp_path / "in/text.tif").write_text("not a raster")
    (tmp_path / "in/cut.tif").write_bytes((tmp_path / "whole.tif").read_bytes()[:6])
    old = raster(tmp_path / "in/young.tif")
    os.utime(old, (1, 1))  # copying tools set the time of modification back
    Later.ahead = timedelta(0)
    try:
        assert look() == []
    finally:
        Later.ahead = timedelta(seconds=60)
    assert look() == ["young.tif"]


def test_a_file_that_is_open_for_writing_waits(tmp_path: Path, look: Callable[[], list[str]]) -> None:
    path = raster(tmp_path / "in/a.tif")
    with path.open("r+b"):
        assert look() == []
    assert look() == ["a.tif"]


def test_a_product_is_one_scene_and_waits_for_its_last_file(tmp_path: Path, look: Callable[[], list[str]]) -> None:
    folder = tmp_path / "in/LC08_1"
    for band in ("B2", "B3"):
        raster(folder / f"LC08_1_{band}.TIF")
    (folder / "LC08_1_MTL.txt").write_text("GROUP = X")
    with (folder / "LC08_1_B3.TIF").open("r+b"):
        assert look() == []
    assert look() == ["LC08_1"]


def test_items_of_a_catalog_are_taken_when_their_files_are_there(tmp_path: Path, look: Callable[[], list[str]]) -> None:
    top = tmp_path / "in"
    (top / "catalog.json").write_text("{}")
    raster(top / "loose.tif")
    item = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "assets": {"data": {"href": "./a.tif"}, "far": {"href": "https://h/x.tif"}},
    }
    (top / "a").mkdir()
    (top / "a/a.json").write_text(json.dumps(item))
    (top / "a/other.json").write_text("[]")
    (top / "a/deep.json").write_text("[" * 100_000)
    assert look() == []
    raster(top / "a/a.tif")
    assert look() == ["a/a.json"]


def test_links_that_lead_out_of_the_allowed_folders_are_left_out(tmp_path: Path, look: Callable[[], list[str]]) -> None:
    outside = raster(tmp_path.parent / f"{tmp_path.name}-outside.tif")
    (tmp_path / "in/link.tif").symlink_to(outside)
    (tmp_path / "in/loop").symlink_to(tmp_path / "in")
    (tmp_path / "in/catalogue.json").write_text("{}")
    raster(tmp_path / "in/a.tif")
    assert look() == ["a.tif"]


def test_odd_names_do_no_harm(tmp_path: Path, look: Callable[[], list[str]]) -> None:
    good = raster(tmp_path / "in/$(x) ü '\".tif")
    shutil.copy(good, tmp_path / "in/two\nlines.tif")
    shutil.copy(good, os.fsencode(tmp_path) + b"/in/\xff.tif")
    os.mkfifo(tmp_path / "in/pipe.tif")
    assert look() == [good.name]


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="NOT_FOUND"):
        list(arrivals(tmp_path / "none"))


def test_a_service_runs_each_new_scene(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a", "b", "c"):
        raster(tmp_path / f"in/{name}.tif")
    with JobStore(tmp_path / "jobs.db", clock=Later()) as store:
        pipeline = write(tmp_path / "p.json")
        out = str(tmp_path / "out" / "{slot}")
        store.add(JobSettings.of(name="job", pipeline=str(pipeline), out=out, watch=str(tmp_path / "in")))
        settings = ServiceSettings(turn=0.02, look=AGE)
        start = time.monotonic()
        tally = serve(store, stop=threading.Event(), once=True, settings=settings, command=standin)
        assert tally.states == {"done": 3} and time.monotonic() - start < 60
        given = sorted(path.read_text().split(maxsplit=1)[1].strip() for path in (tmp_path / "out").glob("*/starts"))
        assert given == [str(tmp_path / f"in/{name}.tif") for name in "abc"]
