"""GDAL's settings: one locked-down environment for everything that opens a dataset.

A hostile file can make GDAL read other files, reach the network or fill the memory. Within :func:`gdal_env` no
directory is listed, no sidecar is read, no URL is fetched, and the block cache is capped. The settings hold for the
process when entered in its main thread, and for the thread otherwise: every thread that opens or reads a dataset enters
its own. Environments nest like the datasets they serve: leave them in reverse order.
"""

from __future__ import annotations

import logging

import rasterio
from rasterio._err import CPLE_BaseError
from rasterio.env import getenv, hasenv
from rasterio.errors import RasterioError

GDAL_ERRORS: tuple[type[Exception], ...] = (RasterioError, CPLE_BaseError, UnicodeDecodeError)
"""What rasterio raises for a bad file; GDAL's own errors (``CPLE_...``) are no ``RasterioError``."""

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
    return rasterio.Env(GDAL_CACHEMAX=cache_mb, GDAL_NUM_THREADS=str(threads or 1), **options)


def is_locked(*, allow_remote: bool = False) -> bool:
    """Say whether this thread is already inside a :func:`gdal_env` that allows the same."""
    options = getenv() if hasenv() else {}
    held = options.get("GDAL_GEOREF_SOURCES") == "INTERNAL"
    return held and ("CPL_VSIL_CURL_ALLOWED_FILENAME" not in options) == allow_remote
