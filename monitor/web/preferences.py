"""The preferences page behind the link in every mail."""

from __future__ import annotations

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from monitor import subscribers
from monitor.channels.kinds import kind_of
from monitor.channels.outline import open_outline
from monitor.core.due import AT_ONCE
from monitor.core.tokens import Purpose
from monitor.errors import UsageError
from monitor.messages import locale
from monitor.storage.people import Subscriber
from monitor.subscribers import Link, LinkState, Preferences
from monitor.subscribers.preferences import LONGEST_PAUSE
from monitor.web import forms
from monitor.web.forms import FormValues
from monitor.web.pages import language_of, render_page, site_of, translate
from monitor.web.personal_pages import PeopleContext, people_of, read_link, token_for
from monitor.web.routing import Router, get, post

router = Router()


@get(router, "/manage/{token}")
def preferences(request: Request, token: str) -> Response:
    """Show the current preferences; ``?place=60601`` adds a place to the form."""
    people = people_of(request)
    link = read_link(request, Purpose.MANAGE, token)
    if link.found is not LinkState.OPEN or link.subscriber is None:
        return render_page(request, "people/gone.html", private=True, status=404)
    filled = forms.values_of_subscriber(
        link.subscriber, link.follows, site_of(request).timezone, language_of(request)
    )
    wanted = forms.place(request.query_params.get("place", ""))
    if wanted is not None:
        added = forms.write_places((*(each.place for each in link.follows), wanted), language_of(request))
        filled = replace(filled, places=added)
    return _preferences(request, people, link, filled, token)


@post(router, "/manage/{token}")
def change(
    request: Request,
    token: str,
    places: str = "",
    lists: list[str] = [],  # noqa: B006 - read only
    frequency: str = AT_ONCE,
    hour: str = "",
    zone: str = "",
    language: str = "",
    pause: str = "",
    receipts: str = "",
) -> Response:
    """Save the preferences exactly as given."""
    people, site = people_of(request), site_of(request)
    link = read_link(request, Purpose.MANAGE, token)
    if link.found is not LinkState.OPEN or link.subscriber is None:
        return render_page(request, "people/gone.html", private=True, status=404)
    language = locale.find_language(language) or link.subscriber.language
    filled = replace(
        forms.read_submitted_values(places, lists, frequency, hour, zone, language),
        pause=pause[:10],
        receipts=bool(receipts),
    )
    problems, follows = forms.validate_places(
        request, filled, also=tuple({each.source for each in link.follows})
    )
    until = forms.day(filled.pause)
    # Which days are in the future depends on the time zone: `change` checks it.
    if filled.pause and (until is None or abs(until - site.clock().date()) > LONGEST_PAUSE):
        problems["pause"] = translate(request, "Choose a future day within a year, or leave it empty.")
    if problems:
        return _preferences(request, people, link, filled, token, problems)
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
        changed = subscribers.change(
            site.engine, people.keys, token, wanted, site.clock(), default_timezone=site.timezone
        )
    except UsageError:
        problems["pause"] = translate(request, "Choose a future day within a year, or leave it empty.")
        return _preferences(request, people, link, filled, token, problems)
    if changed.subscriber is None:
        return render_page(request, "people/gone.html", private=True, status=404)
    people.wake()
    return _preferences(
        request,
        people,
        changed,
        forms.values_of_subscriber(changed.subscriber, changed.follows, site.timezone, language_of(request)),
        token,
        saved=True,
    )


def _preferences(
    request: Request,
    people: PeopleContext,
    link: Link,
    filled: FormValues,
    token: str,
    problems: dict[str, str] | None = None,
    *,
    saved: bool = False,
) -> Response:
    found = problems or {}
    one = link.subscriber
    assert one is not None
    followed = dict.fromkeys(each.source for each in link.follows)
    return render_page(
        request,
        "people/manage.html",
        private=True,
        status=422 if found else 200,
        filled=filled,
        problems=found,
        saved=saved,
        token=token,
        besides={
            name: people.title(name, language_of(request))
            for name in followed
            if name not in site_of(request).sources
        },
        masked=open_outline(people.keys, one.channel, one.outline).masked if one.outline else None,
        own_page=kind_of(one.channel).own_page,
        asked_at=one.created_at,
        paused_until=_paused_until(request, one),
        unsubscribe=token_for(people, Purpose.UNSUBSCRIBE, one),
    )


def _paused_until(request: Request, one: Subscriber) -> str | None:
    """Format when a pause ends, in the time zone in which it was chosen."""
    if one.state != "paused" or one.paused_until is None:
        return None
    return locale.moment(one.paused_until, one.timezone or site_of(request).timezone, language_of(request))
