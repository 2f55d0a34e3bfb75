"""Size limits of one answer."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 2**20


@dataclass(frozen=True, slots=True)
class SizeLimits:
    """Bytes on the ``wire``, bytes ``decoded``, and decoded bytes per byte on the wire."""

    wire: int = 16 * MIB
    decoded: int = 64 * MIB
    ratio: int = 100


def format_size(size: int) -> str:
    """A number of bytes for a person: "16 MiB", "1000 bytes"."""
    return f"{size / MIB:g} MiB" if size >= MIB else f"{size} bytes"
