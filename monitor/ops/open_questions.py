"""Conditions that are not problems, but that the operator may decide: only notices contain them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from monitor.formatting import format_count, format_minute
from monitor.messages.layout import neutralize
from monitor.ops.health_facts import HealthFacts, HealthFinding, Question
from monitor.storage.lists.overview import StandingHolds


def find_holds(seen: HealthFacts) -> Iterator[HealthFinding]:
    """Find lists with held changes: nothing is wrong, but the operator may decide before they end."""
    for source in seen.sources:
        if source.state.held:
            yield HealthFinding(
                "holds",
                f"{source.info.name}: {format_count(source.state.held, 'change is', 'changes are')} held "
                f"{describe_wait(source.held)}",
                f"held {source.info.name}",
                notify=True,
                remedy=f"monitor holds list --source {source.info.name}",
                question=Question("holds", source.info.name),
                members=frozenset(map(str, source.held.ids)),
            )


def describe_wait(held: StandingHolds) -> str:
    """Describe until when the changes wait that wait longest, and why."""
    last = held.last
    until = "until a person decides"
    if last is not None and last.until is not None:
        until = f"until {format_minute(last.until)}"
    return f"{until}: {last.reason}" if last is not None and last.reason else until


def find_unplaced(seen: HealthFacts) -> Iterator[HealthFinding]:
    """Find lists with agencies that have no place: only followers of their whole state are alerted to
    them.
    """
    for source in seen.sources:
        if source.unplaced:
            name, count = source.info.name, len(source.unplaced)
            first = source.unplaced[0].name
            # a name that programs would turn into a link must not be in a notice, and a changed one not in a
            # command
            command = (
                f"place set {name} {shlex.quote(first)} PLACES" if neutralize(first) == first else "unplaced"
            )
            yield HealthFinding(
                "places",
                f"{name}: {format_count(count, 'agency has', 'agencies have')} no place",
                f"unplaced {name}",
                notify=True,
                remedy=f"monitor {command}",
                question=Question("places", name, needs_words=True),
                members=frozenset(each.key for each in source.unplaced),
            )


def find_questions(seen: HealthFacts) -> Iterator[HealthFinding]:
    """Find all of them."""
    yield from find_holds(seen)
    yield from find_unplaced(seen)
