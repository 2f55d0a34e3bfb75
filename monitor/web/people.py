"""What the pages of people share: the parts that they are given, and the links that are somebody's own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta

from fastapi import Request

from monitor import subscribers
from monitor.core import tokens
from monitor.core.tokens import Purpose
from monitor.keys import KeyFile
from monitor.letters import MailSection
from monitor.storage.people import Follow, Subscriber
from monitor.subscribers import Link, SignupLimits, Tombstones
from monitor.web.forms import FASTEST
from monitor.web.pages import site_of


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """What the pages need of the program.

    ``closed`` says why nobody can sign up now (None: they can), as a key of `CLOSED`. ``today`` says who covers places today, and
    ``preview`` what an alert looks like, in a language; ``title`` what a list is called in a language, also one that is not watched. ``wake`` tells the sender that something came in.
    """

    keys: KeyFile
    tombstones: Tombstones
    today: Callable[[str, Iterable[Follow]], tuple[MailSection, ...]]
    preview: Callable[[str], str]
    title: Callable[[str, str], str]
    closed: Callable[[], str | None]
    limits: SignupLimits = SignupLimits()  # noqa: RUF009 - frozen
    fastest: timedelta = FASTEST
    bounce_secret: str | None = None
    wake: Callable[[], None] = lambda: None


def people_of(request: Request) -> People:
    """The parts that the pages were given (`joining.routes`)."""
    people: People = request.state.people
    return people


def look(request: Request, purpose: Purpose, token: str) -> Link:
    """What a link leads to; changes nothing."""
    site = site_of(request)
    return subscribers.look(site.engine, people_of(request).keys, purpose, token, site.clock())


def token_for(people: People, purpose: Purpose, one: Subscriber) -> str:
    """Somebody's own link for a purpose."""
    return tokens.make(people.keys.token_key, purpose, one.id, one.nonce)
