"""Processes mail that comes back: delivery reports, complaints, and mail to the unsubscribe address.

Only our own tokens are trusted: the bounce token in the address it came back to (VERP), the unsubscribe token
in a subject, or either in the part of our message that a report returns (for relays with one envelope
sender). So nobody can suppress another person's address. Everything else is untrusted input and is read in
bounded time.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from email import message_from_bytes, message_from_string
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from enum import StrEnum
from itertools import islice

from sqlalchemy.engine import Connection, Engine

from monitor.channels.email.replies import refusal
from monitor.channels.outline import open_outline
from monitor.core.retry import struck_out
from monitor.core.tokens import Purpose
from monitor.errors import Permanent, Transient
from monitor.keys import KeyFile
from monitor.storage import engine as db
from monitor.storage import grants, people
from monitor.storage.deliveries import endings, queue, refusals
from monitor.storage.deliveries.refusals import Refusal
from monitor.storage.people import ENDED, Subscriber
from monitor.subscribers.erasures import Tombstones
from monitor.subscribers.personal_links import read_owner
from monitor.subscribers.unsubscribe import depart

log = logging.getLogger(__name__)

LARGEST = 512 * 1024
"""The most bytes of one mail that are read; the report precedes the returned message."""
_LONGEST = 1000  # characters of a header
_PARTS = 30  # of one mail
_LINES = 50_000  # of one mail; a returned message has one for every 40 to 80 bytes
_VERP = re.compile(r"\+([0-9]{1,19}x[a-z2-7]{16})@", re.IGNORECASE)
_STOP = re.compile(r"unsubscribe\s+([0-9]{1,19}x[a-z2-7]{26})\b", re.IGNORECASE)
_LINK = re.compile(r"/unsubscribe/([0-9]{1,19}x[a-z2-7]{26})\b", re.IGNORECASE)
_STATUS = re.compile(r"\s*([245])\.(\d{1,3})\.(\d{1,3})")
_STATUS_WITHIN = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
_RETURNED_TO = ("Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "To")
_REPORT_WITHIN = timedelta(days=5)
"""The longest time that a mail server tries before it reports; mails sent earlier than that are not the
bounced one.
"""
_COMPLAINTS = frozenset({"abuse", "fraud", "opt-out"})
# the text after "From " at the beginning of a mail in an mbox (RFC 4155): a sender and a date, unlike a
# sentence that begins so
_BEGINNING = re.compile(
    rb"(?:\A|\r?\n\r?\n)From \S{1,1000} {1,9}\w{3} {1,9}\w{3} {1,9}\d{1,2} "
    rb"[^\r\n]{0,40}\d{4}[^\r\n]{0,40}\r?\n"
)


class BounceVerdict(StrEnum):
    """The result of one mail."""

    LEFT = "left"  # they wrote to unsubscribe, or reported the mail as spam
    SUPPRESSED = "suppressed"  # the address is gone, or has refused for the third time
    STRUCK = "struck"  # it has refused, and may do so twice more
    # nothing about the address: a delay, our own fault, an automatic answer, or a mail that was counted
    # already
    PASSED = "passed"
    FOREIGN = "foreign"  # no token of ours, or not readable


@dataclass(frozen=True, slots=True)
class MailClaims:
    """The claims of a mail, not verified yet. ``claims`` are tokens with their purposes."""

    stop: str | None
    claims: tuple[tuple[Purpose, str], ...]
    reports: tuple[DeliveryReport, ...]
    complaint: bool
    automatic: bool


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """One recipient of a delivery status notification (RFC 3464)."""

    action: str
    status: str
    diagnosis: str


def apply_mail(
    engine: Engine, keys: KeyFile, mail: bytes, now: datetime, *, tombstones: Tombstones | None = None
) -> BounceVerdict:
    """Process one mail: 5.1.1, 5.1.2 and 5.1.10 suppress at once, other 5xx are strikes, everything else has
    no effect.

    A complaint (RFC 5965) unsubscribes. A mail is counted only once, even if it arrives in several ways.
    """
    start = mail[:LARGEST]
    if not _is_readable(start):
        return BounceVerdict.FOREIGN
    try:
        said = _read(message_from_bytes(start))
    except Exception:
        # the parser fails on some junk mail, even with a RecursionError; nothing has been written yet
        return BounceVerdict.FOREIGN
    if said.stop is not None:
        return _unsubscribe(engine, keys, Purpose.UNSUBSCRIBE, said.stop, now, tombstones)
    if not (said.reports or said.complaint or said.automatic):
        return BounceVerdict.FOREIGN
    for purpose, token in said.claims:
        with db.transaction(engine) as conn:
            one = read_owner(conn, keys, purpose, token, now, for_change=True)
            if one is None:
                continue
            if not said.complaint:
                if one.state == ENDED:
                    return BounceVerdict.PASSED
                return _count_strikes(conn, keys, one, said.reports, hashlib.sha256(mail).hexdigest(), now)
        return _unsubscribe(engine, keys, purpose, token, now, tombstones)
    return BounceVerdict.FOREIGN


def _is_readable(mail: bytes) -> bool:
    """Whether a mail has no more lines and boundaries than legitimate ones.

    The standard library compares each line with all open boundaries: half a MiB of empty lines within
    hundreds of multiparts would take minutes.
    """
    lines = mail.count(b"\n") + mail.count(b"\r") - mail.count(b"\r\n")
    return lines <= _LINES and mail.lower().count(b"boundary") <= _PARTS


def mails(content: bytes) -> Iterator[bytes]:
    """Yield the mails of a file: one, or a whole mbox."""
    if not content.startswith(b"From "):
        yield content
        return
    for part in _BEGINNING.split(content):
        if part.strip():
            yield re.sub(rb"(?m)^>(>*From )", rb"\1", part)


def _count_strikes(
    conn: Connection,
    keys: KeyFile,
    one: Subscriber,
    reports: tuple[DeliveryReport, ...],
    digest: str,
    now: datetime,
) -> BounceVerdict:
    address = _load_address(conn, keys, one)
    for report in reports:
        if not report.action.startswith("failed") or not report.status.startswith("5"):
            continue
        error = refusal("RCPT", 550, f"{report.status} {report.diagnosis}", address or "")
        if isinstance(error, Transient) and error.lane is not None:
            # Reputation, DKIM, policy: the operator has to fix these. Unlike a direct refusal by the server,
            # this pauses no lane: subscribers know the token in their own mail, and could stop mail to
            # everybody at their provider with forged reports. Without the address, its local part could not
            # be removed from the server's text.
            reason = str(error) if address is not None else error.answer
            log.warning("%s: mail came back because a domain refuses us: %s", one.channel, reason)
            if people.count_return(conn, digest, now):
                _keep_for_the_operator(conn, keys, one, report, reason, now)
        if not isinstance(error, Permanent):
            continue
        gone = error.address_gone
        if error.strike:
            if not people.count_return(conn, digest, now):
                return BounceVerdict.PASSED
            gone = struck_out(*queue.add_strike(conn, one.id, now), now)
        if gone:
            hashed = people.load_address_hash(conn, one.id)
            if hashed is not None:
                people.suppress(conn, one.channel, hashed, f"mail came back: {report.status}", now)
            endings.end(conn, one.id, now)
            log.info("subscriber %d ended: mail came back (%s)", one.id, report.status)
            return BounceVerdict.SUPPRESSED
        if error.strike:
            log.info("subscriber %d: a mail came back (%s)", one.id, report.status)
            return BounceVerdict.STRUCK
    return BounceVerdict.PASSED


def _load_address(conn: Connection, keys: KeyFile, one: Subscriber) -> str | None:
    """Read a subscriber's address; None if this process, such as the site, has no right to read it."""
    if not grants.may_read_addresses(conn):
        return None
    sealed = people.load_sealed_addresses(conn, [one.id]).get(one.id)
    return keys.open(one.channel, sealed) if sealed is not None else None


def _keep_for_the_operator(
    conn: Connection, keys: KeyFile, one: Subscriber, report: DeliveryReport, reason: str, now: datetime
) -> None:
    """Record that a mail bounced for a reason on our side: `monitor status` shows it, and `monitor outbox
    restore` queues it again. It does not count against the subscriber.
    """
    if one.outline is None:  # they have left
        return
    returned_mail = Refusal(
        channel=one.channel,
        subscriber=one.id,
        delivery=refusals.load_last_sent(conn, one.id, now - _REPORT_WITHIN),
        lane=keys.compute_lookup(open_outline(keys, one.channel, one.outline).lane),
        answer=f"returned {report.status}",
        error=reason,
        verdict=refusals.POLICY,
        at=now,
    )
    refusals.insert_refusals(conn, [returned_mail], state=refusals.RETURNED)


def _unsubscribe(
    engine: Engine,
    keys: KeyFile,
    purpose: Purpose,
    token: str,
    now: datetime,
    tombstones: Tombstones | None,
) -> BounceVerdict:
    with db.transaction(engine) as conn:
        one = read_owner(conn, keys, purpose, token, now, for_change=True)
        if one is None:
            return BounceVerdict.FOREIGN
        if depart(conn, keys, one, now, tombstones):
            log.info("subscriber %d left by mail", one.id)
    return BounceVerdict.LEFT


def _read(message: Message) -> MailClaims:
    parts = list(islice(message.walk(), _PARTS))
    reported = message.get_content_type() == "multipart/report"
    feedback = [_first(part) for part in parts if part.get_content_type() == "message/feedback-report"]
    originals = [inner for part in parts if (inner := _original(part)) is not None] if reported else []
    # a report about a mail of ours may quote the subject of one to the unsubscribe address
    stop = None if reported else _STOP.search(_decode(message, "Subject"))
    places = [
        *((_VERP, Purpose.BOUNCE, _text(message, name)) for name in _RETURNED_TO),
        *((_VERP, Purpose.BOUNCE, _text(each, "Original-Mail-From")) for each in feedback),
        *((_VERP, Purpose.BOUNCE, _text(each, "Return-Path")) for each in originals),
        *((_LINK, Purpose.UNSUBSCRIBE, _text(each, "List-Unsubscribe")) for each in originals),
    ]
    return MailClaims(
        stop=stop[1] if stop else None,
        claims=tuple((purpose, found[1]) for form, purpose, text in places if (found := form.search(text))),
        reports=tuple(report for part in parts for report in _reports(part)) if reported else (),
        complaint=reported
        and any(_text(each, "Feedback-Type").strip().lower() in _COMPLAINTS for each in feedback),
        automatic=_text(message, "Auto-Submitted").strip().lower() not in {"", "no"},
    )


def _reports(part: Message) -> Iterator[DeliveryReport]:
    """Read the recipients of a delivery status. Without a status code, the SMTP reply code or the server's
    text decides.
    """
    groups = part.get_payload()
    if part.get_content_type() != "message/delivery-status" or not isinstance(groups, list):
        return
    for group in groups[:_PARTS]:
        if not isinstance(group, Message) or group.get("Action") is None:
            continue
        diagnosis = " ".join(_text(group, "Diagnostic-Code").partition(";")[2].split())
        given, within = _STATUS.match(_text(group, "Status")), _STATUS_WITHIN.search(diagnosis)
        vague = given is None or given.group(2, 3) == ("0", "0")
        if within is not None and vague and (given is None or given[1] == within[1]):
            given = within
        if given is not None:
            status = ".".join(given.groups())
        else:
            status = f"{diagnosis[:1]}.0.0" if re.match(r"[245]\d\d\b", diagnosis) else "5.0.0"
        yield DeliveryReport(_text(group, "Action").strip().lower(), status, diagnosis[:500])


def _original(part: Message) -> Message | None:
    """Read the headers of the message that a report returns."""
    match part.get_content_type():
        case "message/rfc822":
            return _first(part)
        case "text/rfc822-headers":
            return message_from_string(str(part.get_payload())[:LARGEST])
    return None


def _first(part: Message) -> Message:
    inner = part.get_payload()
    return inner[0] if isinstance(inner, list) and inner and isinstance(inner[0], Message) else Message()


def _text(message: Message, name: str) -> str:
    """Read the first characters of all headers of a name."""
    return " ".join(str(value)[:_LONGEST] for value in message.get_all(name, [])[:5])


def _decode(message: Message, name: str) -> str:
    text = _text(message, name)[:_LONGEST]
    try:
        return str(make_header(decode_header(text)))
    except (HeaderParseError, LookupError, ValueError):
        return text
