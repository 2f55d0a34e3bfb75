"""Email over SMTP."""

from __future__ import annotations

import ssl
import unicodedata
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import idna

from monitor.channels import Channel, ChannelKind, mask_middle
from monitor.channels.email.providers import find_owner_domain, is_large, strip_variants
from monitor.channels.email.replies import domain_of
from monitor.channels.email.section import EmailSection
from monitor.domain import Envelope, Rendered
from monitor.errors import ConfigError, UsageError
from monitor.keys import KeyFile

if TYPE_CHECKING:
    from monitor.channels.email.transport import Email


class EmailKind(ChannelKind[EmailSection]):
    """Email: a missed alert is worse than a duplicate, so an ambiguous message is sent again."""

    name = "email"
    section = EmailSection
    sends_receipts = True
    doubts_refusals = True
    lane_problem = ("mail domain refuses us for now", "mail domains refuse us for now")
    loggers = ("aiosmtplib",)

    def normalize(self, address: str) -> str:
        """Return the ASCII address. There is no DNS lookup, which would be slow and reveal to others who
        subscribes; addresses beyond ASCII are refused because not every relay supports SMTPUTF8.
        """
        from email_validator import EmailNotValidError, validate_email

        try:
            valid = validate_email(address, check_deliverability=False, allow_smtputf8=False)
        except EmailNotValidError as error:
            raise UsageError(f"this is not an email address: {error}") from None
        assert valid.ascii_email is not None
        return valid.ascii_email

    def recognizes(self, address: str) -> bool:
        """Whether the text has an @ after its first character."""
        return "@" in address[1:]

    def comparable(self, address: str) -> str:
        """Both parts in lower case, the domain in ASCII.

        RFC 5321 allows case-sensitive local parts, but no provider uses them, and an unsubscribe must find an
        address typed in another case.
        """
        address = unicodedata.normalize("NFC", address.strip())
        local, at, name = address.rpartition("@")
        if not at:
            return address.casefold()
        try:
            name = idna.encode(name, uts46=True).decode()
        except idna.IDNAError:
            name = name.casefold()
        return f"{local.casefold()}@{name.rstrip('.')}"

    def mailbox(self, address: str) -> str:
        """The address without a tag, dots and subdomain: what variants of one mailbox share."""
        local, _, name = self.comparable(address).rpartition("@")
        owner = find_owner_domain(name)
        return f"{strip_variants(local)}@{'gmail.com' if owner == 'googlemail.com' else owner}"

    def shared_domain(self, address: str) -> str | None:
        """The registered domain, unless it belongs to a large provider: all mail to a domain may reach one
        person.
        """
        name = self.comparable(address).rpartition("@")[2]
        return None if is_large(name) else find_owner_domain(name)

    def mask(self, address: str) -> str:
        """``a…@e….org``"""
        local, at, name = address.rpartition("@")
        if not at or not local:
            return mask_middle(address, 2 if address.startswith("@") else 1)
        return f"{local[0]}…@{name[:1]}….{name.rpartition('.')[2]}"

    def lane(self, address: str) -> str:
        """The mail domain."""
        return domain_of(address)

    def is_configured(self, section: EmailSection) -> bool:
        """Whether a relay is named."""
        return bool(section.host and section.sender)

    def open(
        self, section: EmailSection, clock: Callable[[], datetime], keys: Callable[[], KeyFile]
    ) -> Channel:
        """Create the SMTP transport."""
        from monitor.channels.email.transport import Email

        assert section.host
        assert section.sender
        return Email(
            host=section.host,
            port=section.service_port,
            sender=section.sender,
            clock=clock,
            security=section.security,
            username=section.username,
            password=section.password.get_secret_value() if section.password else None,
            connections=section.connections,
            verp=section.verp,
            tls=_trust(section.ca) if section.ca else None,
            bounce_token=lambda envelope: envelope.placeholders["bounce"],
        )

    async def check(self, section: EmailSection, channel: Email) -> str:
        """Connect, secure and sign in."""
        return await channel.check()

    def mail_writer(
        self, sender: str, clock: Callable[[], datetime]
    ) -> Callable[[Rendered, Envelope], bytes]:
        """Writes exactly the bytes that the relay would get."""
        from monitor.channels.email.mime import Form, MailSender

        head = MailSender.parse(sender)

        @lru_cache(maxsize=64)
        def form(message: Rendered) -> Form:
            return Form(message, head)

        return lambda message, envelope: form(message).fill(envelope, clock())


def _trust(authority: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=authority)
    except OSError:
        raise ConfigError([f"email.ca: {authority} is not a file of PEM certificates"]) from None
