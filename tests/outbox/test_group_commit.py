"""Outcomes are committed in groups: when a group is full or nothing more is sent, or after a moment."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from monitor.errors import StoreError
from monitor.outbox.commit import GROUP, GroupCommit
from monitor.outbox.outcomes import Outcome, OutcomeKind

NEVER = timedelta(days=1)


class Ledger:
    """What was written, group by group, and what each group's end was called with."""

    def __init__(self, *refusals: Exception) -> None:
        self.groups: list[list[int]] = []
        self.tries = 0
        self.ends: list[tuple[int, Exception | None]] = []
        self.refusals = list(refusals)
        self.commits = GroupCommit(self.write, self.settled)

    def write(self, outcomes: Sequence[Outcome]) -> None:
        self.tries += 1
        if self.refusals:
            raise self.refusals.pop(0)
        self.groups.append([outcome.ids[0] for outcome in outcomes])

    def settled(self, outcomes: Sequence[Outcome], error: Exception | None) -> None:
        self.ends.append((len(outcomes), error))

    def run(self, *counts: int, flush: bool = False) -> list[int]:
        """Add so many outcomes at a time, when nothing moves any more; the sizes of the groups written."""

        async def commit() -> None:
            # one thread, so that what is asked of it next comes after what it has begun
            asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
            task = asyncio.create_task(self.commits.run())
            number = 0
            for count in counts:
                self.commits.add(
                    Outcome(kind=OutcomeKind.SENT, ids=(number + each,)) for each in range(count)
                )
                number += count
                if flush:
                    self.commits.flush()
                await settle_down(self)
            task.cancel()

        asyncio.run(commit())
        return [len(group) for group in self.groups]


async def settle_down(ledger: Ledger) -> None:
    """Wait until a whole turn of the loop and of its threads brings nothing new."""
    before = -1
    while before != ledger.tries + len(ledger.ends):
        before = ledger.tries + len(ledger.ends)
        for _ in range(3):
            for _ in range(10):
                await asyncio.sleep(0)
            await asyncio.to_thread(int)


@pytest.fixture(autouse=True)
def nothing_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a full group or a flush ends a wait."""
    monkeypatch.setattr("monitor.outbox.commit.GROUP_WAIT", NEVER)
    monkeypatch.setattr("monitor.outbox.commit._TRIES", (timedelta(0), timedelta(0)))


@pytest.mark.parametrize(
    ("counts", "written"),
    [
        ((GROUP - 1,), []),
        ((GROUP,), [GROUP]),
        ((GROUP - 1, 1), [GROUP]),
        ((GROUP + 1,), [GROUP]),
        ((GROUP + 1, GROUP - 1), [GROUP, GROUP]),
        ((2 * GROUP,), [GROUP, GROUP]),
        ((2 * GROUP + 1,), [GROUP, GROUP]),
        ((GROUP, GROUP - 1), [GROUP]),
    ],
)
def test_a_full_group_is_written_at_once_and_fewer_wait_for_others(
    counts: tuple[int, ...], written: list[int]
) -> None:
    assert Ledger().run(*counts) == written


def test_what_is_here_is_written_at_once_when_nothing_more_is_sent() -> None:
    ledger = Ledger()
    assert ledger.run(3, 2, flush=True) == [3, 2]
    assert ledger.groups == [[0, 1, 2], [3, 4]]
    assert ledger.ends == [(3, None), (2, None)]


def test_nothing_is_written_where_nothing_became_of_a_message() -> None:
    assert Ledger().run(0, 0) == []


def test_a_database_that_is_locked_is_asked_again_and_every_other_error_ends_it() -> None:
    ledger = Ledger(StoreError("locked"), StoreError("locked"))
    assert ledger.run(1, flush=True) == [1]
    assert (ledger.tries, ledger.ends) == (3, [(1, None)])
    full = [StoreError("full") for _ in range(3)]
    ledger = Ledger(*full)
    assert ledger.run(1, flush=True) == []
    assert (ledger.tries, ledger.ends) == (3, [(1, full[-1])])
    broken = ValueError("odd")
    ledger = Ledger(broken)
    assert ledger.run(1, 1, flush=True) == [1]
    assert ledger.ends == [(1, broken), (1, None)]
