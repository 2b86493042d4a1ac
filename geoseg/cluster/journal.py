"""Journal: the durable record of a run's committed blocks, for one output, which one run holds at a time.

Layout of a work folder::

    journal.json    what the blocks belong to: the run's key, and the digest of its inputs
    <key>/<stage>/<block>.blk

A block file is one line of JSON (the receipt: hash, shape, class counts, timings) and the raw arrays. It is written under a
temporary name, synced, renamed, and the folder synced: it is there whole or not at all, so the file is its own commit and no
second record can disagree with it. ``key`` names the folder, so a straggler of an older run cannot touch a newer run's blocks.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
import numpy.typing as npt

from geoseg.errors import Conflict, ResourceError
from geoseg.grid.blocks import Block, BlockGrid
from geoseg.grid.geobox import Window
from geoseg.raster.files import write_durable

Array = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What is known of a committed block: name, hash of its payload, layers, class counts, chips, seconds by step.

    ``reused``: it was taken from an earlier run, of the same pixels.
    """

    block: str
    sha256: str
    shape: tuple[int, int]
    layers: tuple[str, ...]
    counts: Mapping[str, int]
    chips: int = 0
    skipped: int = 0
    bad: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    reused: bool = False

    @classmethod
    def parse(cls, line: bytes) -> Self:
        """Read the first line of a block file."""
        data = json.loads(line)
        for name in ("shape", "layers", "bad"):
            data[name] = tuple(data[name])
        return cls(**data)


@dataclass(frozen=True, slots=True)
class BlockStore:
    """The block files of one stage. Picklable: workers write through their own copy."""

    folder: str
    grid: BlockGrid
    empty: Mapping[str, int] = field(default_factory=dict)

    def path(self, block: Block) -> Path:
        """Where the block lies, or will."""
        return Path(self.folder) / f"{block.name}.blk"

    def write(self, block: Block, layers: Mapping[str, Array], **facts: Any) -> Receipt:
        """Commit a block's uint8 layers, each (rows, cols) of the block's core; returns the receipt."""
        from geoseg.raster.histogram import histogram

        payload = [np.ascontiguousarray(layer) for layer in layers.values()]
        digest = hashlib.sha256()
        for layer in payload:
            digest.update(layer.data)
        counts = histogram(payload[0].ravel())
        receipt = Receipt(
            block.name, digest.hexdigest(), block.core.shape, tuple(layers),
            {str(v): int(n) for v, n in enumerate(counts) if n}, **facts,
        )  # fmt: skip
        head = json.dumps(asdict(receipt), sort_keys=True).encode() + b"\n"
        write_durable(self.path(block), head, *(layer.data for layer in payload))
        return receipt

    def receipt(self, block: Block) -> Receipt | None:
        """The receipt of a committed block, else None."""
        try:
            with self.path(block).open("rb") as file:
                return Receipt.parse(file.readline())
        except FileNotFoundError:
            return None

    def done(self) -> set[str]:
        """Names of committed blocks, by one look into the folder."""
        return {entry.name[:-4] for entry in os.scandir(self.folder) if entry.name.endswith(".blk")}

    def check(self) -> None:
        """Compare every committed block with the hash of its receipt.

        Raises
        ------
        ResourceError
            ``DISK``: a block is not what was written; it is dropped, so that the next run computes it again.
        """
        for name in self.done():
            path = Path(self.folder) / f"{name}.blk"
            with path.open("rb") as file:
                receipt = Receipt.parse(file.readline())
                same = hashlib.file_digest(file, "sha256").hexdigest() == receipt.sha256
            if not same:
                path.unlink()
                raise ResourceError.of(
                    "DISK", path.name, "a committed block is damaged", "The same command computes it again"
                )

    def clear(self) -> None:
        """Drop every block."""
        for name in self.done():
            (Path(self.folder) / f"{name}.blk").unlink()

    def read_rows(self, block: Block, layer: str, start: int, stop: int) -> Array:
        """Rows ``start .. stop`` of a block's layer, counted in the block; the layer's empty value where it was never committed."""
        rows, cols = block.core.shape
        try:
            with self.path(block).open("rb") as file:
                receipt = Receipt.parse(file.readline())
                skip = receipt.layers.index(layer) * rows * cols + start * cols
                file.seek(skip, os.SEEK_CUR)
                flat = np.fromfile(file, np.uint8, (stop - start) * cols)
        except FileNotFoundError:
            return np.full((stop - start, cols), self.empty.get(layer, 0), np.uint8)
        if flat.size != (stop - start) * cols or receipt.shape != block.core.shape:
            raise ResourceError.of(
                "DISK",
                self.path(block),
                "a committed block is cut short or of another shape",
                "Run again with --restart",
            )
        return flat.reshape(stop - start, cols)

    def read_window(self, window: Window, layer: str = "mask") -> Array:
        """Any window of the scene, put together from the blocks that it touches."""
        out = np.empty(window.shape, np.uint8)
        for block in self.grid.blocks_in(window):
            part = window.intersect(block.core)
            inner = part.within(block.core)
            rows = self.read_rows(block, layer, inner.row, inner.row + inner.height)
            out[part.within(window).slices] = rows[:, inner.col : inner.col + inner.width]
        return out


class Journal:
    """Hold an output for one run: take its lock, keep or clear what an earlier run left, hand out block stores.

    Use as a context manager; leaving it frees the lock and keeps the committed blocks, :meth:`finish` removes them.
    """

    def __init__(self, work: Path, hidden: Path) -> None:
        """``work`` is for blocks, ``hidden`` is the output's own hidden folder, which holds the lock; nothing is touched yet."""
        self.work = work
        self.hidden = hidden
        self.key = ""
        self._lock: IO[bytes] | None = None

    def __enter__(self) -> Self:
        """Take the lock, or raise Conflict LOCKED when another live process has it."""
        while self._lock is None:
            self.hidden.mkdir(parents=True, exist_ok=True)
            try:
                file = (self.hidden / "lock").open("ab")
            except FileNotFoundError:  # the folder's last holder removed it just now
                continue
            try:
                _lock(file)
            except OSError:
                file.close()
                remedy = "Wait for it, or choose another OUT"
                raise Conflict.of("LOCKED", self.hidden.parent, "another run is writing this output", remedy) from None
            if _still_there(file, self.hidden / "lock"):
                self._lock = file
            else:  # its holder finished and removed the folder between our two steps
                file.close()
        self.work.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *exc: object) -> None:
        """Free the lock; what is committed stays for the next run, and folders without any go."""
        if self._lock is None:
            return
        if self.left() is None:
            self._remove()
        self._lock.close()
        self._lock = None

    @property
    def folder(self) -> Path:
        """The folder of this key's stages."""
        return self.work / self.key[:16]

    def left(self) -> dict[str, Any] | None:
        """What an earlier run wrote to ``journal.json``; None when there is none, or one that no run wrote."""
        try:
            record = json.loads((self.work / "journal.json").read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        return record if isinstance(record, dict) and {"key", "inputs"} <= record.keys() else None

    def forget(self) -> None:
        """Drop what an earlier run left."""
        (self.work / "journal.json").unlink(missing_ok=True)

    def begin(self, key: str, record: Mapping[str, Any]) -> bool:
        """Start, or resume, the run ``key``; True when there is an earlier record of the same key.

        Blocks of any other key are removed: the caller has decided that they are of no more use.
        """
        self.key = key
        left = self.left()
        resumed = left is not None and left.get("key") == key
        for entry in self.work.iterdir():
            if entry.is_dir() and not (resumed and entry == self.folder):
                shutil.rmtree(entry)
        self.folder.mkdir(exist_ok=True)
        if not resumed:
            text = json.dumps({"key": key, **record}, sort_keys=True, indent=1)
            write_durable(self.work / "journal.json", text.encode())
        return resumed

    def note_published(self) -> None:
        """Record that outputs of this run carry final names from now on, so that resuming it may replace them."""
        text = json.dumps({**(self.left() or {}), "published": True}, sort_keys=True, indent=1)
        write_durable(self.work / "journal.json", text.encode())

    def store(self, stage: str, grid: BlockGrid, empty: Mapping[str, int]) -> BlockStore:
        """The block store of one stage of this run."""
        folder = self.folder / stage
        folder.mkdir(exist_ok=True)
        return BlockStore(str(folder.absolute()), grid, dict(empty))

    def finish(self) -> None:
        """Remove all of it: the outputs carry their final names."""
        self.forget()
        self.__exit__()

    def _remove(self) -> None:
        shutil.rmtree(self.work, ignore_errors=True)
        shutil.rmtree(self.hidden, ignore_errors=True)


def missing(store: BlockStore, blocks: Iterable[Block]) -> Iterable[Block]:
    """The blocks that are not committed, lazily."""
    done = store.done()
    return (block for block in blocks if block.name not in done)


def _still_there(file: IO[bytes], path: Path) -> bool:
    try:
        return os.fstat(file.fileno()).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False


def _lock(file: IO[bytes]) -> None:
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    else:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
