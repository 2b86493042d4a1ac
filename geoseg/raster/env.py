"""GDAL's settings: one locked-down environment for everything that opens a dataset.

A hostile file can make GDAL read other files, reach the network or fill the memory. Within :func:`gdal_env` no
directory is listed, no sidecar is read, no URL is fetched, and the block cache is capped. The settings hold for the
process when entered in its main thread, and for the thread otherwise: every thread that opens or reads a dataset enters
its own. Environments nest like the datasets they serve: leave them in reverse order.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import rasterio
from rasterio._err import CPLE_BaseError
from rasterio.env import getenv, hasenv
from rasterio.errors import RasterioError

GDAL_ERRORS: tuple[type[Exception], ...] = (RasterioError, CPLE_BaseError, UnicodeDecodeError)
"""What rasterio raises for a bad file; GDAL's own errors (``CPLE_...``) are no ``RasterioError``."""

GDAL_VERSION: str = rasterio.__gdal_version__
"""What decodes and resamples."""

_LOCKED: dict[str, str] = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",  # no .ovr, .msk, .aux.xml, .tfw, .rpc beside the scene
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_GEOREF_SOURCES": "INTERNAL",
    "USE_RRD": "NO",
    "GDAL_MAX_BAND_COUNT": "1024",
    "CPL_VSIL_SHOW_NETWORK_STATS": "NO",
    "CPL_LOG": "/dev/null",  # what GDAL says outside of rasterio's error handler would land on stderr
}
_LOCAL: dict[str, str] = {"CPL_VSIL_CURL_ALLOWED_FILENAME": "none"}
_REMOTE: dict[str, str] = {
    "GDAL_HTTP_MAX_RETRY": "4",
    "GDAL_HTTP_RETRY_DELAY": "1",
    "GDAL_HTTP_CONNECTTIMEOUT": "20",
    "GDAL_HTTP_TIMEOUT": "120",
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "VSI_CACHE": "YES",
}

_hooks_lock = threading.Lock()
_hooks_held = 0
_hooks_before: tuple[Callable[..., Any], Callable[..., Any]] = (sys.unraisablehook, sys.excepthook)

logging.getLogger("rasterio").addHandler(logging.NullHandler())


def gdal_env(*, allow_remote: bool = False, cache_mb: int = 256, threads: int | None = None) -> rasterio.Env:
    """Return a context manager that locks GDAL down.

    Parameters
    ----------
    allow_remote
        Let GDAL fetch ``/vsicurl`` and ``/vsis3`` paths.
    cache_mb
        Cap of GDAL's block cache in MiB; it holds for the whole process.
    threads
        Threads that GDAL decodes and warps with; one when not given.
    """
    options = _LOCKED | (_REMOTE if allow_remote else _LOCAL)
    cache = cache_mb << 20  # rasterio hands it on as bytes, unlike GDAL's own setting
    return rasterio.Env(GDAL_CACHEMAX=cache, GDAL_NUM_THREADS=str(threads or 1), **options)


def is_locked(*, allow_remote: bool = False) -> bool:
    """Say whether this thread is already inside a :func:`gdal_env` that allows the same."""
    options = getenv() if hasenv() else {}
    held = options.get("GDAL_GEOREF_SOURCES") == "INTERNAL"
    return held and ("CPL_VSIL_CURL_ALLOWED_FILENAME" not in options) == allow_remote


@contextmanager
def undecodable_messages_ignored() -> Iterator[None]:
    """Keep stderr clean where GDAL quotes bytes of a broken file in a warning.

    rasterio decodes each message as UTF-8 inside a C callback; what fails there cannot be raised, so Python prints it
    through both of its hooks. They are replaced while any thread is inside; all else goes on to the hooks from before.
    """
    global _hooks_held, _hooks_before
    with _hooks_lock:
        if _hooks_held == 0:
            _hooks_before = (sys.unraisablehook, sys.excepthook)
            sys.unraisablehook, sys.excepthook = _on_unraisable, _on_exception
        _hooks_held += 1
    try:
        yield
    finally:
        with _hooks_lock:
            _hooks_held -= 1
            if _hooks_held == 0:
                sys.unraisablehook, sys.excepthook = _hooks_before


def _on_unraisable(unraisable: Any) -> None:
    if not issubclass(unraisable.exc_type, UnicodeDecodeError):
        _hooks_before[0](unraisable)


def _on_exception(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    if not issubclass(kind, UnicodeDecodeError):
        _hooks_before[1](kind, error, trace)
