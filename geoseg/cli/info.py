"""``geoseg info``: what a scene is, and whether a bundle fits it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from geoseg.cli import options
from geoseg.errors import InputRefused

if TYPE_CHECKING:
    from geoseg.grid.geobox import GeoBox
    from geoseg.model.bundle import Bundle
    from geoseg.raster.admit import Admitted
    from geoseg.raster.scene import Band, Scene

_COLLAR = 0.005
_NUMBERS = re.compile(r"\[\n(\s+-?\d[\d.e+-]*,?\n)+\s*\]")  # lists of numbers, to print on one line
_OWN_VALIDITY = {"alpha", "per_dataset", "nodata"}


@click.command(epilog=options.example("geoseg info scene.tif"))
@click.argument("scene", nargs=-1, required=True, metavar="SCENE...")
@options.scene_options
@options.date_options
@options.bundle
@click.option("--headers-only", is_flag=True, help="Decode no pixels: faster, and damage is not found.")
def command(scene: tuple[str, ...], bundle: str | None, headers_only: bool, **given: Any) -> None:
    """What a scene is: its grid, bands, validity and files, as JSON on stdout.

    SCENE is one raster file, several files of one scene, or the folder of a Sentinel-2 or Landsat product. Pixels are
    decoded once, up to 64 MiB of them spread over the scene; "decoded" says which share that was.

    With a bundle that compares two dates name BEFORE AFTER: they become one scene, with the bands before_... and after_...
    """
    from geoseg.cli.progress import working

    crs = given["assume_crs"]
    with working():
        known, opened = _opened(scene, bundle, given)
        files = [] if headers_only else _admit_files(opened, crs)
    facts = _scene_facts(opened) | {"files": [_file_facts(item) for item in files]}
    facts["hints"] = _hints(opened, files)
    if known is not None:
        facts["bundle"] = _bundle_facts(opened, known)
    text = json.dumps(_plain(facts), indent=2, ensure_ascii=False, allow_nan=False)
    click.echo(_NUMBERS.sub(lambda found: " ".join(found.group().split()).replace("[ ", "[").replace(" ]", "]"), text))


def _opened(scene: tuple[str, ...], path: str | None, given: dict[str, Any]) -> tuple[Bundle | None, Scene]:
    """The bundle, and the scene as one date or two; of one file alone it is said what it is, whatever the bundle wants."""
    if path is None:
        return None, options.open_inputs(scene, None, given)
    from geoseg.model.bundle import open_bundle

    bundle = open_bundle(path)
    alone = len(scene) == 1 and not given["before"]
    return bundle, options.open_inputs(scene, None if alone else bundle, given)


def _admit_files(scene: Scene, crs: str | None) -> list[Admitted]:
    """Admit each raster of the scene again, pixels included; what GDAL does not read (NetCDF) was read by the scene."""
    from geoseg.raster.admit import DRIVERS, admit
    from geoseg.raster.decode import PIXEL_BUDGET

    paths = list(dict.fromkeys(band.path for band in scene.bands if band.driver in DRIVERS))
    share = PIXEL_BUDGET // max(len(paths), 1)
    return [
        admit(path, allow_remote=scene.allow_remote, assume_crs=crs, pixels=True, pixel_budget=share) for path in paths
    ]


def _scene_facts(scene: Scene) -> dict[str, Any]:
    rows, cols = scene.geobox.shape
    return {
        "name": scene.name,
        "product": scene.product,
        "datetime": scene.datetime,
        "rows": rows,
        "cols": cols,
        "units": scene.units,
        "bands": [_band_facts(band) for band in scene.bands],
        **_place_facts(scene.geobox),
    }


def _band_facts(band: Band) -> dict[str, Any]:
    return {
        "name": band.name,
        "file": Path(band.path).name,
        "index": band.index,
        "dtype": band.dtype,
        "nodata": band.nodata,
        "scale": band.scale,
        "offset": band.offset,
        "on_scene_grid": not band.warped,
    }


def _place_facts(geobox: GeoBox) -> dict[str, Any]:
    from rasterio.crs import CRS

    crs = CRS.from_wkt(geobox.crs)
    authority = crs.to_authority()
    return {
        "crs": ":".join(authority) if authority else geobox.crs,
        "crs_name": _crs_name(geobox.crs),
        "crs_units": crs.units_factor[0],
        "res": geobox.res,
        "bounds": geobox.bounds,
        "transform": geobox.transform,
        "footprint": _footprint(geobox),
    }


def _footprint(geobox: GeoBox) -> dict[str, Any] | None:
    """The outline in longitude and latitude; None where it leaves the Earth or goes around a pole."""
    from geoseg.raster.georef import lonlat, outline

    edge = outline(geobox.shape)
    ring = _unwrap(lonlat(geobox, edge))
    closed = len(ring) == len(edge) and math.isclose(ring[0][0], ring[-1][0], abs_tol=1e-6)
    return {"type": "Polygon", "coordinates": [ring]} if closed else None


def _file_facts(item: Admitted) -> dict[str, Any]:
    return {
        "path": item.path,
        "driver": item.driver,
        "bytes": item.size,
        "rows": item.shape[0],
        "cols": item.shape[1],
        "bands": item.count,
        "dtypes": sorted(set(item.dtypes)),
        "descriptions": item.descriptions if any(item.descriptions) else None,
        "colours": item.colours,
        "validity": sorted({flag for flags in item.masks for flag in flags}),
        "block": item.block_shape,
        "compression": item.compression,
        "overviews": item.overviews,
        "decoded": round(item.decoded.share, 4) if item.decoded else None,
    }


def _hints(scene: Scene, files: Iterable[Admitted]) -> list[str]:
    """What a person would want to know before a run."""
    hints = list(scene.notes)
    declared = any(band.nodata is not None for band in scene.bands)
    for item in files:
        name = Path(item.path).name
        unmarked = not declared and not _OWN_VALIDITY & {flag for flags in item.masks for flag in flags}
        collar = item.decoded.collar if item.decoded else None
        if unmarked and collar is not None and collar > _COLLAR:
            hints = [
                hint for hint in hints if not (hint.startswith(name) and "--nodata" in hint)
            ]  # this one has a figure
            hints.append(
                f"{name}: {collar:.1%} of the pixels are 0 in every band up to the scene's edge and no nodata value is "
                "set; add --nodata 0 if they lie outside the footprint"
            )
        if item.size and Path(item.path + ".msk").exists():
            hints.append(f"{name}: a mask lies beside it (.msk) and is not read; put it inside the file")
        if item.decoded and item.decoded.share < 1:
            hints.append(f"{name}: {item.decoded.share:.1%} of the pixels were decoded, spread over the file")
    if all(band.name.isdecimal() for band in scene.bands):
        hints.append("the bands have no names; name them with --bands NAME,...")
    return hints


def _bundle_facts(scene: Scene, bundle: Bundle) -> dict[str, Any]:
    from geoseg.raster.dated import undated

    reason = _misfit(scene, bundle)
    names = [band.name for band in bundle.bands]
    each = undated(names)
    return {
        "path": bundle.path,
        "name": bundle.name,
        "version": bundle.version,
        "digest": bundle.digest,
        "bands": names,
        "dates": 1 if each is None else 2,
        "bands_of_each_date": names if each is None else list(each),
        "units": bundle.units,
        "fits": reason is None,
        "reason": reason,
    }


def _misfit(scene: Scene, bundle: Bundle) -> str | None:
    """Why the bundle cannot predict this scene, None where it can."""
    from geoseg.raster.pair import check_dates

    names = [band.name for band in bundle.bands]
    try:
        check_dates(scene, names)
        scene.select(names).in_units(bundle.units)
    except InputRefused as error:
        return str(error)
    return None


def _crs_name(wkt: str) -> str:
    return wkt.partition('"')[2].partition('"')[0]


def _unwrap(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Move each longitude next to the one before, so that a scene across 180 degrees stays in one piece."""
    ring: list[tuple[float, float]] = []
    for lon, lat in points:
        last = ring[-1][0] if ring else lon
        ring.append((round(lon - 360 * round((lon - last) / 360), 7), round(lat, 7)))
    return ring


def _plain(value: Any) -> Any:
    """The same with numbers that JSON does not know (NaN, infinities) as text."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
