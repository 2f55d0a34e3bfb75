"""The brief of a place: one printed page to take to a council meeting. Each sentence cites the URL that
proves it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from html import unescape

from markupsafe import Markup
from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import Response

from monitor.domain import Confidence
from monitor.messages.place_names import name_codes_of, name_place
from monitor.places.codes import place_path
from monitor.record.checkpoint import Checkpoint, read_checkpoint
from monitor.record.tiles import WIDTH, format_tile_path
from monitor.states import STATES, read_state
from monitor.storage.engine import reading
from monitor.storage.lists import imports, log_rows, page_queries, sightings
from monitor.storage.lists.coverage import Cover
from monitor.storage.lists.sightings import GoodCheck, Sighting
from monitor.web.area_pages import read_area
from monitor.web.error_pages import not_found_page
from monitor.web.held_changes import held_changes_of
from monitor.web.list_status import ListStatus, load_statuses, numbers_of
from monitor.web.pages import asset_version, language_of, redirect, render_page, site_of
from monitor.web.place_coverage import (
    PlaceCoverage,
    compute_area_coverage,
    compute_state_coverage,
    compute_zip_coverage,
)
from monitor.web.presenters import agency_hash
from monitor.web.routing import Router, get
from monitor.web.zip_pages import read_zips, states_of, towns_of, zip_path

router = Router()

MOST = 7
"""The most agencies that a brief names, so that it fits on one page; several lists share this number. It
counts the others and says where they are.
"""

ROOM = 7000
"""The characters that fit on a Letter sheet printed with `brief.css`: if there are more, as in Spanish or
with long names, fewer agencies are named.
"""

LONGEST_ADDRESS = 160
"""The most characters of a document's URL that is printed: nobody types a longer one, and the agency's page
has it.
"""


@dataclass(frozen=True, slots=True)
class BriefAgency:
    """An agency of a brief. ``path`` is short, to be typed from paper, and leads to its page.
    ``from_the_start``: it was there at our first check of the list.
    """

    cover: Cover
    path: str
    seen: Sighting | None
    from_the_start: bool

    @property
    def estimate(self) -> bool:
        return self.cover.placement.confidence in (Confidence.APPROXIMATE, Confidence.CONFLICT)


@dataclass(frozen=True, slots=True)
class BriefList:
    """One list's part of a brief: the agencies that are named, how many are not, how many could not be placed
    within the state, and the check that this is based on. ``entry`` is the path of its entry in the log.
    ``covers`` are all agencies that are counted.
    """

    list: ListStatus
    covers: tuple[Cover, ...]
    agencies: tuple[BriefAgency, ...]
    unplaced: int
    check: GoodCheck | None
    entry: str | None

    @property
    def more(self) -> int:
        return len(self.covers) - len(self.agencies)


class References:
    """The URLs that the sentences of one page cite, numbered in the order of first use; the sentences are
    numbered too.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._sentences = 0

    def cite(self, address: str) -> int:
        """Return the number of a URL."""
        return self._numbers.setdefault(address, len(self._numbers) + 1)

    def number_sentence(self) -> int:
        """Return the number of the next sentence, from 1."""
        self._sentences += 1
        return self._sentences

    @property
    def addresses(self) -> Mapping[str, int]:
        """Every URL that was cited so far, with its number."""
        return self._numbers


def split_sentences(text: str) -> list[Markup]:
    """Split escaped text into its sentences. A period after an abbreviation ("p.m. CST", "St. Louis") does
    not end one.
    """
    sentences = [""]
    for part in re.split(r"(?<=[.?!])\s+(?=[A-ZÁÉÍÓÚÑ¿¡])", text.strip()):
        last = sentences[-1].rpartition(" ")[2]
        if sentences[-1] and not _ABBREVIATION.fullmatch(last):
            sentences.append(part)
        else:
            sentences[-1] = f"{sentences[-1]} {part}".strip()
    return [Markup(sentence) for sentence in sentences]  # noqa: S704 (the template has escaped it)


_ABBREVIATION = re.compile(r"(?:\w*\.\w+|[A-Z]|St|Ste|Ft|Mt|Co|Jr|Sr|Dr|Dept)\.")


@get(router, "/zip/{zips}/brief")
def zip_brief(request: Request, zips: str) -> Response:
    """Render the brief of one or several ZIP codes."""
    codes = read_zips(zips)
    if codes is None:
        return not_found_page(request)
    if zips != "+".join(codes):
        return redirect(request, f"{zip_path(codes)}/brief", 301)
    site = site_of(request)
    states = states_of(site, codes)
    towns = towns_of(site.gazetteer.zip(code) for code in codes)
    with reading(site.engine) as conn:
        stands = load_statuses(conn, site, site.clock())
        coverages = [compute_zip_coverage(site, each, codes, states) for each in stands]
        waiting = held_changes_of(request).here(conn, codes, states, numbers_of(stands))
        held = sum(len(each.rows) for each in waiting)
        lists, log = _load_lists(conn, coverages, local_first=True), _load_checkpoint(conn)
    whole = ", ".join(STATES.get(state, state) for state in states)
    return _render(request, zip_path(codes), lists, log, held, codes=codes, towns=towns, whole=whole)


@get(router, "/state/{state}/brief")
def state_brief(request: Request, state: str) -> Response:
    """Render the brief of a state."""
    known = read_state(state)
    if known is None or not known.exact or known.code not in STATES:
        return not_found_page(request)
    code = known.code
    if state != code:
        return redirect(request, f"/state/{code}/brief", 301)
    site = site_of(request)
    with reading(site.engine) as conn:
        stands = load_statuses(conn, site, site.clock())
        coverages = [compute_state_coverage(site, each, code) for each in stands]
        waiting = held_changes_of(request).here(conn, (code,), (), numbers_of(stands))
        held = sum(len(each.rows) for each in waiting)
        lists, log = _load_lists(conn, coverages, local_first=False), _load_checkpoint(conn)
    return _render(request, f"/state/{code}", lists, log, held, codes=(), towns=(), whole=STATES[code])


@get(router, "/county/{rest}/brief")
@get(router, "/town/{rest}/brief")
@get(router, "/radius/{rest}/brief")
def area_brief(request: Request, rest: str) -> Response:
    """Render the brief of a county, a town or a radius."""
    area = read_area(request, rest)
    if area is None:
        return not_found_page(request)
    path = place_path(area.key)
    if request.scope["path"] != f"{path}/brief":
        return redirect(request, f"{path}/brief", 301)
    site = site_of(request)
    with reading(site.engine) as conn:
        stands = load_statuses(conn, site, site.clock())
        coverages = [compute_area_coverage(site, each, area) for each in stands]
        waiting = held_changes_of(request).here(conn, area.zips, area.states, numbers_of(stands))
        held = sum(len(each.rows) for each in waiting)
        lists, log = _load_lists(conn, coverages, local_first=True), _load_checkpoint(conn)
    whole = ", ".join(STATES[state] for state in area.states)
    name = name_place(area.key, language_of(request))
    of_area = (name, name_codes_of(area.key, language_of(request)))
    return _render(request, path, lists, log, held, codes=area.zips, towns=(), whole=whole, of_area=of_area)


def _render(
    request: Request,
    path: str,
    lists: Sequence[BriefList],
    log: Checkpoint | None,
    held: int,
    *,
    codes: tuple[str, ...],
    towns: tuple[str, ...],
    whole: str,
    of_area: tuple[str, str] = ("", ""),
) -> Response:
    """``of_area``: an area's name, and what its agencies serve."""
    site = site_of(request)
    for most in range(max([1, *(len(each.agencies) for each in lists)]), 0, -1):
        answer = render_page(
            request,
            "brief.html",
            path=path,
            lists=tuple(replace(each, agencies=each.agencies[:most]) for each in lists),
            log=log,
            held=held,
            codes=codes,
            towns=towns,
            whole=whole,
            name=of_area[0],
            place=of_area[1],
            references=References(),
            split=split_sentences,
            longest=LONGEST_ADDRESS,
            style=site.url(f"/static/{asset_version('brief.css')}/brief.css"),
        )
        if _count_text(bytes(answer.body)) <= ROOM:
            break
    return answer


def _count_text(page: bytes) -> int:
    """Count the characters that a page prints."""
    main = page.decode().partition("<main>")[2]
    return len(" ".join(unescape(re.sub("<[^>]*>", "", main)).split()))


def _load_lists(conn: Connection, coverages: list[PlaceCoverage], *, local_first: bool) -> list[BriefList]:
    counts = [len(coverage.local) + len(coverage.statewide) for coverage in coverages]
    most = max(MOST if sum(counts) <= MOST else MOST // max(sum(map(bool, counts)), 1), 2)
    joined = imports.load_joinings(conn)
    first_reads = page_queries.load_first_reads(conn)
    checks, size = sightings.load_last_good(conn), log_rows.load_head(conn).size
    found = []
    for coverage in coverages:
        source = coverage.list.name
        covers = tuple(entry.cover for entry in (*coverage.local, *coverage.statewide))
        own_since = joined.get(source)
        seen = (
            sightings.load_sightings(conn, source, [cover.agency for cover in covers], own_since)
            if covers
            else {}
        )
        first_read = own_since or first_reads.get(source)
        shown = covers if len(covers) <= most else _choose(coverage, seen, local_first=local_first)[:most]
        check = checks.get(source)
        found.append(
            BriefList(
                list=coverage.list,
                covers=covers,
                agencies=tuple(_agency(cover, seen.get(cover.agency), first_read) for cover in shown),
                unplaced=len(coverage.unplaced),
                check=check,
                entry=_entry_path(check, size),
            )
        )
    return found


def _choose(coverage: PlaceCoverage, seen: Mapping[str, Sighting], *, local_first: bool) -> tuple[Cover, ...]:
    """Sort the agencies as a brief names them: for a ZIP code local ones first, for a state those of the
    whole state. Agencies that serve only its edge come later, and otherwise those seen for a shorter time
    come first.
    """
    local, statewide = (
        sorted(
            entries,
            key=lambda each: (
                bool(each.zips),
                -seen[each.cover.agency].since.timestamp() if each.cover.agency in seen else 0,
            ),
        )
        for entries in (coverage.local, coverage.statewide)
    )
    ordered = (*local, *statewide) if local_first else (*statewide, *local)
    return tuple(each.cover for each in ordered)


def _agency(cover: Cover, seen: Sighting | None, first_read: datetime | None) -> BriefAgency:
    at_start = seen is not None and seen.first_at == first_read
    return BriefAgency(cover, f"/agency/{cover.source}/{agency_hash(cover.agency)}", seen, at_start)


def _entry_path(check: GoodCheck | None, size: int) -> str | None:
    """The path of the bundle of log entries that contains a check's entry; ``size`` is that of the log."""
    if check is None or check.leaf is None:
        return None
    index = check.leaf // WIDTH
    width = min(size - index * WIDTH, WIDTH)
    return f"/log/{format_tile_path(None, index, width)}"


def _load_checkpoint(conn: Connection) -> Checkpoint | None:
    note = log_rows.load_checkpoint(conn)
    return None if note is None else read_checkpoint(note)
