"""Writes the imported past of a source into the record, or removes it: one transaction each, and no
alerts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby

from sqlalchemy.engine import Connection, Engine

from monitor.core.diff import diff
from monitor.domain import Kind, Listing, State
from monitor.errors import UsageError
from monitor.formatting import format_minute
from monitor.history.captured_file import CapturedFile
from monitor.history.past import Past
from monitor.parser import IN_PROCESS, Parser
from monitor.polling import PolledSource
from monitor.record import log
from monitor.storage.engine import reading, transaction
from monitor.storage.lists import baseline, bodies, changes, imports
from monitor.storage.lists.changes import StoredChange
from monitor.storage.lists.imports import FirstReading, ImportInfo
from monitor.storage.lists.record_rows import ListingVersion, PublishedChange
from monitor.storage.maintenance import refresh_statistics

_FIELDS = ("state", "county", "city", "since", "url")


@dataclass(frozen=True, slots=True)
class _Joint:
    """The connection between a past and our first poll: agencies that continue under other keys, versions
    that began earlier (by key, as they began), and the changes in between.
    """

    reading: FirstReading
    agencies: dict[str, str]
    began: dict[str, ListingVersion]
    changes: tuple[StoredChange, ...]


def refuse_overlap(engine: Engine, source: str, files: Sequence[CapturedFile], now: datetime) -> None:
    """Raise UsageError for files that are not older than the first own poll, or that are of the future, and
    for a source whose past was imported before.
    """
    with reading(engine) as conn:
        _refuse_overlap(conn, source, [(file.name, file.at) for file in files], now)


def write_past(
    engine: Engine, past: Past, watch: PolledSource, *, now: datetime, parser: Parser = IN_PROCESS
) -> ImportInfo:
    """Write a past into the record. Raises UsageError as `refuse_overlap` does, and BaselineMoved when a poll
    came between.
    """
    _insert_bodies(engine, past, now)
    with reading(engine) as conn:
        joined = imports.load_first_reading(conn, past.source)
        believed = baseline.load_info(conn, past.source)
    joint = None if joined is None else _join(past, joined, watch, parser)
    with transaction(engine) as conn:
        # lock the log first, as everywhere
        captures = [
            replace(capture, leaf=log.append_capture(conn, past.source, capture, now))
            for capture in past.captures
        ]
        _refuse_overlap(conn, past.source, [(each.name, each.at) for each in captures], now)
        standing = {} if joined else {"columns": sorted(past.columns), "folders": list(past.folders)}
        # files built for the list and its past are built again
        baseline.advance(conn, believed, number=believed.number + 1, **standing)
        import_id = imports.insert_import(conn, past.source, now, captures, joined)
        if joint is None:
            imports.insert_versions(conn, past.source, past.versions)
            _write_changes(conn, past.source, past.changes, import_id, now)
        else:
            _write_joined(conn, past, joint, import_id, now)
        info = imports.load_import(conn, past.source)
    assert info is not None
    refresh_statistics(engine, imports.FILLED)
    return info


def undo_import(engine: Engine, source: str, now: datetime) -> ImportInfo:
    """Remove the imported past of a source; the log still shows that it was there. Raises UsageError if there
    is none.
    """
    with transaction(engine) as conn:
        log.append_import_undone(conn, source, now)
        info = imports.load_import(conn, source)
        if info is None:
            raise UsageError(f"no past of {source} was imported")
        believed = baseline.load_info(conn, source)
        baseline.advance(conn, believed, number=believed.number + 1)
        imports.delete_import(conn, info)
    return info


def _refuse_overlap(
    conn: Connection, source: str, files: Sequence[tuple[str, datetime]], now: datetime
) -> None:
    known = imports.load_import(conn, source)
    if known is not None:
        raise UsageError(
            f"a past of {source} from {known.first_at:%Y-%m-%d} to {known.last_at:%Y-%m-%d} was imported on "
            f"{known.at:%Y-%m-%d}: take it back with --undo, and import everything together"
        )
    first = imports.find_first_poll(conn, source)
    late = [(name, at) for name, at in files if at >= (first or now)]
    if late:
        name, at = late[0]
        began = f"its first own poll was made at {format_minute(first)}" if first else "that is to come"
        raise UsageError(
            f"{name} was captured at {format_minute(at)}, and {began}: only what is older can be "
            f"imported ({len(late)} of {len(files)} files are not)"
        )


def _insert_bodies(engine: Engine, past: Past, now: datetime) -> None:
    """Store the captured bytes, each under its hash: the leftovers of an interrupted import are harmless."""
    previous = None
    for file in past.files:
        with transaction(engine) as conn:
            bodies.insert_body(conn, file.sha256, file.path.read_bytes(), now, previous=previous)
        previous = file.sha256


def _write_joined(conn: Connection, past: Past, joint: _Joint, import_id: int, now: datetime) -> None:
    """Write a past that is followed by our own polls: its last list ends where theirs begins."""
    reading_, extended = joint.reading, set(joint.began)
    versions = [
        replace(version, agency=joint.agencies.get(version.agency, version.agency))
        if version.to_number is not None
        else replace(
            version,
            agency=joint.agencies.get(version.agency, version.agency),
            to_number=reading_.number,
            to_at=reading_.at,
        )
        for version in past.versions
        if version.to_number is not None or version.listing.key not in extended
    ]
    imports.insert_versions(conn, past.source, versions)
    imports.extend_versions(conn, past.source, reading_, joint.began)
    published = [
        PublishedChange(
            replace(each.row, agency=joint.agencies.get(each.row.agency, each.row.agency)), each.number
        )
        for each in past.changes
    ]
    published += [PublishedChange(row, reading_.number) for row in joint.changes]
    _write_changes(conn, past.source, published, import_id, now)


def _write_changes(
    conn: Connection, source: str, published: Iterable[PublishedChange], import_id: int, now: datetime
) -> None:
    for number, members in groupby(published, key=lambda each: each.number):
        rows = [each.row for each in members]
        at = rows[0].ended_at
        assert at is not None
        leaf = log.append_changes(conn, source, number, rows, now, imported_at=at)
        changeset = changes.add_changeset(conn, source, number, at, None, leaf, import_id)
        changes.write(conn, [replace(row, changeset=changeset) for row in rows])


def _join(past: Past, joined: FirstReading, watch: PolledSource, parser: Parser) -> _Joint:
    was = {version.listing.key: version for version in past.standing}
    own = {version.listing.key: version for version in joined.versions}
    before, after = [each.listing for each in was.values()], [each.listing for each in own.values()]
    differences = diff(
        before,
        after,
        silent=watch.policy.silent,
        new_columns=_columns(before) ^ _columns(after),
        pairing=parser.pair,
    )
    touched = {change.before.key for change in differences if change.before is not None}
    same = [key for key in was if key not in touched]
    agencies = {was[key].agency: own[key].agency for key in same}
    agencies |= {
        was[change.before.key].agency: own[change.after.key].agency
        for change in differences
        if change.before is not None and change.after is not None
    }
    taken = set(agencies.values())
    for version in past.versions:
        if version.agency not in agencies and version.agency in taken:
            # it is not the agency that has this key in our first poll
            agencies[version.agency] = f"{version.agency}@{version.from_number}"
    rows = []
    for change in differences:
        if change.quiet:
            continue
        if change.kind is Kind.REMOVED:
            key = was[change.subject.key].agency
            agency = agencies.get(key, key)
        else:
            agency = own[change.subject.key].agency
        rows.append(
            StoredChange(
                past.source,
                change,
                agency,
                State.PUBLISHED,
                joined.at,
                not_before=past.captures[-1].at,
                ended_at=joined.at,
                origin=changes.JOINED,
                captured_by=past.captures[-1].captured_by,
            )
        )
    return _Joint(joined, agencies, {key: was[key] for key in same}, tuple(rows))


def _columns(listings: Iterable[Listing]) -> frozenset[str]:
    """The columns of a list, as far as its listings show them."""
    found: set[str] = set()
    for listing in listings:
        found.update(name for name, _ in listing.attributes)
        found.update(name for name in _FIELDS if getattr(listing, name))
    return frozenset(found)
