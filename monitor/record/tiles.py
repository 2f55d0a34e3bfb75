"""Paths and contents of the tiles in which the log is served (https://c2sp.org/tlog-tiles). Pure.

A tile holds up to 256 hashes of one level of the tree; level n of the tiles is level 8 n of the tree. An
entry bundle contains the leaves themselves, under the same numbers. The path of a partial tile includes its
width, because it will grow.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

WIDTH = 256
HEIGHT = 8
"""Levels of the tree per level of tiles."""
LARGEST_INDEX = 2**53 - 1
_PATH = re.compile(
    r"tile/(entries|[0-9]|[1-5][0-9]|6[0-3])/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", re.ASCII
)


def format_tile_path(level: int | None, index: int, width: int = WIDTH) -> str:
    """The path of a tile, or with None of an entry bundle: ``tile/0/x001/x234/067`` or
    ``tile/entries/000.p/17``.
    """
    if not 1 <= width <= WIDTH or index < 0:
        raise ValueError(f"there is no tile {index} of width {width}")
    digits = str(index)
    digits = digits.zfill((len(digits) + 2) // 3 * 3)
    groups = [digits[start : start + 3] for start in range(0, len(digits), 3)]
    number = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
    partial = "" if width == WIDTH else f".p/{width}"
    return f"tile/{'entries' if level is None else level}/{number}{partial}"


def parse_tile_path(path: str) -> tuple[int | None, int, int]:
    """Parse level (None: entries), index and width of a path. Raises ValueError for a path that
    `format_tile_path` does not produce.
    """
    match = _PATH.fullmatch(path)
    if match is None:
        raise ValueError("this is not the path of a tile")
    level = None if match[1] == "entries" else int(match[1])
    index, width = int(match[2].replace("/", "").replace("x", "")), int(match[3] or WIDTH)
    if index > LARGEST_INDEX or width > WIDTH or format_tile_path(level, index, width) != path:
        raise ValueError("this is not the path of a tile")
    return level, index, width


def encode_entries(leaves: Iterable[bytes]) -> bytes:
    """An entry bundle: each leaf after its length in two bytes, big-endian."""
    return b"".join(len(leaf).to_bytes(2, "big") + leaf for leaf in leaves)


def decode_entries(bundle: bytes) -> tuple[bytes, ...]:
    """Decode the leaves of an entry bundle. Raises ValueError if it is truncated."""
    leaves, at = [], 0
    while at < len(bundle):
        end = at + 2 + int.from_bytes(bundle[at : at + 2], "big")
        if end > len(bundle) or at + 2 > len(bundle):
            raise ValueError("this entry bundle is cut")
        leaves.append(bundle[at + 2 : end])
        at = end
    return tuple(leaves)
