"""Checkpoint: what a stopped training goes on from, on the disk whole or not at all.

::

    checkpoint.json            step, digest of the job, and the file of tensors by name, size and SHA-256
    step-00000200.safetensors  weights, their average, the optimizer's moments, the samples' state, the best weights

The tensors are written first; exchanging ``checkpoint.json`` is what makes them count, so a process may be killed, or the
machine lose its power, between any two bytes. Written by a thread, while the training goes on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
import numpy.typing as npt

from geoseg.errors import BundleError, Conflict, InputRefused
from geoseg.model.card import strict_json
from geoseg.model.weights import encode_tensors, read_tensors
from geoseg.raster.files import disk_errors, write_durable

FORMAT = 1
LOCK = ".lock"
Tensors = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Saved:
    """A checkpoint that was read: steps done, tensors by name, and what JSON holds."""

    step: int
    tensors: dict[str, npt.NDArray[Any]]
    facts: dict[str, Any]


class Checkpoints:
    """The checkpoints of one training in one folder, which one process holds at a time. Use as a context manager."""

    def __init__(self, folder: str | Path, digest: str) -> None:
        """``digest`` stands for the job: a checkpoint of another one is not continued."""
        self.folder = Path(folder)
        self.digest = digest
        self._lock: IO[bytes] | None = None
        self._writer = ThreadPoolExecutor(1, "checkpoint")
        self._pending: Future[None] | None = None

    def __enter__(self) -> Self:
        """Take the folder; Conflict ``LOCKED`` when another living process trains in it."""
        self._lock = take(self.folder)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for the writer and let the folder go; what the writer failed with is raised, unless something else is."""
        try:
            with suppress(*() if kind is None else (Exception,)):
                self.wait()
        finally:
            self._writer.shutdown()
            if self._lock is not None:
                self._lock.close()

    def load(self) -> Saved | None:
        """The checkpoint, or None where there is none.

        Raises
        ------
        Conflict
            ``CHECKPOINT``: it belongs to another job.
        BundleError
            ``CHECKPOINT``: it is damaged or of another version.
        """
        path = self.folder / "checkpoint.json"
        try:
            table = strict_json(path.read_bytes())
            step, name, sha256, facts, digest = (table[key] for key in ("step", "tensors", "sha256", "facts", "digest"))
            fits = table["format"] == FORMAT and Path(name).name == name and isinstance(step, int)
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise _damaged(path, f"cannot be read: {error}") from None
        if not fits:
            raise _damaged(path, "is of another version of geoseg")
        if digest != self.digest:
            what = f"belongs to another job (digest {str(digest)[:12]}, this job's is {self.digest[:12]})"
            raise Conflict.of("CHECKPOINT", path, what, "Remove the folder to begin anew, or choose another one")
        return Saved(step, _read(self.folder / name, sha256), facts)

    def save(self, step: int, tensors: Tensors, facts: Mapping[str, Any]) -> None:
        """Write a checkpoint behind the training's back; what went wrong with the one before is raised now.

        ``tensors`` must not change afterwards: give copies. ``facts`` are what JSON takes.
        """
        self.wait()
        self._pending = self._writer.submit(self._write, step, tensors, json.dumps(facts, allow_nan=False))

    def wait(self) -> None:
        """Until what :meth:`save` was given last is on the disk."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def _write(self, step: int, tensors: Tensors, facts: str) -> None:
        data = _encode(step, tensors)
        name = f"step-{step:08d}.safetensors"
        write_durable(self.folder / name, data)
        table = {
            "format": FORMAT, "step": step, "digest": self.digest, "tensors": name,
            "sha256": hashlib.sha256(data).hexdigest(), "facts": json.loads(facts),
        }  # fmt: skip
        text = json.dumps(table, indent=1, sort_keys=True, allow_nan=False)
        write_durable(self.folder / "checkpoint.json", text.encode())
        for old in [*self.folder.glob("step-*.safetensors"), *self.folder.glob(".*.tmp")]:
            if old.name != name:
                with suppress(FileNotFoundError):
                    old.unlink()


def _encode(step: int, tensors: Tensors) -> bytes:
    try:
        return encode_tensors({name: np.asarray(values) for name, values in tensors.items()})
    except BundleError:
        raise nonfinite(step, "a weight") from None


def nonfinite(step: int, what: str) -> InputRefused:
    """The error for a training that ran away."""
    remedy = (
        "Lower fit.learning_rate, set fit.clip to 1, or use fit.precision: fp32; the last checkpoint stays as it is"
    )
    return InputRefused.of("NONFINITE", f"step {step}", f"{what} is NaN or infinite", remedy)


def _read(path: Path, sha256: str) -> dict[str, npt.NDArray[Any]]:
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != sha256:
            raise _damaged(path, f"has the SHA-256 {found[:12]}, not {str(sha256)[:12]}")
        return read_tensors(path)
    except FileNotFoundError:
        raise _damaged(path, "is not there") from None
    except BundleError as error:
        if error.code == "CHECKPOINT":
            raise
        raise _damaged(path, f"cannot be read: {error}") from None


def _damaged(path: Path, what: str) -> BundleError:
    return BundleError.of("CHECKPOINT", path, what, "Remove the folder to begin anew")


def take(folder: Path) -> IO[bytes]:
    """Make a folder and hold it until the file that is given back is closed; Conflict ``LOCKED`` where a living process does."""
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / LOCK).open("ab")
    if not _locked(lock):
        lock.close()
        remedy = "Wait for it, or choose another folder"
        raise Conflict.of("LOCKED", folder, "another process is training here", remedy)
    return lock


def _locked(file: IO[bytes]) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
