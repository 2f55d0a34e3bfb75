"""Creates the site from the program's components: its parts on an open database."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from functools import cache
from urllib.parse import urlsplit

from monitor import app, messages
from monitor.app import Components
from monitor.channels import EVERYTHING
from monitor.channels.webpush.vapid import format_server_key
from monitor.config import Settings
from monitor.messages.alert import PLACEHOLDERS
from monitor.messages.alert_values import MailSection
from monitor.messages.phrases import Phrases
from monitor.storage.deliveries import backlog, pauses
from monitor.storage.engine import reading
from monitor.storage.people import Follow
from monitor.subscribers import SignupLimits
from monitor.web import browser_alerts, decision_page, preferences, signup, telegram_webhook, unsubscribe_page
from monitor.web.application import create_app
from monitor.web.context import Site
from monitor.web.follow_links import FollowLink
from monitor.web.forms import CHANNEL
from monitor.web.middleware import SiteMiddleware
from monitor.web.personal_pages import PeopleContext
from monitor.web.records_laws import load_laws
from monitor.web.routing import Router

PEOPLE = (signup.router, preferences.router, unsubscribe_page.router, browser_alerts.router)
"""The subscribers' pages."""
STUCK_AFTER = timedelta(hours=1)
"""If mail has waited for longer than this while the relay refuses everything, a confirmation would not arrive
either.
"""


def create(
    components: Components,
    *,
    wake: Callable[[], None] = lambda: None,
    routers: Iterable[Router] = (),
    recorded: bool = False,
) -> SiteMiddleware:
    """Create the site as an ASGI application, with the webhook of the bot if it has one.

    ``wake`` wakes a sender in this process when a form was stored; ``routers`` are further pages.
    ``recorded``: see `Site`.
    """
    site = replace(create_site(components), recorded=recorded)
    people = create_people_context(components, site, wake)
    routers = [
        *routers,
        *update_routers(components),
        *PEOPLE,
        decision_page.create_router(components.desk),
    ]
    return create_app(site, routers=routers, extras=signup.extras(people), people=people)


def update_routers(components: Components) -> list[Router]:
    """Create the route of the bot's webhook; empty if the bot has no webhook."""
    section, public_url = components.settings.telegram, components.settings.site.public_url
    if section.webhook_url is None or section.webhook_secret is None:
        return []
    path = telegram_webhook.path_within(section.webhook_url, public_url)
    secret = section.webhook_secret.get_secret_value()
    return [
        telegram_webhook.create_router(path, secret, components.engine, components.keys, components.clock)
    ]


def create_site(components: Components) -> Site:
    """Create the parts of the public pages."""
    settings, own = components.settings, components.settings.site
    return Site(
        engine=components.engine,
        sources=settings.watched_infos,
        gazetteer=components.gazetteer,
        coverage=components.coverage,
        clock=components.clock,
        public_url=own.public_url or local_url(settings),
        name=own.name,
        contact=own.contact,
        postal_address=own.postal_address,
        timezone=own.timezone,
        next_step={"en": own.next_step, "es": own.next_step_es},
        backups_kept=own.backups_kept,
        data_files=components.data_files,
        bundles=components.bundle_files,
        configured=app.configured_channels(settings),
        bot=app.has_bot(settings),
        browser_alerts=offers_browser_alerts(settings),
        links=tuple(FollowLink(*each) for each in app.public_addresses(settings)),
        embed=own.embed,
        records_laws=load_laws(settings.documents.laws) if settings.documents.laws else {},
        fenced=components.fenced,
        checks={"sign-up": lambda: signup_problem(components)},
    )


def create_people_context(
    components: Components, site: Site, wake: Callable[[], None] = lambda: None
) -> PeopleContext:
    """Create the parts of the pages on which people sign up, confirm, change and leave."""
    settings = components.settings
    loader, sender = components.loader, app.message_sender(settings)

    def today(language: str, follows: Iterable[Follow]) -> tuple[MailSection, ...]:
        phrases = Phrases(sender, language)
        return tuple(phrases.today(place) for place in loader.covered.load_agencies_today(follows, language))

    @cache
    def preview(language: str) -> str:
        if not settings.watched:
            return ""  # there is no list for a sample
        return (
            messages.render(app.sample_alert(settings, language, site.clock()), sender)
            .text.replace(PLACEHOLDERS["asked"], "…")
            .replace(PLACEHOLDERS["stop"], site.public("/manage/…"))
        )

    return PeopleContext(
        keys=components.keys,
        tombstones=components.tombstones,
        today=today,
        preview=preview,
        title=loader.title,
        closed=lambda: signup_closed(components),
        limits=SignupLimits(settings.signup.per_network, settings.signup.per_site),
        bounce_secret=settings.bounces.secret.get_secret_value() if settings.bounces.secret else None,
        wake=wake,
        push_key=format_server_key(components.keys.push_secret) if site.browser_alerts else None,
    )


def offers_browser_alerts(settings: Settings) -> bool:
    """Whether visitors can get alerts in their browser: web push is configured and not replaced by files."""
    return (
        settings.mailbox.folder is None
        and settings.site.public_url is not None
        and browser_alerts.CHANNEL in app.configured_channels(settings)
    )


def has_mail(settings: Settings) -> bool:
    """Whether the sign-up form's channel and the public address are set up."""
    return CHANNEL in app.configured_channels(settings) and settings.site.public_url is not None


def signup_closed(components: Components) -> str | None:
    """Read why nobody can sign up; None: they can.

    "configuration": mail or the public address is not set up. "mail": the mail server refuses everything.
    """
    settings, now = components.settings, components.clock()
    if not has_mail(settings):
        return "configuration"
    with reading(components.engine) as conn:
        paused = any(
            lane.channel == CHANNEL and lane.name == EVERYTHING for lane in pauses.read_pauses(conn, now)
        )
        oldest = backlog.read_backlog(conn).oldest_due_at if paused else None
    return "mail" if oldest is not None and now - oldest > STUCK_AFTER else None


def signup_problem(components: Components) -> str | None:
    """Read the same as a reason not to be ready. A site may have no mail if browsers get alerts."""
    if offers_browser_alerts(components.settings) and not has_mail(components.settings):
        return None
    return {
        "configuration": "nobody can sign up: set up [email] and [site] public_url",
        "mail": "nobody can sign up: the mail server refuses everything",
        None: None,
    }[signup_closed(components)]


def local_url(settings: Settings) -> str:
    """The site's address while ``public_url`` is not set: on this machine only."""
    return f"http://127.0.0.1:{settings.site.listen_at[1]}"


def is_local(settings: Settings) -> bool:
    """Whether only this machine can use the site, because no other host name is known."""
    host = urlsplit(settings.site.public_url or local_url(settings)).hostname
    return host in {"127.0.0.1", "localhost", "::1"}
