"""The exceptions of this program, as one tree.

MonitorError
├── ConfigError          exit 2
├── UsageError           exit 2
├── FetchError
├── ParseError
├── StoreError
│   ├── BaselineMoved
│   ├── DamagedBody
│   ├── MigrationError
│   └── KeyFileError
├── RecordError
├── FencedError
├── BusyError
└── SendError
    ├── Transient
    └── Permanent

A class's docstring is the message that is shown when none is given. A message is one line for a person and
says what to do.
"""

from __future__ import annotations

import os
import socket
from datetime import timedelta
from pathlib import Path


class MonitorError(Exception):
    """Something failed."""

    exit_code = 1

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip().splitlines()[0])


class ConfigError(MonitorError):
    """The configuration is not valid."""

    exit_code = 2

    def __init__(self, problems: list[str] | None = None) -> None:
        self.problems = problems or []
        super().__init__("\n".join(self.problems) or None)


class UsageError(MonitorError):
    """The request is not valid."""

    exit_code = 2


class FetchError(MonitorError):
    """The source could not be fetched."""


class ParseError(MonitorError):
    """The bytes are not a readable publication of this source."""


class StoreError(MonitorError):
    """The database refused the operation."""


class BaselineMoved(StoreError):
    """Another process published a change of this source in the meantime; the next poll sees the rest."""


class DamagedBody(StoreError):
    """A stored publication does not match its hash; restore the database from a backup."""


class MigrationError(StoreError):
    """The database could not be migrated to this program's revision; it is unchanged."""


class KeyFileError(StoreError):
    """The key file is missing or is not the one that encrypted this database; put the right one back."""


class RecordError(MonitorError):
    """The record, or a proof of it, is not as it was published."""


class BundleBusyError(MonitorError):
    """Another evidence bundle is being made; ask again in a few seconds."""


class FencedError(MonitorError):
    """This database looks like a copy or was restored; run `monitor resume` and confirm to start sending."""


class BusyError(MonitorError):
    """Another `monitor run` uses this database; stop it first."""


class SendError(MonitorError):
    """A message was not accepted."""


class Transient(SendError):
    """Not accepted now; try again later.

    ``retry_after`` is the wait the other side asked for. ``ambiguous``: the message may have arrived
    nevertheless (the connection was lost after the body was sent). ``lane`` names what has to pause with it
    (a mail domain, a chat); None means only this delivery. ``refuses_us``: the server has answered, and
    refuses the sender's account rather than this message. ``policy``: the refusal counts for the lane if many
    of its recipients get it, and otherwise only for this recipient; ``answer`` is then as in `Permanent`.
    ``slower``: the lane accepts messages, but fewer at a time. ``unexplained``: the failure is ours or has no
    known reason.
    """

    def __init__(
        self,
        message: str | None = None,
        *,
        retry_after: timedelta | None = None,
        ambiguous: bool = False,
        lane: str | None = None,
        refuses_us: bool = False,
        policy: bool = False,
        slower: bool = False,
        unexplained: bool = False,
        answer: str = "",
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.ambiguous = ambiguous
        self.lane = lane
        self.refuses_us = refuses_us
        self.policy = policy
        self.slower = slower
        self.unexplained = unexplained
        self.answer = answer


class Permanent(SendError):
    """The message will never be accepted.

    ``address_gone``: the address itself is the reason, so it is suppressed and its subscriptions end.
    ``strike``: the refusal counts against the address without being proof (three of them over at least a week
    suppress it). ``answer``: the part of the server's reply that is the same for every recipient refused for
    one reason. ``moved_to``: the address continues under another name (a Telegram group that became a
    supergroup).
    """

    def __init__(
        self,
        message: str | None = None,
        *,
        address_gone: bool = False,
        strike: bool = False,
        moved_to: str | None = None,
        answer: str = "",
    ) -> None:
        super().__init__(message)
        self.answer = answer or str(self)[:60]
        self.address_gone = address_gone
        self.strike = strike
        self.moved_to = moved_to


def describe_os_error(error: BaseException) -> str:
    """The operating system's text for an error, without its number and path: "no space left on device"."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def location_of(error: BaseException) -> str:
    """The type of an error and where it was raised: "TypeError at table.py:33". The error's text is left out,
    because it may hold secrets.
    """
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    at = f" at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else ""
    return f"{type(error).__name__}{at}"


def describe_connection_error(error: OSError) -> str:
    """Describe why no connection was made, without an address: the system's words, and for a name that the
    system cannot resolve, where to look. Empty if the system gave no reason.
    """
    if isinstance(error, socket.gaierror):
        return "its name has no address: check the name, and the DNS of this machine"
    # asyncio's own text repeats the address
    if error.errno and error.strerror and error.strerror.startswith("Connect call"):
        return os.strerror(error.errno)
    return error.strerror or ""
