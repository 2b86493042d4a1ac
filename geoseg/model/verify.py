"""Verify: a bundle is what was saved, its card is valid STAC, and it computes here what it computed there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from geoseg.errors import BundleError
from geoseg.model.bundle import Bundle, read_beside, read_item, read_sample
from geoseg.model.reference import LEAST_AGREEMENT, reference_index
from geoseg.model.schema import ITEM, check_item


@dataclass(frozen=True, slots=True)
class Finding:
    """A check that passed: its name, what it found in words, and the same as JSON."""

    check: str
    text: str
    value: object


def verify_bundle(bundle: Bundle) -> Iterator[Finding]:
    """Run the checks one by one; ``bundle`` was opened with ``verify``, so its digest is that of card and files.

    Raises
    ------
    BundleError
        ``DIGEST``, ``MISSING``: a file beside the model is not what was saved. ``SCHEMA``: the card is no valid STAC Item.
        ``WEIGHTS``: the network does not load, or gives its sample other classes than where it was saved.
    """
    yield Finding("digest", f"sha256:{bundle.digest}; card and model are what was saved", bundle.digest)
    yield _beside(bundle)
    yield _schema(bundle)
    yield _self_test(bundle)


def _beside(bundle: Bundle) -> Finding:
    names = sorted(read_beside(bundle))
    return Finding("beside", f"{', '.join(names)}: as saved" if names else "no further files", names)


def _schema(bundle: Bundle) -> Finding:
    """Cards of before the schemas shipped, which list no files beside the model, are not refused: they run as they did."""
    card, item = read_item(bundle.path)
    try:
        addresses = check_item(item, Path(bundle.path) / "card.json")
    except BundleError as error:
        if "beside" in card.model_fields_set:
            raise
        return Finding("schema", f"an earlier card, not valid for other programs: {error}", None)
    names = ["STAC 1.1.0", *(" ".join(part.strip("v") for part in a.split("/")[3:5]) for a in addresses if a != ITEM)]
    return Finding("schema", f"valid by {', '.join(names)}", list(addresses))


def _self_test(bundle: Bundle) -> Finding:
    sample = read_sample(bundle)
    if sample is None or sample[1] is None:
        if bundle.kind == "torch":
            from geoseg.model.network import load_network

            load_network(bundle)
        return Finding("self-test", "the bundle has no sample with an answer; its weights are sound", None)
    images, expected = sample[0], sample[1]
    share = float((reference_index(bundle, images) == expected).mean())
    if share < LEAST_AGREEMENT:
        what = f"gives only {share:.2%} of its sample's pixels the class it was saved with"
        raise BundleError.of("WEIGHTS", bundle.path, what, "Its network is not computed here as where it was made")
    return Finding("self-test", f"{share:.2%} of {expected.size:,} pixels get the class they were saved with", share)
