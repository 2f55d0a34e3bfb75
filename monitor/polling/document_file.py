"""Reads the operator's file of documents about agencies, and finds rows that match no agency."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from urllib.parse import urlsplit

from rapidfuzz import fuzz, process
from sqlalchemy.engine import Engine

from monitor.core.wording import normalize
from monitor.errors import MonitorError, UsageError
from monitor.states import read_state
from monitor.storage.engine import reading, transaction
from monitor.storage.lists import documents as store
from monitor.storage.lists.documents import MEETING, AgencyDocument, DocumentsState

COLUMNS = (
    "source", "agency", "name", "state", "kind", "title", "url", "date", "publisher", "archived_url", "note",
)  # fmt: skip
MOST_ROWS = 50_000
LONGEST_CELL = 1000
_MOST_SKIPPED = 100  # the most left-out rows whose reason is kept
_NEAR = 60  # of 100; the similarity from which a name is proposed for a row
_PROPOSED = 3
_DATE = re.compile(r"\d{4}(-\d{2}(-\d{2}(T\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2})?)?)?)?")


class DocumentsError(MonitorError):
    """The file of documents cannot be read; the rows from the last reading are kept."""


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A row that matches no agency that was ever on its list, and similar names, as (list, key)."""

    document: AgencyDocument
    near: tuple[tuple[str, str], ...]


def poll_documents(engine: Engine, read: Callable[[], bytes], *, now: datetime) -> DocumentsState:
    """Read the file and store its rows. A file that cannot be read, or has become empty, changes only the
    state, which says why. Raises StoreError.
    """
    at = now.isoformat(timespec="seconds")
    with reading(engine) as conn:
        before = store.load_state(conn) or DocumentsState(at=at)
    try:
        body = read()
        rows, skipped = parse_documents(body, now)
        if not rows and before.rows:
            raise DocumentsError("it has no rows any more; the earlier ones are kept")
    except MonitorError as error:
        failed = replace(before, at=at, problem=str(error))
        with transaction(engine) as conn:
            store.put_state(conn, failed)
        return failed
    hashed = hashlib.sha256(body).hexdigest()
    with transaction(engine) as conn:
        if hashed != before.hash:
            store.replace_documents(conn, rows)
        unmatched = sum(1 for _ in _find_nobodys(rows, store.load_agencies(conn)))
        state = DocumentsState(
            at=at,
            hash=hashed,
            rows=len(rows),
            unmatched=unmatched,
            skipped=tuple(skipped[:_MOST_SKIPPED]),
        )
        store.put_state(conn, state)
    return state


def load_unmatched(engine: Engine) -> tuple[Unmatched, ...]:
    """Read the rows that match no agency, each with similar names."""
    with reading(engine) as conn:
        rows, known = store.load_documents(conn), store.load_agencies(conn)
    found = []
    for document in _find_nobodys(rows, known):
        names = {
            (source, agency): max(each for each, _ in spelled)
            for source, agencies in known.items()
            if document.source in ("", source)
            for agency, spelled in agencies.items()
            if document.state in ("", *(state for _, state in spelled))
        }
        near = process.extract(
            normalize(document.name or document.agency),
            names,
            scorer=fuzz.token_sort_ratio,
            score_cutoff=_NEAR,
            limit=_PROPOSED,
        )
        found.append(Unmatched(document, tuple(key for _, _, key in near)))
    return tuple(found)


def parse_documents(body: bytes, now: datetime) -> tuple[list[AgencyDocument], list[str]]:
    """Parse the CSV of documents; returns its rows, and the reasons for rows that were left out. Raises
    DocumentsError.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DocumentsError("it is not UTF-8 text; save it as CSV UTF-8") from None
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    rows: list[AgencyDocument] = []
    skipped: list[str] = []
    seen: set[str] = set()
    try:
        given = [(name or "").strip().lower() for name in reader.fieldnames or ()]
        if unknown := [name for name in given if name not in COLUMNS]:
            raise DocumentsError(
                f"it has unknown columns: {', '.join(unknown)}; there are {', '.join(COLUMNS)}"
            )
        if missing := [name for name in ("kind", "title", "url") if name not in given]:
            raise DocumentsError(f"it lacks the columns {', '.join(missing)}")
        reader.fieldnames = given
        for row in reader:
            try:
                document = _read_row(row, now)
            except UsageError as error:
                skipped.append(f"line {reader.line_num}: {error}")
                continue
            if document.uid not in seen:
                seen.add(document.uid)
                rows.append(document)
            if len(rows) > MOST_ROWS:
                raise DocumentsError(f"it has more than {MOST_ROWS} rows")
    except csv.Error as error:
        raise DocumentsError(f"line {reader.line_num}: not readable as CSV: {error}") from None
    return rows, skipped


def _read_row(row: Mapping[str | None, str | list[str] | None], now: datetime) -> AgencyDocument:
    if None in row:
        raise UsageError("it has more cells than there are columns")
    cells = {name: " ".join(str(row.get(name) or "").split()) for name in COLUMNS}
    for name, cell in cells.items():
        if len(cell) > LONGEST_CELL:
            raise UsageError(f"{name} has more than {LONGEST_CELL} characters")
    for name in ("kind", "title", "url"):
        if not cells[name]:
            raise UsageError(f"{name} is empty")
    if not cells["agency"] and not cells["name"]:
        raise UsageError("give an agency's key (agency), or its name")
    if cells["state"]:
        read = read_state(cells["state"])
        if read is None or not read.exact:
            raise UsageError(f"{cells['state']!r} is not a state")
        cells["state"] = read.code
    for name in ("url", "archived_url"):
        parts = urlsplit(cells[name])
        if cells[name] and (parts.scheme not in ("http", "https") or not parts.netloc or " " in cells[name]):
            raise UsageError(f"{name} is not a web address")
    cells["kind"] = cells["kind"].lower()
    day = _read_day(cells["date"])
    if cells["kind"] == MEETING and day is None:
        raise UsageError("a meeting needs a date such as 2026-11-28 or 2026-11-28T18:30")
    uid = hashlib.sha256(
        "\x1f".join(
            cells[name] for name in COLUMNS if name not in ("note", "publisher", "archived_url")
        ).encode()
    ).hexdigest()[:32]
    return AgencyDocument(**cells, uid=uid, day=day, first_at=now)


def _read_day(text: str) -> date | None:
    if not text:
        return None
    if _DATE.fullmatch(text) is None:
        raise UsageError(f"the date {text!r} is not written as 2026, 2026-11, 2026-11-28 or 2026-11-28T18:30")
    try:
        if len(text) < len("2026-11-28"):
            date.fromisoformat(f"{text}-01-01"[:10])
            return None
        return datetime.fromisoformat(text).date()
    except ValueError:
        raise UsageError(f"there is no day {text!r}") from None


def _find_nobodys(
    rows: Iterable[AgencyDocument], known: Mapping[str, Mapping[str, set[tuple[str, str]]]]
) -> Iterator[AgencyDocument]:
    """Find rows that match no agency of a list."""
    by_name = {
        (source, *spelled)
        for source, agencies in known.items()
        for names in agencies.values()
        for spelled in names
    }
    stateless = {(source, name) for source, name, _ in by_name}
    for row in rows:
        sources = (row.source,) if row.source else tuple(known)
        name = normalize(row.name)
        if row.agency:
            matched = any(row.agency in known.get(source, {}) for source in sources)
        elif row.state:
            matched = any((source, name, row.state) in by_name for source in sources)
        else:
            matched = any((source, name) in stateless for source in sources)
        if not matched:
            yield row
