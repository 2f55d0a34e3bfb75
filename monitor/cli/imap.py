"""Reads and empties the bounce mailbox over IMAP (RFC 3501) and TLS."""

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


def process_mailbox(
    host: str, port: int, user: str, password: str, folder: str, act: Act, *, ca: Path | None = None
) -> None:
    """Process every unseen mail in a folder. Bounces of our mails are deleted; others and unreadable ones are
    kept, marked as seen.

    A mail is marked only after it was processed: an interrupted one is read again but not counted twice.
    ``ca`` is a PEM file with the authority to trust instead of the system's. Raises MonitorError, with what
    to do, if the mailbox cannot be opened or the connection is lost; the error never contains the server's
    own text, which may repeat the user name.
    """
    try:
        trusted = ssl.create_default_context(cafile=ca)
    except OSError:
        raise MonitorError(f"{ca} is not a file of PEM certificates: check [bounces] imap_ca") from None
    try:
        mailbox = imaplib.IMAP4_SSL(host, port, ssl_context=trusted, timeout=_TIMEOUT)
        try:
            _log_in(mailbox, host, user, password)
            _process_folder(mailbox, folder, act)
        finally:
            with suppress(imaplib.IMAP4.error, OSError):
                mailbox.logout()
            with suppress(OSError):
                mailbox.shutdown()  # `logout` does not close the socket when the connection is lost
    except ssl.SSLCertVerificationError as error:
        raise MonitorError(
            f"the certificate of {host} is not trusted ({error.verify_message}): check [bounces] imap_host,"
            " or set imap_ca to its authority"
        ) from None
    except (imaplib.IMAP4.error, OSError) as error:
        raise MonitorError(
            f"the connection to the mailbox at {host}:{port} failed ({type(error).__name__}):"
            " try again, nothing is counted twice"
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


def _process_folder(mailbox: imaplib.IMAP4, folder: str, act: Act) -> None:
    name = folder.replace("\\", "\\\\").replace('"', '\\"')
    if not name.isascii() or mailbox.select(f'"{name}"')[0] != "OK":
        raise MonitorError(f"the mailbox has no folder {folder!r}: check [bounces] imap_folder")
    # RFC 4315: expunges only the given mail, not what others marked.
    precise = "UIDPLUS" in mailbox.capabilities
    _, found = mailbox.uid("SEARCH", "UNSEEN")
    for number in (found[0] or b"").split():
        uid = number.decode("ascii")
        content = _fetch(mailbox, uid)
        if content is None:
            log.warning("a mail in the mailbox (UID %s) cannot be read; it stays, marked as seen", uid)
        ours = content is not None and act(content) is not BounceVerdict.FOREIGN
        mailbox.uid("STORE", uid, "+FLAGS", r"(\Seen \Deleted)" if ours else r"(\Seen)")
        if ours and precise:
            mailbox.uid("EXPUNGE", uid)
    if not precise:
        mailbox.expunge()


def _fetch(mailbox: imaplib.IMAP4, uid: str) -> bytes | None:
    """Fetch a mail, up to `LARGEST` bytes; None when the server cannot return it."""
    try:
        _, parts = mailbox.uid("FETCH", uid, f"(BODY.PEEK[]<0.{LARGEST}>)")
    except imaplib.IMAP4.abort:
        raise
    except imaplib.IMAP4.error:
        return None
    return next((part[1] for part in parts if isinstance(part, tuple)), None)
