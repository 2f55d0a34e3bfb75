"""What a mail server's refusal means for the delivery, the address and the lane. Pure.

Codes: RFC 5321, 4.2.3; enhanced status codes: RFC 3463 and its registry (5.1.10: RFC 7505).
"""

from __future__ import annotations

import re

from monitor.channels import EVERYTHING
from monitor.errors import Permanent, SendError, Transient

_ENHANCED = re.compile(r"\s*([245])\.(\d{1,3})\.(\d{1,3})\b")
_GONE = {(1, 1), (1, 2), (1, 10)}  # no such mailbox, no such system, null MX
_SENDER = {(1, 7), (1, 8)}  # the sender's address is refused, although the recipient's phase says so


def refusal(phase: str, code: int, text: str, address: str) -> SendError:
    """The error to raise for a reply that did not accept. ``phase`` is "MAIL", "RCPT", "DATA" or "message"
    (the answer to its end).

    The error's text never holds the address, however the server repeats it.
    """
    enhanced = _ENHANCED.match(text)
    status = (int(enhanced[2]), int(enhanced[3])) if enhanced else (0, 0)
    reason = f"the mail server answered {phase} with {code} {redact(text, address)}".rstrip()
    if status[0] == 7:
        # reputation, DKIM, policy, greylisting: the sender's fault, never a person's
        return Transient(reason, lane=EVERYTHING if phase == "MAIL" else domain_of(address))
    if phase == "MAIL" or status in _SENDER or code in {530, 535}:
        return Transient(reason, lane=EVERYTHING if code >= 500 else None)
    if not 500 <= code <= 599:
        return Transient(reason)
    if status in _GONE:
        return Permanent(reason, address_gone=True)
    # a bad address or mailbox is the recipient's; a refused content (5.6), size (5.3.4) or command (5.5) is
    # not
    is_theirs = status[0] in {1, 2} or (phase == "RCPT" and status[0] not in {5, 6})
    return Permanent(reason, strike=is_theirs)


def redact(text: str, address: str) -> str:
    """A server's text without any address, nor the local part of this one (or a user name), on one line, at
    most 200 characters.
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    line = re.sub(r"[^\s<>(),;:\"']*@[^\s<>(),;:\"']*", "[address]", line)
    if name := address.partition("@")[0]:
        line = re.sub(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", "[address]", line, flags=re.IGNORECASE)
    return line[:200]


def domain_of(address: str) -> str:
    """The mail domain of an address, in lower case."""
    return address.rpartition("@")[2].lower()
