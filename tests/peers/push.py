"""A relay of browsers on a loopback port (RFC 8030), with the browsers behind it: it checks each request as
RFC 8292 says, and what it takes is decrypted as a browser would (RFC 8291).

    with PushRelay() as relay:
        browser = relay.subscribe()
        ...
        assert browser.messages[-1]["title"] == "..."
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
import secrets
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.peers.tls import make_certificate, presenting

Answer = tuple[int, dict[str, str]]
_NAME = x509.DNSName("localhost")
_A_DAY = 86400  # seconds; a signature for longer is refused (RFC 8292, 2)


def to_text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def to_bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)


def decrypt(body: bytes, private: ec.EllipticCurvePrivateKey, auth: bytes) -> bytes:
    """The plaintext of a body in the coding aes128gcm, as the browser with these keys reads it."""
    salt, size, length = body[:16], int.from_bytes(body[16:20], "big"), body[20]
    point, record = body[21 : 21 + length], body[21 + length :]
    assert len(record) <= size, "more than one record"
    own = private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    shared = private.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point))
    secret = HKDF(SHA256(), 32, auth, b"WebPush: info\0" + own + point).derive(shared)
    key = HKDF(SHA256(), 16, salt, b"Content-Encoding: aes128gcm\0").derive(secret)
    nonce = HKDF(SHA256(), 12, salt, b"Content-Encoding: nonce\0").derive(secret)
    text = AESGCM(key).decrypt(nonce, record, None).rstrip(b"\0")
    assert text[-1:] == b"\x02", "the last record has no delimiter"
    return text[:-1]


@dataclass
class PushBrowser:
    """One browser's subscription. ``messages`` are the JSON objects that reached it, ``raw`` their bytes, and
    ``headers`` those of the requests; ``key`` is the server's key that it is bound to, once it is known.
    """

    endpoint: str
    private: ec.EllipticCurvePrivateKey = field(repr=False)
    auth: bytes
    key: str | None = None
    gone: bool = False
    messages: list[Any] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    @property
    def p256dh(self) -> str:
        return to_text(self.private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))

    @property
    def address(self) -> str:
        """As the program stores it."""
        return f"{self.endpoint} {self.p256dh} {to_text(self.auth)}"

    @property
    def subscription(self) -> dict[str, Any]:
        """As ``PushSubscription.toJSON`` gives it."""
        return {
            "endpoint": self.endpoint,
            "expirationTime": None,
            "keys": {"p256dh": self.p256dh, "auth": to_text(self.auth)},
        }


class _Listener(ThreadingHTTPServer):
    """TLS on the first address that "localhost" has here, to which a client connects."""

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        family, _, _, _, address = socket.getaddrinfo("localhost", 0, type=socket.SOCK_STREAM)[0]
        self.address_family = family
        super().__init__((str(address[0]), 0), handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        # the handshake in the connection's own thread; who does not trust us is free to leave
        with (
            contextlib.suppress(OSError),
            presenting(_NAME).wrap_socket(request, server_side=True) as secured,
        ):
            super().finish_request(secured, client_address)


def certificate() -> bytes:
    """The relay's certificate, which signs itself, as PEM."""
    return make_certificate(_NAME)[1]


def trusting() -> ssl.SSLContext:
    """A client's context that trusts the relay's certificate and nothing else."""
    return ssl.create_default_context(cadata=certificate().decode())


class PushRelay:
    """A context manager. ``answers`` are given first, one for each request; ``refused`` says why requests
    were not taken. ``clock`` is the relay's, in seconds since 1970.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.browsers: dict[str, PushBrowser] = {}
        self.answers: list[Answer] = []
        self.refused: list[str] = []
        self.requests = 0

    def __enter__(self) -> Self:
        relay = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                relay.requests += 1
                status, more = relay.answers.pop(0) if relay.answers else relay.take(self.path, headers, body)
                self.send_response(status)
                for name, value in {**more, "Content-Length": "0"}.items():
                    self.send_header(name, value)
                self.end_headers()

        self._http = _Listener(Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    @property
    def origin(self) -> str:
        return f"https://localhost:{self._http.server_address[1]}"

    def subscribe(self, key: str | None = None) -> PushBrowser:
        """A new browser that has subscribed, bound to the server's key where one is given."""
        path = f"/push/{secrets.token_urlsafe(24)}"
        browser = PushBrowser(
            self.origin + path, ec.generate_private_key(ec.SECP256R1()), secrets.token_bytes(16), key
        )
        self.browsers[path] = browser
        return browser

    def take(self, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """Check a request and hand it to its browser; what a relay answers."""
        browser = self.browsers.get(path)
        if browser is None:
            return 404, {}
        if browser.gone:
            return 410, {}
        if len(body) > 4096:
            return 413, {}
        problem = self.find_problem(browser, headers)
        if problem is not None:
            self.refused.append(problem)
            return (403 if "key" in problem or "signature" in problem else 400), {}
        text = decrypt(body, browser.private, browser.auth)
        browser.raw.append(text)
        browser.headers.append(headers)
        browser.messages.append(json.loads(text))
        return 201, {"Location": f"{self.origin}/message/{secrets.token_hex(8)}"}

    def find_problem(self, browser: PushBrowser, headers: dict[str, str]) -> str | None:
        """What a relay refuses a request for; None: nothing."""
        if headers.get("content-encoding") != "aes128gcm":
            return "the content coding is not aes128gcm"
        if not re.fullmatch(r"[0-9]{1,9}", headers.get("ttl", "")):
            return "no TTL"
        if headers.get("urgency", "normal") not in {"very-low", "low", "normal", "high"}:
            return "an unknown urgency"
        if not re.fullmatch(r"[A-Za-z0-9_-]{0,32}", headers.get("topic", "")):
            return "the topic is too long, or not base64url"
        return self.find_bad_signature(browser, headers.get("authorization", ""))

    def find_bad_signature(self, browser: PushBrowser, header: str) -> str | None:
        """What is wrong with the Authorization header (RFC 8292, 3)."""
        found = re.fullmatch(r"vapid t=([\w-]+\.[\w-]+)\.([\w-]+), k=([\w-]+)", header)
        if found is None:
            return "no signature"
        signed, signature, key = found[1], to_bytes(found[2]), found[3]
        if browser.key is not None and browser.key != key:
            return "another key than the one that the browser subscribed with"
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), to_bytes(key))
        pair = (int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
        try:
            public.verify(encode_dss_signature(*pair), signed.encode(), ec.ECDSA(SHA256()))
        except InvalidSignature:
            return "a signature by another key"
        head, claims = (json.loads(to_bytes(part)) for part in signed.split("."))
        if head != {"typ": "JWT", "alg": "ES256"}:
            return "another algorithm"
        if claims["aud"] != self.origin:
            return "a signature for another relay"
        if not 0 < claims["exp"] - self.clock() <= _A_DAY:
            return "a signature that has expired, or for too long"
        if not re.match(r"mailto:|https:", claims.get("sub", "")):
            return "nobody to write to"
        return None
