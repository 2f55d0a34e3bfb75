"""Details and proof of one change, proof that an agency was not listed on a day, and the bundles of both."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import Response

from monitor.core.wording import normalize
from monitor.domain import Listing
from monitor.errors import BundleBusyError, RecordError, UsageError
from monitor.messages.locale import N_
from monitor.record.bundle_files import BundleFiles
from monitor.record.change_proof import load_proof
from monitor.record.checkpoint import read_checkpoint
from monitor.storage.engine import reading
from monitor.storage.lists import agreements, bodies, changes, imports, log_rows, poll_rows, record_rows
from monitor.storage.lists.imports import Capture
from monitor.storage.lists.page_queries import load_first_read
from monitor.storage.lists.poll_rows import PollRecordRow
from monitor.web.api_answers import ProblemError, answer_bytes
from monitor.web.context import Site
from monitor.web.error_pages import not_found_page
from monitor.web.pages import render_page, site_of, translate
from monitor.web.routing import Router, get
from monitor.web.sent_files import SentFile

router = Router()

_MOST_POLLS = 3000  # around one day
_MOST_MATCHES = 150  # on a page of at most 100 kB
_LARGEST_ID = 2**31 - 1
_SHA256 = re.compile("[0-9a-f]{64}")
_SAW = ("good", "unchanged")
_NOT_A_DAY = N_("Enter a day that is over (UTC), such as 2026-03-01.")
_NOT_A_ZIP = N_("Enter a five-digit ZIP code, or at least three letters of an agency's name.")


@dataclass(frozen=True, slots=True)
class ListedMatch:
    """An agency that polls saw on the list around the day, and that matches the search. ``agency`` is None
    for one that was never accepted.
    """

    listing: Listing
    agency: str | None
    since: datetime
    until: datetime | None
    captured_by: str = ""


@dataclass(frozen=True, slots=True)
class DayProof:
    """A day of a list: the last good poll before it, all polls within it, the first good poll after it, and
    the matching agencies: ``listed`` at some moment of the day, by the polls around it; ``near`` were first
    seen only after it, or last seen before it. ``good`` counts the polls of the day itself that saw the list;
    ``captures`` are those by others on that day, ``around`` the nearest ones by others before and after it,
    if this service did not see the list then.

    ``whole``: there is a good poll on each side.
    """

    day: date
    polls: tuple[PollRecordRow, ...]
    before: PollRecordRow | None
    after: PollRecordRow | None
    listed: tuple[ListedMatch, ...]
    near: tuple[ListedMatch, ...]
    good: int
    captures: tuple[Capture, ...]
    around: tuple[Capture, ...]

    @property
    def whole(self) -> bool:
        return self.before is not None and self.after is not None

    @property
    def seen(self) -> bool:
        """Whether the list was seen on the day, or before and after it."""
        sides = bool(self.before) + bool(self.after) + len(self.around)
        return sides == 2 or self.good > 0 or bool(self.captures)

    @property
    def failed(self) -> int:
        return sum(poll.outcome not in _SAW for poll in self.polls)


@get(router, "/change/{number}")
def change_page(request: Request, number: str) -> Response:
    """Show one change with its proof, for printing."""
    site = site_of(request)
    if not (number.isascii() and number.isdecimal() and int(number[:12]) <= _LARGEST_ID):
        return not_found_page(request)
    with reading(site.engine) as conn:
        rows = changes.load_by_ids(conn, [int(number)])
        if not rows or rows[0].changeset is None:
            return not_found_page(request)
        proof = load_proof(conn, rows[0])
    row = rows[0]
    return render_page(
        request,
        "change.html",
        row=row,
        proof=proof,
        watched=site.sources.get(row.source),
        bundled=site.bundles is not None
        and proof.signed
        and row.not_before is not None
        and row.origin == changes.OWN,
    )


@get(router, "/absence/{source}")
def absence_page(request: Request, source: str) -> Response:
    """Show that on a day no agency for a ZIP, or of a name, was on a list; or which ones were."""
    site = site_of(request)
    if source not in site.sources:
        return not_found_page(request)
    day_text, asked = (request.query_params.get(name, "").strip() for name in ("day", "who"))
    problem = found = note = first = None
    now = site.clock()
    day = _read_day(day_text)
    is_zip = asked.isascii() and asked.isdecimal() and len(asked) == 5
    if day_text or asked:
        if day is None or day >= now.astimezone(UTC).date():
            problem = translate(request, _NOT_A_DAY)
        elif not is_zip and (asked.isdecimal() or not 3 <= len(asked) <= 100):
            problem = translate(request, _NOT_A_ZIP)
        else:
            with reading(site.engine) as conn:
                found = _load_day(conn, site, source, day, asked, is_zip)
                note = log_rows.load_checkpoint(conn)
    if found is None:
        with reading(site.engine) as conn:
            first = load_first_read(conn, source)
    return render_page(
        request,
        "absence.html",
        first=first,
        private=True,  # the search text is private: neither cached nor indexed
        watched=site.sources[source],
        found=found,
        most=_MOST_MATCHES,
        asked=asked,
        is_zip=is_zip,
        day=day_text,
        problem=problem,
        head=None if found is None or note is None else read_checkpoint(note).head,
        bundled=site.bundles is not None and found is not None and found.whole,
    )


@get(router, "/evidence/change/{name}")
def change_bundle(request: Request, name: str) -> Response:
    """The evidence bundle of a change: a ZIP file that contains verify.py to check it."""
    number = name.removesuffix(".zip")
    if not (number.isascii() and number.isdecimal() and int(number[:12]) <= _LARGEST_ID):
        raise ProblemError(404, "No such change", "Write /evidence/change/NUMBER.zip.")
    return _send_bundle(request, lambda bundles: bundles.prepare_change(int(number)))


@get(router, "/evidence/day/{source}/{name}")
def day_bundle(request: Request, source: str, name: str) -> Response:
    """The evidence bundle of a day (UTC) of a list."""
    day = _read_day(name.removesuffix(".zip"))
    if day is None or source not in site_of(request).sources:
        raise ProblemError(404, "No such day", "Write /evidence/day/LIST/2026-03-01.zip.")
    return _send_bundle(request, lambda bundles: bundles.prepare_day(source, day))


@get(router, "/evidence/agreement/{name}")
def agreement_bundle(request: Request, name: str) -> Response:
    """The evidence bundle of a document that a listing links to."""
    number = name.removesuffix(".zip")
    if not (number.isascii() and number.isdecimal() and int(number[:12]) <= _LARGEST_ID):
        raise ProblemError(404, "No such document", "Write /evidence/agreement/NUMBER.zip.")
    return _send_bundle(request, lambda bundles: bundles.prepare_agreement(int(number)))


@get(router, "/evidence/document/{name}")
def agreement_file(request: Request, name: str) -> Response:
    """A document that a listing links to, exactly as it was received, by its SHA-256."""
    sha256 = name.removesuffix(".pdf")
    content = None
    if _SHA256.fullmatch(sha256):  # PostgreSQL refuses to be asked for a text with a NUL
        with reading(site_of(request).engine) as conn:
            content = bodies.load_body(conn, sha256) if agreements.is_copy(conn, sha256) else None
    if content is None:
        raise ProblemError(404, "Not kept", "No such document was received, or its bytes were removed.")
    headers = {
        "Content-Disposition": f'attachment; filename="{sha256[:16]}.pdf"',
        "Cache-Control": "public, max-age=31536000, immutable",
    }
    return answer_bytes(request, content, "application/pdf", headers)


def _send_bundle(request: Request, prepare: Callable[[BundleFiles], Path]) -> Response:
    bundles = site_of(request).bundles
    if bundles is None:
        raise ProblemError(404, "No evidence here", "This site makes none.")
    try:
        path = prepare(bundles)
    except UsageError as error:
        raise ProblemError(404, "No proof of this", f"{error}.") from None
    except BundleBusyError:
        raise ProblemError(
            429, "One at a time", "Another bundle is being made. Ask again.", {"Retry-After": "5"}
        ) from None
    except RecordError as error:
        raise ProblemError(503, "Not proved yet", f"{error}.", {"Retry-After": "300"}) from None
    return SentFile(path, media_type="application/zip", filename=path.name)


def _load_day(conn: Connection, site: Site, source: str, day: date, asked: str, is_zip: bool) -> DayProof:
    start = datetime.combine(day, time(), UTC)
    end = start + timedelta(days=1)
    before = poll_rows.find_good_poll(conn, source, start, later=False)
    after = poll_rows.find_good_poll(conn, source, end, later=True)
    captured = imports.load_captures(conn, source)
    earlier = [each for each in captured if each.at < start][-1:] if before is None else []
    later = [each for each in captured if each.at >= end][:1]
    later = later if later and (after is None or later[0].at < after.at) else []
    after = None if later else after
    first = next((each.at for each in (before, *earlier) if each), start)
    last = next((each.at for each in (after, *later) if each), end)
    polls = poll_rows.load_polls_between(conn, source, first, last, _MOST_POLLS)
    fits = _match_zip(site, source, asked) if is_zip else _match_name(asked)
    fitting = [match for match in _load_matches(conn, source, first, last) if fits(match.listing)]
    listed = tuple(
        each for each in fitting if each.since < end and (each.until is None or each.until > start)
    )
    agencies = {match.agency for match in listed}
    others = (match for match in fitting if match.since >= end or (match.until or end) <= start)
    return DayProof(
        day,
        polls,
        before,
        after,
        listed,
        tuple(match for match in others if match.agency is None or match.agency not in agencies),
        good=sum(start <= poll.at < end and poll.outcome in _SAW for poll in polls),
        captures=tuple(capture for capture in captured if start <= capture.at < end),
        around=(*earlier, *later),
    )


def _load_matches(conn: Connection, source: str, first: datetime, last: datetime) -> Iterator[ListedMatch]:
    """Read what was listed at some time between two moments, believed or not."""
    for version in record_rows.load_versions_between(conn, source, first, last):
        since, until = version.seen_from, version.seen_to
        yield ListedMatch(version.listing, version.agency, since, until, version.captured_by)
    for row in changes.load_unbelieved_additions(conn, source, first, last):
        yield ListedMatch(row.change.subject, None, row.first_seen_at, row.ended_at)


def _match_name(asked: str) -> Callable[[Listing], bool]:
    """Whether a listing's name holds the words asked for."""
    wanted = normalize(asked)
    return lambda listing: wanted in normalize(listing.name)


def _match_zip(site: Site, source: str, code: str) -> Callable[[Listing], bool]:
    """Whether a listing serves a ZIP or its whole state."""
    places = {code, site.gazetteer.state_of_zip(code)}
    return lambda listing: not places.isdisjoint(site.coverage.placement(source, listing).places)


def _read_day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        return None
