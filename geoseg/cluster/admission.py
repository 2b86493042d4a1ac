"""Admission: what every worker on another machine has to be and to see before the first block.

One worker with another geoseg or GDAL would give other bytes, one with another bundle under the same path another map, and
one that sees other files would write its blocks where nobody looks. Each is refused by name; a bundle that a worker does
not see is uploaded.
"""

from __future__ import annotations

import logging
import os
import platform
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import geoseg
from geoseg.cluster.pool import Pool
from geoseg.errors import GeosegError, ResourceError
from geoseg.model.bundle import Bundle
from geoseg.raster.env import GDAL_VERSION
from geoseg.raster.scene import Scene

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Makers:
    """Versions that a worker has to share with the client: geoseg, GDAL, Python up to its minor number."""

    geoseg: str
    gdal: str
    python: str

    @classmethod
    def here(cls) -> Self:
        """Those of this process."""
        return cls(geoseg.__version__, str(GDAL_VERSION), ".".join(platform.python_version_tuple()[:2]))

    def refuse(self, other: Makers, where: str) -> None:
        """ResourceError VERSIONS where a worker's differ from these, the client's."""
        mine, theirs = asdict(self), asdict(other)
        different = [f"{name} {theirs[name]} (here {mine[name]})" for name in mine if mine[name] != theirs[name]]
        if different:
            remedy = "Install the same versions on every worker"
            raise ResourceError.of("VERSIONS", where, f"the worker has {', '.join(different)}", remedy)


def check_versions(pool: Pool) -> None:
    """Refuse workers with other versions, or without geoseg."""
    mine = Makers.here()
    for where, found in pool.everywhere(makers).items():
        if not isinstance(found, Makers):
            what = f"the worker cannot load geoseg {mine.geoseg} ({type(found).__name__}: {found})"
            raise ResourceError.of("VERSIONS", where, what, "Install geoseg on every worker, the same version")
        mine.refuse(found, where)


def check_sight(pool: Pool, scenes: Sequence[Scene], folder: Path) -> None:
    """Refuse workers that see other scenes than the client, or not the folder of its blocks.

    Raises
    ------
    ResourceError
        ``SHARED``: a worker does not see the folder, or may not write there.
    GeosegError
        What a worker says of a scene.
    """
    if not pool.elsewhere:
        return
    token = folder / f".seen-{secrets.token_hex(8)}"
    token.touch()
    try:
        found = pool.everywhere(sees, scenes, str(token))
    finally:
        token.unlink(missing_ok=True)
    for where, seen in found.items():
        if isinstance(seen, GeosegError):
            raise type(seen)(f"{seen} (as {where} sees it)")
        if seen is not None:
            what = f"the worker {where} {seen}"
            raise ResourceError.of(
                "SHARED", folder, what, "Name by --work a folder that all workers see and may write to"
            )


def place_bundle(pool: Pool, bundle: Bundle) -> None:
    """See to it that every worker has the bundle: under the same path, or uploaded; its digest is checked where it lies.

    Raises
    ------
    BundleError
        An uploaded bundle did not arrive as what it is.
    ResourceError
        ``UPLOAD``: a worker could not keep it.
    """
    strange = {where: found for where, found in pool.keeps(bundle).items() if found != bundle.digest}
    if not strange:
        return
    where, found = next(iter(strange.items()))
    _log.info("%s: %d workers lack it (%s: %s); it is uploaded", bundle.path, len(strange), where, found)
    pool.upload(bundle)
    for worker, kept in pool.keeps(bundle).items():
        if isinstance(kept, GeosegError):
            raise kept
        if kept != bundle.digest:
            raise ResourceError.of("UPLOAD", worker, f"cannot keep the bundle {bundle.name} ({kept})", "Check its disk")


def makers() -> Makers:
    """On a worker: its versions."""
    return Makers.here()


def sees(scenes: Sequence[Scene], token: str) -> str | None:
    """On a worker: None when it sees the scenes as they are and the folder of ``token``, else what is wrong there."""
    if not os.path.exists(token):
        return "does not see this folder"
    if not os.access(os.path.dirname(token), os.W_OK):
        return "may not write to this folder"
    for scene in scenes:
        scene.check_unchanged()
    return None
