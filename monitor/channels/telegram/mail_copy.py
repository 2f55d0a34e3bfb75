"""A readable mail with the posts of one message, for a mailbox that replaces Telegram."""

from __future__ import annotations

import hashlib
import html
import re
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime

from monitor.channels.email.mime import POLICY, MailSender, message_id, unstructured
from monitor.channels.telegram.posts import compose_posts
from monitor.domain import Envelope, Rendered

_TAG = re.compile(r"<a [^>]*href=\"([^\"]*)\"[^>]*>(.*?)</a>|<[^>]+>", re.DOTALL)


def write_mail_copy(message: Rendered, envelope: Envelope, sender: str, date: datetime) -> bytes:
    """A mail that shows the posts of one message, as text and as HTML."""
    head = MailSender.parse(sender)
    chat = re.sub(r"[^\w@.-]", "", envelope.address)
    pages = compose_posts(message.blocks, envelope.placeholders)
    headers = [
        f"Date: {format_datetime(date)}",
        f'To: "{chat}" <{chat.lstrip("@-") or "chat"}@telegram.invalid>',
        f"Message-ID: {message_id(envelope)}",
        *([f"In-Reply-To: {envelope.answers}"] if envelope.answers else []),
        f"From: {head.sender}",
        f"Subject: {unstructured('Subject', message.subject)}",
    ]
    mail = EmailMessage(policy=POLICY)
    mail.set_content("\n\n-- next post --\n\n".join(_plain(page) for page in pages), cte="quoted-printable")
    bubbles = "".join(f"<p>{page.replace(chr(10), '<br>' + chr(10))}</p>\n<hr>\n" for page in pages)
    mail.add_alternative(bubbles, subtype="html", cte="quoted-printable")
    mail.set_boundary(f"=_{hashlib.sha256(bubbles.encode()).hexdigest()[:40]}")
    return ("\r\n".join(headers) + "\r\n").encode("ascii") + mail.as_bytes()


def _plain(post: str) -> str:
    """Telegram HTML as text: a link keeps its address, other tags are removed."""
    text = _TAG.sub(lambda tag: f"{tag[2]}: {tag[1]}" if tag[1] else "", post)
    return html.unescape(text)
