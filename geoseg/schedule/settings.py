"""Settings of a scheduled job: what runs, when, and what happens with slots that are late, overlap or fail."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from geoseg.config import Settings

Overlap = Literal["skip", "queue", "replace"]
NAME = re.compile(r"[^\W_][\w.-]{0,63}")
"""Names of jobs: letters of any script, digits, and . _ - after the first; they name folders too."""

_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}  # Windows
_SLOT = re.compile(r"\{(?:slot(?::(?:%[YmdHMSjGV]|[\w.-])+)?|job)\}")


class JobSettings(Settings):
    """One job. Exactly one of ``cron`` and ``watch`` says when it runs; neither: only when asked for."""

    name: str
    pipeline: str = Field(min_length=1, max_length=4096, description="the pipeline's YAML file, absolute")
    out: str = Field(
        min_length=1, max_length=4096,
        description="folder of a run, absolute; {slot}, {slot:%Y%m%d} (in the job's time zone) and {job} are filled in",
    )  # fmt: skip
    cron: str | None = None
    timezone: str = "UTC"
    watch: str | None = Field(None, max_length=4096, description="folder or STAC catalog; a slot for each new scene")
    catch_up: Literal["skip", "last", "all"] = "skip"
    grace: float = Field(300, ge=0, le=86400 * 366, description="seconds that a slot may be late and yet is on time")
    max_runtime: float | None = Field(None, gt=0, le=86400 * 366, description="seconds; a run of more is ended")
    retries: int = Field(0, ge=0, le=100)
    overlap: Overlap = "queue"
    priority: int = Field(0, ge=-1000, le=1000, description="the higher first")
    keep_runs: int = Field(200, ge=1, le=1_000_000, description="slots that the history keeps")
    keep_days: float | None = Field(None, gt=0, le=36600, description="days that the history keeps; None: no limit")
    notify: str = Field("", max_length=65536, description="whom to tell: JSON, see schedule/notify.py")

    @field_validator("name")
    @classmethod
    def _plain(cls, name: str) -> str:
        name = unicodedata.normalize("NFC", name)
        stem = name.partition(".")[0].casefold()
        if not NAME.fullmatch(name) or name.endswith(".") or stem in _RESERVED or len(name.encode()) > 200:
            raise ValueError("a name has up to 64 letters, digits, '.', '_' and '-', and begins with a letter or digit")
        return name

    @field_validator("pipeline", "out", "watch")
    @classmethod
    def _printable(cls, path: str | None) -> str | None:
        if path is not None and any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in path):
            raise ValueError("a path with control characters is not taken")
        return path

    @field_validator("out")
    @classmethod
    def _template(cls, out: str) -> str:
        if re.search(r"[{}]", _SLOT.sub("", out)):
            raise ValueError("only {slot}, {slot:%Y%m%d} and {job} can stand in braces")
        return out

    @model_validator(mode="after")
    def _trigger(self) -> Self:
        if self.cron is not None and self.watch is not None:
            raise ValueError("a job has a calendar or watches a folder, not both")
        fixed = os.path.realpath(self.out.partition("{")[0])
        if self.watch is not None and Path(fixed).is_relative_to(os.path.realpath(self.watch)):
            raise ValueError(f"out: {self.out} lies in the watched folder, so each result would be a new scene")
        return self
