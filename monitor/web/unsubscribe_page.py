"""Unsubscribing by a page with a button or by a mail program's one click, and the webhook for bounces."""

from __future__ import annotations

import hmac
import re

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from monitor import subscribers
from monitor.core.tokens import Purpose
from monitor.subscribers import LinkState
from monitor.web.pages import render_page, site_of
from monitor.web.personal_pages import people_of, read_link
from monitor.web.routing import Router, get, post

router = Router()

_FIELD = b"unsubscribe"  # the field of the page's button; in lower case it is part of the one-click field
_ANSWERS = {
    LinkState.OPEN: "Unsubscribed.\n",
    LinkState.DONE: "This subscription has ended already. To end a later one, use the link in its mails.\n",
}


@get(router, "/unsubscribe/{token}")
def ask_to_leave(request: Request, token: str) -> Response:
    """Show the page with the unsubscribe button."""
    link = read_link(request, Purpose.UNSUBSCRIBE, token)
    return render_page(
        request,
        "people/leave.html",
        private=True,
        status=404 if link.found is LinkState.UNKNOWN else 200,
        found=link.found.value,
        token=token,
    )


@post(router, "/unsubscribe/{token}")
async def leave(request: Request, token: str) -> Response:
    """Unsubscribe at once. One-click requests (RFC 8058) get plain text: no cookie, no redirect.

    The link alone identifies the subscriber, so the body is not parsed as a form: some mail programs send an
    invalid one. A body with neither field comes from a link previewer, and gets the page.
    """
    body = await request.body()
    if _FIELD not in body.lower():
        return await run_in_threadpool(ask_to_leave, request, token)
    return await run_in_threadpool(_left, request, token, one_click=b"List-Unsubscribe" in body)


def _left(request: Request, token: str, *, one_click: bool) -> Response:
    people, site = people_of(request), site_of(request)
    link = subscribers.leave(site.engine, people.keys, token, site.clock(), tombstones=people.tombstones)
    status = 404 if link.found is LinkState.UNKNOWN else 200
    if one_click:
        return PlainTextResponse(
            _ANSWERS.get(link.found, "There is no such subscription.\n"),
            status,
            {"Cache-Control": "no-store"},
        )
    left = "left" if link.found is LinkState.OPEN else link.found.value
    return render_page(request, "people/leave.html", private=True, status=status, found=left, token=token)


@post(router, "/bounces")
async def bounced(request: Request) -> Response:
    """Process a bounced mail, posted by a relay that knows the secret."""
    people, site = people_of(request), site_of(request)
    given = re.sub(
        "^bearer ", "", request.headers.get("authorization", ""), flags=re.IGNORECASE
    )  # RFC 9110, 11.1
    if people.bounce_secret is None or not hmac.compare_digest(given.encode(), people.bounce_secret.encode()):
        return PlainTextResponse("Not for you.\n", 403, {"Cache-Control": "no-store"})
    mail = await request.body()
    await run_in_threadpool(
        subscribers.apply_mail, site.engine, people.keys, mail, site.clock(), tombstones=people.tombstones
    )
    return Response(status_code=204)
