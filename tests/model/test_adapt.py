"""Weights for other bands and classes: found by name, scaled as they are shared out, and wrong files are named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
safetensors = pytest.importorskip("safetensors.torch", reason="safetensors is not installed")

from geoseg.errors import BundleError  # noqa: E402
from geoseg.model.adapt import Side, adapting_names, for_fine_tuning, with_encoder  # noqa: E402
from geoseg.model.card import NetworkSpec  # noqa: E402
from geoseg.model.network import build, load_weights  # noqa: E402
from geoseg.model.stages import encoder_stages  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

DEEP = (("decoder_channels", (16, 8, 8)), ("encoder_depth", 3))
CONV = NetworkSpec("Conv1x1", "none", 2, 3)


def spec(encoder: str = "resnet18", bands: int = 3, params: tuple[tuple[str, object], ...] = DEEP) -> NetworkSpec:
    return NetworkSpec("Unet", encoder, bands, 4, params)


def slow(*case: object) -> object:
    return pytest.param(*case, marks=pytest.mark.slow)


def arrays(network: torch.nn.Module) -> dict[str, np.ndarray]:
    return {name: tensor.numpy() for name, tensor in network.state_dict().items()}


def side(given: NetworkSpec, bands: str, classes: str) -> Side:
    return Side(given, tuple(bands.split()), tuple(classes.split()))


ENCODERS = [
    "resnet18", slow("mobilenet_v2"), slow("efficientnet-b0"), slow("mit_b0"), slow("mobileone_s0"), slow("vgg11"),
    slow("tu-resnet18"), slow("tu-convnext_atto"), slow("tu-mobilenetv3_small_050"), slow("tu-edgenext_xx_small"),
]  # fmt: skip


@pytest.mark.parametrize("encoder", ENCODERS)
def test_the_layers_that_take_bands_and_give_classes_are_found(encoder: str) -> None:
    of_bands, of_classes = adapting_names(spec(encoder, params=()))
    assert of_bands and all(name.startswith("encoder.") for name in of_bands)
    assert of_classes == {"segmentation_head.0.weight", "segmentation_head.0.bias"}


def test_in_one_convolution_both_are_the_same_weights() -> None:
    assert adapting_names(CONV) == ({"weight"}, {"weight", "bias"})


@pytest.mark.parametrize("given", [CONV, NetworkSpec("Unet", "resnet18", 2, 3, DEEP)], ids=["conv", "unet"])
def test_bands_and_classes_in_another_order_give_the_same_map(given: NetworkSpec) -> None:
    torch.manual_seed(0)
    before, after = build(given).eval(), build(given).eval()
    adapted = for_fine_tuning(
        arrays(before),
        arrays(after),
        side(given, "red nir", "water tree built"),
        side(given, "NIR red", "built water tree"),
    )
    assert adapted.notes == ()
    load_weights(after, adapted.weights, "here")
    images = torch.randn(1, 2, 16, 16)
    with torch.inference_mode():
        assert torch.allclose(before(images)[:, [2, 0, 1]], after(images.flip(1)), atol=1e-5)


def test_new_bands_get_the_mean_and_new_classes_stay_random() -> None:
    torch.manual_seed(0)
    after = NetworkSpec("Conv1x1", "none", 3, 2)
    before, fresh = arrays(build(CONV)), arrays(build(after))
    adapted = for_fine_tuning(
        before, fresh, side(CONV, "red nir", "water tree built"), side(after, "nir swir red", "snow tree")
    )
    old, new = before["weight"][:, :, 0, 0], adapted.weights["weight"][:, :, 0, 0]
    assert np.allclose(new[1], [old[1, 1], old[1].mean(), old[1, 0]])
    assert (new[0] == fresh["weight"][0, :, 0, 0]).all()
    assert adapted.weights["bias"].tolist() == [fresh["bias"][0], before["bias"][1]]
    assert len(adapted.notes) == 4 and "new band swir" in adapted.notes[0]


def saved(path: Path, weights: dict[str, np.ndarray]) -> Path:
    safetensors.save_file({name: torch.tensor(values) for name, values in weights.items()}, path)
    return path


def encoder_file(folder: Path, prefix: str = "", **kinds: object) -> tuple[Path, dict[str, np.ndarray]]:
    """All of a resnet18 for pictures, as torchvision and timm name it, head and all."""
    import torchvision

    torch.manual_seed(7)
    weights = arrays(torchvision.models.resnet18())
    return saved(folder / "w.safetensors", {prefix + name: values for name, values in weights.items()}), weights


@pytest.mark.parametrize("prefix", ["", "encoder.", "module.backbone."])
def test_an_encoder_takes_the_weights_of_a_file_whatever_stands_before_their_names(tmp_path: Path, prefix: str) -> None:
    path, given = encoder_file(tmp_path, prefix)
    fresh = arrays(build(spec()))
    found = with_encoder(path, fresh, spec(), ["red", "green", "blue"]).weights
    assert found.keys() == fresh.keys()
    for name, values in found.items():
        expected = given[name.removeprefix("encoder.")] if name.startswith("encoder.") else fresh[name]
        assert np.array_equal(values, expected), name


def test_bands_named_as_in_pictures_take_theirs_and_others_the_mean_all_scaled(tmp_path: Path) -> None:
    path, given = encoder_file(tmp_path)
    wide = spec(bands=5)
    found = with_encoder(path, arrays(build(wide)), wide, ["Blue", "green", "red", "nir", "swir1"]).weights
    first, picture = found["encoder.conv1.weight"], given["conv1.weight"]
    for band, expected in enumerate([picture[:, 2], picture[:, 1], picture[:, 0], picture.mean(1), picture.mean(1)]):
        assert np.allclose(first[:, band], expected * 3 / 5)


@pytest.mark.parametrize("bands", [1, 2, 4])
def test_bands_of_no_picture_take_the_channels_in_turn_and_keep_the_layers_size(tmp_path: Path, bands: int) -> None:
    path, given = encoder_file(tmp_path)
    own = spec(bands=bands)
    found = with_encoder(path, arrays(build(own)), own, [f"b{i}" for i in range(bands)]).weights["encoder.conv1.weight"]
    picture = given["conv1.weight"]
    if bands == 4:
        assert np.allclose(found[:, 3], picture[:, 0] * 3 / 4)
    else:
        assert np.allclose(found.sum(1), picture.sum(1), atol=1e-5)


@pytest.mark.parametrize("damage", ["lacks", "surplus", "shape", "pickle", "gone"])
def test_a_wrong_file_is_a_bundle_error_that_says_why(tmp_path: Path, damage: str) -> None:
    path, given = encoder_file(tmp_path)
    if damage == "lacks":
        saved(path, {name: values for name, values in given.items() if name != "layer1.0.conv1.weight"})
    elif damage == "surplus":  # as of resnet34, which has all that resnet18 has
        saved(path, {**given, "layer1.2.conv1.weight": given["layer1.1.conv1.weight"]})
    elif damage == "shape":
        saved(path, {**given, "layer1.0.conv1.weight": np.zeros((64, 64, 1, 1), np.float32)})
    elif damage == "pickle":
        path = tmp_path / "w.pth"
        torch.save({}, path)
    else:
        path = tmp_path / "none.safetensors"
    words = {"lacks": "lacks encoder.layer1.0.conv1", "surplus": "surplus", "shape": "wrong shape", "pickle": "pickle"}
    with pytest.raises(BundleError, match=words.get(damage, "MISSING")):
        with_encoder(path, arrays(build(spec())), spec(), ["red", "green", "blue"])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", "convnext_atto", "mobilenetv3_small_050", "edgenext_xx_small"])
def test_files_of_timm_fit_the_encoders_that_are_made_of_it(tmp_path: Path, name: str) -> None:
    timm = pytest.importorskip("timm", reason="timm is not installed")
    torch.manual_seed(7)
    whole = timm.create_model(name, pretrained=False).eval()
    own = NetworkSpec("Unet", f"tu-{name}", 3, 4)
    network = build(own)
    path = saved(tmp_path / "w.safetensors", arrays(whole))
    load_weights(network, with_encoder(path, arrays(network), own, ["red", "green", "blue"]).weights, path)
    features = timm.create_model(name, pretrained=False, features_only=True).eval()
    features.load_state_dict(dict(zip(features.state_dict(), network.encoder.model.state_dict().values(), strict=True)))
    images = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(network.encoder.eval()(images)[-1], features(images)[-1])
        if hasattr(whole, "forward_features") and name == "resnet18":
            assert torch.allclose(whole.forward_features(images), features(images)[-1], atol=1e-5)


@pytest.mark.slow
def test_position_embeddings_of_another_size_of_image_are_resampled(tmp_path: Path) -> None:
    timm = pytest.importorskip("timm", reason="timm is not installed")
    whole = timm.create_model("vit_tiny_patch16_224", pretrained=False)
    params = (("decoder_fusion_channels", 16), ("decoder_intermediate_channels", (16, 16, 16, 16)), ("img_size", 64))
    own = NetworkSpec("DPT", "tu-vit_tiny_patch16_224", 3, 4, params)
    network = build(own)
    path = saved(tmp_path / "w.safetensors", arrays(whole))
    found = with_encoder(path, arrays(network), own, ["red", "green", "blue"]).weights
    assert found["encoder.model.pos_embed"].shape == (1, 17, 192)
    assert np.array_equal(found["encoder.model.pos_embed"][0, 0], whole.pos_embed[0, 0].detach().numpy())


@pytest.mark.parametrize("encoder", ENCODERS)
def test_stages_hold_each_parameter_of_the_encoder_once_first_the_one_that_sees_bands(encoder: str) -> None:
    network = build(spec(encoder, params=()))
    stages = encoder_stages(network)
    placed = [id(p) for stage in stages for p in stage]
    assert sorted(placed) == sorted(id(p) for p in network.encoder.parameters())
    names = {id(p): name for name, p in network.named_parameters()}
    assert {names[id(p)] for p in stages[0]} & adapting_names(spec(encoder, params=()))[0]
    assert len(stages) == (4 if "mit" in encoder or "next" in encoder else 5)


@pytest.mark.slow
def test_a_transformer_of_one_resolution_has_a_stage_for_each_block() -> None:
    params = (("decoder_fusion_channels", 16), ("decoder_intermediate_channels", (16, 16, 16, 16)), ("img_size", 64))
    assert len(encoder_stages(build(NetworkSpec("DPT", "tu-vit_tiny_patch16_224", 3, 4, params)))) >= 13


def test_looking_for_stages_leaves_modes_and_statistics_as_they_are() -> None:
    network = build(spec())
    network.encoder.bn1.eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    encoder_stages(network)
    assert network.encoder.layer1.training and not network.encoder.bn1.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_a_network_without_encoder_has_no_stages() -> None:
    assert encoder_stages(build(CONV)) == []
