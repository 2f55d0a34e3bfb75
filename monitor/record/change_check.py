"""Compares the changes and versions in the tables with the entries of the record's log that prove them.

An entry contains the kind, agency, name, state and times of every published change, and who captured what was
imported. Each such change begins or ends a version with its number. A version begins or ends without a change
only where the list was first read, or parsed differently. No entry contains the other columns of a listing:
they follow from the publication, whose hash is in the entry of its poll.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from sqlalchemy.engine import Connection

from monitor.core.canonical import dump_canonical
from monitor.core.wording import normalize
from monitor.domain import Kind, State
from monitor.formatting import format_count
from monitor.record.leaf import LeafValue, format_time
from monitor.record.log import clip_text, describe_capture, describe_change, describe_retraction
from monitor.storage.lists import changes, logged_rows
from monitor.storage.lists.changes import OWN, StoredChange
from monitor.storage.lists.logged_rows import LoggedCapture, LoggedChangeset, VersionEnd
from monitor.storage.lists.retracted_changes import count_all_retracted


class LoggedRow(Protocol):
    """A row that names its entry in the log."""

    @property
    def leaf(self) -> int:
        """The number of the entry."""


_Row = TypeVar("_Row", bound=LoggedRow)


class RowsByEntry(Generic[_Row]):
    """Rows in the order of the entries that they name."""

    def __init__(self, rows: Iterator[_Row]) -> None:
        self._rows = rows
        self._next = next(rows, None)

    def take(self, number: int) -> list[_Row]:
        """The rows that name the entry ``number``; it is called for each entry, in their order."""
        taken: list[_Row] = []
        while self._next is not None and self._next.leaf <= number:
            taken.append(self._next)
            self._next = next(self._rows, None)
        return taken


@dataclass(slots=True)
class _Publication:
    """The changes of one publication, from one entry or several consecutive ones."""

    first: int
    source: str
    number: int
    at: str
    imported: bool
    joins: bool
    rows: list[LoggedChangeset]
    described: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Left:
    """A version that ended without a published change, and the problem to report about it."""

    source: str
    number: int
    end: VersionEnd
    what: str


class ChangeCheck:
    """Compares entry after entry with the tables, and the tables as a whole at the end. ``problem`` is the
    first difference, "" for none.
    """

    def __init__(self, conn: Connection, size: int) -> None:
        self._conn = conn
        self._changesets = RowsByEntry(logged_rows.iterate_logged_changesets(conn, size))
        self._captures = RowsByEntry(logged_rows.iterate_logged_captures(conn, size))
        self._current: _Publication | None = None
        self._missing: dict[str, str] = {}  # of imports, by list: they may have been removed later
        self._undone: dict[str, int] = {}
        self._moments: dict[str, set[str]] = {}  # at which a list moves without a poll
        self._parsed: dict[str, set[str]] = {}  # at which a list was first parsed, or in another way
        self._good: Counter[str] = Counter()
        self._before: Mapping[str, Any] = {}
        self._retracted: Counter[str] = Counter()
        self._left: list[_Left] = []
        self.count = 0
        self.problem = ""

    def compare(self, number: int, entry: Mapping[str, Any]) -> None:
        """Compare the entry ``number`` with the rows that name it."""
        kind, source = entry.get("type"), entry.get("source")
        changesets, captures = self._changesets.take(number), self._captures.take(number)
        if not self._continues(entry):
            self._end_publication()
        if captures or kind == "import":
            self._compare_capture(number, entry, captures)
        if isinstance(source, str):
            if kind == "changes" and "baseline" in entry:
                self._read_changes(number, source, entry, changesets)
                changesets = []
            elif kind == "import undone":
                self._undone[source] = number
                self._missing.pop(source, None)
            elif kind == "retraction":
                self._compare_retraction(number, source, entry)
            elif kind == "poll" and entry.get("outcome") == "good":
                self._good[source] += 1
            elif kind in ("source", "decision"):
                self._moments.setdefault(source, set()).add(f"{entry.get('at')}")
                if kind == "source":
                    self._parsed.setdefault(source, set()).add(f"{entry.get('at')}")
        for row in changesets:
            self._find(row.source, row.number, f"its changes name entry {number}, which is of something else")
        self._before = entry

    def finish(self, since: datetime | None) -> None:
        """Compare what no single entry can prove; ``since`` is the time of the first entry."""
        self._end_publication()
        for problem in self._missing.values():
            self._tell(problem)
        for source, entry in self._undone.items():
            if (found := logged_rows.find_undone_row(self._conn, source, entry)) is not None:
                self._tell(
                    f"{source}: what entry {found} imported was removed by entry {entry}, and is there"
                )
        self._compare_retracted()
        self._compare_unlogged(since)
        self._compare_moves(since)
        self._compare_lone_ends(since)
        self._compare_spans()
        self._compare_left()

    def _continues(self, entry: Mapping[str, Any]) -> bool:
        """Whether an entry has more changes of the publication of the entry before it."""
        same = ("type", "source", "baseline", "at", "origin")
        return self._current is not None and all(entry.get(name) == self._before.get(name) for name in same)

    def _read_changes(
        self, number: int, source: str, entry: Mapping[str, Any], rows: list[LoggedChangeset]
    ) -> None:
        if self._current is None:
            joins = self._before.get("type") == "poll" and self._before.get("source") == source
            self._current = _Publication(
                number,
                source,
                entry["baseline"],
                f"{entry.get('at')}",
                entry.get("origin") == "imported",
                joins and self._good[source] == 1,
                rows,
            )
        elif rows:
            self._find(source, entry["baseline"], f"other changes name entry {number} too")
        told = entry.get("changes")
        self._current.described += (
            [each for each in told if isinstance(each, dict)] if isinstance(told, list) else []
        )

    def _end_publication(self) -> None:
        """Compare the publication whose last entry was read."""
        if self._current is None:
            return
        told, self._current = self._current, None
        if not told.rows:
            problem = (
                f"{told.source}, number {told.number}: the tables do not have what entry {told.first} says"
            )
            if told.imported or told.joins:
                self._missing.setdefault(told.source, problem)
            else:
                self._tell(problem)
            return
        row = told.rows[0]
        if len(told.rows) > 1:
            return self._find(told.source, told.number, f"other changes name entry {told.first} too")
        if (row.source, row.number, format_time(row.at)) != (told.source, told.number, told.at):
            return self._find(
                told.source,
                told.number,
                f"entry {told.first} of {told.at} says another thing than the tables: {row.source}, number "
                f"{row.number}, {format_time(row.at)}",
            )
        stored = logged_rows.load_changes_of(self._conn, row.id)
        self.count += len(stored)
        self._compare_stored(told, row, stored)
        self._compare_versions(told)

    def _compare_stored(
        self, told: _Publication, row: LoggedChangeset, stored: Sequence[StoredChange]
    ) -> None:
        left = Counter(dump_canonical(each) for each in told.described)
        for change in stored:
            named = f"change {change.id} of {change.agency!r}"
            described = describe_change(change)
            text = dump_canonical(described)
            wrong = _find_wrong(change, told, row)
            if not left[text]:
                other = next((each for each in told.described if each.get("agency") == change.agency), None)
                wrong += _differing(described, other) if other else []
                wrong = wrong or ["it has no such change"]
            left[text] -= 1
            if wrong:
                named += f" says another thing than entry {told.first}: {', '.join(wrong)}"
                return self._find(told.source, told.number, named)
        if missing := sorted(text for text, count in left.items() if count > 0):
            agency = next(each.get("agency") for each in told.described if dump_canonical(each) == missing[0])
            self._find(
                told.source,
                told.number,
                f"the change of {agency!r} in entry {told.first} is not in the tables",
            )

    def _compare_versions(self, told: _Publication) -> None:
        began = _by_agency(logged_rows.load_ends(self._conn, told.source, told.number, begins=True))
        ended = _by_agency(logged_rows.load_ends(self._conn, told.source, told.number, begins=False))
        times = Counter(f"{each.get('agency')}" for each in told.described)
        for each in told.described:
            agency = f"{each.get('agency')}"
            if times[agency] == 1:  # an imported capture may have two changes of one agency
                wrong = self._compare_version(told, each, began.get(agency), ended.get(agency))
                if wrong:
                    return self._find_version(told.source, told.number, agency, wrong)
        for agency in sorted(agency for agency in began.keys() ^ ended.keys() if not times[agency]):
            what = f"{'begins' if agency in began else 'ends'}, and entry {told.first} has no change of it"
            self._tell_lone(told.source, told.number, agency, what, ended.get(agency, ()))
        return None

    def _tell_lone(
        self, source: str, number: int, agency: str, what: str, ended: Iterable[VersionEnd]
    ) -> None:
        """Tell of a version that begins or ends without an entry, or note that it ends: it may have moved to
        another list, which is said only there.
        """
        for end in ended:
            self._left.append(_Left(source, number, end, what))
        if not ended:
            self._find_version(source, number, agency, what)

    def _compare_left(self) -> None:
        """Tell of a version that ended without an entry, although its agency was on no other list."""
        left: dict[tuple[str, str | None], list[_Left]] = {}
        for each in self._left:
            left.setdefault((normalize(each.end.name), each.end.state), []).append(each)
        found = logged_rows.iterate_names(self._conn) if left else ()
        for source, name, state, at in found:
            there = left.get((normalize(name), state), [])
            there[:] = [each for each in there if each.source == source or at > each.end.at]
        for each in self._left:
            if each in left[normalize(each.end.name), each.end.state]:
                self._find_version(each.source, each.number, each.end.agency, each.what)

    def _compare_version(
        self,
        told: _Publication,
        change: Mapping[str, Any],
        began: Sequence[VersionEnd] | None,
        ended: Sequence[VersionEnd] | None,
    ) -> str:
        kind, name = change.get("kind"), change.get("name")
        seen = self._compute_seen(told, change, ended)
        parts = [
            ("begin", began, kind != Kind.REMOVED, name, True),
            ("end", ended, kind != Kind.ADDED, change.get("was", name), kind == Kind.REMOVED),
        ]
        for verb, ends, expected, named, with_state in parts:
            if len(ends or ()) != expected:
                return f"{verb}s, and entry {told.first} says {kind}" if ends else f"does not {verb}"
            for end in ends or ():
                if clip_text(end.name) != named:
                    return f"has another name than in entry {told.first}"
                if with_state and end.state != change.get("state"):
                    return f"has another state than in entry {told.first}"
                if format_time(end.at) != told.at:
                    return f"does not {verb} at {told.at}"
                if format_time(end.seen) != seen:
                    return f"was not seen to {verb} at {seen}"
        return ""

    def _compute_seen(
        self, told: _Publication, change: Mapping[str, Any], ended: Sequence[VersionEnd] | None
    ) -> str:
        """Compute when polls first saw a change of versions: not before those of an earlier one."""
        if ended:
            earlier: datetime | None = ended[0].since
        else:
            agency = f"{change.get('agency')}"
            earlier = logged_rows.find_last_end(self._conn, told.source, agency, told.number)
        after = "" if earlier is None else format_time(earlier)
        return min(max(f"{change.get('first_seen')}", after), told.at)

    def _compare_capture(
        self, number: int, entry: Mapping[str, Any], captures: Sequence[LoggedCapture]
    ) -> None:
        source = f"{entry.get('source')}"
        if entry.get("type") != "import" or len(captures) > 1:
            self._tell(
                f"{captures[0].source}: the capture {captures[0].capture.name!r} names entry {number} too"
            )
        elif not captures:
            self._missing.setdefault(source, f"{source}: the capture of entry {number} is not in the tables")
        else:
            described = describe_capture(captures[0].source, captures[0].capture)
            wrong = _differing(described, {name: entry[name] for name in entry if name not in ("type", "at")})
            if wrong:
                named = f"{source}: the capture {captures[0].capture.name!r}"
                self._tell(f"{named} says another thing than entry {number}: {', '.join(wrong)}")

    def _compare_retraction(self, number: int, source: str, entry: Mapping[str, Any]) -> None:
        self._retracted[source] += 1
        change = entry.get("change")
        row = next(iter(changes.load_by_ids(self._conn, [change])), None) if isinstance(change, int) else None
        if row is None or row.retraction is None:
            self._tell(f"{source}: change {change} was retracted by entry {number}, and not in the tables")
            return
        wrong = _differing(describe_retraction(row, row.retraction.texts, row.retraction.at), entry)
        if wrong:
            self._tell(
                f"{source}: the retraction of change {change} says another thing than entry {number}: "
                + ", ".join(wrong)
            )

    def _compare_retracted(self) -> None:
        for source, count in count_all_retracted(self._conn).items():
            if count != self._retracted[source]:
                self._tell(
                    f"{source}: {format_count(count, 'change')} retracted in the tables, and "
                    f"{self._retracted[source]} in the entries"
                )

    def _compare_unlogged(self, since: datetime | None) -> None:
        found = None if since is None else logged_rows.find_unlogged_change(self._conn, since)
        if found is not None:
            self._tell(f"{found[0]}: change {found[2]} of {found[1]!r} names no entry")
        if (source := logged_rows.find_unlogged_capture(self._conn)) is not None:
            self._tell(f"{source}: a capture names no entry")

    def _compare_moves(self, since: datetime | None) -> None:
        before = None
        for move in logged_rows.iterate_moves(self._conn):
            at = format_time(move.at)
            if before is not None and (before.source, before.number) == (move.source, move.number):
                self._find(
                    move.source, move.number, f"versions begin or end at {format_time(before.at)} and at {at}"
                )
            known = move.published or move.looked or at in self._moments.get(move.source, ())
            if not known and (since is None or move.at >= since):
                self._find(
                    move.source, move.number, f"versions begin or end at {at}, and no poll was made then"
                )
            before = move

    def _compare_lone_ends(self, since: datetime | None) -> None:
        firsts = logged_rows.load_first_numbers(self._conn)
        for source, number, begins, end in logged_rows.iterate_lone_ends(self._conn):
            at = format_time(end.at)
            first = begins and number == firsts[source]
            if not first and at not in self._parsed.get(source, ()) and (since is None or end.at >= since):
                what = f"{'begins' if begins else 'ends'}, and no entry has a change of it"
                self._tell_lone(source, number, end.agency, what, () if begins else (end,))

    def _compare_spans(self) -> None:
        if (wrong := logged_rows.find_wrong_span(self._conn)) is not None:
            source, agency, number = wrong
            self._find_version(source, number, agency, "is missing in past lists by its span")

    def _find_version(self, source: str, number: int, agency: str, what: str) -> None:
        self._find(source, number, f"the version of {agency!r} {what}")

    def _find(self, source: str, number: int, what: str) -> None:
        self._tell(f"{source}, number {number}: {what}")

    def _tell(self, problem: str) -> None:
        self.problem = self.problem or problem


def _find_wrong(change: StoredChange, told: _Publication, row: LoggedChangeset) -> list[str]:
    """What of a change does not belong to its publication, by the names of the columns."""
    wrong = {
        "source": change.source != told.source,
        "state of the change": change.state is not State.PUBLISHED,
        "ended_at": change.ended_at != row.at,
        "origin": told.imported and change.origin == OWN,
    }
    return [name for name, is_wrong in wrong.items() if is_wrong]


def _differing(one: Mapping[str, LeafValue], other: Mapping[str, Any]) -> list[str]:
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def _by_agency(ends: Iterable[VersionEnd]) -> dict[str, list[VersionEnd]]:
    found: dict[str, list[VersionEnd]] = {}
    for end in ends:
        found.setdefault(clip_text(end.agency), []).append(end)
    return found
