"""Every architecture is trained, and its weights predict by themselves: through a bundle, also those that see the whole chip."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from geoseg.errors import UsageError  # noqa: E402
from geoseg.model.bundle import open_bundle, save_bundle  # noqa: E402
from geoseg.model.card import ARCHITECTURES  # noqa: E402
from geoseg.model.network import load_network  # noqa: E402
from geoseg.training.fitting.fit import fit  # noqa: E402
from geoseg.training.fitting.losses import make_loss  # noqa: E402
from geoseg.training.fitting.start import begin, spec_of  # noqa: E402
from geoseg.training.settings.fit import LossSettings, NetworkChoice  # noqa: E402
from tests.helpers.bundles import facts  # noqa: E402
from tests.helpers.fitting import Drawing, settings  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

SMALL: dict[str, Any] = {"encoder_depth": 3}
UPSIDE: dict[str, Any] = {"decoder_channels": (16, 8, 8), **SMALL}
VIT: dict[str, Any] = {"decoder_fusion_channels": 16, "decoder_intermediate_channels": (16, 16, 16, 16), "img_size": 64}


def slow(*case: object) -> object:
    return pytest.param(*case, marks=pytest.mark.slow)


# architecture, encoder, parameters, side of crops and chips
CASES = [
    ("Conv1x1", "none", {}, 32),
    ("Dilated", "none", {}, 32),
    ("Unet", "resnet18", UPSIDE, 32),
    slow("UnetPlusPlus", "resnet18", UPSIDE, 32),
    slow("MAnet", "resnet18", UPSIDE, 32),
    slow("Linknet", "resnet18", SMALL, 32),
    slow("FPN", "resnet18", {}, 64),
    slow("PSPNet", "resnet18", {}, 64),
    slow("PAN", "resnet18", {}, 128),
    slow("DeepLabV3", "resnet18", {}, 64),
    ("DeepLabV3Plus", "resnet18", {}, 64),
    slow("UPerNet", "resnet18", {"decoder_channels": 16}, 64),
    slow("Segformer", "mit_b0", {}, 64),
    slow("DPT", "tu-vit_tiny_patch16_224", VIT, 64),
    slow("Unet", "efficientnet-b0", UPSIDE, 32),
    slow("Unet", "tu-convnext_atto", {}, 64),
    slow("Unet", "tu-mobilenetv3_small_050", {}, 64),
]


@pytest.mark.parametrize(("architecture", "encoder", "params", "side"), CASES, ids=lambda case: str(case)[:24])
def test_an_architecture_is_trained_into_a_bundle(
    tmp_path: Path, architecture: str, encoder: str, params: dict[str, Any], side: int
) -> None:
    choice = NetworkChoice.of(architecture=architecture, encoder=encoder, params=params, layer_decay=0.8)
    start = begin(choice, bands=("red", "nir"), classes=("a", "b", "c"), seed=0)
    before = {name: tensor.clone().numpy() for name, tensor in start.network.state_dict().items()}
    fitted = fit(start, Drawing(2, crop=side), settings(steps=2, ema=0.5), loss=make_loss(LossSettings()))
    assert any(not np.array_equal(values, before[name]) for name, values in fitted.weights.items())
    spec = spec_of(choice, bands=2, classes=3)
    made = facts(bands=("red", "nir"), network=spec, chip_size=side, halo=0)
    save_bundle(tmp_path / "b", made, weights=fitted.weights)
    network = load_network(open_bundle(tmp_path / "b"))
    with torch.inference_mode():
        assert torch.isfinite(network(torch.randn(1, 2, side, side))).all()


def test_the_table_names_every_architecture() -> None:
    named = {getattr(case, "values", case)[0] for case in CASES}
    assert named == set(ARCHITECTURES)


def test_a_single_sample_for_a_network_that_pools_the_whole_crop_is_a_wrong_usage() -> None:
    start = begin(NetworkChoice.of(architecture="DeepLabV3Plus"), bands=("red", "nir"), classes=("a", "b", "c"), seed=0)
    with pytest.raises(UsageError, match=r"fit.batch_size.*2 or more"):
        fit(start, Drawing(1, crop=64), settings(steps=1), loss=make_loss(LossSettings()))
