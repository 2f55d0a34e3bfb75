"""From `Settings` to the site: its parts, and the server that it runs in. Only entry points come here."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from urllib.parse import urlsplit

import uvicorn
from sqlalchemy.engine import Engine
from starlette.types import ASGIApp

from monitor import app
from monitor.config import LOOPBACK, Settings
from monitor.errors import UsageError
from monitor.outbox import clone_guard
from monitor.storage.lists.coverage import Coverage
from monitor.web.context import Site
from monitor.web.proxy import ProxyMiddleware

log = logging.getLogger(__name__)


def local_url(settings: Settings) -> str:
    """Where the site is while the operator has set no ``public_url``: on this machine only."""
    return f"http://127.0.0.1:{settings.site.listen_at[1]}"


def site(settings: Settings, engine: Engine, clock: Callable[[], datetime] = app.now) -> Site:
    """The parts of the site on an open database."""
    gazetteer = app.gazetteer(settings)
    own = settings.site
    return Site(
        engine=engine,
        sources=settings.watched_infos,
        gazetteer=gazetteer,
        coverage=Coverage(
            engine, settings.watched, lambda source, listing: gazetteer.locate(listing, source=source)
        ),
        clock=clock,
        public_url=own.public_url or local_url(settings),
        name=own.name,
        contact=own.contact,
        timezone=own.timezone,
        next_step={"en": own.next_step, "es": own.next_step_es},
        backups_kept=own.backups_kept,
        configured=app.configured_channels(settings),
        bot=app.has_bot(settings),
        fenced=lambda: clone_guard.check(engine, settings.data.folder).reason,
    )


def server(site_app: ASGIApp, *, trusted: Iterable[str] = LOOPBACK) -> uvicorn.Server:
    """A server for ``run(sockets=[listening(...)])``. No access log: it would hold addresses with tokens, and who read what.

    The address of a visitor is taken from a proxy's header only when the proxy is in one of the ``trusted``
    networks.
    """
    return uvicorn.Server(
        uvicorn.Config(
            ProxyMiddleware(site_app, trusted),
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,  # `ProxyMiddleware` reads them
            timeout_graceful_shutdown=10,
            lifespan="on",
        )
    )


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 is any free one. Raises UsageError with the way out."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        # the library's own words repeat the address
        why = (
            os.strerror(error.errno)
            if error.errno and not isinstance(error, socket.gaierror)
            else error.strerror
        )
        raise UsageError(
            f"the site cannot listen on {host}:{port} ({why}): set another [site] listen, or --no-web for "
            "`monitor run`"
        ) from None


def address(at: socket.socket) -> str:
    """Where a socket listens, as ``[site] listen`` writes it."""
    host, port = at.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@contextmanager
def served(site_app: ASGIApp, at: socket.socket, trusted: Iterable[str] = LOOPBACK) -> Iterator[None]:
    """The site in a thread of its own, so that neither mail nor polls make a reader wait; closes the socket at the end."""
    running = server(site_app, trusted=trusted)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [at]}, name="site")
    thread.start()
    log.info("the site: http://%s", address(at))
    try:
        yield
    finally:
        running.should_exit = True
        thread.join()
        at.close()


def is_local(settings: Settings) -> bool:
    """Whether only this machine can use the site, because no other host name is known."""
    return urlsplit(settings.site.public_url or local_url(settings)).hostname in {
        "127.0.0.1",
        "localhost",
        "::1",
    }
