"""The command ``web``: the site alone."""

from __future__ import annotations

import signal
import sys
import threading

import click

from monitor.cli import Session, command


@command(short_help="Serve the site alone, beside a running service or without one.")
@click.option("--host", help="The address to listen on, instead of that of [site] listen; 0.0.0.0 for all.")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="The port to listen on, instead of that of [site] listen."
)
def web(session: Session, host: str | None, port: int | None) -> None:
    """Serve the site alone, until SIGTERM or Ctrl-C: `monitor run` serves it as well, and polls and sends besides.

    It only answers to the host name of [site] public_url and on this machine. Any number of these may run on one database.
    """
    from monitor import app
    from monitor.web import assembly, joining

    settings = session.settings
    configured = settings.site.listen_at
    listening = assembly.listening(host or configured[0], configured[1] if port is None else port)
    # links of a site without a public_url lead to where it really listens
    own = settings.site.model_copy(update={"listen": assembly.address(listening)})
    settings = settings.model_copy(update={"site": own})
    engine = app.open_database(settings)
    site_app, site = joining.application(settings, engine, app.open_keys(settings, engine))
    if assembly.is_local(settings):
        click.echo("[site] public_url is not set: only this machine can use the site", err=True)
    # the first visitor need not wait for the placements; nothing is lost if the process ends before
    threading.Thread(target=site.coverage.prime, name="placements", daemon=True).start()
    click.echo(f"the site: http://{own.listen}", err=True)
    # the server finishes what is under way and then raises the signal again, for whoever had it before
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: sys.exit(0))
    assembly.server(site_app, trusted=settings.site.trusted_proxies).run(sockets=[listening])
