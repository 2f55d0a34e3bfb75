"""Mail that came back: reports that a message could not be delivered, and mails to the unsubscribe address.

Nothing in such a mail is believed but a token that we have made: the bounce token in the address that it came back to (VERP), or the
unsubscribe token in a subject. So nobody can have somebody else suppressed.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email import policy
from email.errors import MessageError
from email.message import EmailMessage, Message
from email.parser import BytesParser
from email.utils import getaddresses
from enum import StrEnum

from sqlalchemy.engine import Connection, Engine

from monitor import db
from monitor.channels.replies import domain, refusal
from monitor.errors import Permanent, Transient
from monitor.keys import KeyFile
from monitor.retry import lane_until, struck_out
from monitor.store import facts, outbox, people
from monitor.store.people import ENDED, Subscriber
from monitor.subscribe.leaving import depart
from monitor.subscribe.signup import owner
from monitor.subscribe.tombstones import Tombstones
from monitor.tokens import Purpose

log = logging.getLogger(__name__)

LARGEST = 2 * 1024 * 1024
"""Bytes of one mail that are read."""
_VERP = re.compile(r"\+([0-9]{1,19}x[a-z2-7]{16})@", re.IGNORECASE)
_STOP = re.compile(r"unsubscribe\s+([0-9]{1,19}x[a-z2-7]{26})\b", re.IGNORECASE)
_STATUS = re.compile(r"\s*([245])\.(\d{1,3})\.(\d{1,3})")
_RETURNED_TO = ("Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "To")


class Verdict(StrEnum):
    """What one mail came to."""

    LEFT = "left"  # they wrote to stop
    SUPPRESSED = "suppressed"  # the address is gone, or has refused for the third time
    STRUCK = "struck"  # it has refused, and may do so twice more
    PASSED = "passed"  # nothing about the address: a delay, or our own fault
    FOREIGN = "foreign"  # no token of ours, or nothing that we read


@dataclass(frozen=True, slots=True)
class Report:
    """What a delivery status notification (RFC 3464) says of one recipient."""

    action: str
    status: str
    diagnosis: str


def returned(
    engine: Engine, keys: KeyFile, mail: bytes, now: datetime, *, tombstones: Tombstones | None = None
) -> Verdict:
    """Act on one mail that came back, by the rules for refusals: 5.1.1, 5.1.2, 5.1.10 at once; other 5xx strike; all else passes."""
    try:
        message = BytesParser(policy=policy.default).parsebytes(mail[:LARGEST])
        stop = _stop_token(message)
        token, reports = _bounce_token(message), tuple(_reports(message))
    except (MessageError, ValueError, LookupError, AttributeError, IndexError, TypeError):
        # the parser stumbles over what senders of junk think up
        return Verdict.FOREIGN
    if stop is not None:
        return _stopped(engine, keys, stop, now, tombstones)
    if token is None or not reports:
        return Verdict.FOREIGN
    with db.transaction(engine) as conn:
        one = owner(conn, keys, Purpose.BOUNCE, token, now)
        if one is None:
            return Verdict.FOREIGN
        if one.state == ENDED:
            return Verdict.PASSED
        return _counted(conn, keys, one, reports, now)


def mails(content: bytes) -> Iterator[bytes]:
    """The mails of a file: one, or a whole mbox."""
    if not content.startswith(b"From "):
        yield content
        return
    for part in re.split(rb"(?:\A|\r?\n)From [^\r\n]*\r?\n", content):
        if part.strip():
            yield re.sub(rb"(?m)^>(>*From )", rb"\1", part)


def _counted(
    conn: Connection, keys: KeyFile, one: Subscriber, reports: tuple[Report, ...], now: datetime
) -> Verdict:
    address = keys.open(one.channel, one.sealed) if one.sealed else ""
    for report in reports:
        if report.action != "failed" or not report.status.startswith("5"):
            continue
        error = refusal("RCPT", 550, f"{report.status} {report.diagnosis}", address)
        if isinstance(error, Transient) and error.lane is not None:
            # reputation, DKIM, policy: that domain would refuse everybody else's mail as well. Never the whole channel, whatever the
            # report says: a subscriber knows the token in their own mail, and could stop everybody's with it
            facts.set_lane(conn, one.channel, domain(address), lane_until(error, now), str(error)[:300])
            log.warning("%s: a domain refuses our mail and pauses: %s", one.channel, error)
        if not isinstance(error, Permanent):
            continue
        gone = error.address_gone
        if error.strike:
            gone = struck_out(*outbox.strike(conn, one.id, now), now)
        if gone:
            hashed = people.address_hash(conn, one.id)
            if hashed is not None:
                people.suppress(conn, one.channel, hashed, f"mail came back: {report.status}", now)
            people.end(conn, one.id, now)
            log.info("subscriber %d ended: mail came back (%s)", one.id, report.status)
            return Verdict.SUPPRESSED
        if error.strike:
            log.info("subscriber %d: a mail came back (%s)", one.id, report.status)
            return Verdict.STRUCK
    return Verdict.PASSED


def _stopped(
    engine: Engine, keys: KeyFile, token: str, now: datetime, tombstones: Tombstones | None
) -> Verdict:
    with db.transaction(engine) as conn:
        one = owner(conn, keys, Purpose.UNSUBSCRIBE, token, now)
        if one is None:
            return Verdict.FOREIGN
        if depart(conn, keys, one, now, tombstones):
            log.info("subscriber %d left by mail", one.id)
    return Verdict.LEFT


def _stop_token(message: EmailMessage) -> str | None:
    """The token of a mail that somebody wrote to stop; reports about mails of ours, which may quote one, are none."""
    if message.get_content_type() == "multipart/report":
        return None
    found = _STOP.search(str(message.get("Subject", "")))
    return found[1] if found else None


def _bounce_token(message: EmailMessage) -> str | None:
    """The token in the address that the mail came back to."""
    for header in _RETURNED_TO:
        for _, address in getaddresses([str(value) for value in message.get_all(header, [])]):
            found = _VERP.search(address)
            if found:
                return found[1]
    return None


def _reports(message: EmailMessage) -> Iterator[Report]:
    """The recipients of a multipart/report's delivery status."""
    if message.get_content_type() != "multipart/report":
        return
    for part in message.walk():
        if part.get_content_type() != "message/delivery-status":
            continue
        groups = part.get_payload()
        for group in groups if isinstance(groups, list) else ():
            if not isinstance(group, Message):
                continue
            status = _STATUS.match(str(group.get("Status", "")))
            if group.get("Action") is None or status is None:
                continue
            diagnosis = str(group.get("Diagnostic-Code", "")).partition(";")[2].strip()
            yield Report(str(group["Action"]).strip().lower(), ".".join(status.groups()), diagnosis[:500])
