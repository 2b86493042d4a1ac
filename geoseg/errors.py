"""Every error that geoseg raises on purpose.

::

    GeosegError
    ├── UsageError          2   the command or the call is wrong
    ├── InputRefused        3   a scene, mask or label file cannot be used
    ├── Conflict            4   an output exists, is locked, or an input changed under a run
    ├── BundleError         5   a bundle or a checkpoint is damaged, missing or does not fit
    ├── ResourceError       6   memory, disk, device
    ├── ClusterLost         7   no scheduler, no workers
    ├── DoneInPart          8   blocks failed; the report names them
    └── Interrupted   130/143   stopped by a signal; the same command resumes

A message reads ``CODE: WHERE: what. Remedy.`` and fits one line. Errors travel between processes,
so each is built from its message alone; factories build the message.
"""

from __future__ import annotations

from typing import ClassVar, Self


class GeosegError(Exception):
    """Root of geoseg's own errors; ``exit_code`` is what the command line ends with."""

    exit_code: ClassVar[int] = 1

    @property
    def code(self) -> str:
        """The word before the first colon, in capitals (``NO_CRS``), for programs."""
        return str(self).partition(":")[0]

    def alone(self) -> Self:
        """The error without traceback and cause, which need not pickle (GDAL's do not): what leaves a worker."""
        return type(self)(*self.args)

    @classmethod
    def of(cls, code: str, where: object, what: str, remedy: str = "") -> Self:
        """Build the one-line message from its parts; line breaks and full stops are tidied."""
        ending = "" if not remedy or remedy.rstrip().endswith(".") else "."
        return cls(" ".join(f"{code}: {where}: {what.rstrip('. ')}. {remedy.rstrip()}{ending}".split()))


class UsageError(GeosegError, ValueError):
    """The command line or the call cannot be carried out as written."""

    exit_code = 2


class InputRefused(GeosegError, ValueError):
    """A file is not something geoseg may or can use; the code says why (``FORMAT``, ``NO_CRS``, ...)."""

    exit_code = 3


class Conflict(GeosegError):
    """An output exists or is in use, or an input changed while it was read."""

    exit_code = 4


class BundleError(GeosegError, ValueError):
    """A bundle is missing, damaged, of another version, or does not fit the scene's use."""

    exit_code = 5


class ResourceError(GeosegError, RuntimeError):
    """Memory, disk space or a device is not there."""

    exit_code = 6


class ClusterLost(GeosegError, RuntimeError):
    """The scheduler cannot be reached, or no worker came or stayed."""

    exit_code = 7


class DoneInPart(GeosegError):
    """The run ended, but some blocks failed; they are named in ``run.json``."""

    exit_code = 8


class Interrupted(GeosegError):
    """The run was stopped by SIGINT; finished blocks are kept and the same command resumes."""

    exit_code = 130


class Terminated(Interrupted):
    """The run was stopped by SIGTERM; finished blocks are kept and the same command resumes."""

    exit_code = 143
