"""The site: pages, feeds and health probes in English and Spanish, without scripts and without third parties.

`create` builds it from the program's components. To add a page:

1. A module with a router, and in it a plain function (it is run in a worker thread)::

       from starlette.requests import Request
       from starlette.responses import Response
       from monitor.web.pages import render_page
       from monitor.web.routing import Router, get, post

       router = Router()

       @get(router, "/something/{token}")          # GET and HEAD; `post` for what acts
       def something(request: Request, token: str) -> Response:
           return render_page(request, "people/something.html", private=True, status=200, shown="...")

   ``render_page`` renders a template in the reader's language; ``private=True`` for pages that concern one
   person (not cached, not indexed). ``site_of(request)`` returns the parts (`Site`), ``language_of(request)``
   the language, ``redirect(request, "/path")`` a redirect after a POST, ``translate(request, "Not valid:
   %(name)s", name=...)`` a sentence in Python code. Forms: a parameter ``address: str = ""`` for each
   field; check the text and show the form again. Larger bodies than `middleware.LARGEST_BODY` are refused
   earlier.
2. A template that extends ``base.html`` and fills ``title`` and ``main``. Sentences: ``{{ _("...") }}``,
   ``{% trans %}...{% endtrans %}``, ``ngettext``. Links: ``{{ url("/changes") }}`` within the site,
   ``{{ public("/m/x") }}`` absolute. Untrusted text: ``{{ name|outside }}``. Times: ``{{ at|moment }}``,
   ``{{ at|clock }}``, ``{{ date|day }}``, ``{{ count|number }}``. No ``style=`` and no script: the content
   security policy refuses them; classes are in ``static/site.css`` (``.field``, ``.error``, ``.note``).
3. The Spanish in the catalog of `messages.locale`; tests report missing sentences.

A page of a place (`/zip/...`, `/state/...`) includes ``people/follow.html`` with ``places``, a tuple of what
to follow such as ``("60601",)`` or ``("IL",)``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from monitor.web.application import create_app
    from monitor.web.composition import create
    from monitor.web.context import Site

__all__ = ["Site", "create", "create_app"]


_HOMES = {"Site": "context", "create": "composition", "create_app": "application"}


def __getattr__(name: str) -> Any:
    """Import a public name on first use: a public page alone loads no module about people."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
