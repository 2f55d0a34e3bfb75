"""Scores what a program told of an invented publisher against what is true.

Imports nothing of the program.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil
from statistics import median
from typing import Any

from tests.trust.publishers import History, fold

HOUR = timedelta(hours=1)
_OWN = {"join": "added", "leave": "removed", "rename": "changed", "move": "changed", "switch": "changed"}


@dataclass
class Score:
    """Of one history or of many: false events by accident, true ones told and missed, and their waits."""

    false: Counter[str] = field(default_factory=Counter)
    told: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    polls: dict[str, list[int]] = field(default_factory=dict)
    longest: timedelta = timedelta()
    examples: list[str] = field(default_factory=list)

    def add(self, other: Score) -> None:
        self.false += other.false
        self.told += other.told
        self.missed += other.missed
        for kind, waits in other.polls.items():
            self.polls.setdefault(kind, []).extend(waits)
        self.longest = max(self.longest, other.longest)
        self.examples += other.examples

    @property
    def share_told(self) -> float:
        total = self.told.total() + self.missed.total()
        return self.told.total() / total if total else 1.0

    def median(self, kind: str) -> float:
        return median(self.polls.get(kind) or [0])


def score(history: History, events: Iterable[Any]) -> Score:
    """What the events (``time``, ``verdict``, ``changes``) of one replay are worth.

    A change is true if it is of an agency to which that happened and was not yet told. A typo that the
    publisher made or mended may be told as a change of that agency's name. Everything else is false, and is
    laid to the accident that was going on, or else to the last one.
    """
    result = Score()
    open_ = list(history.truths)
    for event in sorted((x for x in events if x.verdict == "published"), key=lambda x: x.time):
        for change in event.changes:
            truth = _truth(history, open_, change, event.time)
            if truth is not None:
                open_.remove(truth)
                result.told[truth.kind] += 1
                seen = truth.visible or truth.at
                wait = max(timedelta(), event.time - seen)
                first = ceil((seen - history.published[0].at) / HOUR)
                result.polls.setdefault(truth.kind, []).append(
                    max(0, round((event.time - history.published[0].at) / HOUR) - first)
                )
                result.longest = max(result.longest, wait)
            elif not _harmless(history, change):
                kind = _accident(history, event.time)
                result.false[kind] += 1
                was, now = change.before, change.after
                result.examples.append(
                    f"{history.seed} {history.size} {history.form} {event.time:%m-%d %H:%M} {kind}: "
                    f"{change.kind.value} {was and (was.name, was.state)} -> "
                    f"{now and (now.name, now.state)} {change.fields}"
                )
    for truth in open_:
        result.missed[truth.kind] += 1
        result.examples.append(f"{history.seed} {history.size} {history.form} missed {truth}")
    return result


def _numbers(history: History, listing: Any) -> set[int]:
    if listing is None:
        return set()
    return history.spellings.get((fold(listing.name), listing.state or ""), set())


def _truth(history: History, truths: list[Any], change: Any, at: datetime) -> Any:
    was, now = _numbers(history, change.before), _numbers(history, change.after)
    kind = change.kind.value
    numbers = was & now if kind == "changed" else was | now
    for truth in truths:
        if truth.number not in numbers or _OWN[truth.kind] != kind or truth.at > at:
            continue
        if truth.kind == "rename" and "name" not in change.fields:
            continue
        if (
            truth.kind in ("move", "switch")
            and ("county" if truth.kind == "move" else "SUPPORT TYPE") not in change.fields
        ):
            continue
        return truth
    return None


def _harmless(history: History, change: Any) -> bool:
    both = _numbers(history, change.before) & _numbers(history, change.after)
    return change.kind.value == "changed" and set(change.fields) == {"name"} and bool(both & history.harmless)


def _accident(history: History, at: datetime) -> str:
    """What was published at that moment, or else the accident that ended last."""
    current = [x for x in history.published if x.at <= at][-1]
    if current.accident:
        return current.accident
    ended = [kind for kind, began, _ in history.accidents if began <= at]
    return ended[-1] if ended else "no accident"
