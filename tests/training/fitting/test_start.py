"""The network that a training begins with: seeded, from a bundle or with a file's encoder; settings that do not fit are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from geoseg.errors import BundleError, UsageError  # noqa: E402
from geoseg.model.bundle import open_bundle  # noqa: E402
from geoseg.model.network import load_network  # noqa: E402
from geoseg.model.weights import encode_tensors  # noqa: E402
from geoseg.training.fitting.start import Start, begin, spec_of  # noqa: E402
from geoseg.training.settings.fit import NetworkChoice  # noqa: E402
from tests.helpers.bundles import UNET, unet_bundle  # noqa: E402
from tests.helpers.fitting import equal  # noqa: E402

DEEP = {"decoder_channels": (16, 8, 8), "encoder_depth": 3}
BANDS, CLASSES = ("blue", "nir"), ("water", "tree")


def start(seed: int = 0, *, bands: tuple[str, ...] = BANDS, classes: tuple[str, ...] = CLASSES, **choice: Any) -> Start:
    return begin(NetworkChoice.of(**{"params": DEEP, **choice}), bands=bands, classes=classes, seed=seed)


def weights(network: torch.nn.Module) -> dict[str, np.ndarray]:
    return {name: tensor.numpy() for name, tensor in network.state_dict().items()}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A Unet for blue, green, red, nir and water, tree, built."""
    unet_bundle(tmp_path / "bundle")
    return tmp_path / "bundle"


def test_the_same_seed_begins_with_the_same_weights_and_torchs_own_numbers_stay() -> None:
    before = torch.get_rng_state()
    first, again, other = (weights(start(seed).network) for seed in (0, 0, 1))
    assert equal(first, again) and not equal(first, other)
    assert torch.equal(before, torch.get_rng_state())


def test_a_bundle_with_its_own_bands_and_classes_is_where_it_was(bundle: Path) -> None:
    found = start(bands=("blue", "green", "red", "nir"), classes=("water", "tree", "built"), start_from=str(bundle))
    assert equal(weights(found.network), weights(load_network(open_bundle(bundle))))
    assert found.notes == () and found.stride == 8


def test_a_bundle_is_adapted_to_other_bands_and_classes(bundle: Path) -> None:
    found = start(bands=("nir", "swir1"), classes=("tree", "snow"), start_from=str(bundle), architecture="FPN")
    before, after = weights(load_network(open_bundle(bundle))), weights(found.network)
    old = before["encoder.conv1.weight"]
    assert np.allclose(after["encoder.conv1.weight"], np.stack([old[:, 3], old.mean(1)], 1))
    assert (after["segmentation_head.0.weight"][0] == before["segmentation_head.0.weight"][1]).all()
    assert (after["decoder.blocks.0.conv1.0.weight"] == before["decoder.blocks.0.conv1.0.weight"]).all()
    assert [note.split(":")[0] for note in found.notes[:1]] == ["new band swir1"]
    spec = spec_of(NetworkChoice.of(start_from=str(bundle)), bands=2, classes=2)
    assert (spec.architecture, spec.in_channels, spec.classes, spec.params) == ("Unet", 2, 2, UNET.params)


def test_a_frozen_encoder_takes_no_gradient_and_says_so_when_it_is_random(bundle: Path) -> None:
    found = start(freeze="encoder_and_norms")
    assert not any(p.requires_grad for p in found.network.encoder.parameters()) and "random" in found.notes[0]
    found.train(found.network)
    assert not found.network.encoder.bn1.training and found.network.decoder.training
    assert start(freeze="encoder", bands=("nir",), start_from=str(bundle)).notes[0].startswith("band")


def test_settings_that_exclude_each_other_are_refused(bundle: Path, tmp_path: Path) -> None:
    file = tmp_path / "w.safetensors"
    file.write_bytes(encode_tensors({"conv1.weight": np.zeros((64, 3, 7, 7), np.float32)}))
    plain: dict[str, Any] = {"architecture": "Conv1x1", "encoder": "none", "params": {}}
    for choice in (
        {"start_from": str(bundle), "encoder_weights": str(file)},
        {**plain, "encoder_weights": str(file)},
        {**plain, "freeze": "encoder"},
    ):
        with pytest.raises(UsageError, match="SETTING"):
            start(**choice)


def test_wrong_weights_and_unknown_networks_are_bundle_errors(tmp_path: Path) -> None:
    file = tmp_path / "w.safetensors"
    file.write_bytes(encode_tensors({"conv1.weight": np.zeros((64, 3, 7, 7), np.float32)}))
    for choice, code in (
        ({"encoder_weights": str(file)}, "WEIGHTS"), ({"start_from": str(tmp_path / "none")}, "MISSING"),
        ({"encoder": "nothing"}, "CARD"),
    ):  # fmt: skip
        with pytest.raises(BundleError, match=code):
            start(**choice)
