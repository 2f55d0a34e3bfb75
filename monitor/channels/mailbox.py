"""A folder in place of a server: one .eml file per message, for the demo and for an operator who sets
``[mailbox] folder``.

A file is written under a temporary name and then renamed, so a reader never sees an incomplete one. Its name
depends on the delivery and its Message-ID alone: a duplicate replaces the first file, and files sort in the
order of their deliveries.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime, formataddr
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from monitor.channels import EVERYTHING, ChannelKind
from monitor.channels.email.mime import POLICY, MailSender, message_id
from monitor.domain import Envelope
from monitor.errors import Transient


class Mailbox:
    """A channel that writes the messages of a kind to files. ``sender`` and ``clock`` provide the From and
    Date of the mails.
    """

    concurrency = 4

    def __init__(
        self, folder: Path, kind: ChannelKind[Any], *, sender: str, clock: Callable[[], datetime]
    ) -> None:
        self.name = kind.name
        self.lane = kind.lane
        self._folder = folder
        self._make = kind.mail_writer(sender, clock) or write_plain(kind.name, sender, clock)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    async def send(self, message: Any, envelope: Envelope) -> None:
        """Write one file. Raises Transient if the folder cannot be written, and the errors of the mail
        writer.
        """
        await asyncio.to_thread(self._write, file_name(envelope), self._make(message, envelope))

    def _write(self, name: str, mail: bytes) -> None:
        part = self._folder / f".{name}.part"
        try:
            # readable by the owner only: it holds addresses, and links that act for their recipients
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with open(part, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
                file.write(mail)
                file.flush()
                os.fsync(file.fileno())
            part.replace(self._folder / name)
        except OSError as error:
            with suppress(OSError):
                part.unlink()
            raise Transient(
                f"the mailbox folder cannot be written: {error.strerror}", lane=EVERYTHING
            ) from None


def file_name(envelope: Envelope) -> str:
    """The file name of one delivery: its number, for the order, and a hash of its Message-ID. It holds no
    address.
    """
    identity = hashlib.sha256(envelope.message_id.strip("<>").encode()).hexdigest()[:12]
    return f"{envelope.delivery:08d}-{identity}.eml"


def write_plain(
    channel: str, sender: str, clock: Callable[[], datetime]
) -> Callable[[object, Envelope], bytes]:
    """Return the default writer, for a channel without one of its own."""
    return lambda rendered, envelope: plain_mail(channel, rendered, envelope, sender, clock())


def plain_mail(channel: str, rendered: object, envelope: Envelope, sender: str, date: datetime) -> bytes:
    """Write a mail with a rendered message as text, for kinds without a writer of their own."""
    mail = EmailMessage(policy=POLICY)
    mail["Date"] = format_datetime(date)
    mail["From"] = MailSender.parse(sender).sender
    mail["To"] = formataddr((envelope.address, f"recipient@{channel}.invalid"))
    mail["Message-ID"] = message_id(envelope)
    if envelope.answers:
        mail["In-Reply-To"] = mail["References"] = envelope.answers
    mail["Subject"] = f"A message of the channel {channel}"
    mail.set_content(f"{rendered}\n", cte="quoted-printable")
    return mail.as_bytes()
