"""The HTTP server that the site runs in."""

from __future__ import annotations

import gc
import logging
import os
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from monitor.config import LOOPBACK
from monitor.errors import UsageError
from monitor.web.connections import LimitedConnection, accept_queue
from monitor.web.proxy import ProxyMiddleware

log = logging.getLogger(__name__)

COLLECTOR = (20_000, 20, 50)
"""Thresholds of the garbage collector in a process that serves the site."""


def set_collector() -> None:
    """Set the garbage collector's thresholds of this process to `COLLECTOR`.

    With the defaults (700, 10, 10), a full collection traverses all places and cached pages every ten seconds
    under load, for 0.2 s in which no request is answered: p99 was 50 times the median, and is 5 times with
    these. The garbage of a request is freed by collections of the younger generations.
    """
    gc.set_threshold(*COLLECTOR)


def create_server(app: ASGIApp, *, trusted: Iterable[str] = LOOPBACK) -> uvicorn.Server:
    """Create a server for ``run(sockets=[open_socket(...)])``.

    It writes no access log, which would contain tokens and show who read what. A visitor's address is taken
    from a proxy's header only if the proxy is in one of the ``trusted`` networks.
    """
    return uvicorn.Server(
        uvicorn.Config(
            ProxyMiddleware(app, trusted),
            http=LimitedConnection,
            ws="none",
            backlog=accept_queue(),
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,  # `ProxyMiddleware` reads them
            timeout_graceful_shutdown=10,
            lifespan="on",
        )
    )


def open_socket(host: str, port: int) -> socket.socket:
    """Open a listening socket; port 0 is any free one. Raises UsageError that says what to change.

    Its protocol is given explicitly, because only then does asyncio disable Nagle's algorithm, with which
    each response on a kept connection would wait 40 ms for the acknowledgment of its headers.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.create_server((host, port), family=family) as opened:
            return socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, opened.detach())
    except OSError as error:
        # The library's message repeats the address.
        why = (
            os.strerror(error.errno)
            if error.errno and not isinstance(error, socket.gaierror)
            else error.strerror
        )
        raise UsageError(
            f"the site cannot listen on {host}:{port} ({why}): set another [site] listen, or --no-web for "
            "`monitor run`"
        ) from None


def socket_address(at: socket.socket) -> str:
    """The address of a socket, as ``[site] listen`` writes it."""
    host, port = at.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@contextmanager
def serve_in_thread(app: ASGIApp, at: socket.socket, trusted: Iterable[str] = LOOPBACK) -> Iterator[None]:
    """Serve the site in a thread of its own until the end of the block, then close the socket."""
    running = create_server(app, trusted=trusted)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [at]}, name="site")
    thread.start()
    log.info("the site: http://%s", socket_address(at))
    try:
        yield
    finally:
        running.should_exit = True
        thread.join()
        at.close()
