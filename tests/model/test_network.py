"""Every architecture goes through a bundle and back; its stride is what its equivariance needs; wrong weights are named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from geoseg.errors import BundleError  # noqa: E402
from geoseg.model.bundle import NetworkSpec, open_bundle, save_bundle  # noqa: E402
from geoseg.model.network import adopt, build, divisor, load_network, load_weights  # noqa: E402
from tests.helpers.bundles import UNET, conv_bundle, facts, unet_bundle  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

SMALL = (("encoder_depth", 3),)
UPSIDE = (("decoder_channels", (16, 8, 8)), *SMALL)
VIT = "tu-vit_tiny_patch16_224"
DPT = (("decoder_fusion_channels", 16), ("decoder_intermediate_channels", (16, 16, 16, 16)))


def spec(architecture: str, encoder: str = "resnet18", params: tuple[tuple[str, object], ...] = ()) -> NetworkSpec:
    return NetworkSpec(architecture, encoder, 4, 3, tuple(sorted(params)))


def slow(*case: object) -> object:
    return pytest.param(*case, marks=pytest.mark.slow)


UNETS = [
    UNET,
    spec("Unet", params=(("decoder_channels", (32, 16, 8, 8)), ("encoder_depth", 4))),
    pytest.param(spec("Unet", "efficientnet-b0", UPSIDE), marks=pytest.mark.slow),
]

# architecture, chip size, total stride, whether it takes one chip size only
CASES = [
    (spec("Conv1x1", "none"), 64, 1, False),
    (spec("Dilated", "none", (("dilations", (1, 2)), ("width", 8))), 64, 1, False),
    (spec("Unet", params=UPSIDE), 64, 8, False),
    slow(spec("Unet"), 64, 32, False),
    (spec("UnetPlusPlus", params=UPSIDE), 64, 8, False),
    (spec("MAnet", params=UPSIDE), 64, 8, False),
    (spec("Linknet", params=SMALL), 64, 8, False),
    (spec("FPN"), 64, 32, False),
    (spec("PSPNet"), 64, 8, False),
    slow(spec("PAN"), 128, 128, False),
    slow(spec("DeepLabV3"), 64, 8, False),
    (spec("DeepLabV3Plus"), 64, 16, False),
    slow(spec("UPerNet", params=(("decoder_channels", 16),)), 64, 32, False),
    (spec("Segformer", "mit_b0"), 64, 32, False),
    slow(spec("Segformer", "mit_b0", (("encoder_depth", 4),)), 64, 16, False),
    (spec("DPT", VIT, (*DPT, ("img_size", 64))), 64, 32, True),
    slow(spec("DPT", VIT, (*DPT, ("dynamic_img_size", True))), 64, 32, False),
]


@pytest.mark.parametrize(
    ("network_spec", "size", "stride", "fixed"), CASES, ids=lambda case: getattr(case, "architecture", None)
)
def test_an_architecture_goes_through_a_bundle(
    tmp_path: Path, network_spec: NetworkSpec, size: int, stride: int, fixed: bool
) -> None:
    torch.manual_seed(0)
    network = build(network_spec).eval()
    made = facts(network=network_spec, chip_size=size, halo=0)
    save_bundle(tmp_path / "b", made, weights=network.state_dict())
    bundle = open_bundle(tmp_path / "b")
    assert (bundle.network, bundle.align, bundle.fixed_size) == (network_spec, stride, fixed)
    images = torch.randn(1, 4, size, size)
    with torch.inference_mode():
        assert torch.equal(load_network(bundle)(images), network(images))
        if not fixed:
            longer = torch.randn(1, 4, size + stride, size + 2 * stride)
            assert network(longer).shape == (1, 3, size + stride, size + 2 * stride)


@pytest.mark.parametrize("network_spec", UNETS, ids=["depth 3", "depth 4", "efficientnet"])
def test_a_unet_is_equivariant_to_shifts_by_its_stride_and_not_by_less(network_spec: NetworkSpec) -> None:
    torch.manual_seed(0)
    network = build(network_spec).eval()
    stride = divisor(network_spec)
    if network_spec.encoder.startswith("efficientnet"):
        _forget_the_whole(network)
    size, margin = 512, 192  # the margin is beyond the receptive field of these
    image = torch.randn(1, 4, size + stride, size)
    inner = (..., slice(margin, size - margin - stride), slice(margin, size - margin))
    with torch.inference_mode():
        here = network(image[..., :size, :])[..., stride:, :][inner]
        there = network(image[..., stride : size + stride, :])[inner]
        half = stride // 2
        other = network(image[..., half : size + half, :])[..., stride - half :, :][inner]
    rounding = float((here - there).abs().max())
    assert rounding < 1e-4 * float(here.abs().max())
    assert float((here - other).abs().max()) > 20 * rounding


def _forget_the_whole(network: torch.nn.Module) -> None:
    """Squeeze and excite looks at the whole chip, so no shift leaves it as it is: take it out."""
    for name, part in list(network.named_modules()):
        if name.endswith("_se_expand"):
            torch.nn.init.zeros_(part.weight)


def test_stages_that_never_run_are_left_out_and_change_nothing(tmp_path: Path) -> None:
    import segmentation_models_pytorch as smp

    torch.manual_seed(0)
    whole = smp.Unet(
        "resnet18", encoder_depth=3, encoder_weights=None, decoder_channels=(16, 8, 8), in_channels=4, classes=3
    )
    weights = {name: values.numpy() for name, values in whole.state_dict().items()}
    kept = adopt(UNET, weights)
    assert sum(values.nbytes for values in kept.values()) < 0.1 * sum(values.nbytes for values in weights.values())
    bundle = save_bundle(tmp_path / "b", facts(network=UNET), weights=kept)
    images = torch.randn(1, 4, 64, 64)
    with torch.inference_mode():
        assert torch.equal(load_network(bundle)(images), whole.eval()(images))


@pytest.mark.parametrize(
    "wrong",
    [
        spec("Resnet"),
        spec("Unet", "no-such-encoder"),
        spec("Unet", "tu-no_such_model"),
        spec("Unet", params=(("encoder_weights", "imagenet"),)),
        spec("Unet", params=(("activation", "sigmoid"),)),
        spec("Unet", params=(("aux_params", 1),)),
        spec("Unet", params=(("surprise", 1),)),
        spec("Unet", params=(("img_size", 64),)),
        spec("Unet", params=(("encoder_depth", 9),)),
        spec("Unet", params=(("decoder_channels", (1 << 40, 1, 1, 1, 1)),)),
        spec("Conv1x1", "none", (("bias", False),)),
        spec("Dilated", "none", (("width", -4),)),
        spec("Dilated", "none", (("dilations", (1, "2")),)),
        spec("DPT"),
    ],
    ids=str,
)
def test_a_spec_that_does_not_fit_is_a_bundle_error(wrong: NetworkSpec) -> None:
    with pytest.raises(BundleError) as caught:
        build(wrong)
    assert caught.value.code == "CARD" and "\n" not in str(caught.value)


def test_a_network_whose_logits_are_not_of_the_chips_size_is_refused(tmp_path: Path) -> None:
    shrinking = spec("PSPNet", params=(("upsampling", 4),))
    with pytest.raises(BundleError, match="gives logits of shape"):
        save_bundle(tmp_path / "b", facts(network=shrinking), weights=build(shrinking).state_dict())
    small = spec("DPT", VIT, (*DPT, ("img_size", 32)))
    with pytest.raises(BundleError, match="does not take chips of 64"):
        save_bundle(tmp_path / "b", facts(network=small), weights=build(small).state_dict())
    assert list(tmp_path.iterdir()) == []


def test_weights_that_are_not_the_networks_are_named(tmp_path: Path) -> None:
    bundle = conv_bundle(tmp_path / "b")
    assert bundle.network is not None
    good = {"weight": np.zeros((3, 4, 1, 1), np.float32), "bias": np.zeros(3, np.float32)}
    cases = {
        "lacks bias": {"weight": good["weight"]},
        "has a surplus more": {**good, "more": good["bias"]},
        "has the wrong shape for bias": {**good, "bias": np.zeros(4, np.float32)},
        "has the wrong type for bias": {**good, "bias": np.zeros(3, np.int64)},
        "bias has NaN": {**good, "bias": np.full(3, np.nan, np.float32)},
    }
    for message, weights in cases.items():
        with pytest.raises(BundleError, match=message) as caught:
            load_weights(build(bundle.network), weights, "w")
        assert caught.value.code == "WEIGHTS"
    load_weights(build(bundle.network), {name: values.astype(np.float16) for name, values in good.items()}, "w")


def test_building_leaves_the_network_off_and_makes_no_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert load_network(unet_bundle(tmp_path / "b")) is not None
    assert divisor(spec("Unet", "tu-resnet18")) == 32
