"""Reuse: blocks of earlier runs, known again by the pixels they were made of; what has not changed is not computed again.

One file for each block, ``<block>-<key>.blk``, as committed blocks are. The key is a digest of everything that the block depends
on: the pixels that were read for it with their validity, the bundle, how it predicts, and the plan of chips.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from geoseg.cluster.journal import BlockStore, Receipt
from geoseg.grid.blocks import Block
from geoseg.grid.geobox import Window


@dataclass(frozen=True, slots=True)
class Reuse:
    """A folder of blocks for one scene; ``rule`` is the digest of all that is the same for every block. Picklable."""

    folder: str
    rule: str

    def prepare(self) -> None:
        """Make the folder; blocks of other rules go."""
        top = Path(self.folder)
        (top / self.rule[:16]).mkdir(parents=True, exist_ok=True)
        for entry in top.iterdir():
            if entry.is_dir() and len(entry.name) == 16 and entry.name != self.rule[:16]:
                shutil.rmtree(entry, ignore_errors=True)

    def key(
        self, block: Block, window: Window, image: np.ndarray, valid: np.ndarray, wanted: npt.NDArray[np.bool_] | None
    ) -> str:
        """What a block is made of, as hex digits."""
        digest = hashlib.sha256(f"{self.rule} {block.core} {window} {image.dtype} {image.shape}".encode())
        for array in (image, valid, wanted):
            digest.update(b"-" if array is None else np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def take(self, block: Block, key: str, store: BlockStore) -> Receipt | None:
        """Commit the block of an earlier run to ``store``; None where there is none, or it is damaged."""
        try:
            with self._path(block, key).open("rb") as file:
                receipt = Receipt.parse(file.readline())
                payload = file.read()
        except (OSError, ValueError, TypeError):
            return None
        rows, cols = receipt.shape
        whole = len(payload) == rows * cols * len(receipt.layers)
        if receipt.shape != block.core.shape or not whole or hashlib.sha256(payload).hexdigest() != receipt.sha256:
            return None
        flat = np.frombuffer(payload, np.uint8).reshape(len(receipt.layers), rows, cols)
        layers = dict(zip(receipt.layers, flat, strict=True))
        return store.write(block, layers, chips=0, skipped=receipt.skipped, bad=receipt.bad, reused=True)

    def keep(self, block: Block, key: str, store: BlockStore) -> None:
        """Keep a committed block for later runs, in place of what was kept of it before; what fails is only not kept."""
        new = self._path(block, key)
        temporary = new.with_name(f".{new.name}.{os.getpid()}.tmp")
        try:
            try:
                os.link(store.path(block), temporary)
            except OSError:  # another disk
                shutil.copyfile(store.path(block), temporary)
            temporary.replace(new)
            for old in new.parent.glob(f"{block.name}-*.blk"):
                if old != new:
                    old.unlink(missing_ok=True)
        except OSError:
            temporary.unlink(missing_ok=True)

    def _path(self, block: Block, key: str) -> Path:
        return Path(self.folder) / self.rule[:16] / f"{block.name}-{key[:32]}.blk"
