"""The log of the record for other programs, as specified by https://c2sp.org/tlog-tiles: its checkpoint, its
key, its tiles; and proofs that join two of its states.

Any site may read it. It contains nothing about subscribers.
"""

from __future__ import annotations

import base64

from starlette.requests import Request
from starlette.responses import Response

from monitor.record.log import read_nodes, read_tile
from monitor.record.tiles import WIDTH, parse_tile_path
from monitor.record.tree import prove_consistency
from monitor.storage.engine import reading
from monitor.storage.lists import log_rows
from monitor.web.pages import site_of
from monitor.web.routing import Router, get

router = Router()

_FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}


@get(router, "/log/checkpoint")
def checkpoint(request: Request) -> Response:
    """Answer with the latest signed state of the record."""
    with reading(site_of(request).engine) as conn:
        note = log_rows.load_checkpoint(conn)
    return _missing() if note is None else _text(note)


@get(router, "/log/key")
def key(request: Request) -> Response:
    """Answer with the public key that signs the record."""
    with reading(site_of(request).engine) as conn:
        verifier = log_rows.load_head(conn).key
    return _missing() if verifier is None else _text(f"{verifier}\n")


@get(router, "/log/tile/{path:path}")
def tile(request: Request, path: str) -> Response:
    """Answer with a tile of hashes, or with a bundle of entries."""
    try:
        level, index, width = parse_tile_path(f"tile/{path}")
    except ValueError:
        return _missing()
    with reading(site_of(request).engine) as conn:
        content = read_tile(conn, level, index, width)
    if content is None:
        return _missing()
    kept = _FOREVER if width == WIDTH else {}
    return Response(content, media_type="application/octet-stream", headers=kept)


@get(router, "/log/consistency/{first:int}/{size:int}")
def consistency(request: Request, first: int, size: int) -> Response:
    """Answer with the proof that the record of ``size`` entries begins with that of ``first`` (RFC 9162,
    2.1.4): hashes in base64, one in a line. `verify.py` takes it as --proof.
    """
    with reading(site_of(request).engine) as conn:
        if not 0 < first <= size <= log_rows.load_head(conn).size:
            return _missing()
        proof = prove_consistency(first, size, read_nodes(conn))
    return _text("".join(f"{base64.b64encode(step).decode()}\n" for step in proof))


def _text(content: str) -> Response:
    return Response(content, media_type="text/plain; charset=utf-8")


def _missing() -> Response:
    return Response("not in the record\n", 404, media_type="text/plain; charset=utf-8")
