"""Agreements that listings link to: the content seen at each URL, by hash, and replacements."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.storage.engine import insert_for
from monitor.storage.lists.agreement_tables import AgreementCopyRow, AgreementLookRow, AgreementRow
from monitor.storage.lists.bodies import REDACTED
from monitor.storage.lists.sent_requests import join_validators, load_requests, put_request
from monitor.storage.lists.tables import BodyRow

_AGREEMENT, _LOOK, _COPY = AgreementRow.c, AgreementLookRow.c, AgreementCopyRow.c
_CHUNK = 500  # addresses of one statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """An address that listings of a source link.

    ``hash`` is what is believed to stand there, ``pending_hash`` other content that was seen once, first at
    ``pending_at``; ``problem`` says why the last look brought nothing. ``looks`` counts looks, ``failures``
    those without a document since the last one with it.
    """

    id: int
    source: str
    url: str
    first_at: datetime
    looks: int
    hash: str | None
    pending_hash: str | None
    pending_at: datetime | None
    etag: str | None
    last_modified: str | None
    failures: int
    problem: str
    looked_at: datetime | None
    seen_at: datetime | None
    next_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementCopy:
    """A document that stood at an agreement's address: the first one, or with ``before`` (a hash) one that
    replaced another between ``not_before`` and ``first_seen_at``.

    ``from_look`` and ``to_look`` are the looks of these two moments, ``agencies`` those whose listings linked
    it, ``readable`` says whether its bytes are here.
    """

    id: int
    agreement: int
    source: str
    url: str
    at: datetime
    not_before: datetime | None
    first_seen_at: datetime
    from_look: int | None
    to_look: int
    before: str | None
    after: str
    agencies: tuple[str, ...]
    size: int
    readable: bool
    leaf: int


@dataclass(frozen=True, slots=True)
class AgreementLook:
    """A look as a bundle needs it: its outcome, what it saw, its stored headers, its entry in the log, and
    the request that was sent.
    """

    outcome: str
    hash: str | None
    headers: list[list[str]] | None
    leaf: int
    request: dict[str, Any] | None = None


LEASE = timedelta(hours=1)
"""The time after which an agreement is due again whose look did not end, because its process did."""


def name_agreement(source: str, number: int) -> str:
    """The name of an agreement in the log of the record, where its checks are recorded as polls."""
    return f"{source}/agreement/{number}"


def update_links(conn: Connection, source: str, urls: Collection[str], now: datetime) -> None:
    """Update which URLs the listings of a source link to: new ones are due at once, removed ones are no
    longer due.
    """
    known = {
        row.url: row.next_at
        for row in conn.execute(
            sa.select(_AGREEMENT.url, _AGREEMENT.next_at).where(_AGREEMENT.source == source)
        )
    }
    new = [
        {"source": source, "url": url, "first_at": now, "looks": 0, "failures": 0, "problem": ""}
        | {"next_at": now}
        for url in sorted(urls)
        if url not in known
    ]
    if new:
        conn.execute(insert_for(conn, AgreementRow).on_conflict_do_nothing(), new)
    back = [url for url in urls if url in known and known[url] is None]
    gone = [url for url, next_at in known.items() if next_at is not None and url not in urls]
    for some, next_at in ((back, now), (gone, None)):
        for start in range(0, len(some), _CHUNK):
            conn.execute(
                sa.update(AgreementRow)
                .where(_AGREEMENT.source == source, _AGREEMENT.url.in_(some[start : start + _CHUNK]))
                .values(next_at=next_at)
            )


def find_due(conn: Connection, sources: Iterable[str], now: datetime) -> Agreement | None:
    """Read the agreement that has been due for longest; None if none is."""
    row = conn.execute(
        sa.select(AgreementRow)
        .where(_AGREEMENT.source.in_(list(sources)), _AGREEMENT.next_at <= now)
        .order_by(_AGREEMENT.next_at, _AGREEMENT.id)
        .limit(1)
    ).first()
    return None if row is None else Agreement(**row._mapping)


def claim(conn: Connection, agreement: Agreement, until: datetime) -> bool:
    """Claim an agreement so that no other process checks it before ``until``; False if another has it."""
    taken = conn.execute(
        sa.update(AgreementRow)
        .where(_AGREEMENT.id == agreement.id, _AGREEMENT.next_at == agreement.next_at)
        .values(next_at=until)
    )
    return taken.rowcount == 1


def lock_agreement(conn: Connection, number: int) -> Agreement:
    """Read an agreement, locked until the transaction ends."""
    row = conn.execute(sa.select(AgreementRow).where(_AGREEMENT.id == number).with_for_update()).one()
    return Agreement(**row._mapping)


def update_agreement(conn: Connection, number: int, **values: Any) -> None:
    """Write columns of an agreement after a look."""
    conn.execute(sa.update(AgreementRow).where(_AGREEMENT.id == number).values(**values))


def postpone(conn: Connection, source: str, until: datetime) -> None:
    """Postpone the checks of all agreements of a source, because the publisher asked to wait."""
    conn.execute(
        sa.update(AgreementRow)
        .where(_AGREEMENT.source == source, _AGREEMENT.next_at < until)
        .values(next_at=until)
    )


def insert_look(
    conn: Connection,
    agreement: int,
    number: int,
    at: datetime,
    outcome: str,
    leaf: int,
    *,
    sha256: str | None,
    reason: str,
    headers: Sequence[Sequence[str]],
    request: dict[str, Any] | None,
    validators: Sequence[Sequence[str]],
) -> None:
    """Write one look. The caller holds the log's head."""
    conn.execute(
        sa.insert(AgreementLookRow).values(
            agreement_id=agreement,
            number=number,
            at=at,
            outcome=outcome,
            hash=sha256,
            reason=reason,
            headers=[list(header) for header in headers] or None,
            leaf=leaf,
            request_id=put_request(conn, request),
            validators=[list(header) for header in validators] or None,
        )
    )


def is_known(conn: Connection, sha256: str) -> bool:
    """Whether content was kept; also when its bytes were removed since."""
    return bool(conn.scalar(sa.select(sa.exists().where(BodyRow.c.hash == sha256))))


def note_kept(conn: Connection, agreement: int, sha256: str) -> None:
    """Record that content is now stored for which there was no room before."""
    conn.execute(
        sa.update(AgreementCopyRow)
        .where(_COPY.agreement_id == agreement, _COPY.after == sha256)
        .values(kept=True)
    )


def insert_copy(conn: Connection, **values: Any) -> int:
    """Write that a document was had, or replaced another; its number."""
    key = conn.execute(sa.insert(AgreementCopyRow).values(**values)).inserted_primary_key
    assert key is not None
    return int(key[0])


def count_kept_bytes(conn: Connection) -> int:
    """Bytes of all agreements that are kept, each content once."""
    kept = sa.select(_COPY.after, sa.func.max(_COPY.size).label("size")).where(_COPY.kept)
    each = kept.group_by(_COPY.after).subquery()
    return int(conn.scalar(sa.select(sa.func.coalesce(sa.func.sum(each.c.size), 0))) or 0)


def load_agreements(conn: Connection, source: str, urls: Collection[str] | None = None) -> list[Agreement]:
    """Read the agreements of a source, or those at some addresses, in the order of their addresses."""
    query = sa.select(AgreementRow).where(_AGREEMENT.source == source).order_by(_AGREEMENT.url)
    if urls is not None:
        query = query.where(_AGREEMENT.url.in_(list(urls)))
    return [Agreement(**row._mapping) for row in conn.execute(query)]


def load_copies(conn: Connection, agreements: Collection[int]) -> dict[int, list[AgreementCopy]]:
    """Read the documents that stood at addresses, by agreement, oldest first."""
    found: dict[int, list[AgreementCopy]] = {}
    if agreements:
        rows = conn.execute(_COPIES.where(_COPY.agreement_id.in_(list(agreements))).order_by(_COPY.id))
        for copy in map(_read_copy, rows):
            found.setdefault(copy.agreement, []).append(copy)
    return found


def load_copy(conn: Connection, number: int) -> AgreementCopy | None:
    """Read one document by its number; None if there is none."""
    row = conn.execute(_COPIES.where(_COPY.id == number)).first()
    return None if row is None else _read_copy(row)


def load_newest_replacements(
    conn: Connection, sources: Collection[str], limit: int
) -> tuple[AgreementCopy, ...]:
    """Read the newest replacements, newest first."""
    rows = conn.execute(
        _COPIES.where(_COPY.before.is_not(None), _COPY.source.in_(list(sources)))
        .order_by(_COPY.at.desc(), _COPY.id.desc())
        .limit(limit)
    )
    return tuple(map(_read_copy, rows))


def is_copy(conn: Connection, sha256: str) -> bool:
    """Whether a hash is that of a document that stood at an agreement's address."""
    return bool(conn.scalar(sa.select(sa.exists().where(_COPY.after == sha256))))


def load_looks(conn: Connection, agreement: int, first: int, last: int) -> tuple[AgreementLook, ...]:
    """Read the looks at an agreement between two numbers, both included, oldest first."""
    rows = conn.execute(
        sa.select(_LOOK.outcome, _LOOK.hash, _LOOK.headers, _LOOK.leaf, _LOOK.request_id, _LOOK.validators)
        .where(_LOOK.agreement_id == agreement, _LOOK.number >= first, _LOOK.number <= last)
        .order_by(_LOOK.number)
    ).all()
    requests = load_requests(conn, {row.request_id for row in rows})
    return tuple(
        AgreementLook(*row[:4], join_validators(requests.get(row.request_id), row.validators)) for row in rows
    )


def find_last_sight(conn: Connection, agreement: int, sha256: str) -> tuple[int, datetime] | None:
    """The number and the time of the last look that saw this content."""
    row = conn.execute(
        sa.select(_LOOK.number, _LOOK.at)
        .where(_LOOK.agreement_id == agreement, _LOOK.hash == sha256)
        .order_by(_LOOK.number.desc())
        .limit(1)
    ).first()
    return None if row is None else (row.number, row.at)


def find_first_sight(conn: Connection, agreement: int, sha256: str, since: datetime) -> int:
    """The number of the first look from a moment on that saw this content."""
    number: int | None = conn.scalar(
        sa.select(sa.func.min(_LOOK.number)).where(
            _LOOK.agreement_id == agreement, _LOOK.hash == sha256, _LOOK.at >= since
        )
    )
    assert number is not None
    return number


def count_not_kept(conn: Connection) -> int:
    """How many documents were seen for which there was no room."""
    query = sa.select(sa.func.count()).select_from(AgreementCopyRow).where(sa.not_(_COPY.kept))
    return int(conn.scalar(query) or 0)


_NAMES = ("at", "not_before", "first_seen_at", "from_look", "to_look", "before", "after", "size", "leaf")
_COPIES = (
    sa.select(AgreementCopyRow, _AGREEMENT.url, BodyRow.c.encoding)
    .join(AgreementRow, _AGREEMENT.id == _COPY.agreement_id)
    .join(BodyRow, BodyRow.c.hash == _COPY.after, isouter=True)
)


def _read_copy(row: Any) -> AgreementCopy:
    return AgreementCopy(
        id=row.id,
        agreement=row.agreement_id,
        source=row.source,
        url=row.url,
        agencies=tuple(row.agencies),
        readable=row.encoding not in (None, REDACTED),
        **{name: getattr(row, name) for name in _NAMES},
    )
