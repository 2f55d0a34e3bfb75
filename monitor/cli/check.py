"""`monitor check`: trying every part of a configuration without changing anything."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, cast

from monitor import app, subscribers
from monitor.app import Components
from monitor.config import DEFAULT_PATH, LOOPBACK, Settings, exposed
from monitor.core import tokens
from monitor.core.tokens import Purpose
from monitor.domain import Envelope
from monitor.errors import MonitorError, UsageError
from monitor.fetch import Fetched

if TYPE_CHECKING:
    from monitor.channels.email import Email
    from monitor.channels.telegram import Telegram

REVIEW_AFTER = timedelta(days=365)
"""What a listing means changes over the years: a text that nobody looked at for longer is the operator's to review."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look at one part found."""

    what: str
    ok: bool
    message: str


def findings(settings: Settings, to: str | None, path: Path | None = None) -> list[Finding]:
    """Everything that was tried, in order; ``path`` is that of the configuration file, if another than ``./config.toml``. A part that does not work stops no other. Raises UsageError for a sample to nowhere."""
    channel = _channel_of(settings, to) if to else None
    found = [
        *_written(path),
        *_stored(settings),
        *_site(settings),
        *_sources(settings),
        *_meanings(settings),
        *asyncio.run(_channels(settings)),
    ]
    if to and channel:
        found.append(
            asyncio.run(_attempt(f"sample by {channel}", lambda: _send_sample(settings, channel, to)))
        )
    return found


def _written(path: Path | None) -> Iterator[Finding]:
    if keys := exposed(path):
        yield Finding(
            "configuration",
            True,
            f"warning: other users of this machine can read {', '.join(keys)} in {path or DEFAULT_PATH}; move secrets into files of their"
            f" own ({keys[0].partition('.')[2]}_file), or run chmod 600",
        )


def _stored(settings: Settings) -> Iterator[Finding]:
    try:
        with Components.open(settings) as components:
            app.open_keys(settings, components.engine)
            where = components.engine.url.render_as_string(hide_password=True)
        yield Finding("database", True, f"{where}, with its key")
    except MonitorError as error:
        yield Finding("database", False, str(error))


def _site(settings: Settings) -> Iterator[Finding]:
    """A site that is reached by https has a proxy before it; one that listens for other machines has it on another, most likely."""
    host, _ = settings.site.listen_at
    address = settings.site.public_url or ""
    if (
        address.startswith("https:")
        and host not in {"localhost", "127.0.0.1", "::1"}
        and settings.site.trusted_proxies == LOOPBACK
    ):
        yield Finding(
            "site",
            True,
            f"warning: it listens on {host}; name a proxy on another machine in [site] trusted_proxies, or all visitors are one network to the "
            "limits of the sign-up",
        )


def _sources(settings: Settings) -> Iterator[Finding]:
    with app.open_fetcher(settings) as fetcher, app.open_parser(settings) as parser:
        for name in settings.watched:
            source = app.polled_source(settings, name)
            try:
                fetched = fetcher.get(source.target)
                assert isinstance(fetched, Fetched)  # nothing was asked for conditionally
                link = parser.link(fetched.body)
                if link is not None:
                    fetched = fetcher.fetch_link(link, source.target)
                    assert isinstance(fetched, Fetched)
                publication = parser.parse(fetched.body, source.spec)
            except MonitorError as error:
                yield Finding(name, False, str(error))
                continue
            problems = f", {len(publication.problems)} rows with a problem" if publication.problems else ""
            yield Finding(name, True, f"{len(publication.listings)} listings{problems}")


def _meanings(settings: Settings) -> Iterator[Finding]:
    """Texts that are missing or were not reviewed for long: a warning, for everything works without them."""
    today = app.now().date()
    for name, source in settings.watched_infos.items():
        current = source.meaning(today)
        if current is None:
            yield Finding(
                f"{name} meaning",
                True,
                f"warning: nothing says what being listed means; write [[sources.{name}.meaning]]",
            )
        elif current.reviewed is None or today - current.reviewed > REVIEW_AFTER:
            yield Finding(
                f"{name} meaning",
                True,
                "warning: nobody reviewed the text for a year; read it and set reviewed",
            )


async def _channels(settings: Settings) -> list[Finding]:
    found = []
    channels = app.open_channels(settings)
    if settings.mailbox.folder:
        found.append(
            Finding("mailbox", True, f"every message is written into {settings.mailbox.folder}, none is sent")
        )
        return found
    if "email" in channels:
        found.append(await _attempt("email", cast("Email", channels["email"]).check))
    else:
        found.append(Finding("email", True, "not configured; deliveries by email wait"))
    if "telegram" in channels:
        telegram = cast("Telegram", channels["telegram"])
        async with telegram:
            found.append(
                await _attempt("telegram", lambda: telegram.check(settings.telegram.channels.values()))
            )
    elif settings.telegram.channels:
        found.append(Finding("telegram", False, "channels are configured but no token"))
    return found


async def _attempt(what: str, attempt: Callable[[], Awaitable[str]]) -> Finding:
    try:
        return Finding(what, True, await attempt())
    except MonitorError as error:
        return Finding(what, False, str(error))


def _channel_of(settings: Settings, to: str) -> str:
    channel = "telegram" if re.fullmatch(r"@\w+|-?\d+", to) else "email"
    subscribers.checked(channel, to)
    if channel not in app.configured_channels(settings):
        raise UsageError(f"no sample can be sent: {channel} is not configured")
    return channel


async def _send_sample(settings: Settings, channel: str, to: str) -> str:
    """Send one alert, marked as a sample, over the real channel with the real templates."""
    from monitor import render

    now = app.now()
    # it belongs to nobody: there is nothing to change or to look up behind its links
    message = render.alert(replace(app.sample(settings, "en", now), permalink=None, managed=False))
    address = app.sender_address(settings)
    envelope = Envelope(
        delivery=0,
        address=subscribers.checked(channel, to),
        message_id=f"<sample.{int(now.timestamp())}@{address.rpartition('@')[2]}>",
        marks={
            "asked": render.asked_on(now, settings.site.timezone),
            "stop": f"mailto:{address}?subject=sample",
            "bounce": tokens.make(b"sample", Purpose.BOUNCE, 1, "sample"),
        },
    )
    async with app.open_channels(settings)[channel] as open_channel:
        await open_channel.send(message, envelope)
    return "sent"
