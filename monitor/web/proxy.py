"""Which address a visitor has when a proxy stands before the site. Only the limits of the sign-up ask for it."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from ipaddress import ip_address, ip_network

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

log = logging.getLogger(__name__)


class Proxied:
    """ASGI middleware around the whole site. What ``X-Forwarded-For`` says counts only when a trusted proxy says it.

    The visitor is then the last hop in it that is no trusted proxy itself: whatever stands before that hop, the visitor may have written.
    ``trusted`` are networks. A proxy nearby that is not among them is named in the log once, for behind it everybody is one network.
    """

    def __init__(self, app: ASGIApp, trusted: Iterable[str]) -> None:
        self._app = app
        networks = tuple(trusted)
        self._trusted = tuple(map(ip_network, networks))
        self._told = not networks  # an operator who trusts nobody knows why
        self._read: ASGIApp = ProxyHeadersMiddleware(app, list(networks))  # type: ignore[arg-type, assignment]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._told:
            self._notice(scope)
        await self._read(scope, receive, send)

    def _notice(self, scope: Scope) -> None:
        if not any(name == b"x-forwarded-for" for name, _ in scope.get("headers", ())):
            return
        try:
            peer = ip_address((scope.get("client") or ("",))[0])
        except ValueError:
            return
        # from anywhere else it is a visitor who makes things up, and whose address belongs in no log
        if peer.is_private and not any(peer in network for network in self._trusted):
            self._told = True
            log.warning(
                "a proxy at %s passes visitors on and is not in [site] trusted_proxies: for the limits of the sign-up all of them are one network",
                peer,
            )
