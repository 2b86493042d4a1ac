"""Jobs for pools that do not need a network: they sleep, count, claim and die as a test says."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from geoseg.errors import InputRefused
from geoseg.grid.blocks import Block


class Unpicklable(Exception):
    """An error as GDAL's are: made of two things, with nothing that says so to pickle."""

    def __init__(self, one: int, two: int) -> None:
        """Forget both."""
        super().__init__()


@dataclass(frozen=True, slots=True)
class Killer:
    """Each block is written down in ``folder``; the blocks named in ``deadly`` end their process, the first ``times`` times."""

    folder: str
    deadly: tuple[str, ...] = ()
    times: int = 1_000_000
    seconds: float = 0.0

    def worker(self) -> Killer:
        """Itself: it has no state."""
        return self

    def work(self, block: Block) -> None:
        """Do nothing, or die."""
        log = Path(self.folder) / block.name
        with log.open("a") as file:
            file.write(f"{os.getpid()}\n")
        time.sleep(self.seconds)
        if block.name in self.deadly and len(log.read_text().splitlines()) <= self.times:
            os._exit(9)

    def refuse(self, block: Block) -> None:
        """Refuse the block, because of an error that pickle cannot take."""
        try:
            raise Unpicklable(1, 2)
        except Unpicklable as error:
            raise InputRefused.of("READ", block.name, "cannot be read") from error

    def where(self) -> int:
        """The process."""
        return os.getpid()


def pid_of(worker: Killer) -> int:
    """For :meth:`Pool.ask`."""
    return worker.where()


def refuse_seven(item: int) -> int:
    """The item, or a refusal."""
    if item == 7:
        raise InputRefused.of("READ", str(item), "cannot be read")
    return item


def die_once(claim: str, item: int) -> int:
    """The item; the first process that meets number 5 dies of it."""
    if item == 5 and not os.path.exists(claim):
        Path(claim).touch()
        os._exit(9)
    return item


def devices_seen() -> str | None:
    """The CUDA devices of the process that runs it."""
    return os.environ.get("CUDA_VISIBLE_DEVICES")
