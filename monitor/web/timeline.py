"""What changed, when: the timeline, and the page of one changeset that every alert points to."""

from __future__ import annotations

from datetime import datetime, timedelta

from fastapi import APIRouter, Request, Response

from monitor.db import reading
from monitor.domain import State
from monitor.health import BLIND_AFTER_POLLS
from monitor.i18n import N_
from monitor.store import changes
from monitor.store import pages as store
from monitor.web.errors import missing
from monitor.web.lists import standing
from monitor.web.pages import get, language_of, say, show, site_of
from monitor.web.sentences import holds

router = APIRouter()

_PAGE = 20  # changesets
_CHANGES = 500  # on one page of a changeset
_LARGEST_ID = 2**31 - 1  # of a changeset, on PostgreSQL
_GAPS_SINCE = timedelta(days=90)  # on the first page, which may hold few changesets
_NEXT_STEP = N_(
    "If you want to know more, ask the agency, or those who oversee it, what this listing is used for."
)


@get(router, "/changes")
def timeline(request: Request) -> Response:
    """What was published, what is held, what was withdrawn, and when a list could not be read; newest first."""
    site = site_of(request)
    now = site.clock()
    before = _number(request.query_params.get("before"))
    with reading(site.engine) as conn:
        lists = standing(conn, site, now)
        shown = store.summaries(conn, before=before, limit=_PAGE + 1)
        more, shown = len(shown) > _PAGE, shown[:_PAGE]
        oldest = shown[-1].at if shown else now
        newest = now if before is None else (shown[0].at if shown else now)
        since = oldest if more else datetime.min.replace(tzinfo=now.tzinfo)
        if before is None and not more:
            since = min(oldest, now - _GAPS_SINCE)
        gaps = [
            gap
            for each in lists
            for gap in store.gaps(
                conn, each.name, since=since, longest=BLIND_AFTER_POLLS * each.watched.every, now=now
            )
            if gap.since < newest or before is None
        ]
        first = before is None
        standing_rows = changes.standing(conn) if first else ()
        held = holds([row for row in standing_rows if row.state in {State.HELD, State.REJECTED}])
        withdrawn = holds(store.withdrawn(conn)) if first else ()
    events = sorted(
        [("changeset", each.at, each) for each in shown] + [("gap", gap.until or now, gap) for gap in gaps],
        key=lambda event: event[1],
        reverse=True,
    )
    return show(
        request,
        "changes.html",
        lists=lists,
        events=events,
        held=held,
        withdrawn=withdrawn,
        before=before,
        older=shown[-1].id if more else None,
    )


@get(router, "/changes/{number}")
def changeset_page(request: Request, number: str) -> Response:
    """One changeset: what, when, what the publisher says, what it means, where and why, and what somebody may do next."""
    site = site_of(request)
    identity = _number(number)
    page = _number(request.query_params.get("page")) or 1
    if identity is None:
        return missing(request)
    with reading(site.engine) as conn:
        shown = store.changeset(conn, identity, skip=(page - 1) * _CHANGES, limit=_CHANGES)
        if shown is None or (page > 1 and not shown.first):
            return missing(request)
        places = store.places_of(conn, [row.id for row in shown.first if row.id is not None])
    intervals = {(row.not_before, row.first_seen_at) for row in shown.first}
    return show(
        request,
        "changeset.html",
        changeset=shown,
        places=places,
        watched=site.sources.get(shown.source),
        one_interval=intervals.pop() if len(intervals) == 1 and len(shown.first) > 1 else None,
        held_before=any(row.was_held for row in shown.first),
        removed=any(row.change.after is None for row in shown.first),
        next_step=site.next_step.get(language_of(request)) or say(request, _NEXT_STEP),
        page=page,
        pages=-(-shown.total // _CHANGES),
    )


def _number(text: str | None) -> int | None:
    """A number that a changeset may have, as it stands in an address; None for anything else."""
    if not text or not text.isascii() or not text.isdecimal() or len(text) > len(str(_LARGEST_ID)):
        return None
    number = int(text)
    return number if 0 < number <= _LARGEST_ID else None
