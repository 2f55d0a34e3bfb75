"""The proof of one published change: the two polls, the bytes around the agency in each, and the position in
the log.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from monitor.domain import Listing
from monitor.record.bundle import BundleBody
from monitor.record.checkpoint import read_checkpoint
from monitor.record.quotes import detect_suffix, find_quote, list_spellings, read_part
from monitor.storage.lists import bodies, changes, imports, log_rows, poll_rows
from monitor.storage.lists.changes import StoredChange
from monitor.storage.lists.imports import Capture
from monitor.storage.lists.poll_rows import PollRecordRow

_LONGEST = 1500  # bytes of an excerpt
_AROUND = 300  # bytes on each side, if the line is too short or too long


@dataclass(frozen=True, slots=True)
class OriginalExcerpt:
    """The bytes of a publication around an agency, as text, and where they are. ``part`` names a part of a
    workbook.
    """

    text: str
    offset: int
    part: str


@dataclass(frozen=True, slots=True)
class SeenPoll:
    """A poll on one side of a change, and the agency in its publication; ``original`` None: it is not in the
    publication, or the publication was not stored (``kept``). ``capture``: somebody else captured it, and
    ``poll`` describes the capture like a poll.
    """

    poll: PollRecordRow
    size: int | None
    kept: bool
    original: OriginalExcerpt | None
    capture: Capture | None = None


@dataclass(frozen=True, slots=True)
class ChangeProof:
    """``number`` is the baseline number of the publication, ``leaf`` its entry in the log (None: older than
    the log), ``head`` the signed state of the log, ``signed`` whether that has the entry.
    """

    number: int
    at: datetime
    leaf: int | None
    head: str | None
    signed: bool
    before: SeenPoll | None
    after: SeenPoll | None


def load_proof(conn: Connection, row: StoredChange) -> ChangeProof:
    """Read the proof of a published change."""
    assert row.changeset is not None
    changeset = changes.load_changeset(conn, row.changeset)
    note = log_rows.load_checkpoint(conn)
    checkpoint = None if note is None else read_checkpoint(note)
    return ChangeProof(
        number=changeset.number,
        at=changeset.at,
        leaf=changeset.leaf,
        head=None if checkpoint is None else checkpoint.head,
        signed=checkpoint is not None and changeset.leaf is not None and changeset.leaf < checkpoint.size,
        before=_load_seen(conn, row.source, row.not_before, row.change.before or row.change.after),
        after=_load_seen(conn, row.source, row.first_seen_at, row.change.after or row.change.before),
    )


def read_original(content: bytes, name: str) -> OriginalExcerpt | None:
    """Find the line of a publication with a text, or the bytes around the text; None if the text does not
    occur.
    """
    body = BundleBody("", detect_suffix(content), content)
    for spelling in list_spellings(name):
        quote = find_quote(body, spelling)
        if quote is not None:
            part = read_part(content, quote.part)
            markup = body.suffix != "txt"
            start, end = _find_line(part, quote.offset, len(spelling.encode()), markup)
            return OriginalExcerpt(part[start:end].decode("utf-8", "replace").strip(), start, quote.part)
    return None


def _load_seen(
    conn: Connection, source: str, at: datetime | None, listing: Listing | None
) -> SeenPoll | None:
    poll = None if at is None else poll_rows.load_poll_at(conn, source, at)
    capture = None
    if poll is None and at is not None:
        capture = next(iter(imports.load_captures(conn, source, [at])), None)
        poll = None if capture is None else _describe_capture(capture)
    if poll is None:
        return None
    content = None if poll.hash is None else bodies.load_body(conn, poll.hash)
    original = None
    if content is not None and listing is not None:
        original = read_original(content, listing.name)
    size = None if content is None else len(content)
    return SeenPoll(poll, size, content is not None, original, capture)


def _describe_capture(capture: Capture) -> PollRecordRow:
    return PollRecordRow(
        id=0,
        at=capture.at,
        outcome=capture.outcome,
        status=None,
        reason=capture.reason,
        url=capture.url or None,
        size=capture.size,
        hash=capture.hash,
        leaf=capture.leaf,
    )


def _find_line(content: bytes, offset: int, length: int, markup: bool) -> tuple[int, int]:
    start = content.rfind(b"\n", 0, offset) + 1
    end = content.find(b"\n", offset)
    end = len(content) if end < 0 else end
    if end - start > _LONGEST or (markup and end - start < 2 * length + 50):
        start, end = max(0, offset - _AROUND), min(len(content), offset + length + _AROUND)
        while start < offset and content[start] & 0xC0 == 0x80:  # in the middle of a UTF-8 character
            start += 1
        while end < len(content) and content[end] & 0xC0 == 0x80:
            end += 1
    return start, end
