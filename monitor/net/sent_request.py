"""A request as it was sent, and its destination: evidence that cannot be collected later."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import httpx

SECRET_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization"})
"""Headers with secret values, which are not kept: only their names are recorded."""
_CONDITIONS = frozenset({"if-none-match", "if-modified-since"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SentRequest:
    """A request over HTTP/1.1: its method, and its headers in the order and spelling in which they were sent.

    ``validators`` are the headers that make it conditional, which followed the others. ``withheld`` names
    headers that were sent with secret values. ``remote`` is the IP address of the server, None with a proxy;
    ``certificate`` the SHA-256 (hex) of the server's certificate, None without TLS.
    """

    method: str
    headers: tuple[tuple[str, str], ...]
    validators: tuple[tuple[str, str], ...] = ()
    withheld: tuple[str, ...] = ()
    remote: str | None = None
    certificate: str | None = None


def describe_request(request: httpx.Request) -> SentRequest:
    """Describe a request before its destination is known."""
    sent = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw]
    return SentRequest(
        method=request.method,
        headers=tuple(each for each in sent if each[0].lower() not in SECRET_HEADERS | _CONDITIONS),
        validators=tuple(each for each in sent if each[0].lower() in _CONDITIONS),
        withheld=tuple(name for name, _ in sent if name.lower() in SECRET_HEADERS),
    )


def add_peer(sent: SentRequest, response: httpx.Response, *, proxied: bool) -> SentRequest:
    """Add the destination of the request, from the connection of the answer, if that is still open."""
    stream = response.extensions.get("network_stream")
    if stream is None:
        return sent
    try:
        tls, address = stream.get_extra_info("ssl_object"), stream.get_extra_info("server_addr")
    except OSError:  # cut at this moment, by the deadline or the server: reading the body says so
        return sent
    certificate = tls.getpeercert(True) if tls is not None else None
    return replace(
        sent,
        remote=None if proxied or not address else str(address[0]),
        certificate=hashlib.sha256(certificate).hexdigest() if certificate else None,
    )
