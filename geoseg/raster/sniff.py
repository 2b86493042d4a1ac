"""Sniff: what a path is before GDAL may see it: a plain local file or an allowed URL, its format, its raw tags.

The format comes from the first bytes, never from the name. The raw tags of a TIFF and the boxes of a JPEG 2000 file are
walked here, bounded, because GDAL follows file names that stand in them and allocates for every band that they declare.
"""

from __future__ import annotations

import html
import os
import re
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from geoseg.errors import InputRefused

MAX_BANDS = 1024
"""More bands than any imaging spectrometer has; GDAL takes 10 KB for each before a pixel is read."""

_MAX_IFDS = 4096
_MAX_TAG_BYTES = 16 << 20
_TIFF_MAGIC = {b"II*\0": "<", b"MM\0*": ">", b"II+\0": "<", b"MM\0+": ">"}
_JP2_MAGIC = (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")
_OTHERS = (
    (b"CDF", "NetCDF"),
    (b"\x89HDF", "HDF5 or NetCDF-4"),
    (b"\x89PNG", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF8", "GIF"),
    (b"PK", "a zip archive"),
    (b"\x1f\x8b", "gzip"),
    (b"EHFA", "Erdas Imagine"),
    (b"SQLite format 3", "a GeoPackage or SQLite database"),
    (b"<VRT", "a GDAL virtual raster"),
    (b"<", "XML"),
    (b"{", "JSON"),
    (b"\0\0\x27\x0a", "a Shapefile"),
)
_REMOTE_SCHEMES = {"http": "/vsicurl/http://", "https": "/vsicurl/https://", "s3": "/vsis3/"}
_NAMES_A_FILE = re.compile(r"\b(OVERVIEW_FILE|[XY]_DATASET)\b|<(VRTDataset|SourceFilename)\b", re.IGNORECASE)
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_BANDS, _SUB_IFDS, _GDAL_METADATA = 277, 330, 42112


@dataclass(frozen=True, slots=True)
class Sniffed:
    """What GDAL may open: a ``target`` (local path or ``/vsi`` string), its ``driver`` and its bytes (0 if remote)."""

    target: str
    driver: str
    size: int


def sniff(path: str | Path, *, allow_remote: bool = False, pictures: bool = False) -> Sniffed:
    """Look at a path and at the file's own bytes; refuse what is no plain GeoTIFF or JPEG 2000 file.

    ``pictures`` takes PNG and JPEG files too, which have no place on Earth.

    Raises
    ------
    InputRefused
        ``PATH``, ``REMOTE``, ``NOT_FOUND``, ``NOT_A_FILE``, ``EMPTY_FILE``, ``FORMAT``, ``OPEN``, ``TOO_BIG``,
        ``EXTERNAL_REF``.
    """
    remote = remote_target(path, allow_remote=allow_remote)
    if remote is not None:
        return Sniffed(
            remote, "JP2OpenJPEG" if urlsplit(remote).path.lower().endswith((".jp2", ".j2k")) else "GTiff", 0
        )
    size = check_local(path)
    if size == 0:
        raise InputRefused.of("EMPTY_FILE", path, "the file has no bytes", "Copy or download it again")
    try:
        with open(path, "rb") as file:
            picture = _picture(file.read(4)) if pictures else None
            file.seek(0)
            return Sniffed(os.path.abspath(path), picture or _check_bytes(path, file, size), size)
    except OSError as error:
        raise InputRefused.of(
            "OPEN", path, error.strerror or str(error), "Check the file's permissions and its disk"
        ) from error


def remote_target(path: str | Path, *, allow_remote: bool = False) -> str | None:
    """Return the ``/vsi`` path of a URL that may be read, None for a local path; refuse GDAL's other names."""
    text = os.fspath(path)
    if not text or "\0" in text:
        raise InputRefused.of("PATH", repr(text), "this is not a path", "Name a file")
    for scheme, prefix in _REMOTE_SCHEMES.items():
        url = text.startswith(prefix) or text.lower().startswith(f"{scheme}://")
        if url and not allow_remote:
            raise InputRefused.of("REMOTE", text, "the scene is not on this machine", "Add --allow-remote to fetch it")
        if url:
            return text if text.startswith("/vsi") else prefix + text.partition("://")[2]
    if text.lower().lstrip("/").startswith("vsi") and text.startswith("/"):
        raise InputRefused.of(
            "PATH", text, "GDAL's virtual file systems are not read", "Unpack it and name the file itself"
        )
    if re.match(r"[A-Za-z][\w+.-]*:", text) and not os.path.lexists(text):
        raise InputRefused.of(
            "PATH", text, "a driver prefix or an unknown kind of URL", "Name a file, or an http(s) or s3 URL"
        )
    return None


def check_local(path: str | Path, *, folder_ok: bool = False) -> int:
    """Return the size of a regular file (0 for a folder), unopened: a FIFO would block and a device has no end."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        raise InputRefused.of("NOT_FOUND", path, "there is no such file", "Check the path") from None
    except (OSError, ValueError) as error:
        raise InputRefused.of("PATH", path, str(error), "Check the path") from None
    if stat.S_ISDIR(found.st_mode) and folder_ok:
        return 0
    if not stat.S_ISREG(found.st_mode):
        kind = "a folder" if stat.S_ISDIR(found.st_mode) else "a pipe, socket or device"
        raise InputRefused.of(
            "NOT_A_FILE", path, f"this is {kind}, not a raster file", "Name a GeoTIFF or JPEG 2000 file"
        )
    return found.st_size


def _picture(head: bytes) -> str | None:
    """The driver of a PNG or JPEG file."""
    return "PNG" if head == b"\x89PNG" else "JPEG" if head[:3] == b"\xff\xd8\xff" else None


def _check_bytes(path: str | Path, file: BinaryIO, size: int) -> str:
    head = file.read(16)
    if head[:4] in _TIFF_MAGIC:
        order, big = _TIFF_MAGIC[head[:4]], b"+" in head[:4]
        for tag, values in _tags(file, size, order, big=big):
            _check_tag(path, tag, values, order)
        return "GTiff"
    if head.startswith(_JP2_MAGIC):
        for text in _xml_boxes(file, size):
            _check_names(path, text)
        return "JP2OpenJPEG"
    kind = next((name for magic, name in _OTHERS if head.startswith(magic)), "no known raster format")
    raise InputRefused.of("FORMAT", path, f"not a GeoTIFF or JPEG 2000 file ({kind})", "Convert it to GeoTIFF first")


def _check_tag(path: str | Path, tag: int, values: bytes, order: str) -> None:
    if tag == _BANDS and (bands := struct.unpack(order + "HI"[len(values) == 4], values)[0]) > MAX_BANDS:
        raise InputRefused.of(
            "TOO_BIG", path, f"{bands} bands, and {MAX_BANDS} are the limit", "Extract the bands you need"
        )
    if tag == _GDAL_METADATA:
        _check_names(path, values)


def _check_names(path: str | Path, text: bytes) -> None:
    if found := _NAMES_A_FILE.search(html.unescape(text.decode("latin-1"))):
        what = f"its metadata name another file ({found.group()})"
        raise InputRefused.of("EXTERNAL_REF", path, what, "Rewrite it as a plain GeoTIFF, e.g. with gdal_translate")


def _tags(file: BinaryIO, size: int, order: str, *, big: bool) -> Iterator[tuple[int, bytes]]:
    """Yield (tag, bytes of its values) of the few tags that matter, over all directories, each once, cycles or not."""
    entry = struct.Struct(order + ("HHQ8s" if big else "HHI4s"))
    offset, count = struct.Struct(order + ("Q" if big else "I")), struct.Struct(order + ("Q" if big else "H"))
    todo = [_unpack(file, 8 if big else 4, offset)]
    seen: set[int] = set()
    while todo and len(seen) < _MAX_IFDS:
        at = todo.pop()
        if at in seen or not 0 < at < size:
            continue
        seen.add(at)
        n = min(_unpack(file, at, count), 65535)
        table = file.read(n * entry.size + offset.size)
        whole = min(n * entry.size, len(table)) // entry.size * entry.size
        for tag, kind, number, inline in entry.iter_unpack(table[:whole]):
            if tag not in (_BANDS, _SUB_IFDS, _GDAL_METADATA):
                continue
            if tag == _BANDS and (len(seen) > 1 or number != 1 or kind not in (3, 4)):
                continue
            length = number * _SIZES.get(kind, 1)
            if tag == _GDAL_METADATA and length > _MAX_TAG_BYTES:
                raise InputRefused.of("TOO_BIG", file.name, f"{length} bytes of metadata", "Rewrite it without them")
            values = _values(file, length, inline, offset)
            if tag == _SUB_IFDS:
                wide = struct.Struct(order + ("Q" if _SIZES.get(kind, 4) == 8 else "I"))
                whole = min(len(values) // wide.size, _MAX_IFDS) * wide.size
                todo.extend(at for (at,) in wide.iter_unpack(values[:whole]))
            else:
                yield tag, values
        if len(table) == n * entry.size + offset.size:
            todo.append(offset.unpack_from(table, n * entry.size)[0])


def _unpack(file: BinaryIO, at: int, number: struct.Struct) -> int:
    file.seek(at)
    data = file.read(number.size)
    return int(number.unpack(data)[0]) if len(data) == number.size else 0


def _values(file: BinaryIO, length: int, inline: bytes, offset: struct.Struct) -> bytes:
    if length <= len(inline):
        return inline[:length]
    back = file.tell()
    file.seek(min(offset.unpack(inline)[0], (1 << 62)))
    values = file.read(min(length, _MAX_TAG_BYTES))
    file.seek(back)
    return values


def _xml_boxes(file: BinaryIO, size: int) -> Iterator[bytes]:
    """Yield the contents of every JPEG 2000 box that can hold text; the code-stream (``jp2c``) is stepped over."""
    at = 0
    for _ in range(_MAX_IFDS):
        file.seek(at)
        head = file.read(16)
        if len(head) < 8 or head.startswith(b"\xff\x4f"):
            return
        length, kind = struct.unpack(">I4s", head[:8])
        start = at + (16 if length == 1 else 8)
        if length == 1 and len(head) == 16:
            length = struct.unpack(">Q", head[8:])[0]
        end = size if length == 0 else at + length
        if end <= at + 8:
            return
        if kind != b"jp2c":
            file.seek(start)
            yield file.read(min(max(end - start, 0), _MAX_TAG_BYTES))
        at = end
