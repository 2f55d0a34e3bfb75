"""A whole list, now or at a moment, to search, sort and filter; and two moments compared."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from urllib.parse import urlencode

from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import Response

from monitor.core.wording import normalize
from monitor.domain import Listing, SourceInfo
from monitor.messages.layout import clean
from monitor.record.checkpoint import read_checkpoint
from monitor.record.data.describe import format_time
from monitor.states import STATES
from monitor.storage.engine import reading
from monitor.storage.lists import baseline, imports, log_rows, record_rows
from monitor.storage.lists.page_queries import load_first_read
from monitor.storage.lists.past_lists import ListMoment
from monitor.storage.lists.record_rows import ListingVersion
from monitor.web.api_answers import ProblemError, find_moment, read_moment
from monitor.web.charts import GapHistory
from monitor.web.context import Site
from monitor.web.error_pages import before_first_page, not_found_page
from monitor.web.list_differences import KINDS, FoundDifferences, compare_lists, cut_pages, fold_kinds
from monitor.web.list_status import load_statuses
from monitor.web.pages import parse_number, redirect, render_page, site_of, translate
from monitor.web.routing import Router, get

router = Router()

_DAY = len("2026-03-01")
_ROWS = 100  # agencies per page: 70 kB with the longest names, ten phone screens
_KEPT = 6  # lists in memory
_LARGEST_PAGE = 99_999
SORTS = ("name", "state", "since", "seen")


@dataclass(frozen=True, slots=True)
class ListQuery:
    """The query of a list page. ``at`` is the text of a moment, "" for now; ``joined`` a year or ""; ``left``
    "1": include those that are no longer listed. ``wrong_state`` and ``wrong_year`` are invalid values that
    were given.
    """

    at: str = ""
    q: str = ""
    state: str = ""
    joined: str = ""
    left: str = ""
    sort: str = "name"
    page: int = 1
    wrong_state: str = ""
    wrong_year: str = ""

    def link(self, **changed: str | int) -> str:
        """The query string with some parameters changed; defaults are left out."""
        asked = replace(self, **{"page": 1} | changed)  # type: ignore[arg-type]
        usual = ListQuery()
        pairs = {
            name: value
            for name in ("at", "q", "state", "joined", "left", "sort", "page")
            if (value := getattr(asked, name)) != getattr(usual, name)
        }
        return f"?{urlencode(pairs)}" if pairs else ""

    def fits(self, version: ListingVersion) -> bool:
        """Whether an entry matches the query."""
        listing = version.listing
        return (
            (not self.state or listing.state == self.state)
            and (not self.joined or (listing.since is not None and listing.since.year == int(self.joined)))
            and (not self.q or normalize(self.q) in normalize(_text(listing)))
        )


class ListCache:
    """Caches the most recently viewed lists. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lists: OrderedDict[tuple[str, int, ListMoment, bool], tuple[ListingVersion, ...]] = (
            OrderedDict()
        )

    def load(
        self, conn: Connection, source: str, moment: ListMoment, *, departed: bool = False
    ) -> tuple[ListingVersion, ...]:
        """Return the list at a moment, or the agencies that were removed by then; read at the first call. The
        known past changes only with the list's number.
        """
        key = (source, baseline.load_info(conn, source).number, moment, departed)
        load = record_rows.load_departed if departed else record_rows.load_list_at
        with self._lock:
            found = self._lists.get(key)
            if found is None:
                found = self._lists[key] = load(conn, source, moment)
            self._lists.move_to_end(key)
            while len(self._lists) > _KEPT:
                self._lists.popitem(last=False)
            return found


@dataclass(frozen=True, slots=True)
class RequestedMoment:
    """The moment that a URL requests: ``text`` in its canonical form, "" for now; ``at`` the time, or the end
    of the day; ``day`` if a day was requested; ``over``: it is past.
    """

    text: str
    at: datetime
    moment: ListMoment
    day: date | None = None
    over: bool = True


def find_requested_moment(conn: Connection, source: str, text: str, now: datetime) -> RequestedMoment:
    """Find the state of a list that a URL requests: a day stays the given day, a time is rounded down to the
    last change of the list. Raises ProblemError before the list was first read.
    """
    at = read_moment(text) if text else now
    moment = find_moment(conn, source, at if text else None)
    if text and len(text) != _DAY:
        return RequestedMoment(format_time(moment.at) or "", moment.at, moment)
    return RequestedMoment(text, min(at, now), moment, at.date() if text else None, at <= now)


@get(router, "/list/{source}")
def list_page(request: Request, source: str) -> Response:
    """Show a list, whole or a part of it, now or at a moment."""
    site = site_of(request)
    if source not in site.sources:
        return not_found_page(request)
    query, now = _read_query(request.query_params), site.clock()
    with reading(site.engine) as conn:
        try:
            asked = find_requested_moment(conn, source, query.at, now)
        except ProblemError as problem:
            return _without_list(request, conn, source, problem)
        moment = asked.moment
        if query.at != asked.text:
            return redirect(request, f"/list/{source}{query.link(at=asked.text)}", 307)
        whole = _cache(request).load(conn, source, moment)
        gone = _cache(request).load(conn, source, moment, departed=True)
        earlier, later = record_rows.find_neighbors(conn, source, moment.at)
        note = log_rows.load_checkpoint(conn)
        capture = imports.find_capture(conn, source, asked.at, before_joining=True)
        past = bool(query.at) and asked.over
        unseen = past and _is_unseen(request, conn, site.sources[source], asked.at)
        list_status = (
            None if past else next(each for each in load_statuses(conn, site, now) if each.name == source)
        )
    departed = list(filter(query.fits, gone))
    fitting = [*filter(query.fits, whole), *(departed if query.left else ())]
    found = sorted(fitting, key=lambda version: _sort_key(version, query.sort))
    pages = max(1, -(-len(found) // _ROWS))
    query = replace(query, page=min(query.page, pages))
    counts = Counter(version.listing.state for version in whole)
    dated = {each.listing.since.year for each in (*whole, *gone) if each.listing.since}
    answer = render_page(
        request,
        "list.html",
        watched=site.sources[source],
        query=query,
        rows=found[(query.page - 1) * _ROWS : query.page * _ROWS],
        total=len(found),
        whole=len(whole),
        pages=pages,
        number=moment.number,
        moment=moment.at,
        asked=asked,
        unseen=unseen,
        list_status=list_status,
        problems=_explain_filters(request, query, dated=bool(dated)),
        departed=len(departed),
        present={version.agency for version in whole},
        capture=capture,
        exact=format_time(moment.at),
        earlier=format_time(earlier),
        later=format_time(later),
        states=[
            (code, counts[code])
            for code in sorted(STATES, key=STATES.__getitem__)
            if counts[code] or code == query.state
        ],
        years=sorted(dated | ({int(query.joined)} if query.joined else set()), reverse=True),
        sorts=SORTS,
        download=_download(query) if site.data_files is not None and not query.q else None,
        head=None if note is None else read_checkpoint(note).head,
    )
    if site.data_files is not None:
        described = site.url(f"/data/{source}/dataset.jsonld")
        answer.headers["Link"] = f'<{described}>; rel="describedby"; type="application/ld+json"'
    return answer


@get(router, "/compare/{source}")
def compare_page(request: Request, source: str) -> Response:
    """Show the differences between two moments of a list: added, removed and changed agencies."""
    site = site_of(request)
    if source not in site.sources:
        return not_found_page(request)
    given = {name: request.query_params.get(name, "").strip()[:40] for name in ("from", "to", "state")}
    state, now = given["state"] if given["state"] in STATES else "", site.clock()
    with reading(site.engine) as conn:
        try:
            begin = given["from"] or format_time(_begin(conn, source).at) or ""
            end = given["to"] or format_time(find_moment(conn, source, None).at) or ""
            asked = [find_requested_moment(conn, source, text, now) for text in (begin, end)]
            sides = sorted(asked, key=lambda side: side.at)  # what joined is at the later one
        except ProblemError as problem:
            return _without_list(request, conn, source, problem)
        first, last = (side.moment for side in sides)
        exact = {"from": sides[0].text, "to": sides[1].text, "state": given["state"]}
        if given != exact:
            return redirect(request, f"/compare/{source}?{urlencode(_without_empty(exact))}", 307)
        lists = [_cache(request).load(conn, source, moment) for moment in (first, last)]
        captures = [imports.find_capture(conn, source, side.at, before_joining=True) for side in sides]
    found = compare_lists(lists[0], lists[1], state)
    pages = cut_pages(found)
    page = min(_read_page(request.query_params), len(pages))
    if state:
        totals = Counter(each.kind for each in found)
        kinds = {
            kind: FoundDifferences(totals[kind], members=[e for e in pages[page - 1] if e.kind == kind])
            for kind in KINDS
        }
    else:
        kinds = fold_kinds(found)
    counts = [sum(not state or each.listing.state == state for each in whole) for whole in lists]
    return render_page(
        request,
        "compare.html",
        watched=site.sources[source],
        sides=sides,
        problems=_explain_filters(request, ListQuery(wrong_state=given["state"] if not state else "")),
        captures=captures,
        exact=exact,
        state=state,
        counts=counts,
        kinds=kinds,
        pages=len(pages) if state else 1,
        page=page,
        same=urlencode(_without_empty(exact)),
        states=sorted(STATES, key=STATES.__getitem__),
    )


def find_elsewhere(
    site: Site, numbers: Mapping[str, int], source: str, listing: Listing
) -> list[tuple[str, str, Listing]]:
    """Agencies of the same name and state on other lists today, as (list, agency, entry): possibly the
    same. ``numbers`` are those of the lists' baselines.
    """
    name = normalize(listing.name)
    covered = {
        other: site.coverage.of(other, numbers.get(other, 0)) for other in site.sources if other != source
    }
    return [
        (other, cover.agency, cover.listing)
        for other, found in covered.items()
        for cover in (found.by_state.get(listing.state, ()) if listing.state else found.covers)
        if cover.listing.state == listing.state and normalize(cover.listing.name) == name
    ]


def _begin(conn: Connection, source: str) -> ListMoment:
    """The state before the last one, so that the last changes are shown by default."""
    moment = find_moment(conn, source, None)
    earlier, _ = record_rows.find_neighbors(conn, source, moment.at)
    return find_moment(conn, source, earlier) if earlier is not None else moment


def _read_query(given: Mapping[str, str]) -> ListQuery:
    """Parse the query of a URL. Invalid values are ignored, and `_explain_filters` reports them."""
    state, joined, sort = (given.get(name, "").strip() for name in ("state", "joined", "sort"))
    is_year = joined.isascii() and joined.isdecimal() and len(joined) == 4
    return ListQuery(
        at=given.get("at", "").strip()[:40],
        q=given.get("q", "").strip()[:100],
        state=state if state in STATES else "",
        joined=joined if is_year else "",
        left="1" if given.get("left") == "1" else "",
        sort=sort if sort in SORTS else "name",
        page=_read_page(given),
        wrong_state="" if state in STATES else state[:40],
        wrong_year="" if is_year else joined[:40],
    )


def _read_page(given: Mapping[str, str]) -> int:
    """Parse the number of a page; 1 for anything else."""
    return parse_number(given.get("page", "").strip(), _LARGEST_PAGE) or 1


def _explain_filters(request: Request, query: ListQuery, *, dated: bool = True) -> list[str]:
    """Explain filters that cannot be applied. ``dated``: some entry of the list has a date."""
    found = []
    if query.wrong_state:
        found.append(
            translate(
                request, "There is no state “%(text)s”; all states are shown.", text=clean(query.wrong_state)
            )
        )
    if query.wrong_year:
        found.append(
            translate(request, "“%(text)s” is not a year; all years are shown.", text=clean(query.wrong_year))
        )
    if query.joined and not dated:
        found.append(
            translate(
                request,
                "This list gives no dates of joining, so it cannot be said who joined in %(year)s.",
                year=query.joined,
            )
        )
    return found


def _without_list(request: Request, conn: Connection, source: str, problem: ProblemError) -> Response:
    """Respond to an invalid moment (raises ``problem``), or one before the list was first read."""
    if problem.status_code != 404:
        raise problem
    first = load_first_read(conn, source)
    oldest = f"/list/{source}?{urlencode({'at': format_time(first) or ''})}"
    return before_first_page(request, site_of(request).sources[source], first, oldest)


def _is_unseen(request: Request, conn: Connection, watched: SourceInfo, at: datetime) -> bool:
    """Whether nobody saw a list at a moment."""
    sights: GapHistory = request.app.state.gap_history
    return any(since < at < until for since, until in sights.unseen(conn, watched, site_of(request).clock()))


def _without_empty(pairs: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in pairs.items() if value}


def _download(query: ListQuery) -> str:
    pairs = {name: getattr(query, name) for name in ("at", "state", "joined", "left") if getattr(query, name)}
    return f"?{urlencode(pairs)}" if pairs else ""


def _sort_key(version: ListingVersion, sort: str) -> tuple[object, ...]:
    listing = version.listing
    name = (listing.name.casefold(), listing.key)
    if sort == "state":
        return (STATES.get(listing.state or "", "~"), *name)
    if sort == "since":  # newest first, those without a date last
        return (-listing.since.toordinal() if listing.since else 0, *name)
    if sort == "seen":
        return (-version.seen_from.astimezone(UTC).timestamp(), *name)
    return name


def _text(listing: Listing) -> str:
    return " ".join(filter(None, (listing.name, listing.city, listing.county, listing.state_text)))


def _cache(request: Request) -> ListCache:
    cache: ListCache = request.app.state.list_cache
    return cache
