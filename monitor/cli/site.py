"""The command ``web``: the site alone."""

from __future__ import annotations

import signal
import sys
import threading

import click

from monitor.cli import Session, command


@command(short_help="Serve the site alone, beside a running service or without one.")
@click.option("--host", help="The address to listen on instead of that in [site] listen; 0.0.0.0 for all.")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="The port to listen on instead of that in [site] listen."
)
@click.option("--supervised", is_flag=True, hidden=True)
def web(session: Session, host: str | None, port: int | None, supervised: bool) -> None:
    """Serve only the site, until SIGTERM or Ctrl-C. `monitor run` serves it too, and also polls and sends.

    It answers only to the host name in [site] public_url and on this machine. Any number may run on one
    database.
    """
    from monitor import web as site
    from monitor.app import Components
    from monitor.cli import logs, supervisor
    from monitor.web import composition, server

    if supervised:
        logs.configure(session.debug, service=True)
        supervisor.end_with_supervisor()
    settings = session.settings
    configured = settings.site.listen_at
    at = server.open_socket(host or configured[0], configured[1] if port is None else port)
    # Without a public_url, links lead to where the site really listens.
    own = settings.site.model_copy(update={"listen": server.socket_address(at)})
    settings = settings.model_copy(update={"site": own})
    components = session.closing.enter_context(Components.open(settings))
    application = site.create(components)
    if composition.is_local(settings):
        click.echo("[site] public_url is not set: only this machine can use the site", err=True)
    # The first visitor need not wait for the placements; nothing is lost if the process ends before.
    threading.Thread(target=components.coverage.prime, name="placements", daemon=True).start()
    click.echo(f"the site: http://{own.listen}", err=True)
    # The server finishes open requests and then raises the signal again, for its earlier handler.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    server.create_server(application, trusted=settings.site.trusted_proxies).run(sockets=[at])
