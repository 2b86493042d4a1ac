"""Quiet: OpenVINO and NNCF without their reports to the maker, which importing them sends over the network by default."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

_REPORTER = "openvino_telemetry"


@contextmanager
def no_telemetry() -> Iterator[None]:
    """Inside, importing OpenVINO's reporter fails, and both packages fall back to a stub that they bring for that case."""
    if _REPORTER in sys.modules:  # somebody else imported it, and what it does is theirs
        yield
        return
    sys.modules[_REPORTER] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[_REPORTER]
