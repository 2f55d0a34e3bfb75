"""From `Settings` to the people's pages: their parts on an open database. Only entry points come here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache

from fastapi import APIRouter, Depends, Request
from sqlalchemy.engine import Engine

from monitor import app, letters, render
from monitor.channels import EVERYTHING
from monitor.config import Settings
from monitor.keys import KeyFile
from monitor.letters import MailSection
from monitor.storage import facts
from monitor.storage.engine import reading
from monitor.storage.lists import overview
from monitor.storage.people import Follow
from monitor.subscribers import SignupLimits
from monitor.web import assembly, create_app, leaving, preferences, signup
from monitor.web.context import Site
from monitor.web.middleware import SiteMiddleware
from monitor.web.people import PeopleContext
from monitor.writing import Writer

STUCK_AFTER = timedelta(hours=1)
"""Mail that waits for longer while the relay refuses everything means that a confirmation would not arrive
either.
"""


def application(
    settings: Settings,
    engine: Engine,
    keys: KeyFile,
    *,
    wake: Callable[[], None] = lambda: None,
    clock: Callable[[], datetime] = app.now,
    site: Site | None = None,
    routers: Iterable[APIRouter] = (),
) -> tuple[SiteMiddleware, Site]:
    """The whole site with the people's pages, and its parts. ``wake`` tells a sender in this process that
    something came in.

    ``site`` are parts that were made before (``assembly.site``), ``routers`` further pages.
    """
    site = site or assembly.site(settings, engine, clock)
    site = replace(site, checks={**site.checks, "sign-up": lambda: reason(settings, engine, clock())})
    joined = people(settings, engine, keys, site, wake)
    return create_app(site, routers=[*routers, routes(joined)], extras=signup.extras(joined)), site


def routes(people: PeopleContext) -> APIRouter:
    """The people's pages, given their parts; without them the site has no sign-up."""

    async def give(request: Request) -> None:
        request.state.people = people

    whole = APIRouter(dependencies=[Depends(give)])
    for page in (signup, preferences, leaving):
        whole.include_router(page.router)
    return whole


def people(
    settings: Settings, engine: Engine, keys: KeyFile, site: Site, wake: Callable[[], None] = lambda: None
) -> PeopleContext:
    """The parts of the pages on which people sign up, confirm, change and leave."""
    writer = Writer(settings, engine, site.coverage, app.alerter(settings), site.clock)

    def today(language: str, follows: Iterable[Follow]) -> tuple[MailSection, ...]:
        voice = writer.voice(language)
        return tuple(letters.standing(voice, each) for each in writer.today(follows, language))

    @cache
    def preview(language: str) -> str:
        return (
            render.alert(app.sample(settings, language, site.clock()))
            .text.replace(render.MARKS["asked"], "…")
            .replace(render.MARKS["stop"], site.public("/manage/…"))
        )

    return PeopleContext(
        keys=keys,
        tombstones=app.tombstones(settings),
        today=today,
        preview=preview,
        title=writer.title,
        closed=lambda: closed(settings, engine, site.clock()),
        limits=SignupLimits(settings.signup.per_network, settings.signup.per_site),
        bounce_secret=settings.bounces.secret.get_secret_value() if settings.bounces.secret else None,
        wake=wake,
    )


def closed(settings: Settings, engine: Engine, now: datetime) -> str | None:
    """Why nobody can sign up: "configuration" (mail or the public address is not set up), "mail" (it does not get through), or None."""
    if "email" not in app.configured_channels(settings) or settings.site.public_url is None:
        return "configuration"
    with reading(engine) as conn:
        paused = any(lane.channel == "email" and lane.name == EVERYTHING for lane in facts.lanes(conn, now))
        oldest = overview.outbox(conn).oldest_due_at if paused else None
    return "mail" if oldest is not None and now - oldest > STUCK_AFTER else None


def reason(settings: Settings, engine: Engine, now: datetime) -> str | None:
    """The same in words, for whoever asks whether the site is ready."""
    return {
        "configuration": "nobody can sign up: set up [email] and [site] public_url",
        "mail": "nobody can sign up: the mail server refuses everything",
        None: None,
    }[closed(settings, engine, now)]
