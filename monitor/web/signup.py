"""Signing up and saying yes: a GET shows and a POST acts, and nothing typed is kept but by the verbs.

Whatever is answered to a sign-up depends on what was typed alone, never on what is known of the address.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from monitor import subscribers
from monitor.core.due import AT_ONCE, FREQUENCIES, ZONES
from monitor.core.tokens import Purpose
from monitor.errors import UsageError
from monitor.storage.people import Follow
from monitor.subscribers import Answer, Link, LinkState, Wish
from monitor.subscribers.signup import MOST_PLACES
from monitor.web import forms
from monitor.web.forms import LONGEST_TEXT, Filled
from monitor.web.pages import get, language_of, post, say, show, site_of
from monitor.web.people import People, look, people_of, token_for

router = APIRouter()


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
    people = people_of(request)
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
        subscribers.checked("email", filled.address)
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
        answer = subscribers.request(
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
    people = people_of(request)
    return _confirmation(request, people, look(request, Purpose.CONFIRM, token), token)


@post(router, "/confirm/{token}")
def confirm(request: Request, token: str, again: Annotated[str, Form()] = "") -> Response:
    """Say yes; or, with ``again``, ask for another link in place of one that has expired."""
    people, site = people_of(request), site_of(request)
    if again:
        link = subscribers.renew(site.engine, people.keys, token, site.clock())
        people.wake()
        if link.found is LinkState.EXPIRED:
            return show(request, "people/sent.html", private=True, places=(), today=())
    else:
        link = subscribers.confirm(site.engine, people.keys, token, site.clock())
        people.wake()
        if link.found is LinkState.OPEN and link.subscriber is not None:
            return show(
                request,
                "people/confirmed.html",
                private=True,
                manage=token_for(people, Purpose.MANAGE, link.subscriber),
                today=people.today(language_of(request), link.follows),
            )
    return _confirmation(request, people, link, token)


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
        status=404 if link.found is LinkState.UNKNOWN else 200,
        found=link.found.value,
        token=token,
        follows=_by_list(people, link.follows, language_of(request)),
        filled=forms.blank(request, []),
        problems={},
        manage=token_for(people, Purpose.MANAGE, one)
        if one is not None and link.found is LinkState.DONE
        else None,
    )


def _by_list(people: People, follows: Iterable[Follow], language: str) -> list[tuple[str, list[str]]]:
    """(title, places) of each list that is followed."""
    found: dict[str, list[str]] = {}
    for each in follows:
        found.setdefault(each.source, []).append(each.place)
    return [(people.title(name, language), places) for name, places in found.items()]
