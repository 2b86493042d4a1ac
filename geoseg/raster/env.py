"""GDAL's settings: one locked-down environment for everything that opens a dataset.

A hostile file can make GDAL read other files, reach the network or fill the memory. Within :func:`gdal_env` no
directory is listed, no sidecar is read, no URL is fetched, and the block cache is capped. The settings hold for the
process when entered in its main thread, and for the thread otherwise, so every thread that opens a dataset enters its own.
"""

from __future__ import annotations

import rasterio

_LOCKED: dict[str, str] = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_TIFF_INTERNAL_MASK": "YES",
    "GDAL_MAX_BAND_COUNT": "4096",
    "CPL_VSIL_CURL_USE_HEAD": "NO",
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": "{none}",
    "CPL_LOG": "/dev/null",
}
_REMOTE: dict[str, str] = {
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".tif,.tiff,.gtif,.jp2,.TIF,.TIFF,.JP2",
    "GDAL_HTTP_MAX_RETRY": "4",
    "GDAL_HTTP_RETRY_DELAY": "1",
    "GDAL_HTTP_CONNECTTIMEOUT": "20",
    "GDAL_HTTP_TIMEOUT": "120",
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "GDAL_HTTP_MULTIRANGE": "YES",
    "VSI_CACHE": "YES",
}


def gdal_env(*, allow_remote: bool = False, cache_mb: int = 256, threads: int | None = None) -> rasterio.Env:
    """Return a context manager that locks GDAL down.

    Parameters
    ----------
    allow_remote
        Let GDAL fetch ``/vsicurl`` and ``/vsis3`` paths of rasters.
    cache_mb
        Cap of GDAL's block cache in MiB, for the whole process.
    threads
        Threads that GDAL decodes and warps with; one when not given.
    """
    options = _LOCKED | (_REMOTE if allow_remote else {})
    return rasterio.Env(GDAL_CACHEMAX=cache_mb, GDAL_NUM_THREADS=str(threads or 1), **options)
