"""What every answer has and every request must have, whatever page it is: headers, a known host, a body of bounded size."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LARGEST_BODY = 1024 * 1024
"""Bytes of a request's body: a form is a few hundred, a returned mail at a bounce address up to this."""

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})


class Guarded:
    """ASGI middleware around the whole site. A host that is neither ``public_url``'s nor loopback is refused, and never repeated."""

    def __init__(self, app: ASGIApp, public_url: str) -> None:
        self._app = app
        host = urlsplit(public_url).hostname or "localhost"
        if not host.isascii():  # a browser asks for the name's letters in ASCII
            host = host.encode("idna").decode()
        self._hosts = _LOOPBACK | {f"[{host}]" if ":" in host else host}
        self._headers = dict(HEADERS)
        if public_url.startswith("https:"):
            self._headers["Strict-Transport-Security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)

        async def guarded_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._protect(message)
            await send(message)

        if _host(headers.get("host", "")) not in self._hosts:
            refusal = "This host name is not served here: the operator sets it as [site] public_url.\n"
            await PlainTextResponse(refusal, 421)(scope, receive, guarded_send)
            return
        if _says_too_much(headers.get("content-length", "0")):
            await PlainTextResponse("Too much was sent.\n", 413)(scope, receive, guarded_send)
            return
        await self._app(scope, _counted(receive), guarded_send)

    def _protect(self, message: MutableMapping[str, Any]) -> None:
        headers = MutableHeaders(scope=message)
        for name, value in self._headers.items():
            headers.setdefault(name, value)
        headers.setdefault("Cache-Control", "no-cache")


def _host(header: str) -> str:
    """The host of a Host header without its port: "[::1]:8000" is "[::1]"."""
    if header.startswith("["):
        return header.partition("]")[0].lower() + "]"
    return header.partition(":")[0].lower().removesuffix(".")


def _says_too_much(length: str) -> bool:
    return not length.isdecimal() or int(length[:20]) > LARGEST_BODY


def _counted(receive: Receive) -> Receive:
    """The same body, until it is longer than its length said that it is or any may be."""
    size = 0

    async def counted() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > LARGEST_BODY:
            raise HTTPException(413)  # what the framework passes on; of any other it makes a 400
        return message

    return counted
