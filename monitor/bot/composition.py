"""Creates the bot from the program's components."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from monitor import app, messages
from monitor.app import Components
from monitor.bot.api import Api
from monitor.bot.context import BotContext, Webhook
from monitor.bot.runner import Bot
from monitor.channels.telegram.rate import PostRate
from monitor.channels.telegram.transport import Telegram
from monitor.config import Settings
from monitor.domain import Listing, Placement
from monitor.errors import UsageError
from monitor.places.codes import is_area
from monitor.places.followed_areas import load_area
from monitor.states import STATES


def create(components: Components) -> Bot | None:
    """Create the bot; None without an open Telegram channel, or when files replace it."""
    settings = components.settings
    telegram, token = components.channels.get("telegram"), settings.telegram.token
    if token is None or not isinstance(telegram, Telegram):
        return None

    def covering(source: str, place: str) -> Iterable[tuple[Listing, Placement]]:
        covered = components.coverage.of(source)
        if is_area(place):
            area = load_area(place)
            found = covered.among(area.zips) + covered.statewide(area.states) if area else ()
        elif place in STATES:
            found = covered.by_state.get(place, ())
        else:
            found = covered.at(place, components.gazetteer.state_of_zip(place))
        return [(cover.listing, cover.placement) for cover in found]

    def sample(language: str) -> tuple[str, ...]:
        alert = app.sample_alert(settings, language, components.clock())
        return messages.render(alert, app.message_sender(settings)).blocks

    context = BotContext(
        engine=components.engine,
        keys=components.keys,
        watched=settings.watched_infos,
        gazetteer=components.gazetteer,
        clock=components.clock,
        folder=settings.data.folder,
        covering=covering,
        sample=sample,
        name=settings.site.name,
        contact=settings.site.contact,
        timezone=settings.site.timezone,
        public_url=settings.site.public_url,
        desk=components.desk,
        operator_chats=frozenset(settings.operator.notify),
    )
    url, secret = settings.telegram.webhook_url, settings.telegram.webhook_secret
    return Bot(
        token.get_secret_value(),
        context,
        base_url=settings.telegram.base_url,
        webhook=Webhook(url, secret.get_secret_value()) if url and secret else None,
        pace=telegram.pace,
        owner=app.process_name(),
        # With a copied database, the bot answers nobody and takes no updates away from the original.
        blocked=components.fenced,
    )


def create_api(settings: Settings) -> Api:
    """Create a client of the Bot API, for a command. Raises UsageError when no token is configured."""
    if settings.telegram.token is None:
        raise UsageError("no bot is configured: write [telegram] token")
    return Api(
        settings.telegram.token.get_secret_value(),
        base_url=settings.telegram.base_url,
        pace=PostRate(time.monotonic, asyncio.sleep),
    )
