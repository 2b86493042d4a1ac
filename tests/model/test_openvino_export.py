"""An int8 model runs in int8 and keeps its classes, or it is refused; nothing is reported to anybody."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from geoseg.cli.main import run
from geoseg.errors import BundleError, Conflict, UsageError
from geoseg.model.bundle import open_bundle, save_bundle
from geoseg.model.calibrate import chips_of
from geoseg.model.openvino_export import export_openvino
from geoseg.model.quiet import no_telemetry
from geoseg.raster.scene import open_scene
from tests.helpers.bundles import BANDS, UNET, conv_onnx, facts, onnx_bundle, unet_bundle
from tests.helpers.rasters import write_raster

with no_telemetry():
    pytest.importorskip("openvino", reason="openvino is not installed")
pytest.importorskip("onnx", reason="onnx is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

ROOT = Path(__file__).parents[2]


@pytest.fixture
def nncf() -> None:
    with no_telemetry():
        pytest.importorskip("nncf", reason="nncf is not installed")


def test_int8_keeps_the_classes_and_says_what_it_changed(tmp_path: Path, nncf: None) -> None:
    bundle = onnx_bundle(tmp_path / "b")
    made = export_openvino(bundle, tmp_path / "m.xml", precision="int8", max_change=0.05)
    assert (made.int8, made.operations) == (1, 1)
    assert 0 < made.changed <= 0.05 and made.pixels == 2 * 64 * 64
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "m.bin", "m.xml"]


def test_neither_of_its_two_files_replaces_what_is_there_unasked(tmp_path: Path) -> None:
    bundle = onnx_bundle(tmp_path / "b")
    (tmp_path / "m.bin").write_bytes(b"another model's")
    with pytest.raises(Conflict, match=r"^EXISTS: .*m\.bin"):
        export_openvino(bundle, tmp_path / "m.xml")
    assert (tmp_path / "m.bin").read_bytes() == b"another model's" and not (tmp_path / "m.xml").exists()
    export_openvino(bundle, tmp_path / "m.xml", overwrite=True)
    with pytest.raises(Conflict, match=r"^EXISTS: .*m\.xml"):
        export_openvino(bundle, tmp_path / "m.xml")


def test_int8_that_changes_too_much_is_refused_and_leaves_nothing(tmp_path: Path, nncf: None) -> None:
    bundle = onnx_bundle(tmp_path / "b")
    with pytest.raises(BundleError, match=r"^AGREEMENT: .*classes"):
        export_openvino(bundle, tmp_path / "m.xml", precision="int8", max_change=0.0)
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


@pytest.mark.slow
def test_operations_that_cost_too_many_classes_go_back_to_fp32(tmp_path: Path, nncf: None) -> None:
    """Random weights have the closest calls there are."""
    bundle = unet_bundle(tmp_path / "b", spec=UNET)
    loose = export_openvino(bundle, tmp_path / "loose.xml", precision="int8", max_change=0.5)
    strict = export_openvino(bundle, tmp_path / "strict.xml", precision="int8", max_change=loose.changed * 0.7)
    assert 0 < strict.int8 < loose.int8 and strict.changed <= loose.changed * 0.7


def test_a_bundle_without_a_sample_needs_images_and_is_judged_by_others_than_it_is_quantized_on(
    tmp_path: Path, nncf: None
) -> None:
    bare = save_bundle(tmp_path / "b", facts(align=16), weights=conv_onnx())
    with pytest.raises(UsageError, match=r"^CALIBRATE"):
        export_openvino(bare, tmp_path / "m.xml", precision="int8")
    images = np.random.default_rng(0).normal(size=(4, 4, 64, 64)).astype(np.float32)
    made = export_openvino(bare, tmp_path / "m.xml", precision="int8", calibration=images, max_change=0.05)
    assert made.pixels == 2 * 64 * 64


def test_the_command_calibrates_on_a_scene(tmp_path: Path, nncf: None, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = onnx_bundle(tmp_path / "b")
    scene = write_raster(tmp_path / "s.tif", np.random.default_rng(0).normal(0.2, 0.1, (4, 100, 150)).astype("f4"))
    call = ["bundle", "export", "openvino", bundle.path, str(tmp_path / "m.xml"), "--precision", "int8"]
    call += ["--max-change", "0.05", "--calibrate", str(scene), "--bands", ",".join(BANDS), "--scale", "1"]
    assert run(call) == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == [str(tmp_path / "m.xml")]
    assert "1 of 1 convolutions and products in int8" in said.err


def test_chips_are_spread_over_the_scene_normalized_and_padded(tmp_path: Path) -> None:
    bundle = open_bundle(onnx_bundle(tmp_path / "b").path)
    values = np.full((4, 100, 150), 0.3, np.float32)
    values[:, :64, :64] = -9999
    path = write_raster(tmp_path / "s.tif", values, nodata=-9999)
    scene = open_scene([str(path)], bands=BANDS, scale=1.0).select(BANDS)
    chips = chips_of(scene, bundle)
    assert chips.shape == (5, 4, 64, 64), "of 2 x 3 chips one has no valid pixel"
    expected = (0.3 - bundle.bands[0].mean) / bundle.bands[0].std
    assert np.isclose(chips[0, 0, 0, 0], expected, rtol=1e-5)
    assert (chips[-1][:, 52:] == 0).all(), "below the scene"
    assert len(chips_of(scene, bundle, 2)) <= 2


def test_neither_openvino_nor_nncf_reports_to_its_maker() -> None:
    program = (
        "import socket, subprocess, sys\n"
        "def refuse(*_, **__): raise SystemExit('something was sent')\n"
        "socket.socket.connect = refuse\n"
        "from geoseg.model.quiet import no_telemetry\n"
        "with no_telemetry():\n"
        "    import openvino\n"
        "    try:\n        import nncf\n    except ImportError:\n        pass\n"
        "assert 'openvino_telemetry' not in sys.modules\n"
        "import openvino.tools.ovc.telemetry_utils as utils\n"
        "print(utils.tm.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "openvino.tools.ovc.telemetry_stub"
