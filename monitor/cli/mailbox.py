"""A mailbox to which mail comes back, emptied over IMAP (RFC 3501) and TLS."""

from __future__ import annotations

import imaplib
import logging
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from monitor.errors import MonitorError
from monitor.subscribers import BounceVerdict
from monitor.subscribers.bounces import LARGEST

log = logging.getLogger(__name__)

Act = Callable[[bytes], BounceVerdict]
_TIMEOUT = 60  # s, for one answer


def empty(
    host: str, port: int, user: str, password: str, folder: str, act: Act, *, ca: Path | None = None
) -> None:
    """Act on every mail in a folder that was not seen yet; ours are deleted, and what is not ours or cannot be read stays, marked as seen.

    A mail is marked only after it was acted upon: what an interruption leaves is read again, and `subscribe.returned` counts no mail twice.
    ``ca`` is a PEM file with the authority to trust in place of the system's. Raises MonitorError, with what to do, when the mailbox
    cannot be opened or is lost in the middle; a server's own words may repeat the user name and are never passed on.
    """
    try:
        trusted = ssl.create_default_context(cafile=ca)
    except OSError:
        raise MonitorError(f"{ca} is no file of PEM certificates: check [bounces] imap_ca") from None
    try:
        mailbox = imaplib.IMAP4_SSL(host, port, ssl_context=trusted, timeout=_TIMEOUT)
        try:
            _log_in(mailbox, host, user, password)
            _empty(mailbox, folder, act)
        finally:
            with suppress(imaplib.IMAP4.error, OSError):
                mailbox.logout()
            with suppress(OSError):
                mailbox.shutdown()  # which `logout` leaves out when the connection is lost
    except ssl.SSLCertVerificationError as error:
        raise MonitorError(
            f"the certificate of {host} is not trusted ({error.verify_message}): check [bounces] imap_host, or give its authority as imap_ca"
        ) from None
    except (imaplib.IMAP4.error, OSError) as error:
        raise MonitorError(
            f"the connection to the mailbox at {host}:{port} failed ({type(error).__name__}): try again, nothing is counted twice"
        ) from None


def _log_in(mailbox: imaplib.IMAP4, host: str, user: str, password: str) -> None:
    try:
        mailbox.login(user, password)
    except imaplib.IMAP4.abort:
        raise
    except (imaplib.IMAP4.error, UnicodeError):
        raise MonitorError(
            f"the mailbox at {host} refuses the login: check [bounces] imap_user and imap_password"
        ) from None


def _empty(mailbox: imaplib.IMAP4, folder: str, act: Act) -> None:
    name = folder.replace("\\", "\\\\").replace('"', '\\"')
    if not name.isascii() or mailbox.select(f'"{name}"')[0] != "OK":
        raise MonitorError(f"the mailbox has no folder {folder!r}: check [bounces] imap_folder")
    precise = (
        "UIDPLUS" in mailbox.capabilities
    )  # RFC 4315: expunges what it is told, and nothing that others marked
    _, found = mailbox.uid("SEARCH", "UNSEEN")
    for number in (found[0] or b"").split():
        uid = number.decode("ascii")
        content = _fetched(mailbox, uid)
        if content is None:
            # in its place, for whoever looks after the mailbox; not tried again every time
            log.warning("a mail in the mailbox (UID %s) cannot be read and is left, marked as seen", uid)
        ours = content is not None and act(content) is not BounceVerdict.FOREIGN
        mailbox.uid("STORE", uid, "+FLAGS", r"(\Seen \Deleted)" if ours else r"(\Seen)")
        if ours and precise:
            mailbox.uid("EXPUNGE", uid)
    if not precise:
        mailbox.expunge()


def _fetched(mailbox: imaplib.IMAP4, uid: str) -> bytes | None:
    """A mail as far as it is read; None when the server cannot give it."""
    try:
        _, parts = mailbox.uid("FETCH", uid, f"(BODY.PEEK[]<0.{LARGEST}>)")
    except imaplib.IMAP4.abort:
        raise
    except imaplib.IMAP4.error:
        return None
    return next((part[1] for part in parts if isinstance(part, tuple)), None)
