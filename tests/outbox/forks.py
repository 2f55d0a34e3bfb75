"""Processes to be killed, which begin in milliseconds: copies of one that has imported what they need."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from typing import Any

PATIENCE = 600.0  # s, a bound for what hangs, on any machine
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.outbox.victim", "tests.outbox.killed_writer"])


@contextmanager
def running(work: Callable[..., Any], *given: Any) -> Iterator[BaseProcess]:
    """A process that does ``work`` and ends; at the end of the block it is killed if it still runs."""
    process = _FORKS.Process(target=work, args=given)
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()
        process.close()
