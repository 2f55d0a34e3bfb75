"""Handles a stop signal while a service starts: it exits cleanly at once, and there is no moment without a
handler.

The first process of a container does not get a signal for which it has no handler, so the container would be
killed at the end of its stop timeout.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


def end_at_once_on_signals() -> None:
    """Exit with code 0 on SIGTERM or SIGINT, until other handlers are installed.

    No work is in progress while a service starts, and a kill leaves the database consistent.
    """
    install_handlers(lambda *_: os._exit(0))


def end_in_order_as_first_process(process: int) -> None:
    """Make SIGTERM end a command like Ctrl-C if it is the first process of a container (number 1)."""
    if process == 1:
        signal.signal(signal.SIGTERM, signal.default_int_handler)


def install_handlers(handler: Callable[[int, FrameType | None], object]) -> None:
    """Install the handler of SIGTERM and SIGINT, and deliver the blocked ones."""
    for number in SIGNALS:
        signal.signal(number, handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def keep_signals_waiting() -> None:
    """Block SIGTERM and SIGINT, also across `os.exec`, which resets handlers."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
