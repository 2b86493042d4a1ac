"""A network that is cut in the middle, over TLS between two network namespaces: right, or exit 7, in bounded time."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from tests.conftest import ROOT

UNSHARE = ["unshare", "--user", "--map-root-user", "--net"]


@pytest.fixture(scope="module")
def namespaces():
    """Skip where they cannot be made."""
    if any(shutil.which(tool) is None for tool in ("unshare", "nsenter", "ip")):
        pytest.skip("unshare, nsenter or ip is not installed")
    probe = "ip link add near type veth peer name far && unshare -n true"
    tried = subprocess.run([*UNSHARE, "sh", "-c", probe], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip(f"no network namespaces here: {tried.stderr.decode().strip()}")


def cut(folder, who: str) -> dict:
    words = [*UNSHARE, sys.executable, "-m", "tests.helpers.cutnetwork", str(folder), who]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_one_of_two_workers_is_cut_off_and_the_other_does_it_all(namespaces, tmp_path):
    found = cut(tmp_path, "worker")
    assert found["code"] == 0, found
    assert found["blocks"] == found["done"] == found["all"]


@pytest.mark.slow
@pytest.mark.parametrize("who", ["workers", "scheduler"])
def test_all_that_can_work_is_cut_off_and_the_run_ends_as_lost(namespaces, tmp_path, who):
    found = cut(tmp_path, who)
    assert found["code"] == 7, found
    assert str(found["said"]).startswith("CLUSTER: tls://10.99.0.")
    assert "\n" not in str(found["said"])
    assert found["blocks"] < found["all"]
    assert found["seconds"] < 180
