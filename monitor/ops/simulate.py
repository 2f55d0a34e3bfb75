"""Finds what a publication would do, by polling it on a temporary copy of the database.

The poll, the guard, the places, the fan-out and the messages are the real ones. Nothing can be sent: no
channel is opened, and the copy is deleted before a sender could open it.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine

from monitor.channels.kinds import kind_of
from monitor.channels.placeholders import PATTERN
from monitor.domain import Change, State
from monitor.fetch import Fetched, NotModified, Target, Validators
from monitor.ops.backup import copy_database
from monitor.outbox import Locate, fan_out
from monitor.outbox.prepare import MessagePreparer, PreparedMessage
from monitor.parser import Parser
from monitor.polling import BodySource, PolledSource, PollResult, UnlinkedSource, approve, poll
from monitor.storage import engine as db
from monitor.storage.deliveries import queue, simulation_rows
from monitor.storage.deliveries.simulation_rows import ToldOnChannel
from monitor.storage.lists import changes, history
from monitor.storage.lists.changes import StoredChange


@dataclass(frozen=True, slots=True)
class SimulatedChange:
    """A change with the verdict of the guard: "published", "held" or "pending", and why. ``places`` is the
    number of places that it concerns, None if it is not published.
    """

    change: Change
    verdict: str
    reason: str
    places: int | None = None


@dataclass(frozen=True, slots=True)
class MessageSample:
    """One message as a recipient would get it, without the values that differ by recipient."""

    channel: str
    language: str
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class Simulation:
    """The result of a simulation: the result of the poll, its changes, how many people would be alerted, and
    samples.
    """

    result: PollResult
    changes: tuple[SimulatedChange, ...] = ()
    told: tuple[ToldOnChannel, ...] = ()
    samples: tuple[MessageSample, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class GivenBody(UnlinkedSource):
    """Replaces the fetcher by a given file."""

    refusal = ": give that one"

    body: bytes = field(repr=False)

    def get(
        self,
        target: Target,
        validators: Callable[[str], Validators | None] = lambda url: None,
        fits: Callable[[Fetched], str | None] = lambda got: None,
        /,
    ) -> Fetched | NotModified:
        sha256 = hashlib.sha256(self.body).hexdigest()
        return Fetched(
            url=target.home,
            final_url=target.home,
            status=200,
            wire_bytes=len(self.body),
            body=self.body,
            sha256=sha256,
            validators=Validators(hash=sha256),
        )


@contextmanager
def open_scratch_copy(engine: Engine, folder: Path) -> Iterator[Engine]:
    """Open a copy of the database in a folder of its own below ``folder``; both are deleted at the end."""
    with tempfile.TemporaryDirectory(prefix=".simulate-", dir=folder) as name:
        path = Path(name) / "scratch.db"
        copy_database(engine, path)
        copy = db.connect(f"sqlite:///{path}")
        try:
            yield copy
        finally:
            copy.dispose()


def simulate(
    copy: Engine,
    watch: PolledSource,
    bodies: BodySource | None,
    *,
    hold: str | None = None,
    anyway: bool = False,
    locate: Locate,
    parser: Parser,
    open_preparer: Callable[[str], MessagePreparer],
    now: datetime,
) -> Simulation:
    """Poll a source on a copy of the database, from ``bodies``; or approve ``hold``, an id of `monitor
    holds`.

    ``anyway`` also approves what the guard would hold, reject or delay. ``open_preparer`` creates the
    preparer of a channel on the copy. Raises UsageError for an unknown hold.
    """
    fan_out(copy, locate=locate, now=now)  # changes published earlier are not part of the result
    with db.reading(copy) as conn:
        before = simulation_rows.load_last_changeset(conn)
        known = {row.id for row in changes.load_standing(conn, watch.name)}
    if hold is not None:
        (result,) = approve(copy, {watch.name: watch}, [hold], now=now, parser=parser)
    else:
        assert bodies is not None
        result = poll(copy, watch, bodies, now=now, parser=parser)
    if anyway and (waiting := _load_waiting(copy, watch.name, known)):
        result = approve(copy, {watch.name: watch}, waiting, now=now, parser=parser)[-1]
    fan_out(copy, locate=locate, now=now)
    with db.reading(copy) as conn:
        changesets = simulation_rows.load_changesets(conn, watch.name, before)
        published = [row for id in changesets for row in changes.load_published(conn, changeset=id)]
        standing = [row for row in changes.load_standing(conn, watch.name) if row.id not in known]
        found = [_describe(row, simulation_rows.count_places(conn, row.id or 0)) for row in published]
    found += [_describe(row) for row in standing if row.state is not State.REJECTED]
    samples = _make_samples(copy, changesets, open_preparer, now)
    with db.transaction(copy) as conn:
        told = simulation_rows.count_told(conn, watch.name, changesets, now)
    return Simulation(result, tuple(found), told, samples)


def _load_waiting(copy: Engine, source: str, known: set[int | None]) -> list[str]:
    """Read the ids of what the poll has not published: open changes, or the whole rejected publication."""
    with db.reading(copy) as conn:
        rejected = history.find_rejected_now(conn, source)
        rows = changes.load_standing(conn, source)
    if rejected is not None:
        return [rejected.hash]
    return [str(row.id) for row in rows if row.id not in known and row.state is not State.REJECTED]


def _describe(row: StoredChange, places: int | None = None) -> SimulatedChange:
    return SimulatedChange(row.change, row.state.value, row.reason, places)


def _make_samples(
    copy: Engine,
    changesets: tuple[int, ...],
    open_preparer: Callable[[str], MessagePreparer],
    now: datetime,
) -> tuple[MessageSample, ...]:
    with db.reading(copy) as conn:
        ids = simulation_rows.load_samples(conn, changesets)
        claimed = queue.load_claimed(conn, ids)
    samples = []
    for each in claimed:
        for prepared in open_preparer(each.channel).prepare([each.id], now):
            if isinstance(prepared, PreparedMessage):
                samples.append(_make_sample(each.channel, each.language, prepared))
    return tuple(samples)


def _make_sample(channel: str, language: str, prepared: PreparedMessage) -> MessageSample:
    rendered = prepared.rendered
    subject = getattr(rendered, "subject", "")
    text = PATTERN.sub("[...]", kind_of(channel).format_sample(rendered))
    return MessageSample(channel, language, subject, text)
