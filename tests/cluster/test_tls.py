"""TLS: who shows a certificate of the authority is let in, others are not, on either side; with real processes."""

from __future__ import annotations

import time

import pytest

from geoseg.cli.main import run
from geoseg.cluster.connect import ClusterSettings, connect
from geoseg.errors import ClusterLost
from geoseg.jobs.segment import segment
from tests.helpers.certificates import signed
from tests.helpers.daskprocesses import scheduler, worker
from tests.helpers.pooljobs import Killer
from tests.helpers.runs import finish, pixel_bundle, products, start, write_scene

PATIENCE = 30


@pytest.fixture(scope="module")
def papers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("papers")
    return {
        "right": signed(folder / "right"),
        "other": signed(folder / "other"),
        "old": signed(folder / "old", expired=True),
    }


@pytest.fixture(scope="module")
def cluster(papers):
    right = papers["right"]
    with scheduler(*right.words, protocol="tls") as served, worker(served.address, *right.words):
        yield served.address


def test_the_right_certificate_works(cluster, papers, tmp_path):
    from tests.cluster.test_pools import GRID

    with connect(ClusterSettings(scheduler=cluster, patience=PATIENCE, **papers["right"].settings)) as pool:
        pool.install(Killer(str(tmp_path)))
        assert all(outcome is None for _, outcome in pool.map("work", GRID))
    assert len(list(tmp_path.iterdir())) == len(GRID)


@pytest.mark.parametrize("which", ["other", "old"])
def test_a_wrong_certificate_is_refused_in_time(cluster, papers, which):
    started = time.monotonic()
    with pytest.raises(ClusterLost, match=r"cannot reach the scheduler .*certificates"):
        connect(ClusterSettings(scheduler=cluster, patience=5, **papers[which].settings)).__enter__()
    assert time.monotonic() - started < 40


def test_none_is_refused_in_time(cluster):
    started = time.monotonic()
    with pytest.raises(ClusterLost, match="cannot reach the scheduler"):
        connect(ClusterSettings(scheduler=cluster.replace("tls:", "tcp:"), patience=5)).__enter__()
    assert time.monotonic() - started < 40


def test_a_scheduler_without_tls_is_not_talked_to(papers):
    with scheduler() as served:
        address = served.address.replace("tcp:", "tls:")
        with pytest.raises(ClusterLost, match="cannot reach the scheduler"):
            connect(ClusterSettings(scheduler=address, patience=5, **papers["right"].settings)).__enter__()


def test_a_scheduler_of_another_authority_is_not_believed(papers):
    with scheduler(*papers["other"].words, protocol="tls") as served:
        with pytest.raises(ClusterLost, match="cannot reach the scheduler"):
            connect(ClusterSettings(scheduler=served.address, patience=5, **papers["right"].settings)).__enter__()


def test_a_worker_of_another_authority_is_not_let_in(papers):
    right = papers["right"]
    with scheduler(*right.words, protocol="tls") as served, worker(served.address, *papers["other"].words):
        with pytest.raises(ClusterLost, match="no worker has come"):
            connect(ClusterSettings(scheduler=served.address, patience=8, **right.settings)).__enter__()


@pytest.mark.slow
def test_the_command_line_maps_over_tls_as_it_does_alone(cluster, papers, tmp_path):
    scene, bundle = write_scene(tmp_path / "scene.tif"), pixel_bundle(tmp_path / "bundle")
    segment(scene, bundle, tmp_path / "alone", only="mask", backend="torch", precision="fp32")
    words = ["segment", scene, tmp_path / "over", "--bundle", bundle.path, "--only", "mask", "--scheduler", cluster]
    assert finish(start(*words, "--backend", "torch", "--precision", "fp32", *tls_words(papers["right"]))) == (0, "")
    assert products(tmp_path / "over") == products(tmp_path / "alone")


def test_what_is_wrong_is_said_in_one_line_before_anything_is_made(cluster, papers, tmp_path, capsys):
    scene, bundle = write_scene(tmp_path / "scene.tif"), pixel_bundle(tmp_path / "bundle")
    tls = tls_words(papers["right"])
    for more, said in [
        (["--scheduler", "tcp://192.0.2.1:8786"], "INSECURE"),
        (["--scheduler", cluster], "TLS"),
        (["--scheduler", cluster, *tls[:4]], "TLS"),
        (["--slurm", "queue=a b", "--workers", "2"], "SETTING"),
        (["--slurm", "queue", "--workers", "2"], "SETTING"),
    ]:
        assert run(["segment", str(scene), str(tmp_path / "no"), "--bundle", bundle.path, *more]) == 2
        err = capsys.readouterr().err
        assert err.startswith(f"geoseg: {said}: ") and err.count("\n") == 1, err
        assert not (tmp_path / "no").exists()


def tls_words(papers) -> list[str]:
    """The three options."""
    return ["--tls-ca", papers.ca, "--tls-cert", papers.cert, "--tls-key", papers.key]
