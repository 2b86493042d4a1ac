"""Upload: a bundle that travels to workers which do not see the client's files; workers that join later get it too."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

from distributed import WorkerPlugin

from geoseg.errors import BundleError, GeosegError, ResourceError
from geoseg.model.bundle import Bundle, open_bundle

MOST_BYTES = 1 << 30
"""A larger bundle is not sent through the scheduler."""


class BundlePlugin(WorkerPlugin):
    """The files of a bundle; each worker writes them into its own folder, which Dask removes with the worker."""

    def __init__(self, bundle: Bundle) -> None:
        """Read the files; ResourceError UPLOAD where they are too many bytes."""
        paths = [
            Path(bundle.path) / "card.json",
            Path(bundle.weights),
            *([Path(bundle.sample)] if bundle.sample else []),
        ]
        size = sum(path.stat().st_size for path in paths)
        if size > MOST_BYTES:
            what = f"has {size >> 20} MiB, too many to send to every worker"
            raise ResourceError.of("UPLOAD", bundle.path, what, "Put it where all workers see it under the same path")
        self.name = name_of(bundle)
        self.digest = bundle.digest
        self.files = {path.name: path.read_bytes() for path in paths}
        self.bundle: Bundle | None = None
        self.error = ""

    async def setup(self, worker: Any) -> None:
        """Write and check the files, beside the worker's loop: it goes on answering."""
        folder = Path(worker.local_directory) / self.name
        try:
            self.bundle = await asyncio.to_thread(self._keep, folder)
        except Exception as error:  # told when it is asked for: what Dask makes of an error here may not travel
            self.error = f"{error}" if isinstance(error, GeosegError | OSError) else repr(error)
        self.files = {}

    def _keep(self, folder: Path) -> Bundle:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in self.files.items():
            (folder / name).write_bytes(data)
        found = open_bundle(folder)
        if found.digest != self.digest:
            raise BundleError.of("DIGEST", folder, "is not the bundle that was sent", "Run the command again")
        return found


def name_of(bundle: Bundle) -> str:
    """Name of the plugin that carries the bundle."""
    return f"geoseg-bundle-{bundle.digest[:24]}"


def bundle_here(bundle: Bundle, worker: Any) -> Bundle:
    """On ``worker``: the bundle where it lies here, by upload or under its own path.

    Raises
    ------
    BundleError
        It is neither uploaded nor, as the one that the client means, under its path.
    """
    plugin = worker.plugins.get(name_of(bundle))
    if isinstance(plugin, BundlePlugin):
        if plugin.bundle is None:
            raise ResourceError.of("UPLOAD", bundle.name, plugin.error or "has not arrived", "Check the worker's disk")
        return replace(plugin.bundle, beside=bundle.beside)
    found = open_bundle(bundle.path)
    if found.digest != bundle.digest:
        raise BundleError.of("DIGEST", bundle.path, f"is another bundle on {worker.address}", "Copy it again")
    return bundle


async def kept(bundle: Bundle, dask_worker: Any = None) -> str | GeosegError:
    """On every worker, run by Dask: the digest of what :func:`bundle_here` gives, or why it gives nothing."""
    try:
        return (await asyncio.to_thread(bundle_here, bundle, dask_worker)).digest
    except GeosegError as error:
        return error.alone()
