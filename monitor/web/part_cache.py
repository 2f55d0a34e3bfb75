"""Caches parts of pages that change only with a list: maps, and long lists of agencies.

A page is rendered again every minute for its times; these parts depend on the list's number and the language,
so they are rendered once. The size is limited; the least recently used part is evicted first.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

from markupsafe import Markup

LARGEST = 24 * 1024 * 1024
"""The most characters of all parts together: 400 maps of states."""


class PartCache:
    """Fragments of HTML by key. Thread-safe; two threads that need the same one may both render it."""

    def __init__(self, largest: int = LARGEST) -> None:
        self._largest = largest
        self._lock = threading.Lock()
        self._parts: OrderedDict[Hashable, Markup] = OrderedDict()
        self._size = 0

    def of(self, key: Hashable, make: Callable[[], Markup]) -> Markup:
        """Return the part of this key, rendered by ``make`` if it is not cached. ``key`` must include
        everything that the part depends on.
        """
        with self._lock:
            part = self._parts.get(key)
            if part is not None:
                self._parts.move_to_end(key)
                return part
        part = make()
        with self._lock:
            if key not in self._parts:
                self._parts[key] = part
                self._size += len(part)
                while self._size > self._largest:
                    _, oldest = self._parts.popitem(last=False)
                    self._size -= len(oldest)
        return part
