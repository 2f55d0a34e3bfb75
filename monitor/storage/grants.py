"""The role of PostgreSQL under which `monitor web` runs: it reads everything except addresses, and writes
what forms change.

SQLite has no roles; there, file permissions apply.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.storage import database_facts

if TYPE_CHECKING:  # the driver is imported where it is needed: SQLite does not need it
    from psycopg import sql

SITE_ROLE = "role of the site"
"""The fact that names the role, so that a migration can grant it the new tables."""

SEALED = {"subscriber": ("address",), "signup": ("sealed",), "bot_update": ("sealed",)}
"""The columns that hold encrypted addresses, or what people typed, by table."""

WRITES = {
    "area_place": ("INSERT",),
    "bot_update": ("INSERT",),
    "confirmation": ("INSERT", "UPDATE", "DELETE"),
    "delivery": ("INSERT", "UPDATE"),
    "meta": ("INSERT", "UPDATE"),
    "newly_covered": ("DELETE",),
    "operator_decision": ("UPDATE",),
    "past_status": ("INSERT", "DELETE"),
    "past_subscription": ("INSERT", "DELETE"),
    "rate_window": ("INSERT", "UPDATE"),
    "refusal": ("INSERT", "DELETE"),
    "returned_mail": ("INSERT",),
    "signup": ("INSERT",),
    "subscriber": ("UPDATE",),
    "subscription": ("INSERT", "DELETE"),
    "suppression": ("INSERT",),
}
"""What the site writes, by table: forms, changed preferences, what the operator chose by a link, and the end
of who leaves or whose mail comes back. It overwrites an address with nothing when somebody leaves, and adds
no subscriber.
"""


def may_read_addresses(conn: Connection) -> bool:
    """Whether this connection's role can read encrypted addresses; True on SQLite, and before the first
    migration.
    """
    if conn.dialect.name != "postgresql":
        return True
    return bool(
        conn.scalar(
            sa.text(
                "SELECT to_regclass('subscriber') IS NULL"
                " OR has_column_privilege('subscriber', 'address', 'SELECT')"
            )
        )
    )


def has_role(conn: Connection, role: str) -> bool:
    """Whether the server has a role of this name."""
    return conn.scalar(sa.text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": role}) is not None


def may_create_roles(conn: Connection) -> bool:
    """Whether the role of this connection may create others."""
    question = "SELECT rolcreaterole OR rolsuper FROM pg_roles WHERE rolname = current_user"
    return bool(conn.scalar(sa.text(question)))


def create_role(conn: Connection, role: str, password: str) -> None:
    """Create a role that can log in. The server, and its log, get the password only as its SCRAM verifier."""
    from psycopg import sql

    driver = conn.connection.driver_connection
    assert driver is not None
    verifier = driver.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    _run(
        conn, sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), sql.Literal(verifier))
    )


def grant_site(conn: Connection, role: str) -> None:
    """Give an existing role exactly the rights of the site, and remember its name."""
    for statement in compute_grants(conn, role):
        _run(conn, statement)
    database_facts.put(conn, SITE_ROLE, role)


def renew_grants(conn: Connection) -> None:
    """Grant the remembered role what a migration has added; nothing without such a role."""
    role = database_facts.get(conn, SITE_ROLE) if conn.dialect.name == "postgresql" else None
    if role is not None and has_role(conn, role):
        grant_site(conn, role)


def compute_grants(conn: Connection, role: str) -> tuple[sql.Composed, ...]:
    """Compute the statements that grant a role the site's privileges on the current tables."""
    from psycopg import sql

    to, statements = sql.Identifier(role), []
    schema = sql.Identifier(str(conn.scalar(sa.text("SELECT current_schema()"))))
    statements.append(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schema, to))
    inspector = sa.inspect(conn)
    for table in sorted(inspector.get_table_names()):
        name = sql.Identifier(table)
        statements.append(sql.SQL("REVOKE ALL ON {} FROM {}").format(name, to))
        if table in SEALED:
            open_columns = [
                each["name"] for each in inspector.get_columns(table) if each["name"] not in SEALED[table]
            ]
            columns = sql.SQL(", ").join(sql.Identifier(column) for column in open_columns)
            statements.append(sql.SQL("GRANT SELECT ({}) ON {} TO {}").format(columns, name, to))
        else:
            statements.append(sql.SQL("GRANT SELECT ON {} TO {}").format(name, to))
        if table in WRITES:
            privileges = sql.SQL(", ").join(sql.SQL(right) for right in WRITES[table])
            statements.append(sql.SQL("GRANT {} ON {} TO {}").format(privileges, name, to))
    statements.append(sql.SQL("GRANT USAGE ON ALL SEQUENCES IN SCHEMA {} TO {}").format(schema, to))
    return tuple(statements)


def render_grants(conn: Connection, role: str, *, create: bool) -> tuple[str, ...]:
    """The statements of `grant_site` as text, after that which creates the role where ``create`` says so."""
    from psycopg import sql

    name = sql.Identifier(role)
    statements = [sql.SQL("CREATE ROLE {} LOGIN").format(name)] if create else []
    statements += compute_grants(conn, role)
    remember = sql.SQL(
        "INSERT INTO meta (name, value) VALUES ({}, {})"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value"
    )
    statements.append(remember.format(sql.Literal(SITE_ROLE), sql.Literal(role)))
    driver = conn.connection.driver_connection
    return tuple(statement.as_string(driver) for statement in statements)


def find_grant_problems(conn: Connection, role: str) -> Iterator[str]:
    """Find problems with the privileges of a role: it may read what it should not, or lacks what the site
    needs.
    """
    if not has_role(conn, role):
        yield f"there is no role {role}"
        return
    readable = [
        f"{table}.{column}"
        for table, columns in SEALED.items()
        for column in columns
        if _has(conn, "has_column_privilege(:role, :table, :column, 'SELECT')", role, table, column=column)
    ]
    if readable:
        yield f"it can read addresses ({', '.join(readable)})"
    missing = []
    for table in sorted(sa.inspect(conn).get_table_names()):
        if table not in SEALED and not _has(
            conn, "has_table_privilege(:role, :table, 'SELECT')", role, table
        ):
            missing.append(f"SELECT on {table}")
        missing += [
            f"{right} on {table}"
            for right in WRITES.get(table, ())
            if not _has(conn, "has_table_privilege(:role, :table, :right)", role, table, right=right)
        ]
    for table, columns in SEALED.items():
        missing += [
            f"SELECT on {table}.{each['name']}"
            for each in sa.inspect(conn).get_columns(table)
            if each["name"] not in columns
            and not _has(
                conn,
                "has_column_privilege(:role, :table, :column, 'SELECT')",
                role,
                table,
                column=each["name"],
            )
        ]
    if missing:
        yield f"it lacks {', '.join(missing)}"


def _has(conn: Connection, question: str, role: str, table: str, **more: str) -> bool:
    return bool(conn.scalar(sa.text(f"SELECT {question}"), {"role": role, "table": table, **more}))


def _run(conn: Connection, statement: sql.Composed) -> None:
    driver = conn.connection.driver_connection
    assert driver is not None
    conn.exec_driver_sql(statement.as_string(driver), execution_options={"no_parameters": True})
