"""Kept pools: one job after another has the same workers and network; after an error, or the end, they are gone."""

from __future__ import annotations

import os

import psutil
import pytest

from geoseg.cluster import worker
from geoseg.cluster.connect import ClusterSettings, connect
from geoseg.cluster.keep import pools_kept
from geoseg.config import SlurmChoice
from geoseg.errors import InputRefused
from geoseg.jobs.segment import segment
from tests.helpers.runs import pixel_bundle, products, write_scene

ONE = ClusterSettings(1)


def pid(settings: ClusterSettings = ONE) -> int:
    """The process of a pool's worker."""
    with connect(settings) as pool:
        return int(pool.call(os.getpid))


def test_pools_of_the_same_settings_stay_open_until_the_end() -> None:
    with pools_kept():
        first = pid()
        with pools_kept():
            assert pid() == first
        assert pid() == first  # the inner one has not closed it
        other = pid(ClusterSettings(1, threads=2))
        assert other not in (first, os.getpid())
        assert psutil.pid_exists(first)
    assert not psutil.pid_exists(first) and not psutil.pid_exists(other)
    assert pid() != pid()


def test_a_pool_that_an_error_left_is_not_used_again() -> None:
    with pools_kept():
        with pytest.raises(InputRefused), connect(ONE) as pool:
            first = pool.call(os.getpid)
            raise InputRefused.of("READ", "a.tif", "cannot be read", "Copy it again")
        assert not psutil.pid_exists(first)
        assert pid() != first


def test_a_pool_in_use_is_nobody_elses() -> None:
    with pools_kept():
        with connect(ONE) as outer, connect(ONE) as inner:
            assert outer is not inner
            kept = inner.call(os.getpid)
            assert outer.call(os.getpid) != kept
        assert pid() == kept


def test_settings_of_every_kind_can_be_looked_up() -> None:
    assert len({ONE, ClusterSettings(1), ClusterSettings(1, slurm=SlurmChoice()), ClusterSettings(hook=pid)}) == 3


def test_scenes_one_after_another_load_the_network_once_and_are_the_same_maps(tmp_path, monkeypatch) -> None:
    loaded = []
    load = worker.load_predictor
    monkeypatch.setattr(worker, "load_predictor", lambda *a, **k: loaded.append(a[0].digest) or load(*a, **k))
    scene, bundle = write_scene(tmp_path / "scene.tif"), pixel_bundle(tmp_path / "bundle")
    same = {"only": "mask", "backend": "torch", "precision": "fp32", "block_size": 128}
    segment(scene, bundle, tmp_path / "alone", **same)
    segment(scene, bundle, tmp_path / "again", **same)
    assert len(loaded) == 2
    with pools_kept():
        for name in ("one", "two"):
            segment(scene, bundle, tmp_path / name, **same)
            assert products(tmp_path / name) == products(tmp_path / "alone")
    assert len(loaded) == 3
    segment(scene, bundle, tmp_path / "after", **same)
    assert len(loaded) == 4  # nothing is held after the end
