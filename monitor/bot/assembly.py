"""From `Settings` to the bot. Only entry points come here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from sqlalchemy.engine import Engine

from monitor import app
from monitor.bot.api import Api
from monitor.bot.context import BotContext, Webhook
from monitor.bot.runner import Bot
from monitor.channels import Channel
from monitor.channels.rate import Pace
from monitor.channels.telegram import Telegram
from monitor.config import Settings
from monitor.domain import Listing, Placement
from monitor.errors import UsageError
from monitor.keys import KeyFile
from monitor.outbox import clone_guard
from monitor.places import Gazetteer
from monitor.storage.lists.coverage import Coverage


def bot(
    settings: Settings,
    engine: Engine,
    keys: KeyFile,
    channels: Mapping[str, Channel],
    *,
    gazetteer: Gazetteer,
    coverage: Coverage | None = None,
    clock: Callable[[], datetime] = app.now,
) -> Bot | None:
    """Create the bot of an open database; None without an open Telegram channel, or when files replace it."""
    telegram, token = channels.get("telegram"), settings.telegram.token
    if token is None or not isinstance(telegram, Telegram):
        return None

    def covering(source: str, place: str) -> Iterable[tuple[Listing, Placement]]:
        assert coverage is not None
        found = coverage.of(source).at(place, gazetteer.state_of_zip(place))
        return [(cover.listing, cover.placement) for cover in found]

    context = BotContext(
        engine=engine,
        keys=keys,
        watched=settings.watched_infos,
        gazetteer=gazetteer,
        clock=clock,
        folder=settings.data.folder,
        covering=covering if coverage is not None else None,
        name=settings.site.name,
        contact=settings.site.contact,
        timezone=settings.site.timezone,
        public_url=settings.site.public_url,
    )
    url, secret = settings.telegram.webhook_url, settings.telegram.webhook_secret
    return Bot(
        token.get_secret_value(),
        context,
        base_url=settings.telegram.base_url,
        webhook=Webhook(url, secret.get_secret_value()) if url and secret else None,
        pace=telegram.pace,
        owner=app.owner(),
        # a copied database answers nobody, and takes no update from the one that it was copied from
        blocked=lambda: clone_guard.check(engine, settings.data.folder).reason,
    )


def api(settings: Settings) -> Api:
    """The Bot API by itself, for a command. Raises UsageError when no token is configured."""
    if settings.telegram.token is None:
        raise UsageError("no bot is configured: write [telegram] token")
    return Api(
        settings.telegram.token.get_secret_value(),
        base_url=settings.telegram.base_url,
        pace=Pace(time.monotonic, asyncio.sleep),
    )
