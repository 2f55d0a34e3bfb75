"""The ASGI application of the site, from its parts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from anyio.to_thread import current_default_thread_limiter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from monitor.web import (
    about,
    agencies,
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
from monitor.web.api_on_demand import ApiOnDemand
from monitor.web.api_versions import PREFIX
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
from monitor.web.routing import Router

if TYPE_CHECKING:
    from monitor.web.personal_pages import PeopleContext

ROOMS = (
    *(home, preview_images, maps, numbers, zip_pages, state_pages, area_pages, brief, agencies),
    *(records_request, calendars, timeline, feeds),
    *(about, installed_app, probes, record_log, data_pages, evidence_pages, list_pages),
)
THREADS = 4
"""The number of worker threads of the site. Rendering is CPU-bound, so with forty threads they and the event
loop mostly wait for each other (``benchmarks/signup.py``).
"""


def create_app(
    site: Site,
    *,
    routers: Iterable[Router] = (),
    extras: Mapping[str, Callable[[Request], object]] | None = None,
    people: PeopleContext | None = None,
) -> SiteMiddleware:
    """Create the ASGI application.

    ``routers`` come before the site's own; ``extras`` are template globals by name; ``people`` are the parts
    of pages about persons.
    """
    pages = (*routers, *(room.router for room in ROOMS))
    routes: list[BaseRoute] = [route for router in pages for route in router.routes]
    app = Starlette(routes=routes, lifespan=_with_few_threads)
    app.router.redirect_slashes = False  # they echo the Host header
    app.router.routes.append(Route(f"{PREFIX}/{{path:path}}", ApiOnDemand(app.state, site.name)))
    app.state.site, app.state.people = site, people
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
    answer_errors(app)
    # Around the whole application, not among its middleware: the framework answers its own errors outside of
    # it.
    kept = PageCache(app, RecordState(site.engine), site.clock)
    return SiteMiddleware(kept, site.public_url, installable=site.browser_alerts)


@asynccontextmanager
async def _with_few_threads(_: Starlette) -> AsyncIterator[None]:
    current_default_thread_limiter().total_tokens = THREADS
    yield
