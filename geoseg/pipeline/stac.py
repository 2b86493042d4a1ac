"""STAC: items of a catalog on this disk, or of an API, as scenes. A local catalog never makes geoseg ask the network."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

from geoseg.errors import InputRefused, UsageError
from geoseg.pipeline.paths import Paths
from geoseg.pipeline.scenes import SceneEntry
from geoseg.pipeline.settings import ApiSearch, Scenes

if TYPE_CHECKING:
    import pystac

_NAMES = ("catalog.json", "collection.json", "item.json")
_RASTERS = ("image/tiff", "image/jp2", "application/x-netcdf", "application/netcdf", "image/vnd.stac.geotiff")


def scenes_of_catalog(path: Path, scenes: Scenes, paths: Paths) -> Iterator[SceneEntry]:
    """Each item of a catalog or collection, and of all below it; or one item.

    Raises
    ------
    InputRefused
        ``STAC``: no catalog is there, a file of it is none of STAC's or lies outside of the allowed folders, or an item
        has no asset that is a raster.
    """
    import pystac

    file = next((path / name for name in _NAMES if (path / name).is_file()), None) if path.is_dir() else path
    if file is None:
        raise InputRefused.of("STAC", path, f"holds no {', '.join(_NAMES[:2])}", "Name the catalog's file")
    try:
        top = pystac.read_file(str(file.absolute()), stac_io=_local(paths))
        items = [top] if isinstance(top, pystac.Item) else _items(top)
        for item in items:
            yield _scene(item, scenes, paths)
    except (pystac.STACError, pystac.STACTypeError) as error:
        raise InputRefused.of("STAC", file, f"is no STAC: {error}", "Correct the catalog") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, InputRefused):
            raise
        what = error.strerror if isinstance(error, OSError) and error.strerror else f"{type(error).__name__}: {error}"
        raise InputRefused.of("STAC", file, f"cannot be read: {what}"[:300], "Correct the catalog") from None


def scenes_of_api(search: ApiSearch, scenes: Scenes) -> Iterator[SceneEntry]:
    """Each item that a search in a STAC API finds."""
    try:
        from pystac_client import Client
        from pystac_client.exceptions import APIError
    except ImportError:
        remedy = 'Install it: pip install "geoseg[stac]"'
        raise UsageError.of("STAC", search.url, "asking a STAC API needs pystac-client", remedy) from None
    try:
        client = Client.open(search.url, timeout=60)
        found = client.search(
            collections=list(search.collections), bbox=search.bbox, datetime=search.datetime, max_items=search.most
        )
        for item in found.items():
            yield _scene(item, scenes, None)
    except (APIError, OSError) as error:  # an OSError is what requests raises
        raise InputRefused.of("STAC", search.url, f"does not answer: {error}"[:300], "Check the address") from None


def _local(paths: Paths) -> Any:
    """Reads the files of a catalog, below the allowed folders only, and no address."""
    from pystac.stac_io import DefaultStacIO

    class Local(DefaultStacIO):  # type: ignore[misc, unused-ignore]
        def read_text_from_href(self, href: str) -> str:
            return Path(_local_path(href, "a catalog", paths)).read_text("utf-8")

    return Local()


def _items(top: Any, depth: int = 0) -> Iterator[pystac.Item]:
    """The items, those of children too; a catalog that is its own child ends."""
    if depth > 16:
        raise InputRefused.of("STAC", top.id, "catalogs lie more than 16 deep in each other", "Correct its links")
    yield from top.get_items()
    for child in top.get_children():
        yield from _items(child, depth + 1)


def _scene(item: pystac.Item, scenes: Scenes, paths: Paths | None) -> SceneEntry:
    assets = _assets(item, scenes)
    files = []
    for asset in assets.values():
        href = asset.get_absolute_href() or asset.href
        files.append(_local_path(href, item.id, paths) if paths and not _remote(href, scenes) else href)
    moment = item.datetime or item.common_metadata.start_datetime
    date = moment and (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC))
    own = {
        key.replace(":", "_").replace("-", "_"): str(value)
        for key, value in item.properties.items()
        if isinstance(value, str | int | float) and not isinstance(value, bool)
    }
    own = {key: value for key, value in own.items() if key.isidentifier()}
    if item.collection_id:
        own["collection"] = item.collection_id
    return SceneEntry(item.id, tuple(files), date, own, tuple(assets) if len(assets) > 1 else None)


def _assets(item: pystac.Item, scenes: Scenes) -> dict[str, Any]:
    """The assets that are the scene: those that are named, else the rasters with the role data, else all rasters."""
    if scenes.assets:
        lack = [name for name in scenes.assets if name not in item.assets]
        if lack:
            what = f"has no asset {lack[0]}; it has {', '.join(item.assets) or 'none'}"
            raise InputRefused.of("STAC", item.id, what, "Name others under scenes: assets")
        return {name: item.assets[name] for name in scenes.assets}
    rasters = {k: a for k, a in item.assets.items() if (a.media_type or "").partition(";")[0].strip() in _RASTERS}
    data = {key: asset for key, asset in rasters.items() if "data" in (asset.roles or ())}
    if not rasters:
        raise InputRefused.of("STAC", item.id, "has no asset that is a raster", "Name them under scenes: assets")
    return data or rasters


def _remote(href: str, scenes: Scenes) -> bool:
    scheme = urlparse(href).scheme
    if scheme in ("http", "https", "s3"):
        if not scenes.allow_remote:
            what = "lies on the network"
            raise InputRefused.of("STAC", href, what, "Say allow_remote: true under scenes")
        return True
    return False


def _local_path(href: str, where: str, paths: Paths) -> str:
    parsed = urlparse(href)
    if parsed.scheme not in ("", "file") or parsed.netloc not in ("", "localhost"):
        raise InputRefused.of("STAC", href, f"is a link of {where} that leaves this disk", "Make a local copy")
    return paths.at(unquote(parsed.path) if parsed.scheme == "file" else href)
