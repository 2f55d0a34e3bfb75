"""From `Settings` to the parts: the only place where the commands, the service and the demo build what the verbs take."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parseaddr
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from monitor.channels import Channel
    from monitor.config import Settings
    from monitor.dispatch import Content, Drained, Recipient
    from monitor.domain import Listing, Message, Placement
    from monitor.fetch import Fetcher
    from monitor.keys import KeyFile
    from monitor.poll import Watch


def now() -> datetime:
    """The clock of the entry points."""
    return datetime.now(UTC)


def open_database(settings: Settings) -> Engine:
    """The database, brought to this program's revision (created when it is not there)."""
    from monitor.db import connect
    from monitor.migrate import upgrade

    engine = connect(settings.database_url)
    upgrade(engine, folder=settings.data.folder, now=now())
    return engine


def open_keys(settings: Settings, engine: Engine) -> KeyFile:
    """The key that seals addresses; made at first start, never over rows that another key has sealed."""
    from monitor.db import transaction
    from monitor.keys import unlock

    with transaction(engine) as conn:
        return unlock(conn, settings.data.folder)


def watch(settings: Settings, name: str) -> Watch:
    """What the poll needs to know of one configured source."""
    from monitor.fetch import Target
    from monitor.poll import Watch
    from monitor.sources import Columns, SourceSpec

    source = settings.source(name)
    return Watch(
        name=name,
        title=source.title,
        every=source.every,
        target=Target(url=source.url, page=source.page, link=source.link, hosts=frozenset(source.hosts)),
        spec=SourceSpec(name=name, format=source.format, columns=Columns(**source.columns.model_dump())),
        policy=settings.policy(name),
    )


def fetcher(settings: Settings) -> Fetcher:
    """The fetcher for the configured limits, proxy and contact; a context manager."""
    from monitor.fetch import Fetcher, Limits

    fetch = settings.fetch
    return Fetcher(
        contact=settings.site.contact,
        timeout=fetch.timeout,
        attempts=fetch.attempts,
        proxy=fetch.proxy.get_secret_value() if fetch.proxy else None,
        limits=Limits(wire=fetch.wire_bytes, decoded=fetch.decoded_bytes, ratio=fetch.ratio),
        trust_env=True,
    )


def locator(settings: Settings) -> Callable[[str, Listing], Placement]:
    """Where a listing of a source is: the gazetteer with the operator's overrides, loaded at the first call."""
    from monitor.gazetteer import Gazetteer, load, load_overrides

    loaded: list[Gazetteer] = []

    def locate(source: str, listing: Listing) -> Placement:
        if not loaded:
            gazetteer = load()
            if settings.places.overrides:
                gazetteer = gazetteer.with_overrides(load_overrides(settings.places.overrides, gazetteer))
            loaded.append(gazetteer)
        return loaded[0].locate(listing, source=source)

    return locate


MAILBOX_SENDER = "Map Monitor <alerts@localhost>"  # when mail goes into files and no sender is configured


def configured_channels(settings: Settings) -> frozenset[str]:
    """The channels that have a transport: "email" with a relay, "telegram" with a token, both with a mailbox folder."""
    if settings.mailbox.folder:
        return frozenset({"email", "telegram"})
    found = {"email": settings.email.host, "telegram": settings.telegram.token}
    return frozenset(name for name, transport in found.items() if transport)


def open_channels(settings: Settings, clock: Callable[[], datetime] = now) -> dict[str, Channel]:
    """The configured channels by name, not connected yet. ``[mailbox] folder`` replaces them all by files."""
    channels: dict[str, Channel] = {}
    if settings.mailbox.folder:
        from monitor.channels.mailbox import Mailbox

        sender = settings.email.sender or MAILBOX_SENDER
        for name in ("email", "telegram"):
            channels[name] = Mailbox(settings.mailbox.folder, stands_for=name, sender=sender, clock=clock)
        return channels
    email = settings.email
    if email.host and email.sender:
        from monitor.channels.email import Email

        channels["email"] = Email(
            host=email.host,
            port=email.service_port,
            sender=email.sender,
            clock=clock,
            security=email.security,
            username=email.username,
            password=email.password.get_secret_value() if email.password else None,
            connections=email.connections,
            verp=email.verp,
            bounce_token=lambda envelope: envelope.marks["bounce"],
        )
    if settings.telegram.token:
        from monitor.channels.telegram import Telegram

        channels["telegram"] = Telegram(
            token=settings.telegram.token.get_secret_value(),
            base_url=settings.telegram.base_url,
            clock=time.monotonic,
        )
    return channels


def sender_address(settings: Settings) -> str:
    """The bare address that mails come from."""
    return parseaddr(settings.email.sender or MAILBOX_SENDER)[1]


def composer(settings: Settings) -> Callable[[Content], Message]:
    """How changes of a configured source are put into words."""
    from monitor import render
    from monitor.domain import Alert

    def compose(content: Content) -> Message:
        source = settings.source(content.source)
        meanings = [meaning for meaning in source.meanings() if meaning.since <= content.at.date()]
        return render.alert(
            Alert(
                source=content.source,
                title=source.title,
                publisher=source.publisher,
                official_url=source.official,
                told=content.told,
                meaning=meanings[-1] if meanings else None,
                site_name=settings.site.name,
                contact=settings.site.contact,
                timezone=settings.site.timezone,
                language=content.language,
                late=content.late,
                held_until_now=content.held_until_now,
            )
        )

    return compose


def marker(settings: Settings, keys: KeyFile) -> Callable[[Recipient], dict[str, str]]:
    """A recipient's own words: when they asked, how to stop, and the token that a bounce comes back with."""
    from monitor import tokens
    from monitor.render import asked_on
    from monitor.tokens import Purpose

    address = sender_address(settings)

    def marks(recipient: Recipient) -> dict[str, str]:
        def token(purpose: Purpose) -> str:
            return tokens.make(keys.token_key, purpose, recipient.subscriber, recipient.nonce)

        return {
            "asked": asked_on(recipient.asked_at, settings.site.timezone, recipient.language),
            # only what works is named: the one-click address comes with the site that serves it (RFC 8058)
            "stop": f"mailto:{address}?subject=unsubscribe%20{token(Purpose.UNSUBSCRIBE)}",
            "bounce": token(Purpose.BOUNCE),
        }

    return marks


async def send_due(
    settings: Settings,
    engine: Engine,
    keys: KeyFile,
    *,
    clock: Callable[[], datetime] = now,
    until: datetime | None = None,
    stop: asyncio.Event | None = None,
    channels: dict[str, Channel] | None = None,
) -> Drained:
    """Drain the outbox on the configured channels. Raises FencedError."""
    from monitor.dispatch import drain

    return await drain(
        engine,
        open_channels(settings, clock) if channels is None else channels,
        keys,
        compose=composer(settings),
        marks=marker(settings, keys),
        folder=settings.data.folder,
        domain=sender_address(settings).rpartition("@")[2],
        owner=f"{os.uname().nodename}/{os.getpid()}",
        clock=clock,
        until=until,
        stop=stop,
    )


def follow_channels(
    settings: Settings, engine: Engine, keys: KeyFile, clock: Callable[[], datetime] = now
) -> None:
    """Make the operator's Telegram channels subscribers, as they stand in the configuration now."""
    from monitor import subscribe

    subscribe.follow_channels(
        engine, keys, channels=settings.telegram.channels, sources=list(settings.watched), now=clock()
    )
