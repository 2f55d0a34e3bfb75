"""Rules for every request and response: security headers, a known host, a limited body."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from monitor.log_lines import request_id
from monitor.web.cross_origin import FILE_HEADERS, OPEN_HEADERS, PREFLIGHT, is_file, is_open

LARGEST_BODY = 1024 * 1024
"""The most bytes of a request body: a form has a few hundred, a bounced mail up to this many."""

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
PERSONAL = ("/confirm/", "/manage/", "/unsubscribe/", "/decide/")
"""Where personal links lead."""
UNKNOWN_AFTER = 0.1
"""Seconds after which an invalid personal link is answered. The first version's links contain a subscriber's
id, and looking up an existing one takes longer: an attacker could measure that and count the subscribers.
"""
AFTER_A_LINK = "/.,;:!?)]}>'\"*_\u2019\u201d\u00bb\u2026 "
"""Characters that may follow a link in a sentence; no URL of a page ends with one of these."""
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})


class SiteMiddleware:
    """ASGI middleware around the whole site.

    A host other than ``public_url``'s or loopback is refused and not echoed. ``installable``: pages link a
    manifest, which their policy allows. ``clock`` returns seconds, ``sleep`` waits for some.
    """

    def __init__(
        self,
        app: ASGIApp,
        public_url: str,
        *,
        installable: bool = False,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._app, self._installable = app, installable
        self._clock, self._sleep = clock, sleep
        host = urlsplit(public_url).hostname or "localhost"
        if not host.isascii():  # a browser sends the host name in ASCII
            host = host.encode("idna").decode()
        self._hosts = _LOOPBACK | {f"[{host}]" if ":" in host else host}
        self._prefix = urlsplit(public_url).path.rstrip("/")
        self._headers = dict(HEADERS)
        if public_url.startswith("https:"):
            self._headers["Strict-Transport-Security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # local to this task, which ends with the request or sets another id
        request_id.set(secrets.token_hex(6))
        scope = _trim_personal_link(scope)
        headers, path = Headers(scope=scope), scope["path"]
        begun = self._clock()

        async def protected_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                if message["status"] == 404 and path.startswith(PERSONAL):
                    await self._sleep(max(0.0, begun + UNKNOWN_AFTER - self._clock()))
                self._protect(message, path)
            await send(message)

        if _host(headers.get("host", "")) not in self._hosts:
            refusal = "This host name is not served here: the operator sets it as [site] public_url.\n"
            await PlainTextResponse(refusal, 421)(scope, receive, protected_send)
            return
        if _is_too_long(headers.get("content-length", "0")):
            await PlainTextResponse("Too much was sent.\n", 413)(scope, receive, protected_send)
            return
        if scope["method"] == "OPTIONS" and is_open(path):
            await Response(status_code=204, headers=PREFLIGHT)(scope, receive, protected_send)
            return
        # Nobody is left to answer: a visitor may leave at any time, so this is no error of the site's.
        with suppress(ClientDisconnect):
            await self._app(scope, _limit_body(receive), self._redirect_missing(scope, protected_send))

    def _redirect_missing(self, scope: Scope, send: Send) -> Send:
        """Redirect a missing page to the URL without the punctuation that followed the link, if that exists.

        This does not apply to the API: programs do not copy links from sentences, and its responses follow
        its schema. Nor to a path that begins with two slashes: a browser takes what follows them for another
        site's name.
        """
        path: str = scope["path"]
        trimmed = path.rstrip(AFTER_A_LINK)
        if scope["method"] not in {"GET", "HEAD"} or trimmed in {path, ""} or path.startswith("/api/"):
            return send
        if trimmed.startswith("//") or not trimmed.startswith("/"):
            return send
        redirected = False

        async def redirecting_send(message: Message) -> None:
            nonlocal redirected
            if message["type"] == "http.response.start" and message["status"] == 404:
                redirected = True
                query = "?" + scope["query_string"].decode("latin-1") if scope["query_string"] else ""
                location = quote(self._prefix + trimmed, safe="/|:@!$&'()*+,;=~") + query
                headers = [(b"location", location.encode("latin-1")), (b"content-length", b"0")]
                await send({"type": "http.response.start", "status": 301, "headers": headers})
                await send({"type": "http.response.body", "body": b""})
            elif not redirected:
                await send(message)

        return redirecting_send

    def _protect(self, message: MutableMapping[str, Any], path: str) -> None:
        headers = MutableHeaders(scope=message)
        framed = "frame-ancestors 'none'" not in headers.get(
            "content-security-policy", "frame-ancestors 'none'"
        )
        if is_open(path):
            headers.update(OPEN_HEADERS)
        if is_file(path):
            headers.update(FILE_HEADERS)
        for name, value in self._headers.items():
            # The older header has no list of origins: a page that may be framed has only the policy.
            if not (framed and name == "X-Frame-Options"):
                headers.setdefault(name, value)
        if self._installable and headers.get("content-type", "").startswith("text/html"):
            headers["Content-Security-Policy"] += "; manifest-src 'self'"
        headers.setdefault("Cache-Control", "no-cache")
        headers["X-Request-Id"] = request_id.get() or ""


def _trim_personal_link(scope: Scope) -> Scope:
    """Strip punctuation that followed a personal link in a sentence from its URL: some programs make it part
    of the link. There is no redirect, because a mail program's one-click request (RFC 8058) does not follow
    one.
    """
    path: str = scope["path"]
    trimmed = path.rstrip(AFTER_A_LINK)
    if trimmed == path or not path.startswith(PERSONAL):
        return scope
    return {**scope, "path": trimmed, "raw_path": trimmed.encode()}


def _host(header: str) -> str:
    """Read the host of a Host header without its port: "[::1]:8000" is "[::1]"."""
    if header.startswith("["):
        return header.partition("]")[0].lower() + "]"
    return header.partition(":")[0].lower().removesuffix(".")


def _is_too_long(length: str) -> bool:
    return not length.isdecimal() or int(length[:20]) > LARGEST_BODY


def _limit_body(receive: Receive) -> Receive:
    """Pass the body on until it exceeds `LARGEST_BODY`, regardless of the declared length."""
    size = 0

    async def counted() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > LARGEST_BODY:
            # the framework passes this exception on; it turns any other into a 400
            raise HTTPException(413)
        return message

    return counted
