"""What the C library keeps of freed memory, on systems with the GNU one; elsewhere nothing is done."""

from __future__ import annotations

import ctypes
from contextlib import suppress

_ARENA_MAX = -8  # M_ARENA_MAX of malloc.h


def share_arena() -> None:
    """Let all threads allocate from one arena. Each would else get one of its own, from which little returns
    to the system; they take turns under the interpreter's lock anyway. Call it before threads are started.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)


def return_freed() -> None:
    """Give freed memory back to the system: a few milliseconds after much work, else almost nothing."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
