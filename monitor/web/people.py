"""Signing up, saying yes, changing and leaving: pages on which a GET shows and a POST acts, and nothing typed is kept but by the verbs.

`routes` and `extras` are what `create_app` is given; without them the site has no sign-up. Whatever is answered to a sign-up depends on what was
typed alone, never on what is known of the address.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import PlainTextResponse
from starlette.concurrency import run_in_threadpool

from monitor import i18n, subscribe, tokens
from monitor.errors import UsageError
from monitor.hours import AT_ONCE, FREQUENCIES, ZONES
from monitor.keys import KeyFile
from monitor.letters import Section
from monitor.store.people import Follow, Subscriber
from monitor.subscribe import Answer, Found, Limits, Link, Preferences, Tombstones, Wish
from monitor.subscribe.signup import MOST_PLACES
from monitor.tokens import Purpose
from monitor.web import forms
from monitor.web.forms import FASTEST, LONGEST_TEXT, Filled
from monitor.web.pages import get, language_of, post, say, show, site_of

router = APIRouter()


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """What the pages need of the program.

    ``closed`` says why nobody can sign up now (None: they can), as a key of `CLOSED`. ``today`` says who covers places today, and
    ``preview`` what an alert looks like, in a language. ``wake`` tells the sender that something came in.
    """

    keys: KeyFile
    tombstones: Tombstones
    today: Callable[[str, Iterable[Follow]], tuple[Section, ...]]
    preview: Callable[[str], str]
    closed: Callable[[], str | None]
    limits: Limits = Limits()  # noqa: RUF009 - frozen
    fastest: timedelta = FASTEST
    bounce_secret: str | None = None
    wake: Callable[[], None] = lambda: None


def routes(people: People) -> APIRouter:
    """The pages with their parts, for ``create_app(routers=[...])``."""

    async def give(request: Request) -> None:
        request.state.people = people

    whole = APIRouter(dependencies=[Depends(give)])
    whole.include_router(router)
    return whole


def extras(people: People) -> dict[str, Callable[[Request], object]]:
    """What every template of the site sees beside its own: the form, as ``signup``."""
    return {
        "signup": lambda request: forms.Offer(
            request,
            closed=lambda: _closed(request, people),
            stamp=lambda: forms.stamped(people.keys.token_key, site_of(request).clock()),
            preview=lambda: people.preview(language_of(request)),
        )
    }


@get(router, "/subscribe")
def form(request: Request) -> Response:
    """The form by itself; ``?place=60601`` fills a place in."""
    places = [
        name for text in request.query_params.getlist("place")[:MOST_PLACES] if (name := forms.place(text))
    ]
    return _form(request, forms.blank(request, places))


@post(router, "/subscribe")
def sign_up(
    request: Request,
    address: Annotated[str, Form()] = "",
    places: Annotated[str, Form()] = "",
    lists: Annotated[list[str], Form()] = [],  # noqa: B006 - read only
    frequency: Annotated[str, Form()] = AT_ONCE,
    hour: Annotated[str, Form()] = "",
    zone: Annotated[str, Form()] = "",
    website: Annotated[str, Form()] = "",
    stamp: Annotated[str, Form()] = "",
) -> Response:
    """Take a sign-up in."""
    people = _people(request)
    if people.closed() is not None:
        return _form(request, forms.blank(request, []), status=503)
    filled = Filled(
        address=address[:320],
        places=places[:LONGEST_TEXT],
        lists=tuple(lists),
        frequency=frequency if frequency in FREQUENCIES else AT_ONCE,
        hour=forms.hour(hour),
        zone=zone if zone in ZONES else "",
        language=language_of(request),
    )
    problems, follows = forms.checked(request, filled)
    try:
        subscribe.checked("email", filled.address)
    except UsageError:
        problems["address"] = say(request, "Write a mail address such as name@example.org.")
    if (
        not problems
        and not website
        and not forms.in_time(people.keys.token_key, stamp, site_of(request).clock(), people.fastest)
    ):
        problems["stamp"] = say(request, "Please look at it once more and press the button again.")
    if problems:
        return _form(request, filled, problems)
    names = tuple(dict.fromkeys(each.place for each in follows))
    if not website:  # a field that people do not see: what is in it was filled in by a program, which is told what it expects
        wish = Wish(
            address=filled.address,
            places=names,
            sources=filled.lists,
            language=filled.language,
            frequency=filled.frequency,
            timezone=filled.zone or None,
            local_hour=filled.hour,
        )
        client = request.client.host if request.client else None
        answer = subscribe.request(
            site_of(request).engine,
            people.keys,
            wish,
            client=client,
            now=site_of(request).clock(),
            limits=people.limits,
        )
        if answer is not Answer.TAKEN:
            return show(
                request, "people/busy.html", private=True, status=429, whole=answer is Answer.SITE_BUSY
            )
        people.wake()
    return show(
        request, "people/sent.html", private=True, places=names, today=people.today(filled.language, follows)
    )


@get(router, "/confirm/{token}")
def ask_to_confirm(request: Request, token: str) -> Response:
    """The page with the button."""
    people = _people(request)
    return _confirmation(request, people, _look(request, people, Purpose.CONFIRM, token), token)


@post(router, "/confirm/{token}")
def confirm(request: Request, token: str, again: Annotated[str, Form()] = "") -> Response:
    """Say yes; or, with ``again``, ask for another link in place of one that has expired."""
    people, site = _people(request), site_of(request)
    if again:
        link = subscribe.renew(site.engine, people.keys, token, site.clock())
        people.wake()
        if link.found is Found.EXPIRED:
            return show(request, "people/sent.html", private=True, places=(), today=())
    else:
        link = subscribe.confirm(site.engine, people.keys, token, site.clock())
        people.wake()
        if link.found is Found.OPEN and link.subscriber is not None:
            return show(
                request,
                "people/confirmed.html",
                private=True,
                manage=_token(people, Purpose.MANAGE, link.subscriber),
                today=people.today(language_of(request), link.follows),
            )
    return _confirmation(request, people, link, token)


@get(router, "/manage/{token}")
def preferences(request: Request, token: str) -> Response:
    """Everything that can be changed, as it is."""
    people = _people(request)
    link = _look(request, people, Purpose.MANAGE, token)
    if link.found is not Found.OPEN or link.subscriber is None:
        return show(request, "people/gone.html", private=True, status=404)
    return _preferences(
        request,
        people,
        link.subscriber,
        forms.as_it_is(link.subscriber, link.follows, site_of(request).timezone),
        token,
    )


@post(router, "/manage/{token}")
def change(
    request: Request,
    token: str,
    places: Annotated[str, Form()] = "",
    lists: Annotated[list[str], Form()] = [],  # noqa: B006 - read only
    frequency: Annotated[str, Form()] = AT_ONCE,
    hour: Annotated[str, Form()] = "",
    zone: Annotated[str, Form()] = "",
    language: Annotated[str, Form()] = "",
    pause: Annotated[str, Form()] = "",
    receipts: Annotated[str, Form()] = "",
) -> Response:
    """Make it exactly so."""
    people, site = _people(request), site_of(request)
    link = _look(request, people, Purpose.MANAGE, token)
    if link.found is not Found.OPEN or link.subscriber is None:
        return show(request, "people/gone.html", private=True, status=404)
    filled = Filled(
        places=places[:LONGEST_TEXT],
        lists=tuple(lists),
        frequency=frequency if frequency in FREQUENCIES else AT_ONCE,
        hour=forms.hour(hour),
        zone=zone if zone in ZONES else "",
        language=i18n.known(language) or link.subscriber.language,
        pause=pause[:10],
        receipts=bool(receipts),
    )
    problems, follows = forms.checked(request, filled, also=tuple({each.source for each in link.follows}))
    until = forms.day(filled.pause)
    if filled.pause and (
        until is None or until <= site.clock().date() or until > site.clock().date() + timedelta(days=365)
    ):
        problems["pause"] = say(request, "Choose a day to come, within a year; or leave it empty.")
    if problems:
        return _preferences(request, people, link.subscriber, filled, token, problems)
    wanted = Preferences(
        places=tuple(dict.fromkeys(each.place for each in follows)),
        sources=filled.lists,
        language=filled.language,
        frequency=filled.frequency,
        timezone=filled.zone or None,
        local_hour=filled.hour,
        pause_until=until,
        receipts=filled.receipts,
    )
    try:
        changed = subscribe.change(
            site.engine, people.keys, token, wanted, site.clock(), default_timezone=site.timezone
        )
    except UsageError:
        problems["pause"] = say(request, "Choose a day to come, within a year; or leave it empty.")
        return _preferences(request, people, link.subscriber, filled, token, problems)
    if changed.subscriber is None:
        return show(request, "people/gone.html", private=True, status=404)
    people.wake()
    return _preferences(
        request,
        people,
        changed.subscriber,
        forms.as_it_is(changed.subscriber, changed.follows, site.timezone),
        token,
        saved=True,
    )


@get(router, "/unsubscribe/{token}")
def ask_to_leave(request: Request, token: str) -> Response:
    """The page with the button."""
    people = _people(request)
    link = _look(request, people, Purpose.UNSUBSCRIBE, token)
    return show(
        request,
        "people/leave.html",
        private=True,
        status=404 if link.found is Found.UNKNOWN else 200,
        found=link.found.value,
        token=token,
    )


@post(router, "/unsubscribe/{token}")
def leave(
    request: Request, token: str, one_click: Annotated[str, Form(alias="List-Unsubscribe")] = ""
) -> Response:
    """Leave, at once. A mail program's one click (RFC 8058) is answered in plain words: no cookie, no redirect."""
    people, site = _people(request), site_of(request)
    link = subscribe.leave(site.engine, people.keys, token, site.clock(), tombstones=people.tombstones)
    status = 404 if link.found is Found.UNKNOWN else 200
    if one_click:
        return PlainTextResponse(
            "Unsubscribed.\n" if status == 200 else "There is no such subscription.\n",
            status,
            {"Cache-Control": "no-store"},
        )
    left = "left" if link.found is Found.OPEN else link.found.value
    return show(request, "people/leave.html", private=True, status=status, found=left, token=token)


@router.post("/bounces", response_model=None, include_in_schema=False)
async def bounced(request: Request) -> Response:
    """Take in a mail that came back, as it is, from a relay that knows the secret."""
    people, site = _people(request), site_of(request)
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    if people.bounce_secret is None or not hmac.compare_digest(given.encode(), people.bounce_secret.encode()):
        return PlainTextResponse("Not for you.\n", 403, {"Cache-Control": "no-store"})
    mail = await request.body()
    await run_in_threadpool(
        subscribe.returned, site.engine, people.keys, mail, site.clock(), tombstones=people.tombstones
    )
    return Response(status_code=204)


def _people(request: Request) -> People:
    people: People = request.state.people
    return people


def _look(request: Request, people: People, purpose: Purpose, token: str) -> Link:
    site = site_of(request)
    return subscribe.look(site.engine, people.keys, purpose, token, site.clock())


def _token(people: People, purpose: Purpose, one: Subscriber) -> str:
    return tokens.make(people.keys.token_key, purpose, one.id, one.nonce)


def _closed(request: Request, people: People) -> str | None:
    """Why nobody can sign up, in words."""
    match people.closed():
        case None:
            return None
        case "configuration":
            return say(request, "Nobody can sign up at the moment: this site cannot send mail yet.")
        case _:
            return say(
                request,
                "Nobody can sign up at the moment: our mail is not getting through. Please try again later.",
            )


def _form(
    request: Request, filled: Filled, problems: dict[str, str] | None = None, status: int | None = None
) -> Response:
    found = problems or {}
    return show(
        request,
        "people/subscribe.html",
        private=True,
        status=status or (422 if found else 200),
        filled=filled,
        problems=found,
    )


def _confirmation(request: Request, people: People, link: Link, token: str) -> Response:
    """What a link to confirm leads to. One that has expired is renewed with one tap while the row is there, until the next purge; after
    that nothing is known any more, for an address that nobody confirmed is kept for 48 hours and no longer. So the form itself stands
    there: it is not kept longer for the sake of those who come days later.
    """
    one = link.subscriber
    return show(
        request,
        "people/confirm.html",
        private=True,
        status=404 if link.found is Found.UNKNOWN else 200,
        found=link.found.value,
        token=token,
        follows=_by_list(request, link.follows),
        filled=forms.blank(request, []),
        problems={},
        manage=_token(people, Purpose.MANAGE, one) if one is not None and link.found is Found.DONE else None,
    )


def _preferences(
    request: Request,
    people: People,
    one: Subscriber,
    filled: Filled,
    token: str,
    problems: dict[str, str] | None = None,
    *,
    saved: bool = False,
) -> Response:
    found = problems or {}
    return show(
        request,
        "people/manage.html",
        private=True,
        status=422 if found else 200,
        filled=filled,
        problems=found,
        saved=saved,
        token=token,
        asked_at=one.created_at,
        paused_until=_paused_until(request, one),
        unsubscribe=_token(people, Purpose.UNSUBSCRIBE, one),
    )


def _paused_until(request: Request, one: Subscriber) -> str | None:
    """When a pause ends, on the clock that it was chosen by."""
    if one.state != "paused" or one.paused_until is None:
        return None
    return i18n.moment(one.paused_until, one.timezone or site_of(request).timezone, language_of(request))


def _by_list(request: Request, follows: Iterable[Follow]) -> list[tuple[str, list[str]]]:
    """(title, places) of each list that is followed."""
    found: dict[str, list[str]] = {}
    for each in follows:
        found.setdefault(each.source, []).append(each.place)
    known, language = site_of(request).sources, language_of(request)
    return [
        (known[name].titled(language) if name in known else name, places) for name, places in found.items()
    ]
