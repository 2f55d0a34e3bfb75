"""The channels, the sender, and the addresses of the operator and of public posts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from monitor.app.database import now, read_keys

if TYPE_CHECKING:
    from monitor.channels import Channel, OperatorAddress
    from monitor.config import Settings
    from monitor.keys import KeyFile
    from monitor.messages import Message, Sender
    from monitor.messages.model import Alert
    from monitor.ops.notify import NoticeWay


MAILBOX_SENDER = "Map Monitor <alerts@localhost>"  # used for mail in files without a configured sender


def configured_channels(settings: Settings) -> frozenset[str]:
    """The names of the channels with a transport; a mailbox folder replaces all of them."""
    from monitor.channels.kinds import KINDS

    return frozenset(
        name
        for name, kind in KINDS.items()
        if settings.mailbox.folder or kind.is_configured(settings.channel(name))
    )


def has_bot(settings: Settings) -> bool:
    """Whether people can talk to a bot: its channel is configured and not replaced by files."""
    from monitor.channels.kinds import KINDS

    if settings.mailbox.folder:
        return False
    return any(KINDS[name].has_bot for name in configured_channels(settings))


def open_channels(
    settings: Settings,
    clock: Callable[[], datetime] = now,
    keys: Callable[[], KeyFile] | None = None,
) -> dict[str, Channel]:
    """Create the configured channels by name, not connected yet. ``[mailbox] folder`` replaces them all by
    files. ``keys`` opens the key file; None reads the one in the data folder.

    Raises ConfigError when a section names a file that cannot be read.
    """
    from monitor.channels.kinds import KINDS

    if folder := settings.mailbox.folder:
        from monitor.channels.mailbox import Mailbox

        sender = settings.email.sender or MAILBOX_SENDER
        return {name: Mailbox(folder, kind, sender=sender, clock=clock) for name, kind in KINDS.items()}
    configured = configured_channels(settings)
    return {
        name: kind.open(settings.channel(name), clock, keys or partial(read_keys, settings))
        for name, kind in KINDS.items()
        if name in configured
    }


def operator_addresses(settings: Settings) -> dict[str, tuple[OperatorAddress, ...]]:
    """The operator's own addresses by channel, for channels that support them."""
    from monitor.channels.kinds import KINDS

    found = {name: kind.operator_addresses(settings.channel(name)) for name, kind in KINDS.items()}
    return {name: addresses for name, addresses in found.items() if addresses is not None}


def public_addresses(settings: Settings) -> list[tuple[str, str, str]]:
    """The configured public channels of the operator, each as (place, display name, address)."""
    from monitor.channels.kinds import KINDS

    configured = configured_channels(settings)
    return [
        (own.place, own.address, url)
        for name, addresses in operator_addresses(settings).items()
        for own in addresses
        if name in configured and (url := KINDS[name].public_url(own.address)) is not None
    ]


def sender_address(settings: Settings) -> str:
    """The bare address that emails are sent from."""
    from monitor.channels.email.mime import MailSender

    return MailSender.parse(settings.email.sender or MAILBOX_SENDER).address


def message_sender(settings: Settings) -> Sender:
    """The sender of messages, from the configuration."""
    from monitor.messages import Sender

    site = settings.site
    return Sender(
        site_name=site.name,
        contact=site.contact,
        postal_address=site.postal_address,
        timezone=site.timezone,
        managed=site.public_url is not None,
        next_step=site.next_step,
        next_step_es=site.next_step_es,
    )


def render_message(settings: Settings, channel: str, message: Message) -> object:
    """Render a message as from this service, in the form that a channel sends."""
    from monitor.channels.kinds import kind_of

    return kind_of(channel).renderer()(message, message_sender(settings))


def sample_alert(settings: Settings, language: str, now: datetime) -> Alert:
    """Create a sample alert. Raises UsageError if no list is monitored."""
    from monitor.outbox.alerts import AlertBuilder

    return AlertBuilder(settings.infos, settings.site.public_url).sample(language, now)


def notice_ways(settings: Settings, clock: Callable[[], datetime] = now) -> list[NoticeWay]:
    """The routes for notices to the operator, in the order of [operator] notify. Raises UsageError."""

    from monitor.channels import kinds
    from monitor.errors import UsageError
    from monitor.ops.notify import NoticeWay

    ways = []
    for address in settings.operator.notify:
        channel = kinds.recognize(address)
        if channel not in configured_channels(settings):
            raise UsageError(
                f"[operator] notify names an address of {channel}, which is not configured: configure it, or "
                "name another"
            )

        def open_channel(channel: str) -> Channel:
            return open_channels(settings, clock)[channel]

        try:
            normalized = kinds.normalize_address(channel, address)
        except UsageError as error:
            raise UsageError(f"[operator] notify: {error}") from None
        ways.append(
            NoticeWay(
                channel,
                normalized,
                partial(open_channel, channel),
                partial(render_message, settings, channel),
                has_buttons=has_bot(settings) and kinds.kind_of(channel).takes_answers(address),
            )
        )
    return ways


def canary_address(settings: Settings) -> tuple[str, str] | None:
    """The channel and the address of [operator] canary; None if it is not set. Raises UsageError for an
    address that no configured channel can reach.
    """
    from monitor.channels import kinds
    from monitor.errors import UsageError

    address = settings.operator.canary
    if address is None:
        return None
    channel = kinds.recognize(address)
    if channel not in configured_channels(settings):
        raise UsageError(f"[operator] canary is an address of {channel}, which is not configured")
    return channel, kinds.normalize_address(channel, address)
