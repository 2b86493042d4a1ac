"""Memory: what was made for a map, kept while there is room, the least recently used forgotten first; for threads."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Memory(Generic[K, V]):
    """At most ``most`` bytes of values, as ``size`` counts them; each costs a little more than it says."""

    def __init__(self, most: int, size: Callable[[V], int]) -> None:
        """Nothing is known yet."""
        self._most, self._size = most, size
        self._known: OrderedDict[K, V] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: K) -> V | None:
        """The value, if it is still known."""
        with self._lock:
            if key not in self._known:
                return None
            self._known.move_to_end(key)
            return self._known[key]

    def put(self, key: K, value: V) -> V:
        """Keep a value, and give it back; one that is larger than all room is not kept."""
        size = self._cost(value)
        with self._lock:
            before = self._known.pop(key, None)
            if before is not None:
                self._bytes -= self._cost(before)
            if size <= self._most:
                self._known[key] = value
                self._bytes += size
            while self._bytes > self._most:
                self._bytes -= self._cost(self._known.popitem(last=False)[1])
        return value

    def _cost(self, value: V) -> int:
        return self._size(value) + 256
