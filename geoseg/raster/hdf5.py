"""Hdf5: refuse files (NetCDF 4) that take values from other files, or cannot be read in small pieces."""

from __future__ import annotations

from typing import Any

import numpy as np

from geoseg.errors import InputRefused

_MAX_VARIABLES = 1024
_MAX_CHUNK_BYTES = 128 << 20
_MAX_AXIS = 1 << 24


def check_hdf5(path: str) -> None:
    """An HDF5 file can take its values from other files: by links, external storage or virtual datasets."""
    try:
        import h5py
    except ImportError as error:
        raise InputRefused.of(
            "FORMAT", path, "NetCDF 4 needs h5netcdf and h5py", "pip install 'geoseg[netcdf]'"
        ) from error

    try:
        with h5py.File(path, "r") as file:
            if len(file) > _MAX_VARIABLES:
                what = f"holds more than {_MAX_VARIABLES} objects"
                raise InputRefused.of("TOO_BIG", path, what, "Extract the variables you need")
            for name in file:
                _check_object(path, file, name)
    except InputRefused:
        raise
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise InputRefused.of("FORMAT", path, f"a damaged HDF5 file ({error})", "Convert it to GeoTIFF") from error


def _check_object(path: str, file: Any, name: str) -> None:
    import h5py

    link = file.get(name, getlink=True)
    if isinstance(link, h5py.ExternalLink):
        raise InputRefused.of("EXTERNAL_REF", path, f"{name} lies in another file", "Copy the values into one file")
    node = file[name] if isinstance(link, h5py.HardLink) else None
    if not isinstance(node, h5py.Dataset):
        return
    if node.external or node.is_virtual:
        what = f"{name} takes its values from another file"
        raise InputRefused.of("EXTERNAL_REF", path, what, "Copy the values into one file")
    chunk = int(np.prod(node.chunks or (0,), dtype=object)) * node.dtype.itemsize
    if chunk > _MAX_CHUNK_BYTES or (node.ndim == 1 and node.size > _MAX_AXIS):
        raise InputRefused.of(
            "TOO_BIG", path, f"{name} cannot be read in small pieces", "Rewrite it with smaller chunks"
        )
