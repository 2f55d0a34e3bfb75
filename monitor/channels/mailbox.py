"""A folder in place of a server: one .eml file per message, for the demo and for an operator who sets ``[mailbox] folder``.

A file is written beside its name and then renamed, so a reader never sees half of one; its name comes from the delivery and its
Message-ID alone, so a copy of a message replaces the first and the files sort in the order in which they were owed.
"""

from __future__ import annotations

import asyncio
import hashlib
import html
import os
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from monitor.channels.email.mime import POLICY, Form, Letterhead, message_id, unstructured
from monitor.channels.email.replies import domain
from monitor.channels.placeholders import fill
from monitor.channels.telegram.posts import posts
from monitor.domain import Envelope, Rendered
from monitor.errors import Transient

_TAG = re.compile(r"<a [^>]*href=\"([^\"]*)\"[^>]*>(.*?)</a>|<[^>]+>", re.DOTALL)


class Mailbox:
    """A channel that writes files. ``stands_for`` "email": exactly the bytes that the mail channel would hand to the relay.

    ``stands_for`` "telegram": a readable mail with the posts of that chat. ``clock`` dates the mails.
    """

    concurrency = 4

    def __init__(
        self,
        folder: Path,
        *,
        stands_for: Literal["email", "telegram"],
        sender: str,
        clock: Callable[[], datetime],
    ) -> None:
        self.name = stands_for
        self._folder = folder
        self._head = Letterhead.of(sender)
        self._clock = clock
        self._form = lru_cache(maxsize=64)(self._made)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def lane(self, address: str) -> str:
        """The mail domain, or the chat."""
        return domain(address) if self.name == "email" else address

    async def send(self, message: Rendered, envelope: Envelope) -> None:
        """Write one file. Raises Transient when the folder cannot be written, Permanent as the mail channel does."""
        if self.name == "email":
            mail = self._form(message).fill(envelope, self._clock())
        else:
            mail = self._posted(message, envelope)
        await asyncio.to_thread(self._write, file_name(envelope), mail)

    def _made(self, message: Rendered) -> Form:
        return Form(message, self._head)

    def _posted(self, message: Rendered, envelope: Envelope) -> bytes:
        chat = re.sub(r"[^\w@.-]", "", envelope.address)
        blocks = [fill(block, envelope.placeholders, html.escape) for block in message.blocks]
        pages = posts(blocks)
        headers = [
            f"Date: {format_datetime(self._clock())}",
            f'To: "{chat}" <{chat.lstrip("@-") or "chat"}@telegram.invalid>',
            f"Message-ID: {message_id(envelope)}",
            f"From: {self._head.sender}",
            f"Subject: {unstructured('Subject', message.subject)}",
        ]
        mail = EmailMessage(policy=POLICY)
        mail.set_content(
            "\n\n-- next post --\n\n".join(_plain(page) for page in pages), cte="quoted-printable"
        )
        bubbles = "".join(f"<p>{page.replace(chr(10), '<br>' + chr(10))}</p>\n<hr>\n" for page in pages)
        mail.add_alternative(bubbles, subtype="html", cte="quoted-printable")
        mail.set_boundary(f"=_{hashlib.sha256(bubbles.encode()).hexdigest()[:40]}")
        return ("\r\n".join(headers) + "\r\n").encode("ascii") + mail.as_bytes()

    def _write(self, name: str, mail: bytes) -> None:
        part = self._folder / f".{name}.part"
        try:
            # addresses and links that act for their readers are in there
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with open(part, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
                file.write(mail)
                file.flush()
                os.fsync(file.fileno())
            part.replace(self._folder / name)
        except OSError as error:
            with suppress(OSError):
                part.unlink()
            raise Transient(f"the mailbox folder cannot be written: {error.strerror}", lane="*") from None


def file_name(envelope: Envelope) -> str:
    """The file of one delivery: its number, for the order, and a hash of its Message-ID; no address and no outside text in it."""
    identity = hashlib.sha256(envelope.message_id.strip("<>").encode()).hexdigest()[:12]
    return f"{envelope.delivery:08d}-{identity}.eml"


def _plain(post: str) -> str:
    """Telegram's HTML as text: a link keeps its address, other tags go."""
    text = _TAG.sub(lambda found: f"{found[2]}: {found[1]}" if found[1] else "", post)
    return html.unescape(text)
