"""From `Settings` to the site: its parts, and the server that it runs in. Only entry points come here."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from urllib.parse import urlsplit

import uvicorn
from sqlalchemy.engine import Engine
from starlette.types import ASGIApp

from monitor import wiring
from monitor.config import LOOPBACK, Settings
from monitor.coverage import Coverage
from monitor.dispatch import fence
from monitor.errors import UsageError
from monitor.web.parts import Site, Watched
from monitor.web.proxied import Proxied

log = logging.getLogger(__name__)

PORT = 8000
LOCAL_URL = f"http://127.0.0.1:{PORT}"
"""Where the site is while the operator has set no ``public_url``: on this machine only."""


def site(settings: Settings, engine: Engine, clock: Callable[[], datetime] = wiring.now) -> Site:
    """The parts of the site on an open database."""
    gazetteer = wiring.gazetteer(settings)
    own = settings.site
    return Site(
        engine=engine,
        sources={
            name: Watched(
                name=name,
                title=source.title,
                title_es=source.title_es,
                publisher=source.publisher,
                official_url=source.official,
                every=source.every,
                meanings=source.meanings(),
            )
            for name, source in settings.watched.items()
        },
        gazetteer=gazetteer,
        coverage=Coverage(
            engine, settings.watched, lambda source, listing: gazetteer.locate(listing, source=source)
        ),
        clock=clock,
        public_url=own.public_url or LOCAL_URL,
        name=own.name,
        contact=own.contact,
        timezone=own.timezone,
        next_step={"en": own.next_step, "es": own.next_step_es},
        backups_kept=own.backups_kept,
        configured=wiring.configured_channels(settings),
        bot=wiring.has_bot(settings),
        fenced=lambda: fence.check(engine, settings.data.folder).reason,
    )


def server(app: ASGIApp, *, host: str, port: int, trusted: Iterable[str] = LOOPBACK) -> uvicorn.Server:
    """A server for ``run()``, or ``serve()`` within a running loop. No access log: it would hold addresses with tokens, and who read what.

    The address of a visitor is taken from a proxy's header only when the proxy is in one of the ``trusted`` networks.
    """
    return uvicorn.Server(
        uvicorn.Config(
            Proxied(app, trusted),
            host=host,
            port=port,
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,  # `Proxied` reads them
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
        raise UsageError(
            f"the site cannot listen on {host}:{port} ({error.strerror}): set [site] listen, or use --no-web"
        ) from None


@contextmanager
def served(app: ASGIApp, at: socket.socket, trusted: Iterable[str] = LOOPBACK) -> Iterator[None]:
    """The site in a thread of its own, so that neither mail nor polls make a reader wait; closes the socket at the end."""
    host, port = at.getsockname()[:2]
    running = server(app, host=host, port=port, trusted=trusted)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [at]}, name="site")
    thread.start()
    log.info("the site: http://%s:%d", host, port)
    try:
        yield
    finally:
        running.should_exit = True
        thread.join()
        at.close()


def is_local(settings: Settings) -> bool:
    """Whether only this machine can use the site, because no other host name is known."""
    return urlsplit(settings.site.public_url or LOCAL_URL).hostname in {"127.0.0.1", "localhost", "::1"}
