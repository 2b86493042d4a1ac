"""Hook: anything that gives a Dask client is a cluster; it is used, checked, and left open."""

from __future__ import annotations

import pytest
from distributed import Client, LocalCluster

from geoseg.cluster.connect import ClusterSettings, connect
from geoseg.errors import UsageError
from geoseg.jobs.segment import segment
from tests.cluster.test_pools import GRID
from tests.helpers.pooljobs import Killer
from tests.helpers.runs import pixel_bundle, products, write_scene


@pytest.fixture(scope="module")
def cluster():
    """What a Gateway or a Kubernetes operator gives: an object with ``get_client``."""
    with LocalCluster(n_workers=2, threads_per_worker=3, host="127.0.0.1", dashboard_address=":0") as made:
        yield made


def test_a_cluster_with_get_client_maps_the_same_and_stays_open(cluster, tmp_path):
    scene, bundle = write_scene(tmp_path / "scene.tif"), pixel_bundle(tmp_path / "bundle")
    same = {"only": "mask", "backend": "torch", "precision": "fp32", "block_size": 128}
    segment(scene, bundle, tmp_path / "alone", **same)
    given = ClusterSettings(hook=lambda: cluster)
    assert given.elsewhere
    segment(scene, bundle, tmp_path / "over", cluster=given, **same)
    assert products(tmp_path / "over") == products(tmp_path / "alone")
    with cluster.get_client() as client:
        assert client.submit(divmod, 7, 2).result(timeout=60) == (3, 1)
        assert not [name for name in client.run(_plugins).popitem()[1] if name.startswith("geoseg")]


def test_a_client_is_taken_as_it_is_and_stays_open(cluster, tmp_path):
    with Client(cluster.scheduler_address, set_as_default=False) as client:
        with connect(ClusterSettings(hook=lambda: client)) as pool:
            pool.install(Killer(str(tmp_path)))
            assert all(outcome is None for _, outcome in pool.map("work", GRID))
        assert client.status == "running"


@pytest.mark.parametrize("given", [None, "tcp://127.0.0.1:8786", object()])
def test_what_is_no_cluster_is_said_to_be_none(given):
    with pytest.raises(UsageError, match="CLUSTER: hook: gave"):
        connect(ClusterSettings(hook=lambda: given)).__enter__()


def test_no_file_and_no_command_can_name_one():
    from geoseg.config import ClusterChoice

    assert "hook" not in ClusterChoice.model_fields
    with pytest.raises(UsageError, match="SETTING: hook"):
        ClusterChoice.of(hook="os:getcwd")


def _plugins(dask_worker):
    return list(dask_worker.plugins)
