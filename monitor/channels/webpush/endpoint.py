"""A browser's push subscription (RFC 8030) as an address: its endpoint at a relay and its two keys.

All of it is untrusted input. The address is "ENDPOINT P256DH AUTH", with the keys in base64url. It is looked
up by the endpoint and the secret ``auth``: a relay knows the endpoint of each browser but not the secret, so
it cannot look up what a person follows.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec

from monitor.channels.email.providers import find_owner_domain
from monitor.errors import UsageError

LONGEST = 1000
"""The most characters of an endpoint; those of the known relays have 150 to 600."""
LARGEST_SUBSCRIPTION = 4000
"""The most characters of a subscription that a browser posts."""

_POINT_BYTES, _SECRET_BYTES = 65, 16  # RFC 8291, 3.1 and 3.2
_ENDPOINT = re.compile(r"https://[a-z0-9.-]{1,253}(?::[0-9]{1,5})?/[!-~]*")

RELAYS = {
    "googleapis.com": "Google",
    "google.com": "Google",
    "push.services.mozilla.com": "Mozilla",
    "push.apple.com": "Apple",
    "notify.windows.com": "Microsoft",
}
"""The companies that run the relays of known browsers, by the suffix of the endpoint's host."""


@dataclass(frozen=True, slots=True)
class PushAddress:
    """A subscription. ``p256dh`` is the browser's public key, an uncompressed point of P-256, ``auth`` the
    secret of 16 bytes that it shares with us.
    """

    endpoint: str
    p256dh: bytes = field(repr=False)
    auth: bytes = field(repr=False)

    @classmethod
    def parse(cls, address: str) -> PushAddress:
        """Read an address. Raises UsageError with what is wrong."""
        parts = address.split(" ")
        if len(parts) != 3:
            raise UsageError("this is not a push subscription: write its endpoint and its two keys")
        endpoint, p256dh, auth = parts
        return cls(_check_endpoint(endpoint), _check_point(p256dh), _decode(auth, _SECRET_BYTES))

    @classmethod
    def of_subscription(cls, text: str) -> PushAddress:
        """Read a browser's PushSubscription as JSON. Raises UsageError with what is wrong."""
        try:
            given: Any = json.loads(text) if len(text) <= LARGEST_SUBSCRIPTION else None
            endpoint, keys = given["endpoint"], given["keys"]
            return cls.parse(f"{endpoint} {keys['p256dh']} {keys['auth']}")
        except (ValueError, TypeError, KeyError, RecursionError):
            raise UsageError("this is not a push subscription of a browser") from None

    def __str__(self) -> str:
        return f"{self.endpoint} {encode(self.p256dh)} {encode(self.auth)}"

    @property
    def host(self) -> str:
        """The relay's host, without its port."""
        return host_of_endpoint(self.endpoint)

    @property
    def port(self) -> int:
        """The endpoint's port."""
        return urlsplit(self.endpoint).port or 443

    @property
    def origin(self) -> str:
        """The relay's origin, for which a signature is made (RFC 8292, 2)."""
        return "https://" + urlsplit(self.endpoint).netloc


def host_of_endpoint(address: str) -> str:
    """The host of an address or endpoint; "" if there is none. Never raises."""
    found = re.match(r"https://([a-z0-9.-]+)", address)
    return found[1] if found else ""


def find_company(host: str) -> str | None:
    """Find the company that runs a relay; None if it is not known."""
    return next((company for end, company in RELAYS.items() if host == end or host.endswith(f".{end}")), None)


def find_operator_domain(host: str) -> str | None:
    """Find the domain whose endpoints share a limit; None for a relay of many browsers."""
    return None if find_company(host) else find_owner_domain(host)


def encode(data: bytes) -> str:
    """Base64url without padding (RFC 7515, 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _check_endpoint(endpoint: str) -> str:
    """Check the URL of a relay: https, a host with a name, and nothing that has a meaning in our own
    format.
    """
    host = host_of_endpoint(endpoint)
    if (
        len(endpoint) > LONGEST
        or not _ENDPOINT.fullmatch(endpoint)
        or "#" in endpoint
        or not _is_host(host)
        or not _is_port(endpoint)
    ):
        raise UsageError("the endpoint of a push subscription is an https address with a host name")
    return endpoint


def _is_host(host: str) -> bool:
    # a number would be an IP address, which no relay uses
    labels = host.split(".")
    return all(0 < len(each) <= 63 and not each.startswith("-") for each in labels) and not labels[
        -1
    ].startswith(tuple("0123456789"))


def _is_port(endpoint: str) -> bool:
    try:
        return urlsplit(endpoint).port != 0
    except ValueError:
        return False


def _check_point(text: str) -> bytes:
    point = _decode(text, _POINT_BYTES)
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except ValueError:
        raise UsageError("the key of a push subscription is not a point of P-256") from None
    return point


def _decode(text: str, length: int) -> bytes:
    """Decode base64url, with or without padding."""
    try:
        plain = text.rstrip("=").encode("ascii")
        data = base64.b64decode(plain + b"=" * (-len(plain) % 4), b"-_", validate=True)
    except (ValueError, binascii.Error):
        data = b""
    if len(data) != length:
        raise UsageError(f"a key of a push subscription has {length} bytes in base64url")
    return data
