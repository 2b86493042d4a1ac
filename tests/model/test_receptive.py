"""The measured field of convolutions is the one that arithmetic gives; the halo holds it, in multiples, within its share."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
from torch import nn  # noqa: E402

from geoseg.errors import BundleError  # noqa: E402
from geoseg.model.bundle import NetworkSpec  # noqa: E402
from geoseg.model.network import build, divisor  # noqa: E402
from geoseg.model.receptive import LARGEST_HALO, halo_of, measure  # noqa: E402
from tests.helpers.bundles import UNET  # noqa: E402

CONV = NetworkSpec("Conv1x1", "none", 2, 3)


def conv(kernel: int, *, channels: tuple[int, int] = (2, 2), dilation: int = 1) -> nn.Conv2d:
    return nn.Conv2d(*channels, kernel, padding=dilation * (kernel // 2), dilation=dilation, padding_mode="zeros")


@pytest.mark.parametrize(
    ("network", "radius"),
    [
        (conv(1), 0),
        (conv(3), 1),
        (conv(7), 3),
        (nn.Sequential(conv(3), nn.ReLU(), conv(3), nn.ReLU(), conv(5)), 4),
        (nn.Sequential(conv(3, dilation=4), conv(3, dilation=2)), 6),
        (nn.Identity(), 0),
    ],
    ids=["1", "3", "7", "3+3+5", "dilated", "identity"],
)
def test_the_hard_field_of_convolutions_is_known(network: nn.Module, radius: int) -> None:
    field = measure(network, 2, size=32)
    assert field.hard == radius and field.effective <= radius


def test_the_effective_field_is_the_square_that_holds_the_share() -> None:
    network = conv(9, channels=(1, 1))
    with torch.no_grad():
        away = torch.arange(-4, 5).abs()
        network.weight.copy_(0.1 ** torch.maximum(away[:, None], away[None, :])[None, None].float())
    rings = np.array([1] + [8 * r * 0.1**r for r in range(1, 5)])
    for share in (0.5, 0.9, 0.99, 0.999, 1 - 1e-6):
        radius = int(np.argmax(np.cumsum(rings) >= share * rings.sum()))
        assert measure(network, 1, size=32, share=share).effective == radius


def test_the_farthest_place_of_a_stride_counts() -> None:
    """The mean over a cell of 4: the pixel at its corner looks 3 pixels away, whichever corner."""
    network = nn.Sequential(nn.AvgPool2d(4), nn.Upsample(scale_factor=4))
    field = measure(network, 1, size=32, stride=4)
    assert (field.hard, field.effective) == (3, 3)


def test_what_reaches_the_edge_is_not_finite() -> None:
    class Whole(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images + images.mean((2, 3), keepdim=True)

    field = measure(Whole(), 2, size=32)
    assert field.hard is None and 0 < field.effective < 32
    assert measure(conv(65), 2, size=32).hard is None


def test_measuring_leaves_the_network_as_it_was() -> None:
    network = nn.Sequential(conv(3), nn.BatchNorm2d(2)).train()
    before = {name: values.clone() for name, values in network.state_dict().items()}
    assert measure(network, 2, size=16) == measure(network, 2, size=16)
    assert network.training and all(parameter.grad is None for parameter in network.parameters())
    assert all(torch.equal(values, before[name]) for name, values in network.state_dict().items())


def test_gradients_that_are_none_are_refused() -> None:
    network = conv(3)
    nn.init.constant_(network.weight, float("nan"))
    with pytest.raises(BundleError, match=r"^WEIGHTS"):
        measure(network, 2, size=16)


def test_the_halo_holds_the_field_in_multiples_and_within_its_share() -> None:
    five = nn.Sequential(*[conv(3) for _ in range(5)], conv(1, channels=(2, 3)))
    with torch.no_grad():
        for part in five:
            part.weight.abs_()
    chosen = halo_of(five, CONV, chip_size=64, align=4)
    assert chosen.field.hard == 5 and chosen.pixels % 4 == 0
    assert chosen.field.effective <= chosen.pixels < chosen.field.effective + 4 and not chosen.is_cut
    assert halo_of(build(CONV), CONV, chip_size=64, align=1).pixels == 0
    small = halo_of(five, CONV, chip_size=16, align=2)
    assert small.pixels == small.most == 4 == 16 * LARGEST_HALO and small.is_cut
    assert halo_of(five, CONV, chip_size=16, align=8).pixels == 0
    wide = halo_of(five, NetworkSpec("PSPNet", "resnet18", 2, 3), chip_size=32, align=2)
    assert wide.pixels == wide.most == 4  # an eighth, for it is known to look at the whole chip
    assert wide.facts()["halo_px"] == 4


def test_a_unets_halo_is_enough_for_its_map() -> None:
    """Beyond the measured field, nothing changes a logit by much: the equation that the halo is for."""
    torch.manual_seed(0)
    network = build(UNET).eval()
    stride = divisor(UNET)
    chosen = halo_of(network, UNET, chip_size=128, align=stride)
    assert 0 < chosen.pixels <= 32 and chosen.pixels % stride == 0
    assert chosen.field.hard is None or chosen.field.hard >= chosen.field.effective
    image = torch.randn(1, 4, 192, 192)
    other = torch.randn(1, 4, 192, 192)
    reach = -(-chosen.field.effective // stride) * stride
    middle = slice(96 - stride, 96 + stride)
    inner = slice(96 - stride - reach, 96 + stride + reach)
    other[..., inner, inner] = image[..., inner, inner]
    with torch.inference_mode():
        here, there = network(image)[..., middle, middle], network(other)[..., middle, middle]
    assert float((here - there).abs().mean()) < 0.02 * float(here.std())
