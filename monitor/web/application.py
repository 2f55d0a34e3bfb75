"""The ASGI application of the site, from its parts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from anyio.to_thread import current_default_thread_limiter
from fastapi import APIRouter, FastAPI, Request

from monitor.web import (
    about,
    agencies,
    api_v1,
    area_pages,
    brief,
    calendars,
    data_pages,
    evidence_pages,
    feeds,
    home,
    installed_app,
    list_pages,
    maps,
    numbers,
    preview_images,
    probes,
    record_log,
    records_request,
    state_pages,
    timeline,
    zip_pages,
)
from monitor.web.api_answers import RequestLimit
from monitor.web.charts import ChartCache, GapHistory
from monitor.web.context import Site
from monitor.web.error_pages import answer_errors
from monitor.web.held_changes import HeldChanges
from monitor.web.list_pages import ListCache
from monitor.web.map_images import MapImages
from monitor.web.map_values import MapCache
from monitor.web.middleware import SiteMiddleware
from monitor.web.numbers import NumbersCache
from monitor.web.page_cache import PageCache, RecordState
from monitor.web.pages import Templates
from monitor.web.part_cache import PartCache

if TYPE_CHECKING:
    from fastapi.telemetry import TelemetryConfig  # older versions do not have it and do not need it

ROOMS = (
    *(home, preview_images, maps, numbers, zip_pages, state_pages, area_pages, brief, agencies),
    *(records_request, calendars, timeline, feeds),
    *(about, installed_app, probes, record_log, api_v1, data_pages, evidence_pages, list_pages),
)
THREADS = 4
"""The number of worker threads of the site. Rendering is CPU-bound, so with forty threads they and the event
loop mostly wait for each other (``benchmarks/signup.py``).
"""

# Telemetry exporters that others install get neither URLs with tokens nor typed text.
_NO_TELEMETRY: TelemetryConfig = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}


def create_app(
    site: Site,
    *,
    routers: Iterable[APIRouter] = (),
    extras: Mapping[str, Callable[[Request], object]] | None = None,
) -> SiteMiddleware:
    """Create the ASGI application.

    ``routers`` come before the site's own; ``extras`` are template globals by name.
    """
    # No documentation pages of the framework: they load third-party scripts. No slash redirects: they echo
    # the Host header.
    app = FastAPI(
        title=site.name,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        telemetry=_NO_TELEMETRY,
        lifespan=_with_few_threads,
    )
    app.state.site = site
    app.state.part_cache = parts = PartCache()
    app.state.templates = Templates(site, extras or {}, parts)
    app.state.gap_history = GapHistory(jumps=site.recorded)
    app.state.chart_cache = ChartCache(site.timezone, app.state.gap_history)
    app.state.map_cache = MapCache(site)
    app.state.numbers_cache = NumbersCache(site, app.state.map_cache, app.state.gap_history)
    app.state.map_images = MapImages()
    app.state.list_cache = ListCache()
    app.state.request_limit = RequestLimit(site.clock)
    app.state.held_changes = HeldChanges(site.sources, site.coverage)
    for router in (
        *routers,
        *(room.router for room in ROOMS),
    ):
        # `include_router` would analyze the parameters of each route again, at the first request.
        app.router.routes.extend(router.routes)
    answer_errors(app)
    # Around the whole application, not among its middleware: the framework answers its own errors outside of
    # it.
    kept = PageCache(app, RecordState(site.engine), site.clock)
    return SiteMiddleware(kept, site.public_url, installable=site.browser_alerts)


@asynccontextmanager
async def _with_few_threads(_: FastAPI) -> AsyncIterator[None]:
    current_default_thread_limiter().total_tokens = THREADS
    yield
