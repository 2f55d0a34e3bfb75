"""The protocol between parent and child: frames of an eight-byte length (big-endian) and the content.

A request is two frames: JSON ``{"do": "link", "options": ...}`` or ``{"do": "parse", "options": ...}`` and
the body, or JSON ``{"do": "pair", "widespread": [...]}`` and the two lists of listings as JSON. An answer is
one frame of JSON: ``{"link": ...}``, ``{"publication": ...}`` without its listings and after it a line with
an array of every `BATCH` of them, ``{"pairs": [[key, key], ...]}``, or
``{"refused": reason}`` for a `ParseError`, ``{"memory": true}``, ``{"broken": where}``.
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
