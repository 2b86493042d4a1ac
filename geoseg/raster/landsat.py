"""Landsat: the bands of a Landsat Collection 2 folder (L1, L2) with the factors that its MTL file states."""

from __future__ import annotations

import json
import math
from pathlib import Path

from geoseg.errors import InputRefused
from geoseg.raster.admit import admit
from geoseg.raster.band import Band, Found, Quality
from geoseg.raster.quality import QA_PIXEL_CLOUDS
from geoseg.raster.sensors import OLI, TM

Groups = dict[str, dict[str, str]]

_MAX_METADATA = 4 << 20
_AGAIN = "Download the product again"


def metadata_of(folder: Path) -> Path | None:
    """The product's MTL file (.txt before .json), or None where this is no Landsat folder."""
    return next((path for end in ("txt", "json") for path in sorted(folder.glob(f"*_MTL.{end}"))), None)


def find_landsat(folder: Path, metadata: Path, *, assume_crs: str | None) -> Found:
    """Describe the bands that are there; DN 0 = nodata.

    L2: surface reflectance and surface temperature (K) by the factors of the product. L1: reflectance at the top of the
    atmosphere, (DN * M + A) / sin(sun elevation) as the Landsat 8-9 Data Users Handbook has it; thermal as radiance.
    """
    groups = parse_mtl(metadata)
    contents = groups.get("PRODUCT_CONTENTS", {})
    if contents.get("COLLECTION_NUMBER", "").lstrip("0") != "2":
        what = f"is of collection {contents.get('COLLECTION_NUMBER', '1 or older')}, and only Collection 2 is known"
        raise InputRefused.of("PRODUCT", metadata, what, "Download it from Collection 2, or name the band files")
    level = "l2" if contents.get("PROCESSING_LEVEL", "").startswith("L2") else "l1"
    image = groups.get("IMAGE_ATTRIBUTES", {})
    sensor = "oli" if image.get("SENSOR_ID", "OLI").startswith(("OLI", "TIRS")) else "tm"
    bands, missing = [], []
    for own, name in (OLI if sensor == "oli" else TM).items():
        key, file_name = _file_of(contents, own)
        if not file_name:
            continue
        path = _inside(folder, file_name, metadata)
        if not path.is_file():
            missing.append(f"{name} ({file_name})")
            continue
        scale, offset = _factors(groups, key, level, metadata)
        file = admit(path, assume_crs=assume_crs)
        bands.append(
            Band(
                name,
                str(path),
                1,
                file.driver,
                file.dtypes[0],
                nodata=0.0,
                scale=scale,
                offset=offset,
                grid=file.geobox,
                own=own,
            )
        )
    if not bands:
        raise InputRefused.of(
            "NO_BANDS", folder, "none of the band files that the MTL names is there", "Unpack it again"
        )
    return Found(
        name=contents.get("LANDSAT_PRODUCT_ID") or folder.resolve().name,
        bands=tuple(bands),
        units="reflectance",
        product=f"landsat-c2-{level}",
        datetime=_datetime(image),
        notes=_notes(level, missing),
        clouds=_qa_pixel(folder, contents, metadata, assume_crs),
    )


def parse_mtl(path: Path) -> Groups:
    """Read an MTL file, text or JSON, as group -> key -> value (text)."""
    if path.stat().st_size > _MAX_METADATA:
        raise InputRefused.of(
            "TOO_BIG", path, "the metadata are larger than any product's", "Check where it comes from"
        )
    try:
        text = path.read_text("utf-8")
        return _from_json(text) if path.suffix == ".json" else _from_text(text)
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise InputRefused.of("PRODUCT", path, f"the metadata cannot be read ({error})", _AGAIN) from error


def _from_json(text: str) -> Groups:
    root = json.loads(text)
    groups = root.get("LANDSAT_METADATA_FILE", root)
    return {group: {key: str(value) for key, value in keys.items()} for group, keys in groups.items()}


def _from_text(text: str) -> Groups:
    groups: Groups = {}
    inside: list[str] = []
    for line in text.splitlines():
        key, equals, value = (part.strip() for part in line.partition("="))
        if key == "GROUP":
            inside.append(value)
        elif key == "END_GROUP":
            del inside[-1:]
        elif equals and inside:
            groups.setdefault(inside[-1], {})[key] = value.strip('"')
    return groups


def _file_of(contents: dict[str, str], own: str) -> tuple[str, str]:
    """The part of the metadata's keys that names the band (``BAND_5``, ``BAND_ST_B10``), and the band's file."""
    number = own.removeprefix("B")
    for key in (f"BAND_{number}", f"BAND_ST_{own}"):
        if file_name := contents.get(f"FILE_NAME_{key}"):
            return key, file_name
    return "", ""


def _inside(folder: Path, file_name: str, metadata: Path) -> Path:
    if Path(file_name).name != file_name or file_name in (".", ".."):
        raise InputRefused.of(
            "EXTERNAL_REF", metadata, f"names a file outside of its folder ({file_name})", "Check where it comes from"
        )
    return folder / file_name


def _factors(groups: Groups, key: str, level: str, metadata: Path) -> tuple[float, float]:
    """Scale and offset of a band: value = DN * scale + offset."""
    kind, group = "REFLECTANCE", "LEVEL1_RADIOMETRIC_RESCALING"
    if level == "l2":
        thermal = "_ST_" in key
        kind = "TEMPERATURE" if thermal else "REFLECTANCE"
        group = f"LEVEL2_SURFACE_{kind}_PARAMETERS"
    factors = groups.get(group, {})
    if f"{kind}_MULT_{key}" not in factors:
        kind = "RADIANCE"
    try:
        scale, offset = float(factors[f"{kind}_MULT_{key}"]), float(factors[f"{kind}_ADD_{key}"])
        if level == "l1" and kind == "REFLECTANCE":
            sun = math.sin(math.radians(float(groups["IMAGE_ATTRIBUTES"]["SUN_ELEVATION"])))
            scale, offset = scale / sun, offset / sun
    except (KeyError, ValueError, ZeroDivisionError) as error:
        raise InputRefused.of("PRODUCT", metadata, f"has no factors for {key} ({error})", _AGAIN) from error
    if not (math.isfinite(scale) and math.isfinite(offset) and scale > 0):
        raise InputRefused.of("PRODUCT", metadata, f"the factors for {key} are not usable ({scale}, {offset})", _AGAIN)
    return scale, offset


def _qa_pixel(folder: Path, contents: dict[str, str], metadata: Path, assume_crs: str | None) -> Quality | None:
    file_name = contents.get("FILE_NAME_QUALITY_L1_PIXEL")
    path = _inside(folder, file_name, metadata) if file_name else None
    if path is None or not path.is_file():
        return None
    file = admit(path, assume_crs=assume_crs)
    return Quality(str(path), 1, file.driver, bits=QA_PIXEL_CLOUDS, grid=file.geobox)


def _datetime(image: dict[str, str]) -> str | None:
    date, time = image.get("DATE_ACQUIRED"), image.get("SCENE_CENTER_TIME", "")
    return f"{date}T{time}" if date and time else date


def _notes(level: str, missing: list[str]) -> tuple[str, ...]:
    what = "surface reflectance" if level == "l2" else "reflectance at the top of the atmosphere, sun elevation applied"
    notes = [f"Landsat Collection 2 {level.upper()}: {what}, by the factors of the MTL file"]
    if missing:
        notes.append(f"not in the folder: {', '.join(missing)}")
    return tuple(notes)
