"""Decompresses a body without ever holding more than allowed.

httpx's own decoder inflates a network chunk of 64 KiB at once, to as much as 64 MiB; here each step produces
at most ``STEP`` bytes, and the limits are checked after each step.
"""

from __future__ import annotations

import io
import re
import zlib

from monitor.net.exchange_errors import BadBody
from monitor.net.limits import MIB, SizeLimits, format_size

STEP = 65_536

# Below this size a high ratio is harmless, and the first packet of a legitimate list may be a long repetition
# of one style.
RATIO_FLOOR = MIB

GZIP, DEFLATE, IDENTITY = "gzip", "deflate", "identity"
_ALIASES = {"x-gzip": GZIP}
_NO_CODINGS = frozenset({IDENTITY, "none", "binary", "8bit", "ascii", "us-ascii", "utf-8", "utf8", "utf-16"})
"""Values that servers send as a content coding although they are none: a character set, or a word for no
coding.
"""
_CHARACTER_SETS = ("iso-8859-", "windows-125")
_ZIP, _END_OF_ZIP, _END_SIZE = b"PK\x03\x04", b"PK\x05\x06", 22  # bytes, and a comment (APPNOTE 4.3.16)
_END_TAG = re.compile(rb"</[\w:.-]+\s*>\s*\Z")


def read_coding(content_encoding: str) -> str:
    """Read the content coding of a Content-Encoding header; raises `BadBody` for one that was not
    requested.
    """
    named = [part for part in (raw.strip().lower() for raw in content_encoding.split(",")) if part]
    codings = [
        _ALIASES.get(part, part)
        for part in named
        if part not in _NO_CODINGS and not part.startswith(_CHARACTER_SETS)
    ]
    if not codings:
        return IDENTITY
    if len(codings) > 1:
        raise BadBody("answered with a body that is compressed more than once")
    if codings[0] not in (GZIP, DEFLATE):
        raise BadBody("answered with a compression that was not requested")
    return codings[0]


def proves_its_end(body: bytes) -> bool:
    """Whether truncation of this body would be noticed: a zip, a document of tags, JSON.

    The first two have an end marker; JSON is read by a strict parser.
    """
    if body.startswith(_ZIP):
        end = body[body.rfind(_END_OF_ZIP) :]
        return len(end) == _END_SIZE + int.from_bytes(end[_END_SIZE - 2 : _END_SIZE], "little")
    first, last = body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1], body[-200:]
    if first == b"<":
        return _END_TAG.search(last) is not None
    return first in (b"{", b"[") and last.rstrip()[-1:] in (b"}", b"]")


class BodyReader:
    """Collects one answer's body: `feed` what arrives, then `close`; both raise `BadBody`."""

    def __init__(self, coding: str, limits: SizeLimits) -> None:
        self._coding = coding
        self._limits = limits
        self._wire = 0
        self._chunks: list[bytes] = []  # only for gzip, which is kept as evidence
        self._decoded = io.BytesIO()  # its getvalue() does not copy
        self._stream: zlib._Decompress | None = None
        self._members = 0

    def feed(self, chunk: bytes) -> None:
        """Process the next received bytes."""
        self._wire += len(chunk)
        if self._wire > self._limits.wire:
            raise BadBody(f"answered more than {format_size(self._limits.wire)}")
        if self._coding == IDENTITY:
            self._keep(chunk)
        else:
            if self._coding == GZIP:
                self._chunks.append(chunk)
            self._inflate(chunk)

    def close(self) -> bytes:
        """Return the whole decoded body."""
        if self._wire and self._coding != IDENTITY and (self._stream or not self._members):
            raise BadBody("answered with a compressed body that breaks off")
        if not self._decoded.tell():
            raise BadBody("answered with an empty body")
        return self._decoded.getvalue()

    @property
    def wire(self) -> bytes | None:
        """Return the gzip form as received; None if the server did not send gzip."""
        return b"".join(self._chunks) if self._chunks else None

    def _inflate(self, pending: bytes) -> None:
        while True:
            if self._stream is None:
                pending = self._between_members(pending)
                if not pending:
                    return
                self._stream = zlib.decompressobj(self._window(pending[0]))
            try:
                piece = self._stream.decompress(pending, STEP)
            except zlib.error:
                raise BadBody(f"answered with a body that is not the {self._coding} it says it is") from None
            self._keep(piece)
            if self._stream.eof:
                pending, self._stream = self._stream.unused_data, None
                self._members += 1
            else:
                pending = self._stream.unconsumed_tail
                if not pending and len(piece) < STEP:  # a full step may leave output inside zlib
                    return

    def _between_members(self, pending: bytes) -> bytes:
        """Handle the bytes after a finished stream: more gzip members belong to the body, zero padding is
        skipped, anything else is an error.
        """
        if not self._members:
            return pending
        pending = pending.lstrip(b"\0")
        if pending and (self._coding != GZIP or pending[0] != 0x1F):
            raise BadBody("answered with a compressed body that has something else after its end")
        return pending

    def _window(self, first: int) -> int:
        """zlib's ``wbits``. "deflate" means zlib (RFC 9110, 8.4.1.2), but some servers send raw deflate.

        Raw deflate never starts with a byte whose low half is 8.
        """
        if self._coding == GZIP:
            return zlib.MAX_WBITS | 16
        return zlib.MAX_WBITS if first & 0x0F == 8 else -zlib.MAX_WBITS

    def _keep(self, piece: bytes) -> None:
        size = self._decoded.tell() + len(piece)
        if size > self._limits.decoded:
            raise BadBody(f"unpacks to more than {format_size(self._limits.decoded)}")
        if size > max(RATIO_FLOOR, self._limits.ratio * self._wire):
            raise BadBody(f"unpacks to more than {self._limits.ratio} times its size")
        self._decoded.write(piece)
