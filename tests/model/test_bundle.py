"""A bundle is what was saved, bit for bit, or it is refused with a code that says which part is wrong."""

from __future__ import annotations

import json
import pickle
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from geoseg.errors import BundleError, Conflict
from geoseg.legend import Legend
from geoseg.model.bundle import NetworkSpec, open_bundle, read_beside, read_sample, save_bundle
from geoseg.model.item import digest_of
from geoseg.model.weights import encode_tensors, read_header, read_tensors
from tests.helpers.bundles import conv_bundle, conv_onnx, facts, onnx_bundle, sample_of


def code_of(path: Path) -> str:
    with pytest.raises(BundleError) as caught:
        open_bundle(path)
    assert "\n" not in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    return caught.value.code


def edit_card(folder: Path, change: Callable[[dict[str, Any]], None], *, sign: bool = True) -> None:
    """Change the card; with ``sign`` the digest is made to fit, as a forger would."""
    item = json.loads((folder / "card.json").read_text())
    change(item)
    if sign:
        item["properties"]["geoseg:digest"] = digest_of(item)
    (folder / "card.json").write_text(json.dumps(item))


def exchange(folder: Path, name: str, data: bytes, asset: str) -> None:
    """Put another file into the bundle, card and digest included."""
    import hashlib

    (folder / name).write_bytes(data)

    def change(item: dict[str, Any]) -> None:
        item["properties"]["geoseg:bundle"][asset].update(size=len(data), sha256=hashlib.sha256(data).hexdigest())

    edit_card(folder, change)


def test_a_saved_bundle_opens_as_it_was(tmp_path: Path) -> None:
    legend = Legend.of({7: "water", 0: "tree"})
    spec = NetworkSpec("Conv1x1", "none", 2, 2)
    given = facts(bands=("nir", "red"), network=spec, scores={"kappa": 0.5}, training={"sha256": "ab"}, units="dn")
    given = replace(given, legend=legend)
    weights = {"weight": np.ones((2, 2, 1, 1), np.float32), "bias": np.zeros(2, np.float32)}
    saved = save_bundle(tmp_path / "b", given, weights=weights, sample=sample_of(given))
    opened = open_bundle(tmp_path / "b")
    assert opened == saved
    assert opened.bands == given.bands and opened.legend == legend and opened.network == spec
    assert (opened.units, opened.chip_size, opened.halo, opened.align) == ("dn", 64, 16, 1)
    assert json.loads(opened.scores) == {"kappa": 0.5}
    found = read_sample(opened)
    assert found is not None and found[1] is not None
    assert np.array_equal(found[0], sample_of(given)) and found[1].shape == (2, 64, 64)


def test_equal_bundles_have_equal_bytes_and_one_digest(tmp_path: Path) -> None:
    first, second = conv_bundle(tmp_path / "a"), conv_bundle(tmp_path / "b")
    assert first.digest == second.digest
    for name in ("card.json", "weights.safetensors", "sample.safetensors"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert conv_bundle(tmp_path / "c", seed=1).digest != first.digest
    assert conv_bundle(tmp_path / "d", halo=8).digest != first.digest


def test_opening_imports_no_heavy_library_and_takes_below_100_ms(tmp_path: Path) -> None:
    conv_bundle(tmp_path / "torch")
    onnx_bundle(tmp_path / "onnx")
    program = (
        "import sys; from geoseg.model.bundle import open_bundle\n"
        f"open_bundle({str(tmp_path / 'torch')!r}); open_bundle({str(tmp_path / 'onnx')!r})\n"
        "print([m for m in ('torch', 'onnx', 'onnxruntime', 'safetensors', 'segmentation_models_pytorch') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert done.stdout.strip() == "[]"
    started = time.process_time()
    open_bundle(tmp_path / "torch")
    assert time.process_time() - started < 0.1


def test_the_card_is_a_stac_item_with_mlm_fields(tmp_path: Path) -> None:
    pystac = pytest.importorskip("pystac", reason="pystac is not installed")
    bundle = conv_bundle(tmp_path / "b")
    item = pystac.Item.from_dict(json.loads(bundle.card))
    fields = item.properties
    assert fields["mlm:name"] == "tiny" and fields["mlm:tasks"] == ["semantic-segmentation"]
    assert (
        [band["name"] for band in fields["bands"]] == fields["mlm:input"][0]["bands"] == ["blue", "green", "red", "nir"]
    )
    assert [scaling["mean"] for scaling in fields["mlm:input"][0]["value_scaling"]] == [
        band.mean for band in bundle.bands
    ]
    assert [c["value"] for c in fields["mlm:output"][0]["classification:classes"]] == [1, 2, 3]
    model = item.assets["model"]
    assert "mlm:model" in model.roles and model.extra_fields["mlm:artifact_type"]
    assert model.extra_fields["file:size"] == (tmp_path / "b" / "weights.safetensors").stat().st_size


@pytest.mark.parametrize("name", ["card.json", "weights.safetensors", "sample.safetensors"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    conv_bundle(tmp_path / "b")
    (tmp_path / "b" / name).unlink()
    with pytest.raises(BundleError, match=name) as caught:
        open_bundle(tmp_path / "b")
    assert caught.value.code == "MISSING"


def test_no_folder_and_a_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(b"PK\x03\x04")
    assert code_of(tmp_path / "nothing") == "MISSING"
    assert code_of(tmp_path / "model.pt") == "WEIGHTS"


@pytest.mark.parametrize("name", ["weights.safetensors", "sample.safetensors"])
def test_one_changed_bit_is_found(tmp_path: Path, name: str) -> None:
    conv_bundle(tmp_path / "b")
    path = tmp_path / "b" / name
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert code_of(tmp_path / "b") == "DIGEST"
    path.write_bytes(data[:-1])
    assert code_of(tmp_path / "b") == "DIGEST"


def test_a_changed_card_is_found(tmp_path: Path) -> None:
    conv_bundle(tmp_path / "b")
    edit_card(tmp_path / "b", lambda item: item["properties"].update(description="better"), sign=False)
    assert code_of(tmp_path / "b") == "DIGEST"


def _set(*keys: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(item: dict[str, Any]) -> None:
        table = item["properties"]["geoseg:bundle"]
        for key in keys[:-1]:
            table = table[key]
        table[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        _set("surprise", value=1),
        _set("network", "hook", value="os.system"),
        _set("network", "architecture", value="Resnet"),
        _set("network", "encoder", value="hf-hub:somebody/something"),
        _set("network", "encoder", value="../../etc/passwd"),
        _set("network", "in_channels", value=3),
        _set("network", "classes", value=2),
        _set("network", "params", value={"decoder": {"a": 1}}),
        _set("weights", "name", value="../other/weights.safetensors"),
        _set("weights", "name", value="/etc/passwd"),
        _set("weights", "name", value="sample.safetensors"),
        _set("sample", "name", value="weights.safetensors"),
        _set("bands", 0, "std", value=0),
        _set("bands", 0, "mean", value="0.1"),
        _set("bands", 0, "name", value="GREEN"),
        _set("chip_size", value=-64),
        _set("chip_size", value=True),
        _set("halo", value=32),
        _set("align", value=48),
        _set("classes", 0, "value", value=256),
        _set("classes", 0, "value", value=2),
        _set("nodata", value=1),
        _set("units", value="kelvin"),
        _set("kind", value="onnx"),
        _set("kind", value="pickle"),
        lambda item: item["properties"].pop("geoseg:bundle"),
        lambda item: item["properties"].update({"geoseg:digest": "no"}),
        lambda item: item["properties"]["geoseg:bundle"].pop("units"),
        lambda item: item.pop("properties"),
    ],
)
def test_a_card_that_is_wrong_is_refused_even_when_signed(
    tmp_path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    conv_bundle(tmp_path / "b")
    item = json.loads((tmp_path / "b" / "card.json").read_text())
    change(item)
    (tmp_path / "b" / "card.json").write_text(json.dumps(item))
    assert code_of(tmp_path / "b") == "CARD"


def test_another_format_is_said(tmp_path: Path) -> None:
    conv_bundle(tmp_path / "b")
    edit_card(tmp_path / "b", _set("format", value=2))
    assert code_of(tmp_path / "b") == "VERSION"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"not json",
        b'{"a": NaN}',
        b'{"a": 1, "a": 2}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"properties": {"geoseg:bundle": {"format": ' + b"9" * 10_000 + b"}}}",
        b" " * (5 << 20),
    ],
)
def test_a_card_that_is_not_strict_json_is_refused(tmp_path: Path, text: bytes) -> None:
    conv_bundle(tmp_path / "b")
    (tmp_path / "b" / "card.json").write_bytes(text)
    assert code_of(tmp_path / "b") == "CARD"


def test_links_out_of_the_folder_are_refused_and_links_inside_are_not(tmp_path: Path) -> None:
    conv_bundle(tmp_path / "b")
    weights = tmp_path / "b" / "weights.safetensors"
    outside = weights.rename(tmp_path / "weights.safetensors")
    weights.symlink_to(outside)
    assert code_of(tmp_path / "b") == "CARD"
    weights.unlink()
    outside.rename(tmp_path / "b" / "blob")
    weights.symlink_to("blob")
    open_bundle(tmp_path / "b")


def test_a_pickle_under_any_name_is_refused(tmp_path: Path) -> None:
    conv_bundle(tmp_path / "b")
    exchange(tmp_path / "b", "weights.safetensors", pickle.dumps({"a": 1}), "weights")
    assert code_of(tmp_path / "b") == "WEIGHTS"


def _file(header: Any, numbers: bytes = b"\0" * 8) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + numbers


def _entry(**changes: Any) -> dict[str, Any]:
    return {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **changes}}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"1234567",
        struct.pack("<Q", 1 << 62) + b"{}",
        struct.pack("<Q", 100) + b"{}",
        _file(b"[]"),
        _file(b'{"a":1,"a":2}'),
        _file(
            b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
        ),
        _file(b'{"__metadata__":{"x":NaN}}', b""),
        _file(b"[" * 100_000),
        _file({**_entry(), "__metadata__": {"x": 1}}),
        _file(_entry(dtype="OBJECT")),
        _file(_entry(dtype=["F32"])),
        _file(_entry(shape=[3])),
        _file(_entry(shape=[-1, -2])),
        _file(_entry(shape=[2.0])),
        _file(_entry(shape=[True, 2])),
        _file(_entry(shape=[1 << 60, 0, 1 << 60])),
        _file(_entry(data_offsets=[0, 8, 16])),
        _file(_entry(data_offsets=[8, 16])),
        _file(_entry(extra=1)),
        _file(_entry(), b"\0" * 9),
        _file(_entry(), b"\0" * 7),
        _file({**_entry(), "b": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}),
    ],
)
def test_a_safetensors_header_that_lies_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(data)
    with pytest.raises(BundleError) as caught:
        read_header(path)
    assert caught.value.code == "WEIGHTS"


def test_tensors_come_back_and_the_package_reads_the_same(tmp_path: Path) -> None:
    tensors = {
        "z": np.arange(6, dtype=np.float32).reshape(2, 3),
        "counter": np.array(3, np.int64),
        "half": np.ones(3, np.float16),
        "none": np.zeros((0, 4), np.float32),
        "u8": np.arange(5, dtype=np.uint8),
        "yes": np.array([True, False]),
    }
    path = tmp_path / "t.safetensors"
    path.write_bytes(encode_tensors(tensors))
    for read in (read_tensors(path), safetensors.numpy.load_file(path)):
        assert read.keys() == tensors.keys()
        for name, values in tensors.items():
            assert read[name].dtype == values.dtype and np.array_equal(read[name], values)
    safetensors.numpy.save_file(tensors, path)
    assert {name: values.tolist() for name, values in read_tensors(path).items()} == {
        n: v.tolist() for n, v in tensors.items()
    }


def test_bfloat16_is_read_as_float32(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    path.write_bytes(
        _file({"a": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}, struct.pack("<HH", 0x3F80, 0xC000))
    )
    assert read_tensors(path)["a"].tolist() == [1.0, -2.0]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_none_are_neither_written_nor_read(tmp_path: Path, value: float) -> None:
    weights = {"weight": np.full((3, 4, 1, 1), value, np.float32), "bias": np.zeros(3, np.float32)}
    given = facts(network=NetworkSpec("Conv1x1", "none", 4, 3))
    with pytest.raises(BundleError, match=r"^WEIGHTS"):
        save_bundle(tmp_path / "b", given, weights=weights)
    assert list(tmp_path.iterdir()) == []
    path = tmp_path / "t.safetensors"
    safetensors.numpy.save_file(weights, path)
    with pytest.raises(BundleError, match=r"^WEIGHTS"):
        read_tensors(path)


def test_saving_keeps_what_is_there_unless_told(tmp_path: Path) -> None:
    first = conv_bundle(tmp_path / "b")
    given = facts(network=first.network)
    weights = {"weight": np.ones((3, 4, 1, 1), np.float32), "bias": np.zeros(3, np.float32)}
    with pytest.raises(Conflict):
        save_bundle(tmp_path / "b", given, weights=weights)
    with pytest.raises(BundleError):
        save_bundle(tmp_path / "b", replace(given, chip_size=100, halo=60), weights=weights, overwrite=True)
    assert open_bundle(tmp_path / "b") == first
    assert save_bundle(tmp_path / "b", given, weights=weights, overwrite=True).digest != first.digest
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_a_folder_with_files_of_others_is_never_replaced(tmp_path: Path) -> None:
    first = conv_bundle(tmp_path / "b")
    given = facts(network=first.network)
    weights = {"weight": np.ones((3, 4, 1, 1), np.float32), "bias": np.zeros(3, np.float32)}
    (tmp_path / "b" / "scene.tif").write_bytes(b"years of work")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "labels.gpkg").write_bytes(b"weeks of work")
    (tmp_path / "file").write_bytes(b"a word")
    (tmp_path / "link").symlink_to(tmp_path / "empty", target_is_directory=True)
    (tmp_path / "empty").mkdir()
    before = {path: path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()}
    for name in ("b", "data", "file", "link"):
        with pytest.raises(Conflict, match="EXISTS"):
            save_bundle(tmp_path / name, given, weights=weights, overwrite=True)
    assert {path: path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()} == before
    assert save_bundle(tmp_path / "empty", given, weights=weights, overwrite=True).name == first.name


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((1, 3, 64, 64), np.float32),
        np.zeros((4, 64, 64), np.float32),
        np.zeros((0, 4, 64, 64), np.float32),
        np.full((1, 4, 64, 64), np.nan, np.float32),
    ],
)
def test_a_sample_that_does_not_fit_is_refused(tmp_path: Path, images: np.ndarray) -> None:
    with pytest.raises(BundleError):
        save_bundle(tmp_path / "b", facts(align=16), weights=conv_onnx(), sample=images)
    assert list(tmp_path.iterdir()) == []


def conv_with(path: Path, beside: dict[str, bytes]) -> Any:
    given = facts(network=NetworkSpec("Conv1x1", "none", 4, 3))
    weights = {"weight": np.ones((3, 4, 1, 1), np.float32), "bias": np.zeros(3, np.float32)}
    return save_bundle(path, given, weights=weights, beside=beside)


def test_files_beside_the_model_are_kept_and_are_part_of_the_digest(tmp_path: Path) -> None:
    beside = {"scores.json": b"{}", "curves.png": b"png", "split.geojson": b"[]"}
    bundle = conv_with(tmp_path / "b", beside)
    assert bundle.beside == ("curves.png", "scores.json", "split.geojson") and read_beside(bundle) == beside
    assets = json.loads(bundle.card)["assets"]
    assert assets["curves.png"]["roles"] == ["overview"] and assets["curves.png"]["type"] == "image/png"
    assert assets["scores.json"]["file:size"] == 2
    assert conv_with(tmp_path / "same", beside).digest == bundle.digest
    assert conv_with(tmp_path / "other", {**beside, "scores.json": b"[]"}).digest != bundle.digest
    assert conv_with(tmp_path / "none", {}).beside == ()


def test_a_bundle_runs_without_the_files_beside_it_and_reading_them_finds_what_is_wrong(tmp_path: Path) -> None:
    bundle = conv_with(tmp_path / "b", {"scores.json": b"{}"})
    (tmp_path / "b" / "scores.json").write_bytes(b"[]")
    assert open_bundle(tmp_path / "b") == bundle
    with pytest.raises(BundleError, match=r"^DIGEST"):
        read_beside(bundle)
    (tmp_path / "b" / "scores.json").unlink()
    assert open_bundle(tmp_path / "b") == bundle
    with pytest.raises(BundleError, match=r"^MISSING"):
        read_beside(bundle)


@pytest.mark.parametrize(
    "beside",
    [
        {"../scores.json": b"1"},
        {"/tmp/scores.json": b"1"},
        {"a/b.json": b"1"},
        {"a\\b.json": b"1"},
        {".json": b"1"},
        {"run.py": b"1"},
        {"weights.pt": b"1"},
        {"weights.safetensors": b"1"},
        {"card.json": b"1"},
        {"Card.json": b"1"},
        {"a.json": b"1", "A.json": b"1"},
        {"scores.json\n": b"1"},
        {"scores.json": b""},
    ],
    ids=str,
)
def test_names_beside_the_model_lead_nowhere_else(tmp_path: Path, beside: dict[str, bytes]) -> None:
    with pytest.raises(BundleError, match=r"^CARD"):
        conv_with(tmp_path / "b", beside)
    assert list(tmp_path.iterdir()) == []


def _node(domain: str) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        model.graph.node[0].domain = domain

    return change


def _external(model: Any) -> None:
    model.graph.initializer[0].data_location = 1
    entry = model.graph.initializer[0].external_data.add()
    entry.key, entry.value = "location", "../../etc/passwd"


def _nested(model: Any) -> None:
    from onnx import helper

    inner = helper.make_graph([helper.make_node("Evil", [], ["y"], domain="evil")], "inner", [], [])
    model.graph.node.append(helper.make_node("If", ["image"], ["y"], then_branch=inner, else_branch=inner))


def _nan(model: Any) -> None:
    model.graph.initializer[0].raw_data = np.full(12, np.nan, "<f4").tobytes()


def _shape(model: Any) -> None:
    model.graph.initializer[0].dims[0] = 5


def _twice(model: Any) -> None:
    model.graph.input.append(model.graph.input[0])


def _double(model: Any) -> None:
    model.graph.input[0].type.tensor_type.elem_type = 11


def _static(model: Any) -> None:
    for axis in model.graph.input[0].type.tensor_type.shape.dim[2:]:
        axis.dim_value = 64


@pytest.mark.parametrize(
    "change", [_node("com.evil"), _node("com.microsoft"), _external, _nested, _nan, _shape, _twice, _double, _static]
)
def test_an_onnx_graph_that_geoseg_must_not_run_is_refused(tmp_path: Path, change: Callable[[Any], None]) -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    model = onnx.load_from_string(conv_onnx())
    change(model)
    with pytest.raises(BundleError, match=r"^WEIGHTS"):
        save_bundle(tmp_path / "b", facts(align=16), weights=model.SerializeToString())
    assert list(tmp_path.iterdir()) == []


def test_onnx_bands_classes_and_size_are_checked_without_running(tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="onnx is not installed")
    assert onnx_bundle(tmp_path / "any").fixed_size is False
    assert onnx_bundle(tmp_path / "fixed", size=64).fixed_size is True
    for graph in (
        conv_onnx(bands=3),
        conv_onnx(classes=4),
        conv_onnx(size=32),
        b"",
        b"\x08\x07" * 50,
        conv_onnx()[:-1],
    ):
        with pytest.raises(BundleError, match=r"^WEIGHTS"):
            save_bundle(tmp_path / "b", facts(align=16, fixed_size=True), weights=graph)


def test_damaged_onnx_bytes_never_end_in_another_error(tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="onnx is not installed")
    from geoseg.model.onnxfile import read_onnx

    whole = conv_onnx()
    rng = np.random.default_rng(0)
    path = tmp_path / "m.onnx"
    for _ in range(300):
        data = bytearray(whole)
        for at in rng.integers(0, len(data), 3):
            data[at] = rng.integers(256)
        path.write_bytes(data[: rng.integers(len(data) // 2, len(data) + 1)])
        try:
            read_onnx(path)
        except BundleError as error:
            assert error.code == "WEIGHTS"
