"""Alerts in a visitor's browser by web push: sign up, view, change and stop, without any personal address.

A browser identifies itself by its subscription, which is posted in a body and never in a URL: the endpoint
and the secret that it shares with us. The first push replaces the double opt-in by mail: the service worker
confirms by the link in it. So an endpoint that is not a browser's, or belongs to another site, gets that
message, a second and a third one a day apart, and nothing more.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from monitor import subscribers
from monitor.channels.kinds import lookup
from monitor.channels.webpush import WebPushKind
from monitor.channels.webpush.endpoint import PushAddress, find_company
from monitor.core.due import AT_ONCE
from monitor.core.tokens import Purpose
from monitor.errors import UsageError
from monitor.messages.place_names import name_place
from monitor.storage.engine import reading
from monitor.storage.people import PENDING, Subscriber, find, load_follows
from monitor.subscribers import SignupAnswer, moved_address
from monitor.subscribers.signup import request_form
from monitor.web import forms
from monitor.web.error_pages import not_found_page
from monitor.web.forms import FormValues
from monitor.web.middleware import HEADERS
from monitor.web.pages import asset_version, language_of, render_page, site_of, translate
from monitor.web.personal_pages import people_of, token_for
from monitor.web.routing import Router, get, post
from monitor.web.signup import client_of, store_request

router = Router()

CHANNEL = WebPushKind.name
"""The channel of these pages."""
_POLICY = HEADERS["Content-Security-Policy"] + "; script-src 'self'; connect-src 'self'; worker-src 'self'"


@get(router, "/push")
def page(request: Request) -> Response:
    """Show the page; ``?place=60601`` fills in a place."""
    if people_of(request).push_key is None:
        return not_found_page(request)
    return _page(request, forms.read_url_values(request))


@post(router, "/push")
def sign_up(
    request: Request,
    subscription: str = "",
    places: str = "",
    lists: list[str] = [],  # noqa: B006 - read only
    frequency: str = AT_ONCE,
    hour: str = "",
    zone: str = "",
    stamp: str = "",
) -> Response:
    """Validate and store a sign-up."""
    people, site = people_of(request), site_of(request)
    if people.push_key is None:
        return not_found_page(request)
    filled = forms.read_submitted_values(places, lists, frequency, hour, zone, language_of(request))
    problems, follows = forms.validate_places(request, filled)
    address = _read(subscription)
    if address is None:
        problems["subscription"] = translate(
            request,
            "Your browser has not given us an address for notifications. Switch on JavaScript for this site, "
            "and press the button again.",
        )
    elif not problems and not forms.is_in_time(people.keys.token_key, stamp, site.clock()):
        problems["subscription"] = translate(
            request, "Please look at it once more and press the button again."
        )
    if address is None or problems:
        return _page(request, filled, problems)
    names = tuple(dict.fromkeys(each.place for each in follows))
    if refused := store_request(request, filled, names, str(address), CHANNEL):
        return refused
    return render_page(
        request,
        "people/push_sent.html",
        private=True,
        carrier=_name_carrier(address),
        today=people.today(filled.language, follows),
    )


@post(router, "/push/mine")
def mine(request: Request, subscription: str = "", place: str = "") -> Response:
    """Show the browser's own subscription, as a part of the page; 404 if there is none."""
    people = people_of(request)
    address, one = _find(request, subscription)
    if address is None or one is None:
        return _plain("There is no such subscription.\n", 404)
    language = language_of(request)
    with reading(site_of(request).engine) as conn:
        followed = load_follows(conn, one.id)
    lists: dict[str, list[str]] = {}
    for each in followed:
        lists.setdefault(people.title(each.source, language), []).append(name_place(each.place, language))
    wanted = forms.place(place)
    return render_page(
        request,
        "people/push_mine.html",
        private=True,
        lists=lists,
        pending=one.state == PENDING,
        paused=one.state == "paused",
        carrier=_name_carrier(address),
        manage=None if one.state == PENDING else token_for(people, Purpose.MANAGE, one),
        more=wanted if wanted and wanted not in {each.place for each in followed} else None,
    )


@post(router, "/push/leave")
def leave(request: Request, subscription: str = "") -> Response:
    """End the browser's subscription at once, and erase its address; 404 if there is none."""
    people, site = people_of(request), site_of(request)
    _, one = _find(request, subscription)
    if one is None:
        return _plain("There is no such subscription.\n", 404)
    token = token_for(people, Purpose.UNSUBSCRIBE, one)
    subscribers.leave(site.engine, people.keys, token, site.clock(), tombstones=people.tombstones)
    return Response(status_code=204, headers={"Cache-Control": "no-store"})


@post(router, "/push/renew")
def renew(request: Request, old: str = "", subscription: str = "") -> Response:
    """Replace an old subscription by the new one that a browser has made.

    The response does not depend on what is stored. 409: the new one is at another relay, which requires a new
    sign-up.
    """
    people, site = people_of(request), site_of(request)
    before, after = _read(old), _read(subscription)
    if people.push_key is None or before is None or after is None:
        return _plain("This is not a subscription.\n", 422)
    try:
        form = moved_address.format_move(CHANNEL, str(before), str(after))
    except UsageError:
        return _plain("Another relay carries it now: sign up again.\n", 409)
    answer = request_form(
        site.engine,
        people.keys,
        form,
        client=client_of(request),
        now=site.clock(),
        limits=people.limits,
    )
    if answer is not SignupAnswer.TAKEN:
        return _plain("Too many requests.\n", 429)
    people.wake()
    return Response(status_code=202, headers={"Cache-Control": "no-store"})


def _read(text: str) -> PushAddress | None:
    """Parse the subscription that a browser posted; None if it is not valid."""
    try:
        return PushAddress.of_subscription(text)
    except UsageError:
        return None


def _find(request: Request, text: str) -> tuple[PushAddress | None, Subscriber | None]:
    """Parse the subscription that a browser posted, and find its subscriber."""
    address = _read(text)
    if address is None:
        return None, None
    with reading(site_of(request).engine) as conn:
        return address, find(conn, CHANNEL, lookup(people_of(request).keys, CHANNEL, str(address)))


def _name_carrier(address: PushAddress) -> tuple[str | None, str]:
    """The company of the relay, None for an unknown one, and its host."""
    return find_company(address.host), address.host


def _plain(text: str, status: int) -> Response:
    return PlainTextResponse(text, status, {"Cache-Control": "no-store"})


def _page(request: Request, filled: FormValues, problems: dict[str, str] | None = None) -> Response:
    site, people = site_of(request), people_of(request)
    answer = render_page(
        request,
        "people/push.html",
        private=True,
        status=422 if problems else 200,
        filled=filled,
        problems=problems or {},
        key=people.push_key,
        script=site.url(f"/static/{asset_version('push.js')}/push.js"),
        place=request.query_params.get("place", "")[:100],
    )
    answer.headers["Content-Security-Policy"] = _POLICY
    return answer
