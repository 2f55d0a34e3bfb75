"""Shared by the subscribers' pages: their context, and personal links."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from starlette.requests import Request

from monitor import subscribers
from monitor.core import tokens
from monitor.core.tokens import Purpose
from monitor.keys import KeyFile
from monitor.messages.alert_values import MailSection
from monitor.storage.people import Follow, Subscriber
from monitor.subscribers import Link, SignupLimits, Tombstones
from monitor.web.pages import site_of


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleContext:
    """The context of the subscribers' pages.

    ``closed`` returns why nobody can sign up now (None: they can). ``today`` returns which agencies cover
    places today and ``preview`` a sample alert, in a language; ``title`` the title of a list in a language,
    even of an unwatched one. ``push_key`` is the key with which browsers subscribe, None if they cannot.
    ``wake`` wakes the sender.
    """

    keys: KeyFile
    tombstones: Tombstones
    today: Callable[[str, Iterable[Follow]], tuple[MailSection, ...]]
    preview: Callable[[str], str]
    title: Callable[[str, str], str]
    closed: Callable[[], str | None]
    limits: SignupLimits = SignupLimits()  # noqa: RUF009 - frozen
    push_key: str | None = None
    bounce_secret: str | None = None
    wake: Callable[[], None] = lambda: None


def people_of(request: Request) -> PeopleContext:
    """The context of the subscribers' pages."""
    people: PeopleContext = request.app.state.people
    return people


def read_link(request: Request, purpose: Purpose, token: str) -> Link:
    """Read the state of a personal link, without changing anything."""
    site = site_of(request)
    return subscribers.load_link(site.engine, people_of(request).keys, purpose, token, site.clock())


def token_for(people: PeopleContext, purpose: Purpose, one: Subscriber) -> str:
    """A subscriber's token for a purpose."""
    return tokens.make(people.keys.token_key, purpose, one.number, one.nonce)
