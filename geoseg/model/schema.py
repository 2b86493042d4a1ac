"""Schema: a card against the JSON schemas of STAC and of the extensions that it names; they ship, nothing is fetched."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from geoseg.errors import BundleError

if TYPE_CHECKING:
    from jsonschema.protocols import Validator
    from referencing import Registry

_STAC = "https://schemas.stacspec.org/v1.1.0/item-spec/json-schema"
_EXTENSIONS = "https://stac-extensions.github.io"
ITEM = f"{_STAC}/item.json"
_FILES = {
    **{
        f"{_STAC}/{name}.json": f"stac-1.1.0-{name}.json"
        for name in (
            "item", "bands", "basics", "common", "data-values", "datetime", "instrument", "licensing", "provider",
        )
    },
    "https://geojson.org/schema/Feature.json": "geojson-feature.json",
    "https://geojson.org/schema/Geometry.json": "geojson-geometry.json",
    f"{_EXTENSIONS}/mlm/v1.4.0/schema.json": "mlm-1.4.0.json",
    f"{_EXTENSIONS}/classification/v1.1.0/schema.json": "classification-1.1.0-classes.json",
    f"{_EXTENSIONS}/classification/v2.0.0/schema.json": "classification-2.0.0.json",
    f"{_EXTENSIONS}/file/v2.1.0/schema.json": "file-2.1.0.json",
    f"{_EXTENSIONS}/processing/v1.1.0/schema.json": "processing-1.1.0.json",
    f"{_EXTENSIONS}/raster/v1.1.0/schema.json": "raster-1.1.0.json",
}  # fmt: skip


def check_item(item: Mapping[str, Any], where: object) -> tuple[str, ...]:
    """Check a STAC Item against the core's schema and that of each extension it names; returns their addresses.

    Raises
    ------
    BundleError
        ``SCHEMA``: a field is missing or is not what the schema asks for, or an extension's schema does not ship.
    """
    found = item.get("stac_extensions")
    extensions = [str(name) for name in found] if isinstance(found, list) else []
    for fault in _faults(item, extensions):
        text = fault if len(fault) < 300 else fault[:300] + "..."
        raise BundleError.of("SCHEMA", where, text, "Correct what is stated of the model, or make the bundle again")
    return (ITEM, *extensions)


def _faults(item: Mapping[str, Any], extensions: list[str]) -> Iterator[str]:
    from jsonschema.exceptions import best_match

    for address in (ITEM, *extensions):
        if address not in _FILES:
            yield f"names the extension {address}, whose schema does not ship with geoseg"
            continue
        fault = best_match(_validator(address).iter_errors(item))
        if fault is not None:
            if fault.context and not fault.absolute_path:  # of alternatives for Items and Collections: what fits best
                fault = max(fault.context, key=lambda part: len(part.absolute_path))
            place = ".".join(str(part) for part in fault.absolute_path) or "the card"
            yield f"{place}: {fault.message} ({address})"


@lru_cache(maxsize=len(_FILES))
def _validator(address: str) -> Validator:
    from jsonschema import Draft7Validator

    return Draft7Validator({"$ref": address}, registry=_registry())


@lru_cache(maxsize=1)
def _registry() -> Registry[Any]:
    """The schemas that ship, by address. What is not among them is an error: a registry of its own never asks the net."""
    from referencing import Registry
    from referencing.jsonschema import DRAFT7

    folder = files("geoseg.model") / "schemas"
    known = {address: json.loads((folder / name).read_text("utf-8")) for address, name in _FILES.items()}
    return Registry().with_resources([(address, DRAFT7.create_resource(schema)) for address, schema in known.items()])
