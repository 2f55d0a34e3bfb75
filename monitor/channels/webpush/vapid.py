"""VAPID (RFC 8292): identifies the sender by a signature for each relay. A browser binds its subscription to
the key, so that nobody else can send to it.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from monitor.channels.webpush.endpoint import encode

VALID = timedelta(hours=12)
"""How long a signature is valid; relays refuse more than 24 hours."""
_RENEWED = timedelta(hours=6)  # renewed this long before it expires, for relays with a wrong clock
_KEPT = 64  # signatures: one per relay
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256


class Vapid:
    """The key that signs push messages, from the secret of the key file. ``contact`` is the mailto: or https
    address that a relay's operator may write to.
    """

    def __init__(self, secret: bytes, contact: str) -> None:
        self._key = derive_key(secret)
        self.public_key = encode(public_point(self._key))
        self._contact = contact
        self._signed: OrderedDict[str, tuple[datetime, str]] = OrderedDict()

    def authorize(self, origin: str, now: datetime) -> str:
        """The Authorization header for a relay's origin, signed once every few hours."""
        known = self._signed.get(origin)
        if known is None or not _RENEWED <= known[0] - now <= VALID:
            known = self._signed[origin] = (now + VALID, self._sign(origin, now + VALID))
            self._signed.move_to_end(origin)
            if len(self._signed) > _KEPT:
                self._signed.popitem(last=False)
        return known[1]

    def _sign(self, origin: str, until: datetime) -> str:
        head = {"typ": "JWT", "alg": "ES256"}
        claims = {"aud": origin, "exp": int(until.timestamp()), "sub": self._contact}
        token = ".".join(encode(json.dumps(each, separators=(",", ":")).encode()) for each in (head, claims))
        r, s = decode_dss_signature(self._key.sign(token.encode(), ec.ECDSA(SHA256())))
        signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
        return f"vapid t={token}.{encode(signature)}, k={self.public_key}"


def derive_key(secret: bytes) -> ec.EllipticCurvePrivateKey:
    """Derive the P-256 private key from a secret of 32 bytes."""
    # 48 bytes, so that all scalars are practically equally likely (FIPS 186-5, A.2.1)
    wide = HKDF(algorithm=SHA256(), length=48, salt=None, info=b"map-monitor/vapid").derive(secret)
    return ec.derive_private_key(int.from_bytes(wide, "big") % (_ORDER - 1) + 1, ec.SECP256R1())


def public_point(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The public key as an uncompressed point of 65 bytes."""
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def format_server_key(secret: bytes) -> str:
    """The public key for a browser's ``applicationServerKey``, in base64url."""
    return encode(public_point(derive_key(secret)))
