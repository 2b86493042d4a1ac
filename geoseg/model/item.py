"""Item: a bundle's card as a STAC 1.1 Item with the fields of the MLM extension, for other programs, and its digest.

``geoseg:digest`` is the SHA-256 of the whole Item without itself. The Item states the SHA-256 of each file of the bundle,
of those beside the model too, so the digest stands for the bundle as a whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from geoseg.model.card import BesideCard, BundleFacts, Card, FileCard
from geoseg.raster.dated import undated

MLM = "https://stac-extensions.github.io/mlm/v1.4.0/schema.json"
FILE = "https://stac-extensions.github.io/file/v2.1.0/schema.json"
CLASSIFICATION = "https://stac-extensions.github.io/classification/v2.0.0/schema.json"
_ARTIFACTS = {
    "torch": ("torch.nn.Module.state_dict", "application/octet-stream; application=safetensors"),
    "onnx": ("onnx", "application/octet-stream; application=onnx"),
}
_BESIDE = {
    ".csv": ("text/csv", "metadata"),
    ".geojson": ("application/geo+json", "metadata"),
    ".json": ("application/json", "metadata"),
    ".jsonl": ("application/jsonl", "metadata"),
    ".md": ("text/markdown", "metadata"),
    ".png": ("image/png", "overview"),
    ".tif": ("image/tiff; application=geotiff", "data"),
    ".txt": ("text/plain", "metadata"),
    ".yaml": ("application/yaml", "metadata"),
}


def to_item(card: Card, facts: BundleFacts) -> dict[str, Any]:
    """The card as a STAC Item with MLM fields, digest included; open in time and on the whole Earth, as a model is."""
    properties: dict[str, Any] = {
        "datetime": None,
        "start_datetime": "1900-01-01T00:00:00Z",
        "end_datetime": "9999-12-31T23:59:59Z",
        "title": f"{card.name} {card.version}",
        "description": facts.description or f"{card.name}, a bundle of geoseg",
        "license": facts.licence,
        "bands": _bands(card),
        **_mlm_fields(card),
        "geoseg:bundle": card.model_dump(mode="json"),
    }
    item: dict[str, Any] = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [MLM, FILE, CLASSIFICATION],
        "id": f"{card.name}-{card.version}",
        "geometry": {"type": "Polygon", "coordinates": [[[-180, -90], [180, -90], [180, 90], [-180, 90], [-180, -90]]]},
        "bbox": [-180, -90, 180, 90],
        "properties": properties,
        "links": [],
        "assets": _assets(card),
    }
    properties["geoseg:digest"] = digest_of(item)
    return item


def digest_of(item: Mapping[str, Any]) -> str:
    """SHA-256 of the card in canonical form (sorted keys, no spaces, ASCII) without ``geoseg:digest``."""
    properties = {key: value for key, value in item["properties"].items() if key != "geoseg:digest"}
    text = json.dumps({**item, "properties": properties}, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _mlm_fields(card: Card) -> dict[str, Any]:
    classes = [item.model_dump() for item in card.classes]
    size = card.chip_size if card.fixed_size else -1
    network = card.network
    tasks = ["semantic-segmentation"]
    scaling = [{"type": "z-score", "mean": band.mean, "stddev": band.std} for band in card.bands]
    fields: dict[str, Any] = {
        "mlm:name": card.name,
        "mlm:architecture": network.architecture if network else "ONNX graph",
        "mlm:framework": "PyTorch" if network else "ONNX",
        "mlm:tasks": tasks,
        "mlm:accelerator": None,
        "mlm:accelerator_constrained": False,
        "mlm:input": [
            {
                "name": "image",
                "bands": [band.name for band in card.bands],
                "input": {
                    "shape": [-1, len(card.bands), size, size],
                    "dim_order": ["batch", "bands", "height", "width"],
                    "data_type": "float32",
                },
                "value_scaling": scaling,
                "resize_type": None,
                "pre_processing_function": None,
            }
        ],
        "mlm:output": [
            {
                "name": "logits",
                "tasks": tasks,
                "result": {
                    "shape": [-1, len(classes), size, size],
                    "dim_order": ["batch", "class", "height", "width"],
                    "data_type": "float32",
                },
                "classification:classes": classes,
                "post_processing_function": None,
            }
        ],
    }
    each = undated([band.name for band in card.bands])
    if each is not None:
        fields["mlm:input"][0] |= {"name": "before_and_after", "description": _two_dates(each)}
    if network is not None:
        fields["mlm:hyperparameters"] = {"encoder": network.encoder, **network.params}
        if network.dates > 1:
            fields["mlm:hyperparameters"] |= {"dates": network.dates, "fusion": network.fusion}
    return fields


def _two_dates(each: tuple[str, ...]) -> str:
    return f"Two dates of one place on one grid: {', '.join(each)} before, then the same bands after"


def _assets(card: Card) -> dict[str, Any]:
    artifact, media_type = _ARTIFACTS[card.kind]
    model = {
        **_asset(card.weights, media_type, ["mlm:model", "mlm:weights"]),
        "mlm:artifact_type": artifact,
        "bands": _bands(card),  # STAC 1.1 takes bands among the properties only where an asset has them too
    }
    assets = {"model": model}
    if card.sample is not None:
        assets["sample"] = _asset(card.sample, _ARTIFACTS["torch"][1], ["data"])
    for file in card.beside:
        beside_type, role = _BESIDE[PurePath(file.name).suffix]
        assets[file.name] = _asset(file, beside_type, [role])
    return assets


def _bands(card: Card) -> list[dict[str, str]]:
    return [{"name": band.name} for band in card.bands]


def _asset(file: FileCard | BesideCard, media_type: str, roles: list[str]) -> dict[str, Any]:
    checksum = "1220" + file.sha256  # a multihash: SHA2-256, 32 bytes
    return {
        "href": f"./{file.name}", "type": media_type, "roles": roles, "file:size": file.size, "file:checksum": checksum
    }  # fmt: skip
