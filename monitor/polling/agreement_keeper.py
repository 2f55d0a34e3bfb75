"""Checks the agreements that listings link to, one at a time, and stores each document by its hash.

The first document is stored at once. Different content at the same URL counts as a replacement once a second
check has seen the same bytes, so that a server that generates a new file for each request never causes one.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.engine import Connection, Engine

from monitor.fetch import Fetched, Fetcher, FetchFailed, NotModified, Target, Validators
from monitor.net import MIB
from monitor.polling.received import compute_clock, describe_sent
from monitor.record import log as record
from monitor.record.leaf import format_time
from monitor.storage.engine import reading, transaction
from monitor.storage.lists import agreements as store
from monitor.storage.lists import baseline, bodies, history, log_rows
from monitor.storage.lists.agreements import Agreement
from monitor.storage.lists.history import FAILED, GOOD, REJECTED, UNCHANGED, Attempt

log = logging.getLogger(__name__)

SECOND_LOOK = timedelta(hours=1)
"""The wait before the second check of different content."""
LONGEST_PAUSE = timedelta(days=30)
"""The longest time between two checks of a URL without a document."""
_UNCONDITIONAL = 4  # checks: a server that always answers "not modified" then gets an unconditional request
_HEAD = 1024  # bytes within which the header of a PDF begins (ISO 32000-1, annex H, note 13)
_TAIL = 4096  # bytes within which it ends


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementRules:
    """How often a URL is checked, and how many bytes are stored of one document and of all.

    ``has_room`` returns whether the disk has room for a number of bytes.
    """

    every: timedelta = timedelta(days=7)
    largest: int = 20 * MIB
    all_bytes: int = 1000 * MIB
    has_room: Callable[[int], bool] = field(default=lambda size: True, compare=False)


@dataclass(slots=True)
class AgreementKeeper:
    """Checks the agreements of some sources; each call of `look_at_next` sends at most one request."""

    engine: Engine
    targets: Mapping[str, Target]
    fetcher: Fetcher
    rules: AgreementRules
    _numbers: dict[str, int] = field(default_factory=dict, init=False)

    def look_at_next(self, now: datetime) -> str | None:
        """Check the agreement that has been due for the longest time; returns its URL, None if none
        is due.
        """
        self._update_links(now)
        with transaction(self.engine) as conn:
            due = store.find_due(conn, self.targets, now)
            if due is None or not store.claim(conn, due, now + store.LEASE):
                return None
            asks = due.hash is not None and due.pending_hash is None and store.is_known(conn, due.hash)
        target = self.targets[due.source]
        known = None
        if asks and due.looks % _UNCONDITIONAL:
            known = Validators(due.etag, due.last_modified, due.hash)
        try:
            got = self.fetcher.fetch_document(due.url, target, known, self.rules.largest)
        except FetchFailed as failed:
            self._write_failure(due, failed, now)
            return due.url
        if isinstance(got, NotModified):
            self._write_seen(due, got, now)
        elif problem := find_pdf_problem(got.body):
            self._write_problem(due, got, REJECTED, problem, now)
        else:
            self._write_document(due, got, now)
        return due.url

    def _update_links(self, now: datetime) -> None:
        """Update the followed links of lists that have changed since the last call."""
        with reading(self.engine) as conn:
            believed = {name: baseline.load_info(conn, name).number for name in self.targets}
        for name, number in believed.items():
            if self._numbers.get(name) == number:
                continue
            with transaction(self.engine) as conn:
                log_rows.lock_head(conn)
                listings = baseline.load_accepted(conn, name).listings
                store.update_links(conn, name, {url for each in listings for url in each.documents}, now)
            self._numbers[name] = number

    def _write_failure(self, due: Agreement, failed: FetchFailed, now: datetime) -> None:
        wait = failed.retry_after
        evidence = failed.evidence
        attempt = Attempt(
            source=store.name_agreement(due.source, due.id),
            at=now,
            outcome=FAILED,
            reason=str(failed),
            status=evidence.status,
            url=evidence.final_url or due.url,
            headers=evidence.headers,
            request=describe_sent(evidence.request),
            validators=evidence.request.validators if evidence.request else (),
            clock=compute_clock(evidence, now),
        )
        with transaction(self.engine) as conn:
            self._insert_unsuccessful(conn, due, attempt, wait)
            if wait is not None:
                store.postpone(conn, due.source, now + wait)

    def _write_problem(self, due: Agreement, got: Fetched, outcome: str, problem: str, now: datetime) -> None:
        with transaction(self.engine) as conn:
            self._insert_unsuccessful(conn, due, _attempt_of(due, got, outcome, now, problem), None)

    def _insert_unsuccessful(
        self, conn: Connection, due: Agreement, attempt: Attempt, wait: timedelta | None
    ) -> None:
        current = _lock(conn, due)
        self._insert_look(conn, current, attempt)
        pause = min(self.rules.every * 2 ** min(current.failures, 5), max(LONGEST_PAUSE, self.rules.every))
        store.update_agreement(
            conn,
            due.id,
            looks=current.looks + 1,
            failures=current.failures + 1,
            problem=attempt.reason,
            looked_at=attempt.at,
            next_at=attempt.at + max(pause, wait or timedelta()),
        )

    def _write_seen(self, due: Agreement, got: NotModified, now: datetime) -> None:
        """Write a check that found the known document."""
        with transaction(self.engine) as conn:
            current = _lock(conn, due)
            self._insert_look(conn, current, _attempt_of(due, got, UNCHANGED, now))
            self._update_good(conn, current, got, now)

    def _write_document(self, due: Agreement, got: Fetched, now: datetime) -> None:
        with transaction(self.engine) as conn:
            current = _lock(conn, due)
            outcome = UNCHANGED if got.sha256 == current.hash else GOOD
            believed = current.hash in (None, got.sha256) or current.pending_hash == got.sha256
            kept = believed and (store.is_known(conn, got.sha256) or self._has_room(conn, len(got.body)))
            attempt = _attempt_of(due, got, outcome, now, kept=kept)
            number = self._insert_look(conn, current, attempt)
            if not believed:
                # the bytes are stored at the second check, so that files generated for each request do not
                # fill the disk
                store.update_agreement(
                    conn,
                    due.id,
                    looks=number,
                    failures=0,
                    problem="",
                    looked_at=now,
                    pending_hash=got.sha256,
                    pending_at=now,
                    next_at=now + min(SECOND_LOOK, self.rules.every),
                )
                return
            if outcome == GOOD:
                self._insert_copy(conn, current, got, number, now, kept=kept)
            elif kept and not store.is_known(conn, got.sha256):
                bodies.insert_body(conn, got.sha256, got.body, now, wire=got.wire)
                store.note_kept(conn, current.id, got.sha256)
            self._update_good(conn, current, got, now)

    def _insert_copy(
        self, conn: Connection, current: Agreement, got: Fetched, look: int, now: datetime, *, kept: bool
    ) -> None:
        """Store a document, and record it as the first one or as a replacement."""
        if kept:
            bodies.insert_body(conn, got.sha256, got.body, now, wire=got.wire)
        accepted = baseline.load_accepted(conn, current.source)
        agencies = sorted(
            {accepted.agencies[each.key] for each in accepted.listings if current.url in each.documents}
        )
        first_seen, from_look, not_before = now, None, None
        if current.hash is not None and current.pending_at is not None:
            first_seen = current.pending_at
            look = store.find_first_sight(conn, current.id, got.sha256, first_seen)
            sight = store.find_last_sight(conn, current.id, current.hash)
            from_look, not_before = sight or (None, None)
        leaf = record.append_agreement(
            conn,
            store.name_agreement(current.source, current.id),
            {
                "kind": "agreement kept" if current.hash is None else "agreement replaced",
                "url": record.clip_text(current.url),
                "agencies": [record.clip_text(each) for each in agencies[:50]],
                "before": current.hash,
                "after": got.sha256,
                "not_before": None if not_before is None else format_time(not_before),
                "first_seen": format_time(first_seen),
            },
            now,
        )
        store.insert_copy(
            conn,
            agreement_id=current.id,
            source=current.source,
            at=now,
            not_before=not_before,
            first_seen_at=first_seen,
            from_look=from_look,
            to_look=look,
            before=current.hash,
            after=got.sha256,
            agencies=agencies,
            size=len(got.body),
            kept=kept,
            leaf=leaf,
        )

    def _update_good(
        self, conn: Connection, current: Agreement, got: Fetched | NotModified, now: datetime
    ) -> None:
        known = got.validators
        store.update_agreement(
            conn,
            current.id,
            looks=current.looks + 1,
            hash=known.hash,
            pending_hash=None,
            pending_at=None,
            # validators belong to the URL that answered, which after a redirect is not this one
            etag=None if got.redirects else known.etag,
            last_modified=None if got.redirects else known.last_modified,
            failures=0,
            problem="",
            looked_at=now,
            seen_at=now,
            next_at=now + self.rules.every,
        )

    def _insert_look(self, conn: Connection, current: Agreement, attempt: Attempt) -> int:
        number = current.looks + 1
        leaf = record.append_look(conn, attempt, number)
        store.insert_look(
            conn,
            current.id,
            number,
            attempt.at,
            attempt.outcome,
            leaf,
            sha256=attempt.hash,
            reason=attempt.reason,
            headers=attempt.headers,
            request=attempt.request,
            validators=attempt.validators,
        )
        return number

    def _has_room(self, conn: Connection, size: int) -> bool:
        if not self.rules.has_room(size) or store.count_kept_bytes(conn) + size > self.rules.all_bytes:
            log.warning("an agreement of %d bytes is not kept: [agreements] has no room left", size)
            return False
        return True


def _lock(conn: Connection, due: Agreement) -> Agreement:
    """Read the agreement again with a lock: the log's head is locked first, as wherever entries are
    appended.
    """
    log_rows.lock_head(conn)
    return store.lock_agreement(conn, due.id)


def find_pdf_problem(body: bytes) -> str | None:
    """Describe why bytes are not a whole PDF; None if they look like one."""
    head = body[:_HEAD].lstrip()
    if not head:
        return "brought an empty file"
    if head.startswith(b"<"):
        return "brought a page (HTML) in place of the PDF"
    if b"%PDF-" not in body[:_HEAD]:
        return "brought a file that is no PDF"
    if b"%%EOF" not in body[-_TAIL:]:
        return "brought a PDF whose end is missing"
    return None


def _attempt_of(
    due: Agreement,
    got: Fetched | NotModified,
    outcome: str,
    now: datetime,
    reason: str = "",
    *,
    kept: bool = True,
) -> Attempt:
    fetched = got if isinstance(got, Fetched) else None
    attempt = Attempt(
        source=store.name_agreement(due.source, due.id),
        at=now,
        outcome=outcome,
        reason=reason,
        status=got.status,
        url=got.final_url,
        redirects=(got.url, *got.redirects[:-1]) if got.redirects else (),
        headers=got.headers if outcome != UNCHANGED else (),
        wire_bytes=got.wire_bytes,
        size=len(fetched.body) if fetched else None,
        hash=fetched.sha256 if fetched else got.validators.hash,
        wire_hash=hashlib.sha256(fetched.wire).hexdigest() if fetched and fetched.wire else None,
        kept=kept and outcome != REJECTED,
        request=describe_sent(got.request),
        validators=got.request.validators if got.request else (),
        clock=compute_clock(got, now),
    )
    return history.drop_noise(attempt)
