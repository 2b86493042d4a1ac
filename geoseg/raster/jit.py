"""Jit: loops compiled by numba, once for all processes; numba itself loads with the module that decorates."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

import numba

_log = logging.getLogger(__name__)
F = TypeVar("F", bound=Callable[..., Any])


def jit(function: F) -> F:
    """Compile on first call, without Python's lock, and keep the machine code on disk for the next process.

    Numba keeps it beside the module or, where that cannot be written, in the user's cache (``NUMBA_CACHE_DIR``
    names another place); where neither can be written each process compiles for itself.
    """
    try:
        made: F = numba.njit(function, cache=True, nogil=True)
    except RuntimeError as error:
        _log.info("machine code is not kept: %s", error)
        made = numba.njit(function, nogil=True)
    return made
