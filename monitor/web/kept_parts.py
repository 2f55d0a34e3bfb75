"""Parts of pages that stay the same while a list does: drawn maps, and long lists of agencies.

A page is made again every minute for its times; these parts of it depend on the list's number and the
language, so they are made once. Bounded by their size; the one that was not asked for for longest goes first.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

from markupsafe import Markup

LARGEST = 24 * 1024 * 1024
"""Characters of all parts together: 400 maps of states."""


class KeptParts:
    """Pieces of HTML by key. Thread-safe; two threads that need the same one may both make it."""

    def __init__(self, largest: int = LARGEST) -> None:
        self._largest = largest
        self._lock = threading.Lock()
        self._parts: OrderedDict[Hashable, Markup] = OrderedDict()
        self._size = 0

    def of(self, key: Hashable, make: Callable[[], Markup]) -> Markup:
        """The part of this key, made by ``make`` if it is not kept. ``key`` holds everything that the part
        shows.
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
