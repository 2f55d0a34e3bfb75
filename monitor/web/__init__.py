"""The site: pages, feeds and health, in English and Spanish, without a script and without a request to anybody else.

`create_app` makes it of its parts. To add a page:

1. A module with a router, and in it a plain function (it runs in a worker thread)::

       from fastapi import APIRouter, Request, Response
       from monitor.web.pages import get, post, show

       router = APIRouter()

       @get(router, "/something/{token}")          # GET and HEAD; `post` for what acts
       def something(request: Request, token: str) -> Response:
           return show(request, "people/something.html", private=True, status=200, shown="...")

   ``show`` renders a template in the reader's language; ``private=True`` for whatever concerns one person (not stored, not
   indexed). ``site_of(request)`` gives the parts (`Site`), ``language_of(request)`` the language, ``go(request, "/path")`` a
   redirect after a POST, ``say(request, "Not valid: %(name)s", name=...)`` a sentence in Python code. Forms: ``Annotated[str, Form()] = ""``;
   check the text yourself and show the form again, so that nobody meets a 422. Bodies above `guarded.LARGEST_BODY` are refused before.
2. A template that extends ``base.html`` and fills ``title`` and ``main``. Sentences: ``{{ _("...") }}``, ``{% trans %}...{% endtrans %}``,
   ``ngettext``. Links: ``{{ url("/changes") }}`` within the site, ``{{ public("/m/x") }}`` absolute. Text from outside:
   ``{{ name|outside }}``. Times: ``{{ at|moment }}``, ``{{ at|clock }}``, ``{{ date|day }}``, ``{{ count|number }}``. No ``style=`` and
   no script: the content security policy would refuse them; classes are in ``static/site.css`` (form: ``.field``, ``.error``, ``.note``).
3. The Spanish in ``monitor/locale/es/ROOM.po`` (one file per room); tests name what is missing.
4. ``create_app(site, routers=[...])``, called in `joining`; ``extras`` are functions of the request whose results every template sees under that name.

A page of a place (`/zip/...`, `/state/...`) includes ``people/follow.html``, when it is there, with ``places`` (what to follow, a tuple
such as ``("60601",)`` or ``("IL",)``); the sign-up form belongs there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from anyio.to_thread import current_default_thread_limiter
from fastapi import APIRouter, FastAPI, Request

from monitor.storage.lists.coverage import Coverage
from monitor.web import about, agencies, feeds, home, places, probes, timeline
from monitor.web.charts import Pictures, Sights
from monitor.web.context import Site, SiteList
from monitor.web.errors import answer_errors
from monitor.web.held import HeldChanges
from monitor.web.middleware import Guarded
from monitor.web.pages import Look

if TYPE_CHECKING:
    from fastapi.telemetry import TelemetryConfig  # older versions have none, and need none

__all__ = ["Coverage", "Site", "SiteList", "create_app"]

THREADS = 4
"""Worker threads of the site. Pages are made by the processor, of which a thread in Python has its turn and not its own: with forty of them
they and the loop that serves them mostly wait for each other (``benchmarks/signup.py``)."""

# whoever installs exporters beside us gets no addresses with tokens in them, nor what was typed
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
) -> Guarded:
    """The site as an ASGI application. ``routers`` come before the site's own; ``extras`` are shown to every template by name."""
    # no documentation pages of the framework: they load scripts from elsewhere; no slash redirects: they repeat the Host header
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
    app.state.look = Look(site, extras or {})
    app.state.sights = Sights()
    app.state.pictures = Pictures(site.timezone, app.state.sights)
    app.state.waiting = HeldChanges(site.sources, site.coverage)
    for router in (
        *routers,
        *(room.router for room in (home, places, agencies, timeline, feeds, about, probes)),
    ):
        app.include_router(router)
    answer_errors(app)
    # around the whole application and not among its middleware: the framework answers its own errors outside of those
    return Guarded(app, site.public_url)


@asynccontextmanager
async def _with_few_threads(_: FastAPI) -> AsyncIterator[None]:
    current_default_thread_limiter().total_tokens = THREADS
    yield
