"""A stop that comes while a service starts: it ends at once, in order, and leaves no moment without a
handler.

The first process of a container gets no signal for which it has installed no handler, so that the container
would be killed when its time to stop is over.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


def end_at_once_on_signals() -> None:
    """From now on end with code 0 on SIGTERM or SIGINT, until other handlers are installed.

    Nothing is under way while a service starts, and what a kill leaves in the database is whole.
    """
    install_handlers(lambda *_: os._exit(0))


def end_in_order_as_first_process(process: int) -> None:
    """Let SIGTERM end a command as Ctrl-C does where it is the first process of a container (number 1)."""
    if process == 1:
        signal.signal(signal.SIGTERM, signal.default_int_handler)


def install_handlers(handler: Callable[[int, FrameType | None], object]) -> None:
    """Install the handler of SIGTERM and SIGINT, and deliver those that were kept waiting."""
    for number in SIGNALS:
        signal.signal(number, handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def keep_signals_waiting() -> None:
    """Keep SIGTERM and SIGINT waiting, also across `os.exec`, which forgets handlers."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
