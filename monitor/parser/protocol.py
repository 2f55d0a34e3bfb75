"""The protocol between parent and child: frames of an eight-byte length (big-endian) and the content.

A request is two frames of bytes, JSON and what it is about; the answer is one frame of JSON:

- ``{"do": "parse", "options": ...}`` and a body: ``{"publication": ...}`` without its listings, and after it
  a line with an array of every `BATCH` of them
- ``{"do": "links", "options": ...}`` and a body: ``{"links": ...}``, the documents that belong to it
- ``{"do": "page", "url": ..., "content_type": ...}`` and a publisher's page: ``{"page": [link, ...]}``
- ``{"do": "propose"}`` and a body: ``{"proposal": ...}``
- ``{"do": "pair", "widespread": [...]}`` and two lists of listings as JSON: ``{"pairs": [[key, key], ...]}``

Any of them may be answered by ``{"refused": reason}`` for a `ParseError`, ``{"memory": true}`` or
``{"broken": where}``.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

LENGTH = struct.Struct(">Q")
BATCH = 500
OUT_OF_MEMORY = b'{"memory": true}'


def frame(content: bytes) -> bytes:
    """Put the length before the content."""
    return LENGTH.pack(len(content)) + content


def read_frame(stream: BinaryIO) -> bytes | None:
    """Read the next frame of a blocking stream; None at its end, even in the middle of a frame."""
    header = stream.read(LENGTH.size)
    if len(header) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(header)
    content = stream.read(length)
    return content if len(content) == length else None
