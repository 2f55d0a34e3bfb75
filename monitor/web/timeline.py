"""The timeline, and the page of one changeset that alerts link to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response

from monitor.states import STATES
from monitor.storage.engine import reading
from monitor.storage.lists import log_rows
from monitor.storage.lists import page_queries as places
from monitor.storage.lists import timeline as store
from monitor.storage.lists.changes import StoredChange
from monitor.web.charts import GapHistory
from monitor.web.error_pages import not_found_page
from monitor.web.held_changes import held_changes_of
from monitor.web.list_status import load_statuses, numbers_of
from monitor.web.pages import parse_number, render_page, site_of
from monitor.web.routing import Router, get

router = Router()

_PAGE = 20  # events
_CHANGES = 150  # changes on one page of a changeset: at most 100 kB
_FEW = 40  # the most changes shown one by one; with more, each state shows names first and folds the details
_LARGEST_ID = 2**31 - 1  # the largest number of a changeset on PostgreSQL
_LARGEST_MOMENT = 10**16 - 1  # microseconds since 1970, in the year 2286
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@get(router, "/changes")
def timeline(request: Request) -> Response:
    """Show published, held and withdrawn changes, and times when a list could not be read; newest first.

    ``?before=``: show events before this moment, in microseconds since 1970.
    """
    site = site_of(request)
    sights: GapHistory = request.app.state.gap_history
    now = site.clock()
    asked = parse_number(request.query_params.get("before", ""), _LARGEST_MOMENT)
    before = None if asked is None else _EPOCH + timedelta(microseconds=asked)
    with reading(site.engine) as conn:
        lists = load_statuses(conn, site, now)
        events: list[tuple[datetime, str, object]] = [
            (each.at, "changeset", each)
            for each in store.load_summaries(conn, before=before, limit=_PAGE + 1)
        ]
        for hold in store.load_withdrawn(conn, before=before, limit=_PAGE + 1):
            assert hold.ended_at is not None
            events.append((hold.ended_at, "withdrawn", hold))
        for each in lists:
            gaps = [
                (gap.until or now, "gap", gap) for gap in sights.of(conn, each.watched, now, each.polled_at)
            ]
            events += [gap for gap in gaps if before is None or gap[0] < before][: _PAGE + 1]
        held = held_changes_of(request).all(conn, numbers_of(lists)) if before is None else ()
        entries = log_rows.load_head(conn).size
    events.sort(key=lambda event: event[0], reverse=True)
    # Events of one moment stay on one page: the next page begins before it.
    cut = events[_PAGE - 1][0] if len(events) > _PAGE else None
    shown = [event for event in events if cut is None or event[0] >= cut]
    return render_page(
        request,
        "changes.html",
        entries=entries,
        lists=lists,
        events=shown,
        held=held,
        before=before,
        older=(cut - _EPOCH) // timedelta(microseconds=1) if cut and len(shown) < len(events) else None,
    )


@get(router, "/changes/{number}")
def changeset_page(request: Request, number: str) -> Response:
    """Show one changeset: the changes, their times, the publisher's statements, what they mean, the places,
    and next steps.
    """
    site = site_of(request)
    identity = parse_number(number, _LARGEST_ID)
    page = parse_number(request.query_params.get("page", ""), _LARGEST_ID) or 1
    if identity is None:
        return not_found_page(request)
    with reading(site.engine) as conn:
        whole = store.load_changeset(conn, identity, page=page, size=_CHANGES)
        if whole is None:
            return not_found_page(request)
        where = places.load_places(conn, [row.id for row in whole.rows if row.id is not None])
        entries = log_rows.load_head(conn).size
    by_state: dict[str | None, list[StoredChange]] = {}
    for row in whole.rows:
        by_state.setdefault(store.state_of(row), []).append(row)
    return render_page(
        request,
        "changeset.html",
        entries=entries,
        whole=whole,
        by_state=by_state,
        few=whole.total <= _FEW,
        known=STATES,
        places=where,
        watched=site.sources.get(whole.source),
        page=page,
        pages=-(-whole.total // _CHANGES),
    )
