"""Admission: a worker with other versions, another bundle or other files is refused before the first block, by name."""

from __future__ import annotations

import dataclasses
import shutil

import pytest

from geoseg.cluster.admission import Makers, check_sight, check_versions, place_bundle
from geoseg.cluster.connect import ClusterSettings, connect
from geoseg.errors import BundleError, ResourceError
from geoseg.jobs.segment import segment
from geoseg.model.bundle import open_bundle
from tests.helpers.daskprocesses import joined, preload, scheduler, worker
from tests.helpers.runs import pixel_bundle, products, write_scene

SAME = {"only": "mask", "backend": "torch", "precision": "fp32", "block_size": 128}
PATIENCE = 60


def settings(address: str) -> ClusterSettings:
    return ClusterSettings(scheduler=address, patience=PATIENCE)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["import geoseg", "geoseg.__version__ = '0.0.7'"], r"VERSIONS: tcp://.*geoseg 0\.0\.7 \(here "),
        pytest.param(
            ["import geoseg.raster.env as env", "env.GDAL_VERSION = '2.4.0'"],
            r"VERSIONS: tcp://.*gdal 2\.4\.0 \(here ",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            ["import sys", "sys.modules['geoseg'] = None"],
            "VERSIONS: tcp://.*cannot load geoseg",
            marks=pytest.mark.slow,
        ),
    ],
    ids=["geoseg", "gdal", "none"],
)
def test_one_worker_with_other_versions_stops_the_run_before_it_begins(tmp_path, lines, said):
    odd = preload(tmp_path / "odd.py", *lines)
    with scheduler() as served, worker(served.address), worker(served.address, *odd):
        joined(served.address, 2)
        with pytest.raises(ResourceError, match=said) as refused:
            connect(settings(served.address)).__enter__()
        assert "\n" not in str(refused.value)


def test_versions_that_are_the_same_are_no_reason():
    Makers.here().refuse(Makers.here(), "here")
    for name in ("geoseg", "gdal", "python"):
        with pytest.raises(ResourceError, match=f"{name} 1 "):
            Makers.here().refuse(dataclasses.replace(Makers.here(), **{name: "1"}), "there")
    with connect(ClusterSettings(0)) as pool:
        check_versions(pool)


@pytest.mark.slow
def test_a_late_worker_of_another_version_is_refused_when_it_takes_a_block(tmp_path):
    scene, bundle = write_scene(tmp_path / "scene.tif"), pixel_bundle(tmp_path / "bundle")
    odd = preload(tmp_path / "odd.py", "import geoseg", "geoseg.__version__ = '0.0.7'")
    with scheduler() as served, worker(served.address) as first:
        late = []

        def replaced(_) -> None:
            if not late:
                late.append(worker(served.address, *odd))
                late[0].__enter__()
                first.kill()

        try:
            with pytest.raises(ResourceError, match=r"VERSIONS: .*0\.0\.7"):
                segment(
                    scene, bundle, tmp_path / "out", cluster=settings(served.address), on_progress=replaced,
                    **SAME | {"block_size": 64},
                )  # fmt: skip
        finally:
            for one in late:
                one.__exit__(None, None, None)


def test_a_bundle_that_workers_do_not_see_is_uploaded_and_maps_the_same(tmp_path):
    scene, bundle = write_scene(tmp_path / "scene.tif"), pixel_bundle(tmp_path / "bundle")
    segment(scene, bundle, tmp_path / "alone", **SAME)
    blind = preload(  # as if the path were on another machine
        tmp_path / "blind.py",
        "import geoseg.model.bundle as b, geoseg.cluster.upload as u",
        "from geoseg.errors import BundleError",
        "def open_bundle(path, real=b.open_bundle, **how):",
        f"    if str(path) == {bundle.path!r}: raise BundleError.of('MISSING', path, 'is not here')",
        "    return real(path, **how)",
        "b.open_bundle = u.open_bundle = open_bundle",
    )
    with scheduler() as served, worker(served.address, *blind), worker(served.address, *blind):
        segment(scene, bundle, tmp_path / "over", cluster=settings(served.address), **SAME)
        with connect(settings(served.address)) as pool:
            assert {type(found) for found in pool.keeps(bundle).values()} == {BundleError}  # it went with the run
    assert products(tmp_path / "over") == products(tmp_path / "alone")


@pytest.mark.slow
def test_another_bundle_under_the_same_path_is_not_used(tmp_path):
    mine, theirs = pixel_bundle(tmp_path / "mine", seed=1), pixel_bundle(tmp_path / "theirs", seed=2)
    assert mine.digest != theirs.digest
    with scheduler() as served, worker(served.address) as _:
        with connect(settings(served.address)) as pool:
            lying = dataclasses.replace(mine, path=theirs.path)  # what the client means lies elsewhere
            assert [found.code for found in pool.keeps(lying).values()] == ["DIGEST"]
            shutil.rmtree(theirs.path)
            shutil.copytree(mine.path, theirs.path)
            place_bundle(pool, open_bundle(theirs.path))
            assert list(pool.keeps(lying).values()) == [mine.digest]


@pytest.mark.slow
def test_a_bundle_that_cannot_be_kept_is_said_so(tmp_path):
    bundle = pixel_bundle(tmp_path / "bundle")
    full = preload(
        tmp_path / "full.py",
        "import pathlib, geoseg.cluster.upload as u",
        "from geoseg.errors import BundleError",
        "def missing(path, **how): raise BundleError.of('MISSING', path, 'is not here')",
        "u.open_bundle = missing",
        "def no(self, data): raise OSError(28, 'No space left on device')",
        "pathlib.Path.write_bytes = no",
    )
    with scheduler() as served, worker(served.address, *full):
        with connect(settings(served.address)) as pool, pytest.raises(ResourceError, match=r"UPLOAD: .*No space left"):
            place_bundle(pool, bundle)


def test_a_worker_that_does_not_see_the_blocks_folder_is_refused(tmp_path):
    scene, bundle = write_scene(tmp_path / "scene.tif"), pixel_bundle(tmp_path / "bundle")
    blind = preload(tmp_path / "blind.py", "import os", "os.path.exists = lambda path: False")
    out = tmp_path / "out"
    with scheduler() as served, worker(served.address, *blind):
        with pytest.raises(ResourceError, match=r"SHARED: .*does not see this folder"):
            segment(scene, bundle, out, cluster=settings(served.address), **SAME)
    assert not [path for path in out.rglob("*") if path.name.startswith(".seen")]
    assert not (out / "mask.tif").exists()


def test_alone_nothing_is_asked(tmp_path):
    with connect(ClusterSettings(0)) as pool:
        check_sight(pool, [], tmp_path / "none")
