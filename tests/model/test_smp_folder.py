"""A folder that smp wrote becomes a bundle with the same logits; what is not such a folder is refused and never run."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from geoseg.cli.main import run  # noqa: E402
from geoseg.errors import BundleError  # noqa: E402
from geoseg.model.bundle import open_bundle  # noqa: E402
from geoseg.model.network import load_network  # noqa: E402
from geoseg.model.smp_folder import read_folder  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

NAMED = ["--name", "fields", "--bands", "blue,green,red,nir", "--chip-size", "64", "--halo", "0"]
SMALL = {"encoder_weights": None, "encoder_depth": 3, "decoder_channels": (16, 8, 8), "in_channels": 4}


def saved(folder: Path, architecture: str = "Unet", encoder: str = "resnet18", **arguments: Any) -> torch.nn.Module:
    import segmentation_models_pytorch as smp

    torch.manual_seed(0)
    network: torch.nn.Module = getattr(smp, architecture)(encoder, **arguments)
    network.save_pretrained(folder)
    return network.eval()


@pytest.mark.parametrize(
    ("architecture", "encoder", "arguments"),
    [
        ("Unet", "resnet18", {**SMALL, "decoder_interpolation": "bilinear", "aux_params": {"classes": 2}}),
        ("Segformer", "mit_b0", {"encoder_weights": None, "in_channels": 4, "decoder_segmentation_channels": 16}),
    ],
    ids=["Unet", "Segformer"],
)
def test_a_folder_of_smp_gives_the_same_logits(
    tmp_path: Path, architecture: str, encoder: str, arguments: dict[str, Any]
) -> None:
    network = saved(tmp_path / "saved", architecture, encoder, classes=3, **arguments)
    call = ["bundle", "import", "smp", str(tmp_path / "saved"), str(tmp_path / "b"), *NAMED, "--classes", "a,b,c"]
    assert run(call) == 0
    bundle = open_bundle(tmp_path / "b")
    assert bundle.network is not None
    assert (bundle.network.architecture, bundle.network.encoder) == (architecture, encoder)
    images = torch.randn(1, 4, 64, 64)
    with torch.inference_mode():
        given = network(images)
        logits = given[0] if isinstance(given, tuple) else given
        assert torch.equal(load_network(bundle)(images), logits)
    assert run(call) == 4


def test_a_network_with_one_channel_becomes_two_classes_whose_softmax_is_its_sigmoid(tmp_path: Path) -> None:
    network = saved(tmp_path / "saved", **SMALL, activation="sigmoid")
    call = ["bundle", "import", "smp", str(tmp_path / "saved"), str(tmp_path / "b"), *NAMED, "--classes", "other,field"]
    assert run(call) == 0
    images = torch.randn(1, 4, 64, 64)
    with torch.inference_mode():
        chance = load_network(open_bundle(tmp_path / "b"))(images).softmax(1)[:, 1:]
        torch.testing.assert_close(chance, network(images), rtol=1e-5, atol=1e-6)


def test_the_facts_that_the_folder_holds_are_not_stated_twice_and_must_fit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved(tmp_path / "saved", **SMALL, classes=3)
    folder, out = str(tmp_path / "saved"), str(tmp_path / "b")
    for more in (["--architecture", "Unet"], ["--encoder", "resnet18"], ["--param", "encoder_depth=3"]):
        assert run(["bundle", "import", "smp", folder, out, *NAMED, "--classes", "a,b,c", *more]) == 2
    assert run(["bundle", "import", "smp", folder, out, *NAMED, "--classes", "a,b"]) == 5
    assert "gives 3 classes" in capsys.readouterr().err
    weights = str(tmp_path / "saved" / "model.safetensors")
    assert run(["bundle", "import", "smp", weights, out, *NAMED, "--classes", "a,b,c", "--encoder", "resnet18"]) == 2
    assert "--architecture" in capsys.readouterr().err and not Path(out).exists()


def changed(**changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, **changes}))

    return change


def replaced(name: str, data: bytes) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).write_bytes(data)

    return change


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (pickled, "WEIGHTS"),
        (replaced("model.safetensors", pickle.dumps({"a": 1})), "WEIGHTS"),
        (lambda folder: (folder / "model.safetensors").unlink(), "MISSING"),
        (lambda folder: (folder / "config.json").unlink(), "MISSING"),
        (replaced("config.json", b"{"), "CARD"),
        (replaced("config.json", b"[]"), "CARD"),
        (replaced("config.json", b'{"a": 1}'), "CARD"),
        (replaced("config.json", b'{"_model_class": "Unet", "_model_class": "Unet"}'), "CARD"),
        (replaced("config.json", b" " * (2 << 20)), "CARD"),
        (changed(_model_class="os.system"), "CARD"),
        (changed(_model_class=["Unet"]), "CARD"),
        (changed(encoder_name="tu-hf-hub:somebody/something"), "CARD"),
        (changed(encoder_name="../../etc/passwd"), "CARD"),
        (changed(encoder_name=None), "CARD"),
        (changed(in_channels=3), "CARD"),
        (changed(surprise=1), "CARD"),
        (changed(decoder_use_norm={"type": "x"}), "CARD"),
    ],
)
def test_what_smp_did_not_write_is_refused_and_nothing_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None], code: str
) -> None:
    import socket

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    folder = tmp_path / "saved"
    folder.mkdir()
    config = {"_model_class": "Unet", "encoder_name": "resnet18", "in_channels": 4, "classes": 3, "encoder_depth": 3}
    (folder / "config.json").write_text(json.dumps(config))
    from geoseg.model.weights import encode_tensors

    (folder / "model.safetensors").write_bytes(encode_tensors({"a": np.zeros(1, np.float32)}))
    change(folder)
    with pytest.raises(BundleError) as caught:
        read_folder(folder, 4, 3)
    assert caught.value.code == code and "\n" not in str(caught.value)
