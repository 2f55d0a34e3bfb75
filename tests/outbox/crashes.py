"""Ends a drain at any of its awaits, as a kill does: nothing is cleaned up and nothing in memory goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any

_kept: list[object] = []  # what a killed loop was doing: collecting it would run its `finally` blocks


class Killed(KeyboardInterrupt):
    """The process ends here. (A task passes only this kind of exception on to its loop.)"""


class _Steps(Coroutine[Any, Any, Any]):
    """A coroutine that is counted at every step, that is between any two awaits."""

    def __init__(self, inner: Coroutine[Any, Any, Any], step: Callable[[], None]) -> None:
        self._inner, self._step = inner, step

    def send(self, value: Any) -> Any:
        self._step()
        return self._inner.send(value)

    def throw(self, *error: Any) -> Any:
        self._step()
        return self._inner.throw(*error)

    def close(self) -> None:
        self._inner.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return (yield from self._inner.__await__())


def run_until_killed(work: Coroutine[Any, Any, Any], steps: int | None) -> bool:
    """Run a coroutine for so many steps of all its tasks together, or to its end; returns whether it was
    killed. What runs in threads is finished: a transaction ends with its commit or without.
    """
    loop = asyncio.new_event_loop()
    left = -1 if steps is None else steps

    def step() -> None:
        nonlocal left
        if left == 0:
            raise Killed
        left -= 1

    def start(loop: asyncio.AbstractEventLoop, coroutine: Any, **more: Any) -> asyncio.Task[Any]:
        return asyncio.Task(_Steps(coroutine, step), loop=loop, **more)

    loop.set_task_factory(start)  # type: ignore[arg-type]
    killed = False
    try:
        loop.run_until_complete(loop.create_task(work))
    except Killed:
        killed = True
        _kept.append((asyncio.all_tasks(loop), work, loop))
        loop.set_exception_handler(lambda *_: None)
    finally:
        loop.run_in_executor(None, int)
        executor = loop._default_executor  # type: ignore[attr-defined]
        executor.shutdown(wait=True)
        loop.close()
    return killed
