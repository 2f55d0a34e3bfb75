"""Finds the visitor's address behind a proxy. Only the sign-up's limits use it."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from ipaddress import ip_address, ip_network

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

log = logging.getLogger(__name__)


class ProxyMiddleware:
    """ASGI middleware around the whole site. ``X-Forwarded-For`` counts only when a trusted proxy sent it.

    The visitor is the last hop in it that is not a trusted proxy: everything before that hop may be forged.
    ``trusted`` are networks. A private proxy outside them is logged once, because all visitors behind it
    count as one network.
    """

    def __init__(self, app: ASGIApp, trusted: Iterable[str]) -> None:
        self._app = app
        networks = tuple(trusted)
        self._trusted = tuple(map(ip_network, networks))
        self._warned = not networks  # an empty setting is deliberate: no warning
        self._read: ASGIApp = ProxyHeadersMiddleware(app, list(networks))  # type: ignore[arg-type, assignment]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._warned:
            self._notice(scope)
        await self._read(scope, receive, send)

    def _notice(self, scope: Scope) -> None:
        if not any(name == b"x-forwarded-for" for name, _ in scope.get("headers", ())):
            return
        try:
            peer = ip_address((scope.get("client") or ("",))[0])
        except ValueError:
            return
        # A public address is a visitor who forged the header; visitors' addresses are not logged.
        if peer.is_private and not any(peer in network for network in self._trusted):
            self._warned = True
            log.warning(
                "the proxy at %s is not in [site] trusted_proxies: all visitors behind it count as one "
                "network for the sign-up's limits",
                peer,
            )
