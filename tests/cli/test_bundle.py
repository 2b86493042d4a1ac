"""``geoseg bundle``: each way succeeds, refuses, and leaves nothing half done."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from geoseg.cli.main import run
from geoseg.model.bundle import open_bundle
from geoseg.model.quiet import no_telemetry
from geoseg.model.weights import encode_tensors
from tests.helpers.bundles import UNET, conv_bundle, conv_onnx, onnx_bundle, unet_bundle

NAMED = ["--name", "fields", "--bands", "blue,green,red,nir", "--classes", "water,tree,built", "--chip-size", "64"]


def test_show_says_what_a_bundle_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = conv_bundle(tmp_path / "b", scores={"kappa": 0.61})
    assert run(["bundle", "show", bundle.path]) == 0
    shown = capsys.readouterr().out
    for word in ("tiny 1", bundle.digest, "Conv1x1", "nir", "water", "kappa", "0.61", "halo 16 px"):
        assert word in shown
    assert run(["bundle", "show", bundle.path, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(bundle.card)


def test_show_prints_scores_and_training_for_a_person(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scores = {
        "baseline": {"kappa": 0.4, "better": True},
        "held_out": {
            "kappa": {"value": 0.512, "low": 0.45, "high": 0.57, "largest_class": 0.0},
            "ece": {"value": 0.02, "low": 0.01, "high": 0.03, "largest_class": None},
            "iou": {"water": 0.25, "tree": None},
            "pixels": 206044,
            "caveat": "One scene.",
        },
    }
    training = {
        "fit": {"steps": 300, "learning_rate": 0.002},
        "digest": "ab" * 32,
        "scenes": [{"name": "north", "shape": [246, 489], "labels": {"water": 12}}],
        "notes": {f"a long name {i}": "a long text" for i in range(9)},
        "windows": [[0, 1], [2, 3]],
    }
    bundle = conv_bundle(tmp_path / "b", scores=scores, training=training, licence="CC-BY-4.0")
    assert run(["bundle", "show", bundle.path]) == 0
    shown = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    for line in (
        "licence CC-BY-4.0",
        "kappa 0.512 (0.450 to 0.570); largest class alone 0.000",
        "ece 0.020 (0.010 to 0.030)",
        "iou tree -, water 0.250",
        "pixels 206,044",
        "caveat One scene.",
        "baseline: better yes",
        "baseline: kappa 0.400",
        "fit learning rate 0.002, steps 300",
        f"digest {'ab' * 32}",
        "north",
        "shape 246, 489",
        "labels water 12",
        "a long name 3 a long text",
        "2 2, 3",
    ):
        assert line in shown, line
    assert shown.index("caveat One scene.") < shown.index("baseline: better yes"), "the network's own come first"
    assert not any("{" in line or "[" in line for line in shown)


def test_verify_runs_the_self_test(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = conv_bundle(tmp_path / "b")
    assert run(["bundle", "verify", bundle.path]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == bundle.id and [line.split()[0] for line in lines[1:]] == [
        "digest",
        "beside",
        "schema",
        "self-test",
    ]
    assert "STAC 1.1.0, mlm 1.4.0, file 2.1.0, classification 2.0.0" in lines[3] and "100.00%" in lines[4]
    assert run(["bundle", "verify", bundle.path, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["agreement"] == 1.0
    weights = Path(bundle.weights)
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\0")
    assert run(["bundle", "verify", bundle.path]) == 5
    assert capsys.readouterr().err.startswith("geoseg: DIGEST: ")


@pytest.mark.parametrize("verb", ["show", "verify"])
def test_no_bundle_is_one_line_and_exit_5(tmp_path: Path, verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bundle", verb, str(tmp_path / "none")]) == 5
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("geoseg: MISSING: ")


def test_an_onnx_file_is_taken_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnx", reason="onnx is not installed")
    (tmp_path / "m.onnx").write_bytes(conv_onnx())
    numbers = ["--mean", "0.1,0.1,0.1,0.3", "--std", "1,1,1,2", "--halo", "16", "--align", "16", "--values", "1,2,7"]
    out = tmp_path / "b"
    assert run(["bundle", "import", "onnx", str(tmp_path / "m.onnx"), str(out), *NAMED, *numbers]) == 0
    bundle = open_bundle(out)
    assert (bundle.kind, bundle.align, bundle.legend.values, bundle.bands[3].std) == ("onnx", 16, (1, 2, 7), 2.0)
    assert run(["bundle", "import", "onnx", str(tmp_path / "m.onnx"), str(out), *NAMED, *numbers]) == 4
    assert capsys.readouterr().err.startswith("geoseg: EXISTS: ")
    assert run(["bundle", "import", "onnx", str(tmp_path / "m.onnx"), str(out), *NAMED, *numbers, "--overwrite"]) == 0
    (tmp_path / "fixed.onnx").write_bytes(conv_onnx(size=32))
    assert (
        run(["bundle", "import", "onnx", str(tmp_path / "fixed.onnx"), str(tmp_path / "c"), *NAMED, "--halo", "0"]) == 0
    )
    assert (open_bundle(tmp_path / "c").chip_size, open_bundle(tmp_path / "c").fixed_size) == (32, True)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        (["--mean", "1,2"], 2),
        (["--std", "a,b,c,d"], 2),
        (["--std", "0,1,1,1"], 5),
        (["--values", "1,1,300"], 2),
        (["--classes", "one"], 5),
        (["--halo", "40"], 5),
    ],
)
def test_facts_that_do_not_fit_are_refused(
    tmp_path: Path, changes: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnx", reason="onnx is not installed")
    (tmp_path / "m.onnx").write_bytes(conv_onnx())
    given = [*NAMED, "--halo", "0", *changes]
    assert run(["bundle", "import", "onnx", str(tmp_path / "m.onnx"), str(tmp_path / "b"), *given]) == code
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


def test_weights_of_an_smp_network_are_taken_in(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    import segmentation_models_pytorch as smp

    whole = smp.Unet(
        "resnet18", encoder_depth=3, encoder_weights=None, decoder_channels=(16, 8, 8), in_channels=4, classes=3
    )
    weights = {name: values.numpy() for name, values in whole.state_dict().items()}
    (tmp_path / "w.safetensors").write_bytes(encode_tensors(weights))
    network = ["--architecture", "Unet", "--encoder", "resnet18", "--param", "encoder_depth=3"]
    network += ["--param", "decoder_channels=[16,8,8]", "--halo", "16"]
    assert run(["bundle", "import", "smp", str(tmp_path / "w.safetensors"), str(tmp_path / "b"), *NAMED, *network]) == 0
    bundle = open_bundle(tmp_path / "b")
    assert (bundle.network, bundle.align) == (UNET, 8)
    torch.save(whole.state_dict(), tmp_path / "w.pt")
    assert run(["bundle", "import", "smp", str(tmp_path / "w.pt"), str(tmp_path / "c"), *NAMED, *network]) == 5
    assert not (tmp_path / "c").exists()


def test_an_exported_bundle_gives_the_same_classes_and_the_same_bytes(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    pytest.importorskip("onnx", reason="onnx is not installed")
    bundle = unet_bundle(tmp_path / "b")
    for out in ("one", "two"):
        assert run(["bundle", "export", "onnx", bundle.path, str(tmp_path / out)]) == 0
    made = open_bundle(tmp_path / "one")
    assert made.digest == open_bundle(tmp_path / "two").digest
    assert (made.kind, made.fixed_size, made.align) == ("onnx", False, 8)
    assert (made.bands, made.legend, made.halo) == (bundle.bands, bundle.legend, bundle.halo)
    assert run(["bundle", "verify", made.path]) == 0
    assert run(["bundle", "export", "onnx", bundle.path, made.path]) == 4
    assert run(["bundle", "export", "onnx", made.path, str(tmp_path / "three")]) == 5


def test_an_openvino_model_gives_the_same_classes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with no_telemetry():
        openvino = pytest.importorskip("openvino", reason="openvino is not installed")
    pytest.importorskip("onnx", reason="onnx is not installed")
    bundle = onnx_bundle(tmp_path / "b")
    out = tmp_path / "m.xml"
    assert run(["bundle", "export", "openvino", bundle.path, str(tmp_path / "m")]) == 2
    assert run(["bundle", "export", "openvino", bundle.path, str(out)]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == [str(out)] and "% of 8,192 pixels change class" in said.err
    assert run(["bundle", "export", "openvino", bundle.path, str(out)]) == 4
    core = openvino.Core()
    model = core.compile_model(str(out), "CPU")
    assert model(np.zeros((1, 4, 64, 64), np.float32))[0].shape == (1, 3, 64, 64)
    assert core.read_model(str(out)).get_rt_info(["geoseg", "bundle"]).astype(str) == f"{bundle.id} fp32"


@pytest.mark.parametrize(
    "page",
    [[], ["show"], ["verify"], ["import"], ["import", "ukis-csmask"], ["import", "onnx"], ["import", "smp"], ["export"],
     ["export", "onnx"], ["export", "openvino"]],
)  # fmt: skip
def test_each_page_of_help_ends_with_a_line_that_runs(page: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bundle", *page, "--help"]) == 0
    shown = capsys.readouterr().out
    assert "Example:" in shown and "geoseg bundle" in shown.rstrip().split("Example:")[1]
