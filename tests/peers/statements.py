"""Interrupts what writes to a database before one of its statements."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

_WRITES = frozenset(("INSERT", "UPDATE", "DELETE"))


@contextmanager
def ending_at(
    engine: Engine, number: int, end: Callable[[], None], *, writes_only: bool = False
) -> Iterator[None]:
    """Call ``end`` before the statement of this number, counted from 0; ``writes_only``: those that write are
    counted.
    """
    left = number

    def count(conn: Any, cursor: Any, statement: str, *_: object) -> None:
        nonlocal left
        if writes_only and statement.split(maxsplit=1)[0] not in _WRITES:
            return
        if left == 0:
            end()
        left -= 1

    sa.event.listen(engine, "before_cursor_execute", count)
    try:
        yield
    finally:
        sa.event.remove(engine, "before_cursor_execute", count)
