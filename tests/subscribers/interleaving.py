"""Two transactions at once, with every window between them opened on purpose.

The first runs until just before one of its statements; then the second runs until it is done or waits for a
lock; then the first goes on. No statement is reached by luck, and no time is waited for.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

PATIENCE = 600.0  # s, a bound for what hangs, on any machine


@dataclass
class Stop:
    """Holds the thread that runs on an engine just before its ``at``-th statement, counted from 1; a commit
    counts as one.
    """

    at: int
    reached: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)
    statements: int = 0

    def step(self, *_: Any) -> None:
        self.statements += 1
        if self.statements == self.at:
            self.reached.set()
            assert self.go_on.wait(PATIENCE)


@dataclass
class Interleaved:
    """What both returned, and whether the first had as many statements."""

    first: Any
    second: Any
    stopped: bool


def interleave(
    engines: tuple[Engine, Engine], first: Callable[[], Any], second: Callable[[], Any], at: int
) -> Interleaved:
    """Run ``second``, on the second engine, just before the ``at``-th statement of ``first``.

    Where ``first`` has fewer statements, ``second`` runs after it.
    """
    stop = Stop(at)
    with listening(engines[0], stop.step), _Waits(engines[1]) as waits, ThreadPoolExecutor(2) as pool:
        one = pool.submit(first)
        deadline = time.monotonic() + PATIENCE
        while not stop.reached.wait(0.0005) and not one.done():
            assert time.monotonic() < deadline
        stopped = stop.reached.is_set()
        other = pool.submit(second)
        while not other.done() and not (stopped and waits()):
            assert time.monotonic() < deadline
            wait((other,), 0.0005)  # a loop without it takes the processor that the other needs
        stop.go_on.set()
        return Interleaved(one.result(PATIENCE), other.result(PATIENCE), stopped)


@contextmanager
def listening(engine: Engine, step: Callable[..., None]) -> Iterator[None]:
    """Call ``step`` before each statement and each commit on an engine."""
    sa.event.listen(engine, "before_cursor_execute", step)
    sa.event.listen(engine, "commit", step)
    try:
        yield
    finally:
        sa.event.remove(engine, "before_cursor_execute", step)
        sa.event.remove(engine, "commit", step)


class _Waits:
    """Whether what runs on an engine waits for a lock."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._beginning = False
        self._watcher: sa.Connection | None = None
        self._events = (("before_cursor_execute", self._before), ("after_cursor_execute", self._after))

    def __enter__(self) -> _Waits:
        for name, function in self._events:
            sa.event.listen(self._engine, name, function)
        if self._engine.dialect.name == "postgresql":
            self._watcher = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        return self

    def __exit__(self, *_: object) -> None:
        for name, function in self._events:
            sa.event.remove(self._engine, name, function)
        if self._watcher is not None:
            self._watcher.close()

    def __call__(self) -> bool:
        if self._watcher is None:
            # SQLite: one writer; a thread that has sent BEGIN IMMEDIATE and got no answer waits for the other
            return self._beginning
        return bool(self._watcher.scalar(_LOCKED))

    def _before(self, conn: Any, cursor: Any, statement: str, *_: Any) -> None:
        self._beginning = statement == "BEGIN IMMEDIATE"

    def _after(self, *_: Any) -> None:
        self._beginning = False


_LOCKED = sa.text(
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
)


def locked(engine: Engine) -> bool:
    """Whether anybody waits for a lock in this database; for PostgreSQL."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        return bool(conn.scalar(_LOCKED))
