"""Caches public pages:

each is rendered once for everybody who requests it within the same minute. A page depends on the record and
the time. So its cache key is the request (path, page number, language), the minute, and the state of the
record: the size of its log, to which each poll, change and decision appends an entry, and how many changesets
are not placed yet. A page is at most a minute old, and a new poll is visible at once. Many visitors who
request the same page wait for one rendering, and different pages wait for their turn. A cached page is
complete, compressed once, and has a strong ETag of its bytes. Nothing about a person is cached: pages with a
token in their URL are not in `KEPT`, and a response that sets a cookie or says no-store is passed on.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl

from anyio import to_thread
from sqlalchemy import Engine
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from monitor.storage.engine import Commits, reading, sqlite_path
from monitor.storage.lists import page_queries
from monitor.web.pages import language_of

KEPT = re.compile(
    r"/(?:(?:zip|county|town|radius|state|agency|changes|map|embed|numbers)/(?!.*/feed\.(?:atom|json)$|values\.json$).*|changes|map|numbers|about|privacy)?"
)
"""Paths of pages that are the same for everybody. Feeds are not among them: they contain the head of the
record, which changes by itself.
"""
LARGEST = 32 * 1024 * 1024
"""The most bytes of cached pages, with their compressed forms; the least recently used one is evicted
first.
"""
AT_ONCE = 2
"""The number of pages that are rendered at the same time. Rendering is CPU-bound: more at once would delay
each of them, and a visitor who disconnects while waiting costs nothing.
"""
_QUERY = frozenset({"page", "before", "list", "kind", "at", "to"})
_SMALLEST_COMPRESSED = 600  # bytes; below this, compression costs more than it saves
# bytes; compressing more takes over half a millisecond, and a switch of threads a third of that
_COMPRESSED_HERE = 100_000
_LEVEL = 1  # compression level; 4 takes up to three times as long and makes these pages 7 % smaller
_OF_THE_READER = (b"if-none-match", b"accept-encoding")  # headers that affect the response, not the page
PageKey = tuple[str, str, str, datetime, tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class KeptPage:
    """A complete response with status 200. ``compressed``: its gzip form, None if that is not smaller."""

    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    compressed: bytes | None
    etag: str

    @property
    def size(self) -> int:
        return len(self.body) + len(self.compressed or b"")


class RecordState:
    """Reads the state of the record that pages depend on, with one pragma while nobody has written
    (SQLite).
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._commits: Commits | None = None
        self._number: int | None = None
        self._state: tuple[object, ...] = ()

    async def read(self) -> tuple[object, ...]:
        """Read the state by `page_queries.load_record_state`. Call it in one event loop only."""
        if sqlite_path(self._engine) is None:
            return await to_thread.run_sync(self._query)
        if self._commits is None:
            self._commits = Commits(self._engine)
        number = self._commits.number()
        if number != self._number:
            self._state = await to_thread.run_sync(self._query)
            self._number = number
        return self._state

    def _query(self) -> tuple[object, ...]:
        with reading(self._engine) as conn:
            return page_queries.load_record_state(conn)

    def close(self) -> None:
        """Return the connection."""
        if self._commits is not None:
            self._commits.close()
            self._commits = None


class PageCache:
    """ASGI middleware around the site's application. ``largest`` limits the cached bytes."""

    def __init__(
        self, app: ASGIApp, state: RecordState, clock: Callable[[], datetime], *, largest: int = LARGEST
    ) -> None:
        self._app, self._state, self._clock, self._largest = app, state, clock, largest
        self._pages: OrderedDict[PageKey, KeptPage] = OrderedDict()
        self._size = 0
        self._making: dict[PageKey, asyncio.Lock] = {}
        self._room = asyncio.Semaphore(AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            self._state.close()
            return
        key = await self._key(scope) if _may_be_kept(scope) else None
        if key is None:
            await self._app(scope, receive, send)
            return
        page = self._find(key)
        if page is None:
            lock = self._making.setdefault(key, asyncio.Lock())
            try:
                async with lock, self._room:
                    page = self._find(key)
                    if page is None:
                        if await _is_gone(receive):
                            return
                        page = await self._make(scope, key, send)
            finally:
                if not lock.locked():
                    self._making.pop(key, None)
        if page is not None:
            await _answer(page, scope, send)

    async def _key(self, scope: Scope) -> PageKey | None:
        try:
            state = await self._state.read()
        except Exception:  # the page itself meets the same error and handles it
            return None
        minute = self._clock().replace(second=0, microsecond=0)
        return (
            scope["path"],
            scope["query_string"].decode("latin-1"),
            language_of(Request(scope)),
            minute,
            state,
        )

    def _find(self, key: PageKey) -> KeptPage | None:
        page = self._pages.get(key)
        if page is not None:
            self._pages.move_to_end(key)
        return page

    async def _make(self, scope: Scope, key: PageKey, send: Send) -> KeptPage | None:
        """Let the application render the page. None: it was passed on, because it must not be cached."""
        start: Message = {}
        parts: list[bytes] = []
        inner = dict(scope) | {
            "method": "GET",
            "headers": [pair for pair in scope["headers"] if pair[0] not in _OF_THE_READER],
        }

        async def collect(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            elif message["type"] == "http.response.body":
                parts.append(message.get("body", b""))

        async def nothing_comes() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def pass_on(body: bytes) -> None:
            await send(start)
            await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

        try:
            await self._app(inner, nothing_comes, collect)
        except Exception:
            # the application has sent an error page, and raises so that the server logs the reason
            if start:
                await pass_on(b"".join(parts))
            raise
        body = b"".join(parts)
        headers = Headers(raw=start["headers"])
        if (
            start["status"] != 200
            or "set-cookie" in headers
            or "no-store" in headers.get("cache-control", "")
        ):
            await pass_on(body)
            return None
        page = (
            _keep(headers, body)
            if len(body) <= _COMPRESSED_HERE
            else await to_thread.run_sync(_keep, headers, body)
        )
        self._add(key, page)
        return page

    def _add(self, key: PageKey, page: KeptPage) -> None:
        if page.size > self._largest:
            return
        self._pages[key] = page
        self._size += page.size
        while self._size > self._largest:
            _, oldest = self._pages.popitem(last=False)
            self._size -= oldest.size


def _may_be_kept(scope: Scope) -> bool:
    if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD") or not KEPT.fullmatch(scope["path"]):
        return False
    query = scope["query_string"].decode("latin-1")
    return not query or (
        len(query) < 100 and all(name in _QUERY for name, _ in parse_qsl(query, keep_blank_values=True))
    )


async def _is_gone(receive: Receive) -> bool:
    """Whether the visitor has disconnected while waiting; then nothing is rendered."""
    await receive()  # the request itself, which has no body
    waiting = asyncio.ensure_future(receive())
    await asyncio.sleep(0)
    if not waiting.done():
        waiting.cancel()
        return False
    return bool(waiting.result()["type"] == "http.disconnect")


def _keep(headers: Headers, body: bytes) -> KeptPage:
    compressed = gzip.compress(body, _LEVEL, mtime=0) if len(body) >= _SMALLEST_COMPRESSED else body
    left_out = {"content-length", "etag", "vary"}
    vary = [name.strip() for name in headers.get("vary", "").split(",") if name.strip()]
    kept = [(name, value) for name, value in headers.raw if name.decode("latin-1").lower() not in left_out]
    kept.append((b"vary", ", ".join(dict.fromkeys([*vary, "Accept-Encoding"])).encode("latin-1")))
    etag = headers.get("etag") or f'"{hashlib.sha256(body).hexdigest()[:20]}"'
    return KeptPage(tuple(kept), body, compressed if len(compressed) < len(body) else None, etag)


async def _answer(page: KeptPage, scope: Scope, send: Send) -> None:
    headers = Headers(scope=scope)
    takes_gzip = page.compressed is not None and _takes_gzip(headers.get("accept-encoding", ""))
    etag = f'{page.etag[:-1]}-gz"' if takes_gzip else page.etag
    start: Message = {"type": "http.response.start", "status": 200, "headers": list(page.headers)}
    answer = MutableHeaders(raw=start["headers"])
    answer["etag"] = etag
    known = {tag.strip().removeprefix("W/") for tag in headers.get("if-none-match", "").split(",")}
    body = page.compressed if takes_gzip and page.compressed is not None else page.body
    if etag in known or "*" in known:
        start["status"], body = 304, b""
        del answer["content-type"]
    else:
        answer["content-length"] = str(len(body))
        if takes_gzip:
            answer["content-encoding"] = "gzip"
    await send(start)
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


def _takes_gzip(header: str) -> bool:
    """Whether a client accepts gzip (RFC 9110, 12.5.3)."""
    for part in header.lower().split(","):
        coding, _, weight = part.strip().partition(";")
        if coding.strip() in ("gzip", "*"):
            return re.fullmatch(r"\s*q=0(\.0*)?\s*", weight) is None
    return False
