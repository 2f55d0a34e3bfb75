"""The site: pages, feeds and health probes in English and Spanish, without scripts and without third parties.

`create_app` builds it. To add a page:

1. A module with a router, and in it a plain function (it runs in a worker thread)::

       from fastapi import APIRouter, Request, Response
       from monitor.web.pages import get, post, render_page

       router = APIRouter()

       @get(router, "/something/{token}")          # GET and HEAD; `post` for what acts
       def something(request: Request, token: str) -> Response:
           return render_page(request, "people/something.html", private=True, status=200, shown="...")

   ``render_page`` renders a template in the reader's language; ``private=True`` for what concerns one person
   (not stored, not indexed). ``site_of(request)`` returns the parts (`Site`), ``language_of(request)`` the
   language, ``redirect(request, "/path")`` a redirect after a POST, ``translate(request, "Not valid: %(name)s",
   name=...)`` a sentence in Python code. Forms: ``Annotated[str, Form()] = ""``; validate the text and show the
   form again, so that nobody gets a 422. Bodies above `middleware.LARGEST_BODY` are refused before.
2. A template that extends ``base.html`` and fills ``title`` and ``main``. Sentences: ``{{ _("...") }}``,
   ``{% trans %}...{% endtrans %}``, ``ngettext``. Links: ``{{ url("/changes") }}`` within the site,
   ``{{ public("/m/x") }}`` absolute. Untrusted text: ``{{ name|outside }}``. Times: ``{{ at|moment }}``,
   ``{{ at|clock }}``, ``{{ date|day }}``, ``{{ count|number }}``. No ``style=`` and no script: the content
   security policy refuses them; classes are in ``static/site.css`` (``.field``, ``.error``, ``.note``).
3. The Spanish in the catalogue of `messages.locale`; tests name what is missing.

A page of a place (`/zip/...`, `/state/...`) includes ``people/follow.html`` with ``places``, a tuple of what to
follow such as ``("60601",)`` or ``("IL",)``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from anyio.to_thread import current_default_thread_limiter
from fastapi import APIRouter, FastAPI, Request

from monitor.storage.lists.coverage import Coverage
from monitor.web import about, agencies, feeds, home, places, probes, timeline
from monitor.web.charts import ChartCache, GapHistory
from monitor.web.context import Site
from monitor.web.errors import answer_errors
from monitor.web.held import HeldChanges
from monitor.web.middleware import SiteMiddleware
from monitor.web.pages import Templates

if TYPE_CHECKING:
    from fastapi.telemetry import TelemetryConfig  # older versions have none, and need none

__all__ = ["Coverage", "Site", "create_app"]

THREADS = 4
"""Worker threads of the site. Rendering is bound by the processor, so with forty threads they and the event
loop mostly wait for each other (``benchmarks/signup.py``).
"""

# Exporters that others install beside us get neither addresses with tokens in them nor typed text.
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
    app.state.templates = Templates(site, extras or {})
    app.state.gap_history = GapHistory()
    app.state.chart_cache = ChartCache(site.timezone, app.state.gap_history)
    app.state.held_changes = HeldChanges(site.sources, site.coverage)
    for router in (
        *routers,
        *(room.router for room in (home, places, agencies, timeline, feeds, about, probes)),
    ):
        app.include_router(router)
    answer_errors(app)
    # Around the whole application, not among its middleware: the framework answers its own errors outside of
    # it.
    return SiteMiddleware(app, site.public_url)


@asynccontextmanager
async def _with_few_threads(_: FastAPI) -> AsyncIterator[None]:
    current_default_thread_limiter().total_tokens = THREADS
    yield
