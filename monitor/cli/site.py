"""The site alone: the command ``web``, and ``grant`` for its role on PostgreSQL."""

from __future__ import annotations

import secrets
import sys
import threading

import click

from monitor.cli import Session, command


@command(short_help="Serve the site alone, beside a running service or without one.")
@click.option("--host", help="The address to listen on, overriding [site] listen; 0.0.0.0 for all.")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="The port to listen on, overriding [site] listen."
)
@click.option("--supervised", is_flag=True, hidden=True)
def web(session: Session, host: str | None, port: int | None, supervised: bool) -> None:
    """Serve only the site, until SIGTERM or Ctrl-C. `monitor run` serves it too, and also polls and sends.

    It answers only to the host name in [site] public_url and on this machine. Any number of them may run on
    one database. With [database] web_url it opens the database under a role that cannot read addresses, and
    waits while another process migrates it.
    """
    from monitor import web as site
    from monitor.app import Components
    from monitor.cli import logs, memory, stopping, supervisor
    from monitor.web import composition, server

    if supervised:
        logs.configure(session.debug, service=True, form=session.settings.log.format)
        supervisor.end_with_supervisor()
    memory.share_arena()
    settings = session.settings
    configured = settings.site.listen_at
    at = server.open_socket(host or configured[0], configured[1] if port is None else port)
    # Without a public_url, links lead to the address on which the site listens.
    own = settings.site.model_copy(update={"listen": server.socket_address(at)})
    settings = settings.model_copy(update={"site": own})
    components = session.closing.enter_context(Components.open_for_site(settings))
    application = site.create(components)
    if composition.is_local(settings):
        click.echo("[site] public_url names no other machine: only this one can use the site", err=True)
    # Preloaded so that the first visitor need not wait for the placements; nothing is lost if the process
    # ends before.
    threading.Thread(target=components.coverage.prime, name="placements", daemon=True).start()
    click.echo(f"the site: http://{own.listen}", err=True)
    # The server finishes open requests and then raises the signal again, for its earlier handler.
    stopping.install_handlers(lambda *_: sys.exit(0))
    server.set_collector()
    supervisor.note_started()
    server.create_server(application, trusted=settings.site.trusted_proxies).run(sockets=[at])


_PLACEHOLDER = "PASSWORD"  # in the line that `grant --sql` prints


@command(short_help="On PostgreSQL: create the site's role, which cannot read addresses.")
@click.argument("role", default="monitor_web")
@click.option("--sql", "as_sql", is_flag=True, help="Print the statements instead of running them.")
def grant(session: Session, role: str, as_sql: bool) -> None:
    """Grant ROLE the site's privileges on the PostgreSQL database: it reads everything except addresses and
    what people typed, and writes what forms change. If the role does not exist, it is created with a password
    of its own, and the line for [database] web_url is printed.

    Run it under [database] url, whose role must own the tables and be allowed to create roles; otherwise let
    an administrator run the output of --sql and set a password. Migrations renew the privileges, and
    `monitor doctor` checks them.
    """
    from monitor.errors import StoreError, UsageError
    from monitor.storage import grants
    from monitor.storage.engine import transaction

    engine = session.database()
    if engine.dialect.name != "postgresql":
        raise UsageError("only PostgreSQL has roles: [database] url names another database")
    with transaction(engine) as conn:
        new = not grants.has_role(conn, role)
        if as_sql:
            for statement in grants.render_grants(conn, role, create=new):
                click.echo(f"{statement};")
            url = engine.url.set(drivername="postgresql", username=role, password=_PLACEHOLDER)
            click.echo(f"-- then set a password (in psql: \\password {role}) and write it into [database]:")
            click.echo(f'-- web_url = "{url.render_as_string(hide_password=False)}"')
            return
        if new and not grants.may_create_roles(conn):
            raise StoreError(
                f"the role {engine.url.username} may not create roles: let an administrator of the database "
                "run the output of `monitor grant --sql`"
            )
        password = secrets.token_urlsafe(24)
        if new:
            grants.create_role(conn, role, password)
        grants.grant_site(conn, role)
    click.echo(f"{role} {'was created and ' if new else ''}has the rights of the site")
    if new:
        url = engine.url.set(drivername="postgresql", username=role, password=password)
        click.echo("write this into [database], or its value into the file that web_url_file names:")
        click.echo(f'web_url = "{url.render_as_string(hide_password=False)}"')
