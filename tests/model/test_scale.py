"""Every architecture's logits are multiplied by its last layer alone, and the map stays as it is."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from geoseg.errors import BundleError, UsageError  # noqa: E402
from geoseg.model.bundle import NetworkSpec  # noqa: E402
from geoseg.model.card import ARCHITECTURES  # noqa: E402
from geoseg.model.network import build, load_weights  # noqa: E402
from geoseg.model.scale import scale_logits  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

SMALL = (("decoder_channels", (16, 8, 8)), ("encoder_depth", 3))
CHANNELS = (("decoder_fusion_channels", 16), ("decoder_intermediate_channels", (16, 16, 16, 16)))
PARAMS = {
    "Unet": SMALL,
    "UnetPlusPlus": SMALL,
    "MAnet": SMALL,
    "Linknet": (("encoder_depth", 3),),
    "UPerNet": (("decoder_channels", 16),),
    "DPT": (*CHANNELS, ("img_size", 64)),
}
ENCODERS = {"Segformer": "mit_b0", "DPT": "tu-vit_tiny_patch16_224", "Conv1x1": "none", "Dilated": "none"}
SIDE = {"PAN": 128}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_logits_of_every_architecture_are_multiplied_and_its_classes_stay(architecture: str) -> None:
    torch.manual_seed(0)
    spec = NetworkSpec(architecture, ENCODERS.get(architecture, "resnet18"), 4, 3, PARAMS.get(architecture, ()))
    network = build(spec).eval()
    weights = {name: values.numpy().copy() for name, values in network.state_dict().items()}
    side = SIDE.get(architecture, 64)
    image = torch.randn(1, 4, side, side)
    with torch.inference_mode():
        before = network(image)
        factor = 1 / 1.7
        scaled = scale_logits(spec, weights, factor)
        load_weights(network, scaled, "scaled")
        after = network(image)
    assert sum(not np.array_equal(scaled[name], weights[name]) for name in weights) in (1, 2)
    torch.testing.assert_close(after, before * factor, rtol=1e-4, atol=1e-5 * float(before.abs().max()))
    first, second = before.topk(2, dim=1).values.unbind(1)
    clear = first - second > 1e-5 * before.abs().max()
    assert torch.equal(before.argmax(1)[clear], after.argmax(1)[clear])


def test_a_power_of_two_changes_no_bit_of_the_map() -> None:
    spec = NetworkSpec("Conv1x1", "none", 2, 3)
    network = build(spec)
    weights = {name: values.numpy().astype(np.float16) for name, values in network.state_dict().items()}
    scaled = scale_logits(spec, weights, 0.5)
    assert all(scaled[name].dtype == np.float16 and np.array_equal(scaled[name] * 2, weights[name]) for name in weights)


@pytest.mark.parametrize("factor", [0.0, -1.0, float("nan"), float("inf")])
def test_a_factor_that_would_change_the_map_is_refused(factor: float) -> None:
    with pytest.raises(UsageError, match=r"^FACTOR"):
        scale_logits(NetworkSpec("Conv1x1", "none", 2, 3), {}, factor)


def test_weights_of_another_network_are_refused() -> None:
    with pytest.raises(BundleError, match=r"^WEIGHTS"):
        scale_logits(NetworkSpec("Conv1x1", "none", 2, 3), {"head.weight": np.ones(1)}, 2.0)
