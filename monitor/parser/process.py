"""The parent's side: starts children when needed, sends requests, enforces limits, and ends children."""

from __future__ import annotations

import json
import logging
import math
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec

from monitor.domain import Listing, Publication
from monitor.errors import ParseError
from monitor.parser.limits import MIB, ParserLimits
from monitor.parser.protocol import LENGTH, OUT_OF_MEMORY, frame
from monitor.sources import Links, ParseOptions
from monitor.sources.format import Proposal
from monitor.sources.page_links import PageLink

log = logging.getLogger(__name__)

CHILDREN = 2
"""The number of bodies that are parsed at once, so that a hostile list cannot delay all others."""
IDLE = timedelta(minutes=1)
"""A child that is idle for this long is ended: most polls find nothing new, and a child uses 60 MB."""

_T = TypeVar("_T")
_CHILD = Path(__file__).with_name("child.py")
_PIECE = 1 << 16  # bytes, the capacity of a pipe


class ParserProcess:
    """A parser in child processes. Thread-safe; a context manager that ends the children.

    ``script`` is the child's script. ``idle`` is how long a child waits for another request before it is
    ended.
    """

    def __init__(
        self,
        limits: ParserLimits | None = None,
        *,
        children: int = CHILDREN,
        idle: timedelta = IDLE,
        script: Path = _CHILD,
    ) -> None:
        self._limits = limits or ParserLimits()
        self._idle, self._script = idle, script
        self._free = threading.Semaphore(children)
        self._lock = threading.Lock()
        self._waiting: list[_Child] = []
        self._reaper: threading.Timer | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the idle children."""
        with self._lock:
            children, self._waiting = self._waiting, []
            if self._reaper is not None:
                self._reaper.cancel()
                self._reaper = None
        for child in children:
            child.end()

    def find_links(self, body: bytes, options: ParseOptions) -> Links:
        """Find the linked documents that belong to the publication of a body. Raises ParseError."""
        request = {"do": "links", "options": options}
        return _validated(Links, _content(self._ask(request, body), b'{"links":'))

    def read_links(self, page: bytes, url: str, content_type: str) -> tuple[PageLink, ...]:
        """Read the links of a publisher's page; see `page_links.read_links`. Raises ParseError."""
        request = {"do": "page", "url": url, "content_type": content_type}
        return _validated(tuple[PageLink, ...], _content(self._ask(request, page), b'{"page":'))

    def propose(self, body: bytes) -> Proposal:
        """Propose how a body is read; see `sources.proposals`. Raises ParseError."""
        return _validated(Proposal, _content(self._ask({"do": "propose"}, body), b'{"proposal":'))

    def parse(self, body: bytes, options: ParseOptions) -> Publication:
        """Parse a body in a child. Raises ParseError, also when the child breaks a limit or dies."""
        answer = self._ask({"do": "parse", "options": options}, body)
        head, *batches = answer.split(b"\n")
        publication = _validated(Publication, _content(head, b'{"publication":'))
        # in small steps: one step for 150,000 listings would block all other threads for seconds
        listings = [listing for batch in batches for listing in _validated(list[Listing], batch)]
        publication = replace(publication, listings=tuple(listings))
        keys = {listing.key for listing in publication.listings}
        if len(keys) != len(publication.listings) or "" in keys or not keys:
            raise ParseError("the parser gave an answer that is not valid")
        return publication

    def pair(
        self,
        removed: Iterable[Listing],
        added: Iterable[Listing],
        *,
        widespread: frozenset[str] = frozenset(),
    ) -> list[tuple[Listing, Listing]]:
        """Pair listings in a child, as `renames.pair` does. Raises ParseError."""
        gone, come = list(removed), list(added)
        request = {"do": "pair", "widespread": sorted(widespread)}
        answer = _content(self._ask(request, msgspec.json.encode((gone, come))), b'{"pairs":')
        keys = _validated(list[tuple[str, str]], answer)
        before, after = {listing.key: listing for listing in gone}, {listing.key: listing for listing in come}
        try:
            pairs = [(before.pop(was), after.pop(now)) for was, now in keys]
        except KeyError:
            raise ParseError("the parser answered with a listing that it was not given") from None
        return pairs

    def _ask(self, request: dict[str, Any], content: bytes) -> bytes:
        with self._child() as child:
            answer = child.ask(msgspec.json.encode(request), content)
            if answer == OUT_OF_MEMORY:
                child.is_whole = False  # a child that failed is not reused
            return answer

    @contextmanager
    def _child(self) -> Iterator[_Child]:
        """Provide a child for one request; it is kept for the next one if it is still usable."""
        with self._free:
            with self._lock:
                child = self._waiting.pop() if self._waiting else None
            if child is None or not child.is_alive():
                child = _Child(self._script, self._limits)
            try:
                yield child
            except BaseException:
                child.end()
                raise
            if child.is_whole:
                with self._lock:
                    self._waiting.append(child)
                    self._end_idle_later()
            else:
                child.end()

    def _end_idle_later(self) -> None:
        if self._reaper is not None:
            self._reaper.cancel()
        self._reaper = threading.Timer(self._idle.total_seconds(), self.close)
        self._reaper.daemon = True
        self._reaper.start()


class _Child:
    """One child process. ``is_whole`` says that it answered and can be reused."""

    def __init__(self, script: Path, limits: ParserLimits) -> None:
        self._limits = limits
        self.is_whole = True
        arguments = [str(limits.memory), str(math.ceil(limits.processor.total_seconds()))]
        try:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter and a file of the package
                [sys.executable, "-I", str(script), *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={"LANG": "C.UTF-8", "MALLOC_ARENA_MAX": "1"},
                cwd="/",
                start_new_session=True,  # Ctrl-C in the terminal must reach only the parent
            )
        except OSError as error:
            raise ParseError(f"the parser could not be started: {error.strerror}") from None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in, self._out = self._process.stdin, self._process.stdout
        os.set_blocking(self._in.fileno(), False)
        os.set_blocking(self._out.fileno(), False)

    def is_alive(self) -> bool:
        """Whether it still runs; cleans up if it does not."""
        if self._process.poll() is None:
            return True
        self.end()
        return False

    def ask(self, header: bytes, content: bytes) -> bytes:
        """Send a request and wait for the answer.

        Raises ParseError if a limit is exceeded or the child dies.
        """
        deadline = time.monotonic() + self._limits.wall.total_seconds()
        self.is_whole = False
        pending = [memoryview(frame(header)), memoryview(LENGTH.pack(len(content))), memoryview(content)]
        got = bytearray()
        needed: int | None = None
        with selectors.DefaultSelector() as selector:
            selector.register(self._in, selectors.EVENT_WRITE)
            selector.register(self._out, selectors.EVENT_READ)
            while needed is None or len(got) < needed:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise ParseError(f"the parser took longer than {_seconds(self._limits.wall)}")
                for key, _ in selector.select(left):
                    if key.fileobj is self._in:
                        if not self._write(pending):
                            selector.unregister(self._in)
                    elif not self._read(got):
                        raise ParseError(self._reason())
                    elif needed is None and len(got) >= LENGTH.size:
                        needed = LENGTH.size + LENGTH.unpack(got[: LENGTH.size])[0]
                        if needed > self._limits.answer:
                            raise ParseError(
                                f"the publication is larger than {self._limits.answer // MIB} MiB when parsed"
                            )
        self.is_whole = len(got) == needed and not pending
        return bytes(got[LENGTH.size :])

    def _write(self, pending: list[memoryview]) -> bool:
        """Write what fits into the pipe; False if everything is written or the child no longer reads."""
        try:
            sent = os.write(self._in.fileno(), pending[0][:_PIECE])
        except BlockingIOError:
            return True
        except BrokenPipeError:
            return False
        pending[0] = pending[0][sent:]
        while pending and not pending[0]:
            del pending[0]
        return bool(pending)

    def _read(self, got: bytearray) -> bool:
        """Read the available bytes; False at the end of the stream."""
        try:
            piece = os.read(self._out.fileno(), _PIECE)
        except BlockingIOError:
            return True
        got += piece
        return bool(piece)

    def _reason(self) -> str:
        """Describe why the child is gone."""
        code = self._process.wait()
        if code == -signal.SIGXCPU:
            return f"the parser used more than {_seconds(self._limits.processor)} of processor time"
        if code < 0:
            name = signal.Signals(-code).name
            return f"the parser was ended by {name}; its limit of memory is {self._limits.memory // MIB} MiB"
        return f"the parser ended by itself (exit code {code})"

    def end(self) -> None:
        """Kill it, if it still runs, and release its resources."""
        if self._process.poll() is None:
            self._process.kill()
        for stream in (self._in, self._out):
            with suppress(OSError):
                stream.close()
        self._process.wait()


def _content(answer: bytes, start: bytes) -> bytes:
    """Read the value of an answer's only key. Raises ParseError for any other answer."""
    if answer.startswith(start) and answer.endswith(b"}"):
        return answer[len(start) : -1]
    try:
        other = json.loads(answer)
        match other:
            case {"refused": str(reason)}:
                raise ParseError(reason)
            case {"memory": True}:
                raise ParseError("the parser needed more memory than it may use: [fetch] parser_memory")
            case {"broken": str(where)}:
                log.error("the parser failed: %s", where)
                raise ParseError(f"the parser failed ({where}); please report it with this file")
    except (ValueError, RecursionError):
        pass
    raise ParseError("the parser gave an answer that cannot be read")


def _validated(kind: type[_T], content: bytes) -> _T:
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ParseError("the parser gave an answer that is not valid") from None


def _seconds(duration: timedelta) -> str:
    return f"{duration.total_seconds():g} s"
