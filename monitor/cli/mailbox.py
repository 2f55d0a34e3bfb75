"""A mailbox to which mail comes back, emptied over IMAP (RFC 3501)."""

from __future__ import annotations

import imaplib
import logging
from collections.abc import Callable

from monitor.errors import MonitorError
from monitor.subscribe import Verdict

log = logging.getLogger(__name__)

Act = Callable[[bytes], Verdict]


def empty(mailbox: imaplib.IMAP4, folder: str, act: Act) -> None:
    """Act on every mail that was not seen yet; ours are deleted, and what is not ours stays, marked as seen.

    A mail is marked only after it was acted upon: what a crash interrupts is read again. Raises MonitorError when the folder is not there.
    """
    status, _ = mailbox.select(f'"{folder}"')
    if status != "OK":
        raise MonitorError(f"the mailbox has no folder {folder!r}")
    _, found = mailbox.uid("SEARCH", "UNSEEN")
    for number in (found[0] or b"").split():
        uid = number.decode("ascii")
        _, parts = mailbox.uid("FETCH", uid, "(BODY.PEEK[])")
        content = next((part[1] for part in parts if isinstance(part, tuple)), None)
        if content is None:
            continue
        verdict = act(content)
        flag = r"(\Seen)" if verdict is Verdict.FOREIGN else r"(\Seen \Deleted)"
        mailbox.uid("STORE", uid, "+FLAGS", flag)
    mailbox.expunge()
