"""Safe: the bands of a Sentinel-2 SAFE folder (L1C, L2A) with the scale and offset that its metadata state."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree
from xml.parsers import expat

from geoseg.errors import InputRefused
from geoseg.raster.admit import admit
from geoseg.raster.band import Band, Found, Quality
from geoseg.raster.quality import SCL_CLOUDS
from geoseg.raster.sensors import SENTINEL2

_BAND_IDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")
"""Position = ``band_id`` in the metadata (S2 products specification, "Spectral_Information")."""
_FILE = re.compile(r"_(?P<band>B\d\d|B8A|SCL)(?:_(?P<metres>10|20|60)m)?\.jp2$", re.IGNORECASE)
_MAX_METADATA = 16 << 20


def metadata_of(folder: Path) -> Path | None:
    """The product's metadata file, or None where this is no SAFE folder."""
    return next((folder / name for name in ("MTD_MSIL2A.xml", "MTD_MSIL1C.xml") if (folder / name).is_file()), None)


def find_safe(folder: Path, metadata: Path, *, assume_crs: str | None) -> Found:
    """Describe the bands: each at its finest resolution, reflectance = (DN + offset) / quantification value, DN 0 = nodata."""
    tree = parse_xml(metadata)
    level = "l2a" if metadata.name == "MTD_MSIL2A.xml" else "l1c"
    divisor = _number(tree, "BOA_QUANTIFICATION_VALUE" if level == "l2a" else "QUANTIFICATION_VALUE", metadata)
    offsets = _offsets(tree, "BOA_ADD_OFFSET" if level == "l2a" else "RADIO_ADD_OFFSET", metadata)
    baseline = _text(tree, "PROCESSING_BASELINE") or "unknown"
    if baseline[:2].isdigit() and int(baseline[:2]) >= 4 and not offsets:
        what = f"processing baseline {baseline} has offsets and the metadata name none"
        raise InputRefused.of("PRODUCT", metadata, what, "Download the product again")
    files = _band_files(folder)
    bands = []
    for own, path in files.items():
        if own == "SCL":
            continue
        file = admit(path, assume_crs=assume_crs)
        offset = offsets.get(own, 0.0) / divisor
        bands.append(
            Band(
                SENTINEL2[own],
                str(path),
                1,
                file.driver,
                file.dtypes[0],
                nodata=0.0,
                scale=1 / divisor,
                offset=offset,
                grid=file.geobox,
                own=own,
            )
        )
    if not bands:
        raise InputRefused.of(
            "NO_BANDS", folder, "no band files (GRANULE/*/IMG_DATA/.../*_B02*.jp2) are there", "Unpack it again"
        )
    return Found(
        name=folder.resolve().name.removesuffix(".SAFE"),
        bands=tuple(bands),
        units="reflectance",
        product=f"sentinel-2-{level}",
        datetime=_text(tree, "PRODUCT_START_TIME"),
        notes=(_offset_note(baseline, divisor, offsets),),
        clouds=_scl(files["SCL"], assume_crs) if "SCL" in files else None,
    )


def parse_xml(path: Path) -> ElementTree.Element:
    """Parse a metadata file; one with a document type (and so with entities) is refused before any is read."""
    try:
        if path.stat().st_size > _MAX_METADATA:
            raise InputRefused.of(
                "TOO_BIG", path, "the metadata are larger than any product's", "Check where it comes from"
            )
        data = path.read_bytes()
        guard = expat.ParserCreate()
        guard.StartDoctypeDeclHandler = _refuse_doctype
        guard.Parse(data, True)
        return ElementTree.fromstring(data)
    except (expat.ExpatError, ElementTree.ParseError, OSError) as error:
        raise InputRefused.of(
            "PRODUCT", path, f"the metadata cannot be read ({error})", "Download the product again"
        ) from error
    except _DoctypeError as error:
        what = "the metadata declare a document type, which no Sentinel-2 product does"
        raise InputRefused.of("EXTERNAL_REF", path, what, "Check where it comes from") from error


class _DoctypeError(Exception):
    pass


def _refuse_doctype(*_: object) -> None:
    raise _DoctypeError


def _band_files(folder: Path) -> dict[str, Path]:
    """Own name -> its file of finest resolution, in the order of the spectrum; files of a single granule."""
    granules = sorted(path for path in (folder / "GRANULE").glob("*") if (path / "IMG_DATA").is_dir())
    if len(granules) > 1:
        names = ", ".join(granule.name for granule in granules[:3])
        raise InputRefused.of(
            "PRODUCT", folder, f"holds {len(granules)} granules ({names})", "Name the band files of one of them"
        )
    best: dict[str, tuple[int, Path]] = {}
    for path in sorted(granules[0].glob("IMG_DATA/**/*")) if granules else []:
        if match := _FILE.search(path.name):
            own, metres = match["band"].upper(), int(match["metres"] or 0)
            if own not in best or metres < best[own][0]:
                best[own] = metres, path
    return {own: best[own][1] for own in (*_BAND_IDS, "SCL") if own in best}


def _scl(path: Path, assume_crs: str | None) -> Quality:
    file = admit(path, assume_crs=assume_crs)
    return Quality(str(path), 1, file.driver, values=SCL_CLOUDS, grid=file.geobox)


def _offsets(tree: ElementTree.Element, tag: str, metadata: Path) -> dict[str, float]:
    offsets = {}
    for node in tree.iter(tag):
        try:
            offsets[_BAND_IDS[int(node.attrib["band_id"])]] = float(node.text or "")
        except (KeyError, IndexError, ValueError) as error:
            raise InputRefused.of(
                "PRODUCT", metadata, f"{tag} is not understood", "Download the product again"
            ) from error
    return offsets


def _offset_note(baseline: str, divisor: float, offsets: dict[str, float]) -> str:
    if not offsets:
        return f"processing baseline {baseline}: no offset; reflectance = DN / {divisor:g}"
    shown = ", ".join(f"{offset:g}" for offset in sorted(set(offsets.values())))
    return f"processing baseline {baseline}: offset applied; reflectance = (DN + ({shown})) / {divisor:g}"


def _text(tree: ElementTree.Element, tag: str) -> str | None:
    node = next(tree.iter(tag), None)
    return node.text.strip() if node is not None and node.text else None


def _number(tree: ElementTree.Element, tag: str, metadata: Path) -> float:
    try:
        number = float(_text(tree, tag) or "")
    except ValueError:
        number = 0.0
    if not number > 0:
        raise InputRefused.of(
            "PRODUCT", metadata, f"{tag} is missing or not a number above 0", "Download the product again"
        )
    return number
