"""The past of a list from captured files: judged as polls are, in a scratch database, and then written into
the record in one step, or not at all.

The same parser, guard and rules as for polls apply, and a file counts as served until the next one, as in
`replay`. Where a poll would wait for a second poll, the next file decides: a listing that is missing in one
file and back in the next was never gone, and a rejected file is believed only if later ones agree with it.
Everything is dated by the captures; nothing is known about the time between them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.engine import Engine

from monitor.core import guard
from monitor.core.diff import diff
from monitor.domain import Change, Kind, Listing, Publication, State
from monitor.errors import ParseError, UsageError
from monitor.formatting import format_count
from monitor.history.captured_file import CapturedFile
from monitor.history.replay import Served, ServedFiles, open_scratch
from monitor.parser import IN_PROCESS, Parser
from monitor.polling import PolledSource, PollOutcome, poll
from monitor.sources import ParseOptions
from monitor.storage.engine import reading, transaction
from monitor.storage.lists import baseline, changes, history, record_rows
from monitor.storage.lists.changes import StoredChange
from monitor.storage.lists.imports import Capture
from monitor.storage.lists.record_rows import ListingVersion, PublishedChange

_SECOND = timedelta(seconds=1)
_ALWAYS = timedelta(days=36_500)  # files of an archive may be years apart and still count as consecutive


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """The past of a source: the captures, the versions of listings, and the published changes with their
    numbers, from the lowest up to -1.

    ``columns`` and ``folders`` are those of the last believed file. ``waiting`` counts changes that were
    still undecided after the last file.
    """

    source: str
    captures: tuple[Capture, ...]
    files: tuple[CapturedFile, ...]
    versions: tuple[ListingVersion, ...]
    changes: tuple[PublishedChange, ...]
    columns: frozenset[str]
    folders: tuple[str, ...]
    waiting: int

    def count(self, kind: Kind) -> int:
        """How many changes of a kind were published."""
        return sum(each.row.change.kind is kind for each in self.changes)

    def count_outcome(self, outcome: str) -> int:
        """How many files had an outcome."""
        return sum(capture.outcome == outcome for capture in self.captures)

    @property
    def standing(self) -> tuple[ListingVersion, ...]:
        """The list after the last capture."""
        return tuple(version for version in self.versions if version.to_number is None)


def judge_past(
    files: Sequence[CapturedFile],
    watch: PolledSource,
    *,
    parser: Parser = IN_PROCESS,
    progress: Callable[[int], None] = lambda files: None,
) -> Past:
    """Judge captured files in their order; ``progress`` is called with the number of finished files.

    Raises UsageError when none of them can be read.
    """
    with open_scratch(None) as scratch:
        captures = []
        for place, capture in enumerate(_look(scratch, files, watch, parser)):
            captures.append(capture)
            progress(place + 1)
        return _read_past(scratch, watch.name, tuple(files), tuple(captures))


def _look(
    scratch: Engine, files: Sequence[CapturedFile], watch: PolledSource, parser: Parser
) -> Iterator[Capture]:
    """Look at each file, while the one behind it is parsed."""
    watch = replace(watch, longest_gap=_ALWAYS, leads_to=None)
    publisher = ServedFiles(tuple(Served(file.at, file.path) for file in files))
    with ThreadPoolExecutor(1) as thread:
        ahead = _AheadParser(parser, thread)
        ahead.begin(files[0].path.read_bytes(), watch.options)
        for file, following in zip(files, [*files[1:], None], strict=True):
            if following is not None:
                ahead.begin(following.path.read_bytes(), watch.options)
            yield _look_at(scratch, file, following, watch, publisher, ahead)


def _look_at(
    scratch: Engine,
    file: CapturedFile,
    following: CapturedFile | None,
    watch: PolledSource,
    publisher: ServedFiles,
    parser: Parser,
) -> Capture:
    """Poll a file at its moment, and as often as anything that waits is due before the next one."""
    publisher.now = now = file.at
    result = poll(scratch, watch, publisher, now=now, parser=parser)
    outcome = {PollOutcome.FAILED: history.FAILED, PollOutcome.REJECTED: history.REJECTED}.get(
        result.outcome, history.GOOD
    )
    if outcome != history.GOOD:
        return _describe(file, outcome, result.reason)
    if following is not None:
        _forget_returning(scratch, watch, following, now, parser)
    while (due := _find_due(scratch, watch)) is not None:
        now = max(due, now + _SECOND)
        if following is not None and now >= following.at:
            break
        publisher.now = now
        poll(scratch, watch, publisher, now=now, parser=parser)
    return _describe(file, outcome, "")


def _find_due(scratch: Engine, watch: PolledSource) -> datetime | None:
    with reading(scratch) as conn:
        rows = changes.load_standing(conn, watch.name)
    return guard.next_due((row.standing for row in rows), watch.policy)


def _forget_returning(
    scratch: Engine, watch: PolledSource, following: CapturedFile, now: datetime, parser: Parser
) -> None:
    """Withdraw the removals that the next file reverts: it is the second poll."""
    with reading(scratch) as conn:
        rows = [row for row in changes.load_standing(conn, watch.name) if row.change.kind is Kind.REMOVED]
    if not rows:
        return
    try:
        there = parser.parse(following.path.read_bytes(), watch.options).listings
    except ParseError:
        return  # it contains no listings
    back = _find_returning([row.change.subject for row in rows], there)
    gone = [
        replace(row, state=State.WITHDRAWN, ended_at=now) for row in rows if row.change.subject.key in back
    ]
    if gone:
        with transaction(scratch) as conn:
            changes.write(conn, gone)


def _find_returning(missing: Sequence[Listing], there: Sequence[Listing]) -> frozenset[str]:
    """The keys of missing listings that a list has, under their key, name or another spelling of it."""
    keys, states = {listing.key for listing in missing}, {listing.state for listing in missing}
    if None not in states:  # agencies are compared only within a state, which skips most of the list
        there = [each for each in there if each.key in keys or each.state is None or each.state in states]
    differences: tuple[Change, ...] = diff(missing, there, pairing=lambda *_, **__: [])
    gone = {change.subject.key for change in differences if change.kind is Kind.REMOVED}
    return frozenset(listing.key for listing in missing if listing.key not in gone)


class _AheadParser:
    """Parses the next file in a thread while the one before it is judged, and each file once: it is looked at
    as the next one too.
    """

    def __init__(self, parser: Parser, thread: Executor) -> None:
        self._parser, self._thread = parser, thread
        self._begun: dict[bytes, Future[Publication]] = {}
        self.pair = parser.pair
        self.find_links = parser.find_links

    def begin(self, body: bytes, options: ParseOptions) -> None:
        """Begin to parse a body; what was parsed of earlier ones is forgotten, but for the last."""
        if body not in self._begun:
            self._begun = dict([*self._begun.items()][-1:])
            self._begun[body] = self._thread.submit(self._parser.parse, body, options)

    def parse(self, body: bytes, options: ParseOptions) -> Publication:
        self.begin(body, options)
        return self._begun[body].result()


def _describe(file: CapturedFile, outcome: str, reason: str) -> Capture:
    return Capture(
        at=file.at,
        name=file.name,
        hash=file.sha256,
        size=file.size,
        outcome=outcome,
        reason=reason,
        captured_by=file.captured_by,
        url=file.url,
        licence=file.licence,
        note=file.note,
    )


def _read_past(
    scratch: Engine, source: str, files: tuple[CapturedFile, ...], captures: tuple[Capture, ...]
) -> Past:
    with reading(scratch) as conn:
        believed = baseline.load_info(conn, source)
        versions = tuple(record_rows.iterate_versions(conn, source))
        published = tuple(record_rows.iterate_published(conn, source))
        waiting = [row for row in changes.load_standing(conn, source) if row.state is not State.REJECTED]
    if believed.last_good_hash is None:
        raise UsageError(
            f"none of {format_count(len(files), 'file')} can be read: {captures[0].name}: "
            + captures[0].reason
        )
    dated = _Dates(files, versions, published)
    return Past(
        source=source,
        captures=captures,
        files=files,
        versions=dated.versions(versions),
        changes=dated.changes(published),
        columns=believed.columns,
        folders=believed.folders,
        waiting=len(waiting),
    )


class _Dates:
    """Maps simulated polls to captures: a decision after a capture is dated by that capture."""

    def __init__(
        self,
        files: tuple[CapturedFile, ...],
        versions: tuple[ListingVersion, ...],
        published: tuple[PublishedChange, ...],
    ) -> None:
        self._moments = tuple(file.at for file in files)
        self._captured_by = {file.at: file.captured_by for file in files}
        moved = {self.at(version.from_at) for version in versions}
        moved |= {self.at(version.to_at) for version in versions if version.to_at is not None}
        moved |= {self.at(each.row.ended_at) for each in published if each.row.ended_at is not None}
        self._numbers = {at: place - len(moved) for place, at in enumerate(sorted(moved))}

    def at(self, moment: datetime) -> datetime:
        """The last capture at a moment or before."""
        return self._moments[bisect_right(self._moments, moment) - 1]

    def _earlier(self, seen: datetime | None, believed: datetime | None) -> datetime | None:
        """The capture that first saw a change, if it is not the one that made us believe it."""
        if seen is None or believed is None or self.at(seen) == self.at(believed):
            return None
        return self.at(seen)

    def number(self, moment: datetime) -> int:
        return self._numbers[self.at(moment)]

    def versions(self, versions: Iterable[ListingVersion]) -> tuple[ListingVersion, ...]:
        dated = (
            replace(
                version,
                from_number=self.number(version.from_at),
                from_at=self.at(version.from_at),
                to_number=None if version.to_at is None else self.number(version.to_at),
                to_at=None if version.to_at is None else self.at(version.to_at),
                seen_at=self._earlier(version.seen_at, version.from_at),
                gone_at=self._earlier(version.gone_at, version.to_at),
            )
            for version in versions
        )
        return tuple(version for version in dated if version.from_number != version.to_number)

    def changes(self, published: Iterable[PublishedChange]) -> tuple[PublishedChange, ...]:
        return tuple(PublishedChange(self._change(each.row), self._number_of(each.row)) for each in published)

    def _number_of(self, row: StoredChange) -> int:
        assert row.ended_at is not None
        return self.number(row.ended_at)

    def _change(self, row: StoredChange) -> StoredChange:
        assert row.ended_at is not None
        first_seen = self.at(row.first_seen_at)
        return replace(
            row,
            origin=changes.IMPORTED,
            captured_by=self._captured_by[first_seen],
            id=None,
            changeset=None,
            not_before=None if row.not_before is None else self.at(row.not_before),
            first_seen_at=first_seen,
            ended_at=self.at(row.ended_at),
            # the wait in simulated polls is of no interest
            was_held=False,
            approved=False,
            reason="",
            release_at=None,
        )
