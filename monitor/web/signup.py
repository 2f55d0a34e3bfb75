"""Sign-up and confirmation: GET shows, POST acts.

The response to a sign-up depends only on what was typed, never on what is stored about the address.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from monitor import subscribers
from monitor.channels.kinds import kind_of
from monitor.core.due import AT_ONCE
from monitor.core.tokens import Purpose
from monitor.errors import UsageError
from monitor.messages.place_names import name_place
from monitor.storage.people import Follow
from monitor.subscribers import Link, LinkState, SignupAnswer, SignupRequest
from monitor.web import forms
from monitor.web.forms import FormValues
from monitor.web.pages import language_of, render_page, site_of, translate
from monitor.web.personal_pages import PeopleContext, people_of, read_link, token_for
from monitor.web.routing import Router, get, post

router = Router()


def extras(people: PeopleContext) -> dict[str, Callable[[Request], object]]:
    """The template global ``signup``: the context of the sign-up form."""
    return {
        "signup": lambda request: forms.SignupFormContext(
            request,
            closed=lambda: _closed(request, people),
            stamp=lambda: forms.sign_form_time(people.keys.token_key, site_of(request).clock()),
            preview=lambda: people.preview(language_of(request)),
        )
    }


@get(router, "/subscribe")
def form(request: Request) -> Response:
    """Show the form by itself; ``?place=60601`` fills in a place."""
    return _form(request, forms.read_url_values(request))


@post(router, "/subscribe")
def sign_up(
    request: Request,
    address: str = "",
    places: str = "",
    lists: list[str] = [],  # noqa: B006 - read only
    frequency: str = AT_ONCE,
    hour: str = "",
    zone: str = "",
    website: str = "",
    stamp: str = "",
) -> Response:
    """Validate and store a sign-up."""
    people = people_of(request)
    if people.closed() is not None:
        return _form(request, forms.blank_values(request, []), status=503)
    filled = forms.read_submitted_values(places, lists, frequency, hour, zone, language_of(request))
    filled = replace(filled, address=address[:320])
    problems, follows = forms.validate_places(request, filled)
    try:
        subscribers.normalize_address(forms.CHANNEL, filled.address)
    except UsageError:
        problems["address"] = translate(request, "Enter an email address such as name@example.org.")
    if (
        not problems
        and not website
        and not forms.is_in_time(people.keys.token_key, stamp, site_of(request).clock())
    ):
        problems["stamp"] = translate(request, "Please look at it once more and press the button again.")
    if problems:
        return _form(request, filled, problems)
    names = tuple(dict.fromkeys(each.place for each in follows))
    # a honeypot: people do not see the field; a program that fills it gets the usual answer
    if not website and (refused := store_request(request, filled, names, filled.address, forms.CHANNEL)):
        return refused
    return render_page(
        request, "people/sent.html", private=True, places=names, today=people.today(filled.language, follows)
    )


def store_request(
    request: Request, filled: FormValues, places: tuple[str, ...], address: str, channel: str
) -> Response | None:
    """Store a valid form; returns the page to show if a limit was reached."""
    people, site = people_of(request), site_of(request)
    wanted = SignupRequest(
        address=address,
        places=places,
        sources=filled.lists,
        language=filled.language,
        frequency=filled.frequency,
        timezone=filled.zone or None,
        local_hour=filled.hour,
    )
    answer = subscribers.request(
        site.engine,
        people.keys,
        wanted,
        client=client_of(request),
        now=site.clock(),
        limits=people.limits,
        channel=channel,
    )
    if answer is not SignupAnswer.TAKEN:
        return render_page(
            request, "people/busy.html", private=True, status=429, whole=answer is SignupAnswer.SITE_BUSY
        )
    people.wake()
    return None


def client_of(request: Request) -> str | None:
    """The network address of a request, for the limits of sign-ups."""
    return request.client.host if request.client else None


@get(router, "/confirm/{token}")
def ask_to_confirm(request: Request, token: str) -> Response:
    """Show the page with the confirm button."""
    people = people_of(request)
    return _confirmation(request, people, read_link(request, Purpose.CONFIRM, token), token)


@post(router, "/confirm/{token}")
def confirm_subscription(
    request: Request,
    token: str,
    confirm: str = "",
    again: str = "",
) -> Response:
    """Confirm; or, with ``again``, request a new link to replace an expired one.

    Without the field of either button it does nothing: programs that preview links send empty POSTs.
    """
    people, site = people_of(request), site_of(request)
    if again:
        link = subscribers.renew(site.engine, people.keys, token, site.clock())
        people.wake()
        if link.found is LinkState.EXPIRED:
            return render_page(request, "people/sent.html", private=True, places=(), today=())
    elif not confirm:
        link = read_link(request, Purpose.CONFIRM, token)
    else:
        link = subscribers.confirm(site.engine, people.keys, token, site.clock())
        people.wake()
        if link.found is LinkState.OPEN and link.subscriber is not None:
            return render_page(
                request,
                "people/confirmed.html",
                private=True,
                manage=token_for(people, Purpose.MANAGE, link.subscriber),
                own_page=kind_of(link.subscriber.channel).own_page,
                today=people.today(language_of(request), link.follows),
            )
    return _confirmation(request, people, link, token)


def _closed(request: Request, people: PeopleContext) -> str | None:
    """Why nobody can sign up now, as a sentence; None if they can."""
    match people.closed():
        case None:
            return None
        case "configuration" if site_of(request).browser_alerts:
            return translate(request, "This site does not send email: get alerts in this browser instead.")
        case "configuration":
            return translate(request, "Nobody can sign up at the moment: this site cannot send mail yet.")
        case _:
            return translate(
                request,
                "Nobody can sign up at the moment: our email is not getting through. Please try again later.",
            )


def _form(
    request: Request, filled: FormValues, problems: dict[str, str] | None = None, status: int | None = None
) -> Response:
    found = problems or {}
    return render_page(
        request,
        "people/subscribe.html",
        private=True,
        status=status or (422 if found else 200),
        filled=filled,
        problems=found,
    )


def _confirmation(request: Request, people: PeopleContext, link: Link, token: str) -> Response:
    """Show the page behind a confirmation link.

    An expired link can be renewed with one tap until the next purge. After that nothing is stored any more
    (an unconfirmed address is kept for 48 hours), so the page shows the sign-up form.
    """
    one = link.subscriber
    return render_page(
        request,
        "people/confirm.html",
        private=True,
        status=404 if link.found is LinkState.UNKNOWN else 200,
        found=link.found.value,
        token=token,
        follows=_by_list(people, link.follows, language_of(request)),
        filled=forms.blank_values(request, []),
        problems={},
        manage=token_for(people, Purpose.MANAGE, one)
        if one is not None and link.found is LinkState.DONE
        else None,
    )


def _by_list(people: PeopleContext, follows: Iterable[Follow], language: str) -> list[tuple[str, list[str]]]:
    """(title, places by name) of each followed list."""
    found: dict[str, list[str]] = {}
    for each in follows:
        found.setdefault(each.source, []).append(name_place(each.place, language))
    return [(people.title(name, language), places) for name, places in found.items()]
