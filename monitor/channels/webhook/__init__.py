"""Webhooks: signed JSON for programs, and posts of chat services."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from monitor.channels import Channel, ChannelKind, OperatorAddress
from monitor.channels.webhook.section import NAME, WebhookSection
from monitor.domain import Envelope
from monitor.errors import UsageError
from monitor.keys import KeyFile
from monitor.messages import Message, Sender


class WebhookKind(ChannelKind[WebhookSection]):
    """A webhook: posted again until it is accepted, always with the same id."""

    name = "webhook"
    section = WebhookSection
    loggers = ("httpx", "httpcore")
    revive_command = "monitor webhooks revive"
    lane_problem = (
        "webhook answers with an error and is tried again later",
        "webhooks answer with an error and are tried again later",
    )

    def normalize(self, address: str) -> str:
        """Return the name of an entry of the configuration."""
        if not NAME.fullmatch(address):
            raise UsageError("this is not the name of a webhook: write one of [webhook.to]")
        return address

    def mask(self, address: str) -> str:
        """The whole name: it is not a secret."""
        return address

    def is_configured(self, section: WebhookSection) -> bool:
        """Whether there is an entry."""
        return bool(section.to)

    def open(
        self, section: WebhookSection, clock: Callable[[], datetime], keys: Callable[[], KeyFile]
    ) -> Channel:
        """Create the transport."""
        from monitor.channels.webhook.transport import WebhookChannel

        return WebhookChannel(section.to, allow_private=section.allow_private, clock=clock)

    def renderer(self) -> Callable[[Message, Sender], object]:
        """Render structured fields and plain text."""
        from monitor.channels.webhook.content import render_webhook

        return render_webhook

    def format_sample(self, rendered: Any) -> str:
        """The object that would be posted."""
        return json.dumps({"type": rendered.kind, "data": rendered.data}, ensure_ascii=False, indent=1)

    def operator_addresses(self, section: WebhookSection) -> tuple[OperatorAddress, ...]:
        """The entries of ``[webhook.to]``, by place."""
        return tuple(
            OperatorAddress(place, name, entry.language, target=entry.target)
            for name, entry in section.to.items()
            for place in entry.places
        )

    def mail_writer(self, sender: str, clock: Callable[[], datetime]) -> Callable[[Any, Envelope], bytes]:
        """A readable mail with the object that would be posted."""
        from monitor.channels.mailbox import plain_mail

        return lambda message, envelope: plain_mail(
            self.name, json.dumps(message.data, ensure_ascii=False, indent=1), envelope, sender, clock()
        )

    def absence(self, section: WebhookSection) -> tuple[bool, str] | None:
        """Reports nothing: few installations use webhooks."""
        return None
