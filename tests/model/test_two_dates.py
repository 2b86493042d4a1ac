"""Networks of two dates: one encoder sees both, order matters only where it should, and a bundle says that it takes two."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from geoseg.errors import BundleError  # noqa: E402
from geoseg.model.adapt import Side, adapting_names, for_fine_tuning  # noqa: E402
from geoseg.model.bundle import BandSpec, NetworkSpec, save_bundle  # noqa: E402
from geoseg.model.card import FusionName, NetworkCard, make_card  # noqa: E402
from geoseg.model.export import export_onnx  # noqa: E402
from geoseg.model.network import build, divisor, load_network  # noqa: E402
from geoseg.model.reference import reference_index  # noqa: E402
from geoseg.model.two_dates import Fusion, by_date  # noqa: E402
from geoseg.model.verify import verify_bundle  # noqa: E402
from geoseg.raster.dated import dated  # noqa: E402
from tests.helpers.bundles import facts, sample_of  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

SMALL = (("decoder_channels", (16, 8, 8)), ("encoder_depth", 3))
FUSIONS: tuple[FusionName, ...] = ("difference", "absolute_difference", "concatenation")


def spec(
    architecture: str = "Unet", encoder: str = "resnet18", fusion: FusionName = "difference", params: object = SMALL
) -> NetworkSpec:
    return NetworkSpec(architecture, encoder, 4, 3, tuple(params), dates=2, fusion=fusion)  # type: ignore[arg-type]


def dilated(fusion: FusionName) -> NetworkSpec:
    return spec("Dilated", "none", fusion, (("dilations", (1, 2)), ("joint", (1,)), ("width", 8)))


def images(size: int = 64, n: int = 2) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(size=(n, 4, size, size)).astype(np.float32))


def swapped(pair: torch.Tensor) -> torch.Tensor:
    return torch.cat([pair[:, 2:], pair[:, :2]], 1)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_a_fusion_is_what_it_says(fusion: FusionName) -> None:
    before, after = torch.randn(2, 3, 5, 4, 4)
    pairs = torch.stack([before, after], 1).flatten(0, 1)
    expected = after - before
    with torch.inference_mode():
        found = Fusion(fusion, 5)(pairs)
    torch.testing.assert_close(found, expected.abs() if fusion == "absolute_difference" else expected)


def test_a_concatenation_learns_from_both_dates() -> None:
    fusion = Fusion("concatenation", 3)
    assert fusion.join is not None
    with torch.no_grad():
        fusion.join.weight.copy_(torch.randn_like(fusion.join.weight))
    before, after = torch.randn(2, 1, 3, 4, 4)
    weight = fusion.join.weight[..., 0, 0]
    expected = torch.einsum("oc,ncij->noij", weight, torch.cat([before, after], 1))
    torch.testing.assert_close(fusion(torch.cat([before, after])), expected)


def test_images_are_taken_apart_by_date() -> None:
    pair = images()
    assert torch.equal(by_date(pair)[0::2], pair[:, :2])
    assert torch.equal(by_date(pair)[1::2], pair[:, 2:])


@pytest.mark.parametrize("network_spec", [spec(), dilated("difference")], ids=["Unet", "Dilated"])
def test_one_encoder_sees_both_dates_and_learns_from_both(network_spec: NetworkSpec) -> None:
    network = build(network_spec)
    params = tuple(item for item in network_spec.params if item[0] != "joint")
    alone = build(NetworkSpec(network_spec.architecture, network_spec.encoder, 2, 3, params)).state_dict()
    shared = {name: value.shape for name, value in network.state_dict().items() if not name.startswith("joint.")}
    assert shared == {name: value.shape for name, value in alone.items()}  # a difference has no weights of its own
    first = next(p for p in network.parameters() if p.ndim == 4)
    assert first.shape[1] == 2
    gradients = []
    for half in (slice(0, 2), slice(2, 4)):
        network.zero_grad()
        seen = images()
        seen[:, [b for b in range(4) if not half.start <= b < half.stop]] = 0
        seen.requires_grad_()
        network.eval()(seen).square().sum().backward()
        assert first.grad is not None and seen.grad is not None
        gradients += [float(first.grad.abs().sum()), float(seen.grad[:, half].abs().sum())]
    assert min(gradients) > 0


def test_no_weight_is_left_out_of_training() -> None:
    others = [spec(name, params=()) for name in ("FPN", "DeepLabV3Plus", "PSPNet")]
    for network_spec in (
        spec(fusion="concatenation"),
        *(replace(item, fusion="concatenation") for item in others),
        dilated("concatenation"),
    ):
        network = build(network_spec).train()
        network(images()).sum().backward()
        assert [name for name, p in network.named_parameters() if p.grad is None] == [], network_spec


@pytest.mark.parametrize("make", [lambda f: spec(fusion=f), dilated], ids=["Unet", "Dilated"])
def test_the_order_of_dates_matters_but_to_the_size_of_a_difference(make) -> None:
    torch.manual_seed(0)
    for fusion in FUSIONS:
        network = build(make(fusion)).eval()
        with torch.inference_mode():
            one, other = network(images()), network(swapped(images()))
        assert torch.equal(one, other) == (fusion == "absolute_difference"), fusion


@pytest.mark.parametrize("make", [lambda f: spec("FPN", fusion=f, params=()), dilated], ids=["FPN", "Dilated"])
@pytest.mark.parametrize("fusion", FUSIONS)
def test_what_did_not_change_looks_alike_whatever_it_is(make, fusion: FusionName) -> None:
    torch.manual_seed(0)
    network = build(make(fusion)).eval()
    same = images(96)
    same[:, 2:] = same[:, :2]
    with torch.inference_mode():
        logits = network(same)
    inside = logits[..., 16:-16, 16:-16]
    assert float(inside.amax((0, 2, 3)).sub(inside.amin((0, 2, 3))).abs().max()) < 1e-4


def pair_facts(network_spec: NetworkSpec, **changes: object):
    made = facts(network=network_spec, halo=8, **changes)
    bands = tuple(BandSpec(name, 0.1, 0.05) for name in dated(("red", "nir")))
    return type(made)(**{name: getattr(made, name) for name in made.__slots__} | {"bands": bands})


def saved(path: Path, network_spec: NetworkSpec):
    torch.manual_seed(1)
    made = pair_facts(network_spec)
    return save_bundle(path, made, weights=build(network_spec).state_dict(), sample=sample_of(made))


@pytest.mark.parametrize("network_spec", [spec(fusion="concatenation"), dilated("absolute_difference")], ids=str)
def test_a_bundle_of_two_dates_goes_to_the_disk_and_back(tmp_path: Path, network_spec: NetworkSpec) -> None:
    bundle = saved(tmp_path / "b", network_spec)
    assert bundle.network == network_spec
    assert bundle.align == divisor(network_spec)
    assert len(list(verify_bundle(bundle))) == 4
    torch.manual_seed(1)
    expected = build(network_spec).eval()(images())
    assert torch.equal(load_network(bundle)(images()), expected)


def test_its_card_says_two_dates_in_the_words_of_mlm(tmp_path: Path) -> None:
    fields = json.loads(saved(tmp_path / "b", dilated("concatenation")).card)["properties"]
    seen = fields["mlm:input"][0]
    assert (seen["name"], seen["bands"]) == ("before_and_after", ["before_red", "before_nir", "after_red", "after_nir"])
    assert "Two dates of one place" in seen["description"]
    assert {"dates": 2, "fusion": "concatenation"}.items() <= fields["mlm:hyperparameters"].items()


def test_an_onnx_of_it_gives_its_classes_and_says_two_dates_too(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    bundle = saved(tmp_path / "b", spec(fusion="concatenation"))
    made = export_onnx(bundle, tmp_path / "onnx")
    assert not made.fixed_size
    pair = images(96, n=1).numpy()
    assert (reference_index(made, pair) == reference_index(bundle, pair)).mean() > 0.995
    assert json.loads(made.card)["properties"]["mlm:input"][0]["name"] == "before_and_after"


def test_an_openvino_of_it_keeps_its_classes(tmp_path: Path) -> None:
    pytest.importorskip("openvino", reason="openvino is not installed")
    from geoseg.model.openvino_export import export_openvino

    made = export_openvino(saved(tmp_path / "b", dilated("difference")), tmp_path / "m.xml")
    assert made.changed < 0.005


def test_a_network_of_one_date_is_told_as_ever() -> None:
    one = NetworkCard(architecture="Unet", encoder="resnet18", in_channels=4, classes=3)
    assert list(one.model_dump()) == ["architecture", "encoder", "in_channels", "classes", "params"]
    with pytest.raises(ValueError, match="extra"):
        NetworkCard.model_validate({**one.model_dump(), "date": 2})


@pytest.mark.parametrize(
    "changed",
    [
        {"bands": (BandSpec("red", 0, 1), BandSpec("nir", 0, 1), BandSpec("after_red", 0, 1), BandSpec("x", 0, 1))},
        {"bands": tuple(BandSpec(name, 0, 1) for name in ("after_a", "after_b", "before_a", "before_b"))},
        {"network": NetworkSpec("Unet", "resnet18", 4, 3, SMALL, dates=2)},
        {"network": NetworkSpec("Unet", "resnet18", 4, 3, SMALL, fusion="difference")},
        {"network": NetworkSpec("Unet", "resnet18", 4, 3, SMALL, dates=3, fusion="difference")},
    ],
)
def test_a_card_that_does_not_agree_with_itself_on_dates_is_refused(changed: dict[str, object]) -> None:
    made = pair_facts(spec())
    facts_of = type(made)(**{name: getattr(made, name) for name in made.__slots__} | changed)
    files = {"weights.safetensors": b"x"}
    with pytest.raises(BundleError, match="CARD"):
        make_card(facts_of, "torch", files=files, beside=(), where="b")


@pytest.mark.parametrize(
    "wrong",
    [
        NetworkSpec("Conv1x1", "none", 4, 3, dates=2, fusion="difference"),
        NetworkSpec("DPT", "tu-vit_tiny_patch16_224", 4, 3, dates=2, fusion="difference"),
        NetworkSpec("Unet", "resnet18", 5, 3, SMALL, dates=2, fusion="difference"),
        NetworkSpec("Dilated", "none", 4, 3, (("joint", (1,)),)),
        NetworkSpec("Dilated", "none", 4, 3, (("joint", (0,)),), dates=2, fusion="difference"),
    ],
    ids=str,
)
def test_what_cannot_see_two_dates_is_refused(wrong: NetworkSpec) -> None:
    with pytest.raises(BundleError, match="CARD"):
        build(wrong)


def test_a_network_of_one_date_is_where_one_of_two_may_begin() -> None:
    one = NetworkSpec("Unet", "resnet18", 2, 3, SMALL)
    two = spec(fusion="concatenation")
    given, fresh = ({k: v.numpy() for k, v in build(s).state_dict().items()} for s in (one, two))
    sides = [Side(s, ("red", "nir"), ("a", "b", "c")) for s in (one, two)]
    adapted = for_fine_tuning(given, fresh, *sides)
    assert all(np.array_equal(adapted.weights[name], values) for name, values in given.items())
    assert [name for name in adapted.weights if name not in given] == [n for n in fresh if n.startswith("fuse.")]
    assert "fusion" in " ".join(adapted.notes)


def test_the_bands_of_one_date_are_what_adapts() -> None:
    bands, classes = adapting_names(spec(fusion="concatenation"))
    assert bands == {"encoder.conv1.weight"}
    assert classes == {"segmentation_head.0.weight", "segmentation_head.0.bias"}
