"""A card is valid STAC with MLM fields by the schemas that ship; what is not is named, and nothing is fetched."""

from __future__ import annotations

import copy
import json
import socket
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from geoseg.errors import BundleError
from geoseg.model.schema import _FILES, check_item
from tests.helpers.bundles import conv_bundle, facts, onnx_bundle

MLM = "https://stac-extensions.github.io/mlm/v1.4.0/schema.json"


@pytest.fixture
def item(tmp_path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(conv_bundle(tmp_path / "b", classes=("open water", "tree", "built")).card)
    return found


def test_the_cards_of_all_kinds_of_bundles_are_valid_and_nothing_is_fetched(
    tmp_path: Path, item: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert MLM in check_item(item, "card")
    check_item(json.loads(onnx_bundle(tmp_path / "onnx").card), "card")


def test_an_earlier_card_is_seen_to_be_invalid(root: Path) -> None:
    """Bands among the properties alone: STAC 1.1 wants them on an asset too."""
    item = json.loads((root / "samples" / "north_carolina" / "bundle" / "card.json").read_text())
    item["assets"]["model"].pop("bands", None)
    with pytest.raises(BundleError, match=r"^SCHEMA: card: properties: "):
        check_item(item, "card")


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("properties", "mlm:name"), 3, "properties.mlm:name"),
        (("properties", "mlm:nonsense"), 1, "mlm:nonsense"),
        (("properties", "mlm:architecture"), None, "mlm:architecture"),
        (("properties", "license"), "CC BY 4.0", "properties.license"),
        (("properties", "datetime"), "yesterday", "properties.datetime"),
        (("properties", "mlm:input", 0, "value_scaling", 0, "mean"), "x", "value_scaling.0.mean"),
        (("properties", "mlm:input", 0, "bands"), None, "bands"),
        (("properties", "mlm:output", 0, "tasks"), ["mapping"], "mapping"),
        (("properties", "mlm:output", 0, "classification:classes", 0, "name"), "a b", "classes.0.name"),
        (("properties", "mlm:output", 0, "classification:classes", 0, "description"), None, "classes.0"),
        (("assets", "model", "roles"), ["data"], "assets.model"),
        (("assets", "model", "mlm:artifact_type"), None, "mlm:artifact_type"),
        (("assets", "model", "file:size"), "large", "file:size"),
        (("geometry", "coordinates"), "everywhere", "card"),
        (("stac_version",), "0.9", "stac_version"),
        (("stac_extensions", 0), "https://example.com/schema.json", "does not ship"),
    ],
    ids=lambda case: case[-1] if isinstance(case, tuple) and isinstance(case[-1], str) else None,
)
def test_what_is_wrong_is_named(item: dict[str, Any], place: tuple[Any, ...], value: Any, said: str) -> None:
    table: Any = copy.deepcopy(item)
    changed, inner = table, table
    for key in place[:-1]:
        inner = inner[key]
    if value is None:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    with pytest.raises(BundleError, match=r"^SCHEMA: card: ") as caught:
        check_item(changed, "card")
    assert said in str(caught.value) and "\n" not in str(caught.value) and len(str(caught.value)) < 500


def test_each_schema_is_sound_ships_and_refers_to_those_that_ship() -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    folder = files("geoseg.model") / "schemas"
    assert sorted(_FILES.values()) == sorted(path.name for path in folder.iterdir() if path.name.endswith(".json"))
    for address, name in _FILES.items():
        schema = json.loads((folder / name).read_text("utf-8"))
        jsonschema.Draft7Validator.check_schema(schema)
        stated = schema["$id"].rstrip("#")
        assert stated == address or address.endswith("/common.json"), "the core's own has a slip of the pen in its $id"


def test_a_licence_that_is_no_identifier_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"^CARD: .*SPDX"):
        conv_bundle(tmp_path / "b", licence="CC BY 4.0")
    assert facts(licence="CC-BY-4.0").licence and not (tmp_path / "b").exists()
    conv_bundle(tmp_path / "b", licence="CC-BY-4.0")
