"""Builds the bytes of a mail: once per distinct content, with only a few bytes encoded again per recipient.

Building an ``EmailMessage`` for every recipient takes about 2 ms and would cap a core at some 300 mails/s. So
the email package builds the whole mail once, with a token for every line that holds a placeholder; per
recipient, only those lines are encoded, and the headers that differ are put in front. Both parts are
quoted-printable: pure ASCII that no relay has to encode again (which would break DKIM), and encoded line by
line, so that one line can be replaced. The tests compare the bytes with what the package builds for each
recipient.
"""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email import policy
from email.header import Header
from email.message import EmailMessage
from email.quoprimime import body_encode
from email.utils import format_datetime, formataddr
from functools import lru_cache

from email_validator import EmailNotValidError, validate_email

from monitor.channels.placeholders import PATTERN, value_of
from monitor.domain import Envelope, Rendered
from monitor.errors import Permanent

_WIDTH = 76
POLICY = policy.SMTP.clone(max_line_length=_WIDTH)
"""CRLF line ends; at most 76 characters in a line of quoted-printable (RFC 2045, 6.7) and of an encoded word
(RFC 2047, 2).
"""

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"(?=.{{1,254}}\Z)(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*")
_LINK = re.compile(r"(?:mailto:|https://)[!-;=?-~]+")
_MESSAGE_ID = re.compile(r"<[!-;=?A-~]+@[!-;=?A-~]+>")


@dataclass(frozen=True, slots=True)
class MailSender:
    """The sender of every mail: the operator's own address, with a name."""

    name: str
    address: str

    @classmethod
    def parse(cls, sender: str) -> MailSender:
        """Read "Map Monitor <alerts@watch.example>". Raises Permanent when that holds no address."""
        name, _, address = sender.rpartition("<")
        return cls(" ".join(name.replace('"', "").split()), check_address(address.strip().removesuffix(">")))

    @property
    def local(self) -> str:
        return self.address.rpartition("@")[0]

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]

    @property
    def sender(self) -> str:
        """The From header's value."""
        if self.name.isascii():
            return formataddr((self.name, self.address))
        return f"{unstructured('From', self.name)} <{self.address}>"

    @property
    def list_id(self) -> str:
        """The identity of the list (RFC 2919), named after the address."""
        return f"<{re.sub(r'[^A-Za-z0-9-]', '-', self.local)}.{self.domain}>"


def unstructured(header: str, text: str) -> str:
    """Encode a header's text, folded, with encoded words (RFC 2047) where it is not plain ASCII.

    It uses the email package's older encoder: the newer one (Python 3.11 to 3.13) loses the space between two
    words that are not ASCII. Plain text that looks like an encoded word is encoded too; otherwise a name
    could smuggle in characters that were stripped from it.
    """
    line = " ".join(text.split())
    charset = "us-ascii" if line.isascii() and "=?" not in line else "utf-8"
    return Header(line, charset, maxlinelen=76, header_name=header).encode(linesep="\r\n")


def check_address(address: str) -> str:
    """Check that an address is valid for SMTP: ASCII, a dot-atom before the @ and host names after it, at
    most 254 characters (RFC 5321, 4.5.3.1).

    The library sends "a@b.c\\r\\nRCPT TO:<x>" without complaint, so nothing may reach it unchecked. Raises
    Permanent(address_gone).
    """
    if not address.isascii():
        try:
            address = (
                validate_email(address, check_deliverability=False, allow_smtputf8=False).ascii_email or ""
            )
        except EmailNotValidError:
            address = ""
    if not _ADDRESS.fullmatch(address):
        raise Permanent("this is not an address that mail can be sent to", address_gone=True)
    return address


class Form:
    """One distinct mail, prepared for many recipients: encoded lines, and lines with placeholders that are
    encoded when they are filled.
    """

    __slots__ = ("_common", "_names", "_pieces")

    def __init__(self, message: Rendered, head: MailSender) -> None:
        if PATTERN.search(message.subject):
            raise ValueError("a subject is the same for everybody: it takes no placeholders")
        # a boundary with "=_" cannot occur in quoted-printable (RFC 2045, 6.7), nor a token with the
        # content's hash in the content
        digest = hashlib.sha256(f"{message.subject}\0{message.text}\0{message.html}".encode()).hexdigest()
        lines: list[tuple[str, bool]] = []
        text, markup = (
            _with_placeholders(part, digest, lines, in_html=in_html)
            for part, in_html in ((message.text, False), (message.html, True))
        )
        parts = _parts(text, markup, boundary=f"=_{digest[:40]}")
        whole = _common_headers(head, message.subject) + parts.as_bytes()
        self._common, *rest = re.split(rf"mark-{digest[:32]}-(\d+)-".encode(), whole)
        pieces = []
        for number, common in zip(rest[::2], rest[1::2], strict=True):
            line, in_html = lines[int(number)]
            first, *others = PATTERN.split(line)
            pieces.append((first, tuple(zip(others[::2], others[1::2], strict=True)), int(in_html), common))
        self._pieces = tuple(pieces)
        self._names = frozenset(name for _, others, _, _ in pieces for name, _ in others)

    def fill(self, envelope: Envelope, date: datetime) -> bytes:
        """Build the mail for one recipient, with CRLF line ends. Raises Permanent for an address, a value or
        a link that must not be sent.
        """
        values = {name: value_of(envelope.placeholders, name) for name in self._names}
        by_part = values, {name: html.escape(value) for name, value in values.items()}
        out = [_own_headers(envelope, date), self._common]
        for first, others, part, common in self._pieces:
            own = by_part[part]
            line = first + "".join([own[name] + literal for name, literal in others])
            out += (_quoted_printable(line), common)
        return b"".join(out)


def _with_placeholders(part: str, digest: str, lines: list[tuple[str, bool]], *, in_html: bool) -> str:
    """The part with every line that holds a placeholder replaced by a short ASCII token, and the line added
    to ``lines``.
    """
    result = []
    for line in part.splitlines():
        if PATTERN.search(line):
            result.append(f"mark-{digest[:32]}-{len(lines)}-")
            lines.append((line, in_html))
        else:
            result.append(line)
    return "\n".join(result) + "\n"


def _parts(text: str, markup: str, *, boundary: str) -> EmailMessage:
    """Text first and HTML last, by the email package."""
    mail = EmailMessage(policy=POLICY)
    mail.set_content(text, cte="quoted-printable")
    mail.add_alternative(markup, subtype="html", cte="quoted-printable")
    mail.set_boundary(boundary)
    return mail


def _common_headers(head: MailSender, subject: str) -> bytes:
    """The headers that are the same for everybody."""
    lines = [
        f"From: {head.sender}",
        f"Subject: {unstructured('Subject', subject)}",
        f"List-Id: {head.list_id}",
        "Auto-Submitted: auto-generated",
        "Precedence: list",
    ]
    return ("\r\n".join(lines) + "\r\n").encode("ascii")


def _own_headers(envelope: Envelope, date: datetime) -> bytes:
    """The headers that differ by recipient, each on one physical line."""
    lines = [
        f"Date: {_date(date.replace(microsecond=0))}",
        f"To: {check_address(envelope.address)}",
        f"Message-ID: {message_id(envelope)}",
        *_answering(envelope),
        *_stopping(envelope.placeholders),
    ]
    return ("\r\n".join(lines) + "\r\n").encode("ascii")


@lru_cache(maxsize=4)
def _date(date: datetime) -> str:
    return format_datetime(date)


def message_id(envelope: Envelope) -> str:
    """The Message-ID in its angle brackets. Raises Permanent if it is not valid (RFC 5322, 3.6.4)."""
    return _check_id(envelope.message_id)


def _answering(envelope: Envelope) -> list[str]:
    """The headers by which mail programs group a reply with the original message (RFC 5322, 3.6.4)."""
    if not envelope.answers:
        return []
    first = _check_id(envelope.answers)
    return [f"In-Reply-To: {first}", f"References: {first}"]


def _check_id(text: str) -> str:
    identity = f"<{text.strip('<>')}>"
    if not _MESSAGE_ID.fullmatch(identity):
        raise Permanent("the delivery's Message-ID is not one")
    return identity


def _stopping(values: Mapping[str, str]) -> list[str]:
    """List-Unsubscribe (RFC 2369), with the one-click form (RFC 8058) only if there is a URL that
    serves it.
    """
    one_click = values.get("one-click", "")
    by_mail = values.get("stop-by-mail") or values.get("stop", "")
    links = [
        link for link, scheme in ((one_click, "https:"), (by_mail, "mailto:")) if link.startswith(scheme)
    ]
    if not all(_LINK.fullmatch(link) for link in links):
        raise Permanent("an unsubscribe link has a character that is not allowed in a header")
    if not links:
        return []
    header = ["List-Unsubscribe: " + ", ".join(f"<{link}>" for link in links)]
    return [*header, "List-Unsubscribe-Post: List-Unsubscribe=One-Click"] if links[0] is one_click else header


def _quoted_printable(line: str) -> bytes:
    """Encode one line as the email package does within a part (RFC 2045, 6.7)."""
    if not line.isascii() or not line.isprintable() or line.endswith(" "):
        return body_encode(line.encode().decode("latin-1"), _WIDTH, "\r\n").encode("ascii")
    # fast path for most lines (a sentence and a link): the same result in half the time
    rest, pieces = line.replace("=", "=3D"), []
    while len(rest) > _WIDTH:
        # a soft line break takes one character and must not split an escape
        cut = rest.find("=", _WIDTH - 3, _WIDTH - 1)
        if cut < 0:
            cut = _WIDTH - 1
        pieces.append(rest[:cut])
        rest = rest[cut:]
    return "=\r\n".join([*pieces, rest]).encode("ascii")
