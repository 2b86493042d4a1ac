"""Verifying finds what opening does not look at: files beside the model, the card's other fields, what the network computes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from geoseg.errors import BundleError
from geoseg.model.bundle import NetworkSpec, open_bundle, save_bundle
from geoseg.model.item import digest_of
from geoseg.model.verify import verify_bundle
from tests.helpers.bundles import conv_bundle, facts, sample_of


def test_the_shipped_bundle_verifies(root: Path) -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    found = list(verify_bundle(open_bundle(root / "samples" / "north_carolina" / "bundle")))
    assert [finding.check for finding in found] == ["digest", "beside", "schema", "self-test"]


def test_each_check_fails_by_itself(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    import numpy as np

    given = facts(network=NetworkSpec("Conv1x1", "none", 4, 3))
    weights = {"weight": np.ones((3, 4, 1, 1), np.float32), "bias": np.arange(3, dtype=np.float32)}
    made = save_bundle(tmp_path / "b", given, weights=weights, sample=sample_of(given), beside={"scores.json": b"{}"})
    assert len(list(verify_bundle(made))) == 4

    shutil.copytree(tmp_path / "b", tmp_path / "beside")
    (tmp_path / "beside" / "scores.json").write_bytes(b"[]")
    with pytest.raises(BundleError, match=r"^DIGEST"):
        list(verify_bundle(open_bundle(tmp_path / "beside")))

    shutil.copytree(tmp_path / "b", tmp_path / "schema")
    card = tmp_path / "schema" / "card.json"
    item = json.loads(card.read_text())
    del item["properties"]["mlm:architecture"]
    item["properties"]["geoseg:digest"] = digest_of(item)
    card.write_text(json.dumps(item))
    with pytest.raises(BundleError, match=r"^SCHEMA"):
        list(verify_bundle(open_bundle(tmp_path / "schema")))


def test_a_card_of_before_the_schemas_shipped_still_verifies_and_is_said_to_be_invalid(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    conv_bundle(tmp_path / "b")
    card = tmp_path / "b" / "card.json"
    item = json.loads(card.read_text())
    del item["assets"]["model"]["bands"], item["properties"]["geoseg:bundle"]["beside"]
    item["properties"]["geoseg:digest"] = digest_of(item)
    card.write_text(json.dumps(item))
    found = {finding.check: finding for finding in verify_bundle(open_bundle(tmp_path / "b"))}
    assert "earlier card" in found["schema"].text and found["schema"].value is None
    assert found["self-test"].value == 1.0


def test_an_answer_that_is_another_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    import numpy as np

    from tests.helpers.bundles import conv_onnx

    given = facts(align=16)
    wrong = np.full((2, 64, 64), 2, np.uint8)
    save_bundle(tmp_path / "b", given, weights=conv_onnx(), sample=sample_of(given), expected=wrong)
    with pytest.raises(BundleError, match=r"^WEIGHTS.*sample's pixels"):
        list(verify_bundle(open_bundle(tmp_path / "b")))


def test_a_bundle_without_a_sample_says_so(tmp_path: Path) -> None:
    bundle = conv_bundle(tmp_path / "b")
    assert bundle.network is not None
    import numpy as np

    weights = {"weight": np.ones((3, 4, 1, 1), np.float32), "bias": np.zeros(3, np.float32)}
    bare = save_bundle(tmp_path / "c", facts(network=bundle.network), weights=weights)
    assert "no sample" in list(verify_bundle(bare))[-1].text
