"""Web push: notifications in a browser, without an email address or a number."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from monitor.channels import Channel, ChannelKind
from monitor.channels.webpush.endpoint import (
    PushAddress,
    find_company,
    find_operator_domain,
    host_of_endpoint,
)
from monitor.channels.webpush.section import WebPushSection
from monitor.domain import Envelope
from monitor.errors import ConfigError
from monitor.keys import KeyFile
from monitor.messages import Message, Sender

if TYPE_CHECKING:
    from monitor.channels.webpush.transport import WebPushChannel


class WebPushKind(ChannelKind[WebPushSection]):
    """Web push. A duplicate replaces the first message, so one that may have arrived is sent again."""

    name = "webpush"
    section = WebPushSection
    sends_receipts = True
    own_page = "/push"
    lane_problem = (
        "relay of browsers takes nothing from us for now",
        "relays of browsers take nothing from us for now",
    )
    loggers = ("httpx", "httpcore")

    def normalize(self, address: str) -> str:
        """Return a browser's subscription: "ENDPOINT P256DH AUTH"."""
        return str(PushAddress.parse(address))

    def recognizes(self, address: str) -> bool:
        """Whether the text is three words, the first an https URL."""
        return address.startswith("https://") and len(address.split(" ")) == 3

    def comparable(self, address: str) -> str:
        """The endpoint and the secret, see `endpoint`."""
        endpoint, _, keys = address.strip().partition(" ")
        return f"{endpoint} {keys.rpartition(' ')[2].rstrip('=')}"

    def shared_domain(self, address: str) -> str | None:
        """The domain of an unknown relay, whose endpoints may all belong to one person."""
        return find_operator_domain(host_of_endpoint(address))

    def mask(self, address: str) -> str:
        """``fcm.googleapis.com…9a``: the relay and the end of the endpoint."""
        endpoint = address.partition(" ")[0]
        host = host_of_endpoint(address)
        return f"{host}…{endpoint[-2:]}" if host and len(endpoint) > len(host) + 12 else "…"

    def lane(self, address: str) -> str:
        """The relay."""
        return host_of_endpoint(address) or address

    def may_move(self, old: str, new: str) -> bool:
        """Whether both are at the same relay, or at hosts of one company: those accept only subscriptions
        made with our key.
        """
        before, after = host_of_endpoint(old), host_of_endpoint(new)
        company = find_company(before)
        return before == after or (company is not None and company == find_company(after))

    async def check(self, section: WebPushSection, channel: WebPushChannel) -> str:
        """Open the key. No relay is contacted: without a browser's subscription there is nothing to query."""
        return f"configured; browsers subscribe with the key {channel.check()[:12]}…"

    def is_configured(self, section: WebPushSection) -> bool:
        """Whether there is a contact."""
        return section.contact is not None

    def open(
        self, section: WebPushSection, clock: Callable[[], datetime], keys: Callable[[], KeyFile]
    ) -> Channel:
        """Create the transport; the key file is opened at the first message."""
        from monitor.channels.webpush.transport import WebPushChannel
        from monitor.channels.webpush.vapid import Vapid

        contact = section.contact
        assert contact is not None
        return WebPushChannel(
            lambda: Vapid(keys().push_secret, contact),
            clock=clock,
            allow_private=section.allow_private,
            tls=_trust(section),
        )

    def renderer(self) -> Callable[[Message, Sender], object]:
        """Render a title, a few lines and a link."""
        from monitor.messages.notification import render_notification

        return render_notification

    def format_sample(self, rendered: Any) -> str:
        """The notification as it is shown."""
        return f"{rendered.title}\n{rendered.body}"

    def mail_writer(self, sender: str, clock: Callable[[], datetime]) -> Callable[[Any, Envelope], bytes]:
        """A readable mail with the payload that would be encrypted."""
        from monitor.channels.mailbox import plain_mail

        def write(message: Any, envelope: Envelope) -> bytes:
            shown = json.loads(message.payload("", 10_000))
            text = json.dumps(shown, ensure_ascii=False, indent=1)
            return plain_mail(self.name, text, envelope, sender, clock())

        return write

    def absence(self, section: WebPushSection) -> tuple[bool, str] | None:
        """Reports nothing: the site offers web push only if it is configured."""
        return None


def _trust(section: WebPushSection) -> ssl.SSLContext | None:
    if section.ca is None:
        return None
    try:
        return ssl.create_default_context(cafile=section.ca)
    except OSError:
        raise ConfigError([f"webpush.ca: {section.ca} is not a file of PEM certificates"]) from None
