"""The statistics page: which agencies were added and removed and when, by our checks and by the publisher's
dates; each as a picture, a table, CSV, SVG and PNG, with the method of counting.
"""

from __future__ import annotations

import csv
import threading
from dataclasses import replace
from datetime import date, datetime
from io import StringIO
from zoneinfo import ZoneInfo

from markupsafe import Markup
from sqlalchemy.engine import Connection
from starlette.requests import Request
from starlette.responses import Response

from monitor.messages.layout import clean
from monitor.pictures.listing_counts import (
    DatedPeriod,
    count_lags,
    count_months,
    count_published_months,
    estimate_survival,
    find_unseen_months,
)
from monitor.storage.engine import reading
from monitor.storage.lists import imports, log_rows
from monitor.storage.lists import listing_periods as store
from monitor.storage.lists.page_queries import load_first_read
from monitor.storage.lists.printed_counts import load_printed_count
from monitor.storage.lists.retracted_changes import count_retracted
from monitor.web.charts import GapHistory
from monitor.web.context import Site
from monitor.web.error_pages import not_found_page
from monitor.web.list_status import ListStatus, find_largest, load_statuses
from monitor.web.map_images import MapImages
from monitor.web.map_values import MapCache
from monitor.web.maps import SVG_POLICY
from monitor.web.number_figures import Figure, ListNumbers, NumberTexts
from monitor.web.pages import language_of, render_page, site_of
from monitor.web.routing import Router, get

router = Router()

FIGURES = ("months", "dates", "lag", "stay", "states", "published")
"""The names of the figures in addresses, in the order of the page."""


class NumbersCache:
    """The statistics of each list, computed once for a baseline's number and a day. Thread-safe."""

    def __init__(self, site: Site, maps: MapCache, sights: GapHistory) -> None:
        self._site, self._maps, self._sights = site, maps, sights
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[object, ListNumbers | None]] = {}

    def of(self, conn: Connection, listed: ListStatus) -> ListNumbers | None:
        """Compute the statistics of a list; None before it was first read."""
        source = listed.name
        published = store.load_published_count(conn, source)
        now = self._site.clock().astimezone(ZoneInfo(self._site.timezone))
        today = now.date()
        past = imports.load_import(conn, source)
        unseen = self._find_unseen(conn, listed, now, past)
        printed = load_printed_count(conn, source)
        key = (listed.number, today, published, printed, count_retracted(conn, source), unseen, past)
        with self._lock:
            known = self._kept.get(source)
            if known is None or known[0] != key:
                counted = self._count(conn, listed, today, published, unseen)
                known = self._kept[source] = (
                    key,
                    counted and replace(counted, printed=printed, past=past),
                )
            return known[1]

    def _find_unseen(
        self, conn: Connection, listed: ListStatus, now: datetime, past: imports.ImportInfo | None
    ) -> tuple[date, ...]:
        """Find the months since the first check in which nobody checked a list."""
        spans = self._sights.unseen(conn, listed.watched, now, listed.polled_at, imported=past is not None)
        first = load_first_read(conn, listed.name) if spans else None
        return () if first is None else find_unseen_months(spans, first.astimezone(now.tzinfo).date(), now)

    def _count(
        self,
        conn: Connection,
        listed: ListStatus,
        today: date,
        published: tuple[datetime, int] | None,
        unseen: tuple[date, ...],
    ) -> ListNumbers | None:
        zone = ZoneInfo(self._site.timezone)
        found = store.load_listing_periods(conn, listed.name)
        if not found:
            return None
        start = min(period.from_at for period in found)
        periods = [
            DatedPeriod(
                period.state,
                period.from_at.astimezone(zone).date(),
                period.to_at.astimezone(zone).date() if period.to_at else None,
                period.since,
                period.from_at == start,
            )
            for period in found
        ]
        # An agency that returned has two periods and one date of the publisher, perhaps a different one the
        # second time.
        newest = {period.agency: dated for period, dated in zip(found, periods, strict=True)}.values()
        first = start.astimezone(zone).date()
        return ListNumbers(
            first=first,
            last=today,
            at_start=sum(period.from_start for period in periods),
            months=count_months(periods, first, today, unseen),
            dated=count_published_months(newest, today),
            undated=sum(period.published is None for period in newest),
            lags=count_lags(periods),
            survival=estimate_survival(periods, today),
            nation=self._maps.of(conn, listed.name, listed.number),
            listed=listed.count,
            published=published,
        )


@get(router, "/numbers")
def numbers_page(request: Request) -> Response:
    """Show all statistics of a list: ``?list=``, by default the largest."""
    site = site_of(request)
    with reading(site.engine) as conn:
        lists = load_statuses(conn, site, site.clock())
        largest = find_largest(lists)
        asked = request.query_params.get("list") or (largest.name if largest else "")
        listed = next((each for each in lists if each.name == asked), None)
        if listed is None:
            return not_found_page(request)
        numbers = _cache(request).of(conn, listed)
        entries = log_rows.load_head(conn).size
    texts = NumberTexts(
        language_of(request), clean(listed.watched.title(language_of(request))), site.timezone
    )
    figures = [] if numbers is None else [texts.figure(name, numbers) for name in FIGURES]
    return render_page(
        request,
        "numbers.html",
        entries=entries,
        listed=listed,
        lists=lists,
        numbers=numbers,
        past=numbers and numbers.past,
        figures=[(each, Markup(each.draw(standalone=False))) for each in figures],  # noqa: S704 - it escapes
    )


@get(router, "/numbers/{source}/{file}")
def numbers_file(request: Request, source: str, file: str) -> Response:
    """One figure as CSV, SVG or PNG."""
    site = site_of(request)
    name, _, ending = file.partition(".")
    if source not in site.sources or name not in FIGURES or ending not in ("csv", "svg", "png"):
        return not_found_page(request)
    with reading(site.engine) as conn:
        (listed,) = (each for each in load_statuses(conn, site, site.clock()) if each.name == source)
        numbers = _cache(request).of(conn, listed)
    if numbers is None:
        return not_found_page(request)
    language = language_of(request)
    texts = NumberTexts(language, clean(listed.watched.title(language)), site.timezone)
    figure = texts.figure(name, numbers)
    if ending == "csv":
        answer = Response(write_csv(figure), media_type="text/csv; charset=utf-8")
        answer.headers["Content-Disposition"] = f'attachment; filename="{source}-{name}.csv"'
    elif ending == "svg":
        answer = Response(figure.draw(standalone=True), media_type="image/svg+xml")
        answer.headers["Content-Security-Policy"] = SVG_POLICY
    else:
        images: MapImages = request.app.state.map_images
        answer = Response(images.png(figure.draw(standalone=True)), media_type="image/png")
    answer.headers["Vary"] = "Accept-Language, Cookie"
    answer.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    answer.headers["Access-Control-Allow-Origin"] = "*"
    return answer


def write_csv(figure: Figure) -> str:
    """Render a figure's values as CSV: English field names, plain numbers, ISO dates."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(figure.fields)
    writer.writerows(figure.values)
    return text.getvalue()


def _cache(request: Request) -> NumbersCache:
    cache: NumbersCache = request.app.state.numbers_cache
    return cache
