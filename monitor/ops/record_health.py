"""Reports on the record for the operator: that nobody signs it, or that it continues from an older copy."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from monitor.formatting import format_minute
from monitor.ops.health_facts import HealthFacts, HealthFinding

SIGNED_WITHIN = timedelta(hours=1)
"""`monitor run` signs the record every 5 minutes, `monitor poll` each time."""
FORK_SHOWN = timedelta(days=7)
"""How long a fork is a problem of `monitor status`: it is true for ever, and nothing can mend it."""


def check_record(seen: HealthFacts) -> Iterator[HealthFinding]:
    """Find a public record that was signed once and that nobody signs now, and one that continues from an
    older copy.
    """
    if seen.unsigned_since is not None and seen.now - seen.unsigned_since > SIGNED_WITHIN:
        since = format_minute(seen.unsigned_since)
        problem = f"the record is not signed since {since}; see the log of `monitor run`"
        yield HealthFinding("record", problem, "record", notify=True)
    if lost := seen.host.lost_head:
        yield HealthFinding(
            "record",
            f"the database is an older copy than the public record: {lost!r} was published and is not in it. "
            "Put the newer database back if there is one: once the service goes on, the record says for good "
            "that it was forked",
            _fork_key(lost),
            notify=True,
            remedy="monitor doctor",
        )
    yield from (finding for finding, ends in _find_forks(seen) if seen.now < ends)


def find_lasting(seen: HealthFacts) -> tuple[HealthFinding, ...]:
    """Find the forks of any age: a notice about a fork is never over."""
    return tuple(finding for finding, _ in _find_forks(seen))


def report_forks(seen: HealthFacts) -> list[dict[str, Any]]:
    """The forks of the record as JSON-ready objects."""
    return [
        {"at": fork.at.isoformat(timespec="seconds"), "entry": fork.entry, "published": fork.published}
        for fork in seen.forks
    ]


def _find_forks(seen: HealthFacts) -> Iterator[tuple[HealthFinding, datetime]]:
    """Find each fork, and the time after which it is no longer a problem of `monitor status`."""
    for fork in seen.forks:
        at = format_minute(fork.at)
        finding = HealthFinding(
            "record",
            f"the record goes on from an older copy since {at} (its entry {fork.entry}): {fork.published!r} "
            "was published before and is not in it. What it had more is lost, and /data says so; tell those "
            "who keep evidence of it",
            _fork_key(fork.published),
            notify=True,
            remedy=f"monitor verify --head '{fork.published}'",
        )
        yield finding, fork.at + FORK_SHOWN


def _fork_key(published: str) -> str:
    return f"fork {published}"
