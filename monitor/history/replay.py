"""Replays a history of files, in simulated time, through the real poll: what would have been announced, held
and refused, and when.

Nothing can be sent: the database is a scratch one and nothing is fanned out. Polls that cannot change
anything are skipped: between a new file and the next moment at which a waiting change may be released, every
poll would only record that nothing changed.
"""

from __future__ import annotations

import csv
import hashlib
import tempfile
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

from sqlalchemy.engine import Engine

from monitor.core import guard
from monitor.domain import Change, Kind, State
from monitor.errors import UsageError
from monitor.fetch import Fetched, NotModified, Target, Validators
from monitor.polling import PolledSource, PollOutcome, PollResult, UnlinkedSource, poll
from monitor.storage.columns import metadata
from monitor.storage.engine import connect, reading
from monitor.storage.lists import baseline, changes, history
from monitor.storage.lists.changes import StoredChange

_LOOK_AGAIN = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Served:
    """A file that the publisher served from a moment on."""

    at: datetime
    path: Path


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a poll: ``changes`` were published, or held for the first time; or a whole publication was
    rejected.
    """

    time: datetime
    verdict: str  # "published", "held", "rejected"
    reason: str = ""
    changes: tuple[Change, ...] = ()

    def of(self, kind: Kind) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.kind is kind)


@dataclass
class ReplaySummary:
    """The whole replay. Counts of changes are of published ones; ``held`` of those ever held, ``rejected``
    and ``unreadable`` of files.

    ``unseen`` files were replaced before a poll. ``waiting`` changes are left at the end, which only a person
    can release.
    """

    source: str
    files: int
    unseen: int = 0
    unreadable: int = 0
    first_poll: datetime | None = None
    last_poll: datetime | None = None
    polls: int = 0
    added: int = 0
    removed: int = 0
    changed: int = 0
    held: int = 0
    rejected: int = 0
    waiting: int = 0
    listings: int = 0
    problems: list[str] = field(default_factory=list)


def read_manifest(path: Path) -> tuple[Served, ...]:
    """The rows of a CSV file ``time,file``, by time; UsageError names the first row that cannot be used.

    Times are ISO 8601, in UTC unless they say otherwise; relative paths start at the manifest's folder.
    """
    return tuple(one for one, _ in read_manifest_rows(path))


def read_manifest_rows(path: Path) -> tuple[tuple[Served, dict[str, str]], ...]:
    """The same with the further columns of each row."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not a CSV file in UTF-8"
        raise UsageError(f"{path} cannot be read: {why}") from None
    served = [
        (_served(path, number, row), {name: (text or "").strip() for name, text in row.items() if name})
        for number, row in enumerate(rows, start=2)
    ]
    if not served:
        raise UsageError(f"{path} names no file; it is a CSV file with the header time,file")
    return tuple(sorted(served, key=lambda one: one[0].at))


def replay(
    served: Sequence[Served],
    watch: PolledSource,
    *,
    engine: Engine | None = None,
    progress: Callable[[int], None] = lambda files: None,
    skip_idle: bool = True,
) -> Iterator[Event | ReplaySummary]:
    """Poll at the source's interval from the first file on, and after the last one until no waiting change
    can release itself.

    ``engine`` is an empty database to work in, a scratch one by default. ``progress`` is called with the
    number of finished files. ``skip_idle`` False makes every single poll; the events are the same. The last
    value is the ReplaySummary.
    """
    with open_scratch(engine) as scratch:
        yield from _Replay(tuple(served), watch, scratch, progress).run(skip_idle)


class _Replay:
    def __init__(
        self, served: tuple[Served, ...], watch: PolledSource, engine: Engine, progress: Callable[[int], None]
    ) -> None:
        self._watch = watch
        self._engine = engine
        self._progress = progress
        self._publisher = ServedFiles(served)
        self._start = served[0].at
        self._known_held: set[int | None] = set()
        self._known_rejected: set[str] = set()
        self._seen: set[int] = set()
        self._unreadable: set[int] = set()
        self._changeset: int | None = None
        self._summary = ReplaySummary(watch.name, files=len(served), first_poll=self._start)

    def run(self, skip_idle: bool) -> Iterator[Event | ReplaySummary]:
        every, now = self._watch.every, self._start
        while True:
            self._publisher.now = now
            self._seen.add(self._publisher.place)
            outcome = poll(self._engine, self._watch, self._publisher, now=now)
            yield from self._events(outcome, now)
            self._progress(self._publisher.place + 1)
            following = self._next(outcome, now)
            if following is None:
                break
            # the poll before it confirms what was there until then: "last seen" is as exact as with all polls
            now = max(now + every, following - every) if skip_idle else now + every
        yield self._summed_up(now)

    def _next(self, outcome: PollResult, now: datetime) -> datetime | None:
        """The next poll that can change anything; None if there is none."""
        moments = [self._publisher.next_at]
        if outcome.outcome is PollOutcome.REJECTED:
            # it ends by itself, provided that polls no more than a day apart confirm it
            with reading(self._engine) as conn:
                rejected = history.find_rejected_now(conn, self._watch.name)
            ends = rejected.release_at if rejected else None
            moments.append(min(ends, now + _LOOK_AGAIN) if ends else None)
        elif outcome.outcome is not PollOutcome.FAILED:  # a poll that confirms nothing
            with reading(self._engine) as conn:
                rows = changes.load_standing(conn, self._watch.name)
            moments.append(guard.next_due((row.standing for row in rows), self._watch.policy))
        return min((self._tick(moment, now) for moment in moments if moment is not None), default=None)

    def _tick(self, moment: datetime, now: datetime) -> datetime:
        """The first poll at or after a moment, and after now."""
        every = self._watch.every
        return max(self._start + -((self._start - moment) // every) * every, now + every)

    def _events(self, outcome: PollResult, now: datetime) -> Iterator[Event]:
        summary, source = self._summary, self._watch.name
        with reading(self._engine) as conn:
            changeset = changes.find_last_changeset(conn, source)
            new = changeset != self._changeset
            published = changes.load_published(conn, changeset=changeset) if new else ()
            held = [
                row
                for row in changes.load_standing(conn, source)
                if row.state is State.HELD and row.id not in self._known_held
            ]
        self._changeset = changeset
        self._known_held |= {row.id for row in held}
        summary.added += outcome.added
        summary.removed += outcome.removed
        summary.changed += outcome.changed
        summary.held += len(held)
        if published:
            yield _event(now, "published", published)
        if held:
            yield _event(now, "held", held)
        if outcome.outcome is PollOutcome.REJECTED and self._publisher.sha256 not in self._known_rejected:
            self._known_rejected.add(self._publisher.sha256)
            yield Event(now, "rejected", outcome.reason)
        if outcome.outcome is PollOutcome.FAILED and self._publisher.place not in self._unreadable:
            self._unreadable.add(self._publisher.place)
            summary.problems.append(f"{self._publisher.current.path.name}: {outcome.reason}")

    def _summed_up(self, now: datetime) -> ReplaySummary:
        summary, source = self._summary, self._watch.name
        with reading(self._engine) as conn:
            summary.listings = len(baseline.load_listings(conn, source))
            waiting = changes.load_standing(conn, source)
        summary.waiting = sum(row.state is not State.REJECTED for row in waiting)
        summary.last_poll = now
        summary.polls = (now - self._start) // self._watch.every + 1
        summary.rejected = len(self._known_rejected)
        summary.unreadable = len(self._unreadable)
        summary.unseen = summary.files - len(self._seen)
        return summary


class ServedFiles(UnlinkedSource):
    """Replaces the fetcher and answers as the publisher's server would have at the moment ``now``."""

    refusal = ", and a replay follows none"

    def __init__(self, served: tuple[Served, ...]) -> None:
        self._served = served
        self._times = [one.at for one in served]
        self.now = served[0].at

    @property
    def place(self) -> int:
        """The index of the file that is served now, from 0."""
        return bisect_right(self._times, self.now) - 1

    @property
    def current(self) -> Served:
        return self._served[self.place]

    @property
    def next_at(self) -> datetime | None:
        """When the next file appears."""
        return self._times[self.place + 1] if self.place + 1 < len(self._times) else None

    @property
    def sha256(self) -> str:
        return self._hash_of[self.place]

    def get(
        self,
        target: Target,
        validators: Callable[[str], Validators | None] = lambda url: None,
        fits: Callable[[Fetched], str | None] = lambda got: None,
        /,
    ) -> Fetched | NotModified:
        url, etag = target.home, f'"{self.sha256}"'
        given = Validators(etag=etag, hash=self.sha256)
        known = validators(url)
        if known is not None and known.etag == etag:
            return NotModified(url=url, final_url=url, status=304, validators=given)
        body = self.current.path.read_bytes()
        return Fetched(
            url=url,
            final_url=url,
            status=200,
            wire_bytes=len(body),
            body=body,
            sha256=self.sha256,
            validators=given,
        )

    @cached_property
    def _hash_of(self) -> list[str]:
        return [hashlib.sha256(one.path.read_bytes()).hexdigest() for one in self._served]


def _served(manifest: Path, number: int, row: dict[str, str | None]) -> Served:
    time, name = (row.get("time") or "").strip(), (row.get("file") or "").strip()
    if not time or not name:
        raise UsageError(f"{manifest}, line {number}: a row is a time and a file, under the header time,file")
    try:
        at = datetime.fromisoformat(time)
    except ValueError:
        raise UsageError(f"{manifest}, line {number}: {time!r} is not an ISO 8601 time") from None
    file = manifest.parent / name
    if not file.is_file():
        raise UsageError(f"{manifest}, line {number}: there is no file {file}")
    return Served(at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC), file)


def _event(now: datetime, verdict: str, rows: Sequence[StoredChange]) -> Event:
    reasons = dict.fromkeys(row.reason for row in rows if row.reason)
    return Event(now, verdict, " ".join(reasons), tuple(row.change for row in rows))


@contextmanager
def open_scratch(engine: Engine | None) -> Iterator[Engine]:
    if engine is not None:
        yield engine
        return
    with tempfile.TemporaryDirectory(prefix="monitor-replay-") as folder:
        engine = connect(f"sqlite:///{folder}/scratch.db")
        try:
            metadata.create_all(engine)
            yield engine
        finally:
            engine.dispose()
