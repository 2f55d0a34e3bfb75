"""Returns freed memory to the system, with the GNU C library; with others nothing is done."""

from __future__ import annotations

import ctypes
from contextlib import suppress

_ARENA_MAX = -8  # M_ARENA_MAX of malloc.h


def share_arena() -> None:
    """Make all threads allocate from one arena. Otherwise each gets an arena of its own, from which little
    memory returns to the system; threads take turns under the interpreter's lock anyway. Call it before
    threads are started.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)


def return_freed() -> None:
    """Return freed memory to the system. It takes a few milliseconds after much work, otherwise almost no
    time.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
