"""Why an HTTP exchange failed."""

from __future__ import annotations

from monitor.net.sent_request import SentRequest


class ExchangeFailed(Exception):
    """No complete answer was received.

    ``reason`` follows a subject: "did not finish within 60 s". ``transient``: the same request may succeed
    later without any change. ``request`` is the sent request, None if nothing was sent or an answer began.
    """

    request: SentRequest | None = None

    def __init__(self, reason: str, *, transient: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.transient = transient


class BadBody(ExchangeFailed):
    """The body is too large, or is not what the answer says it is."""
