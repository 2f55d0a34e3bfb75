"""Encryption of push messages (RFC 8291) in the content coding aes128gcm (RFC 8188): only the browser that
subscribed can read them, its relay cannot.
"""

from __future__ import annotations

import secrets

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

RECORD_SIZE = 4096
"""The size of the single record, which every relay accepts (RFC 8291, 4)."""
BLOCK = 1024
"""Plaintexts are padded to multiples of this many bytes, so that a relay does not learn their length."""
LARGEST_PLAINTEXT = 3 * BLOCK
_LAST_RECORD = b"\x02"  # the delimiter before the padding (RFC 8188, 2)


def encrypt(
    plaintext: bytes,
    p256dh: bytes,
    auth: bytes,
    *,
    own: ec.EllipticCurvePrivateKey | None = None,
    salt: bytes | None = None,
    block: int = BLOCK,
) -> bytes:
    """Encrypt for the browser with this public key and secret; returns the body of the request.

    ``own`` and ``salt`` (16 bytes) are generated for each message if not given. ``block`` 1: no
    padding. Raises ValueError for a plaintext above `LARGEST_PLAINTEXT`.
    """
    if len(plaintext) > LARGEST_PLAINTEXT:
        raise ValueError("a push message is too long")
    own = own or ec.generate_private_key(ec.SECP256R1())
    salt = secrets.token_bytes(16) if salt is None else salt
    browser = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), p256dh)
    point = own.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    secret = _derive(own.exchange(ec.ECDH(), browser), auth, b"WebPush: info\0" + p256dh + point, 32)
    key = _derive(secret, salt, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _derive(secret, salt, b"Content-Encoding: nonce\0", 12)
    padded = plaintext + _LAST_RECORD + bytes(-len(plaintext) % block)
    header = salt + RECORD_SIZE.to_bytes(4, "big") + bytes([len(point)]) + point
    return header + AESGCM(key).encrypt(nonce, padded, None)


def _derive(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=salt, info=info).derive(secret)
