"""Describes database errors on one line that says what to do."""

from __future__ import annotations

import sqlite3

import sqlalchemy as sa
from sqlalchemy.engine import URL

from monitor.errors import location_of


def explain_error(error: sa.exc.DBAPIError, url: URL, place: str) -> str:
    """One line for a person; ``place`` names the database of the URL without its password."""
    return _explain_known(error, url, place) or (
        f"{place} refused a statement ({location_of(error)}): this is an error of the program, please "
        "report it"
    )


def _explain_known(error: sa.exc.DBAPIError, url: URL, place: str) -> str | None:
    if isinstance(error.orig, sqlite3.Error):
        return explain_sqlite_error(error.orig, place)
    state = getattr(error.orig, "sqlstate", None)
    if state is None and error.connection_invalidated:
        return f"the connection to {place} was lost: check that the server runs, then try again"
    if state is None and error.statement is None:
        text = (str(error.orig).strip() or "no answer").splitlines()[0]
        for secret in (url.password, url.query.get("password")):
            text = text.replace(str(secret), "***") if secret else text
        return f"cannot connect to {place}: {text}: check [database] url and that the server runs"
    return next(
        (text.format(place=place) for prefix, text in _SQLSTATES if (state or "").startswith(prefix)), None
    )


def explain_sqlite_error(error: sqlite3.Error, place: str) -> str | None:
    """One line for a person; None for an error that only a bug of the program can have caused."""
    if "no such table" in str(error) or "no such column" in str(error):
        return f"{place} has not the tables of this version: run `monitor init`"
    # the low byte is the kind of error, the others are details; errors raised by Python itself have no code
    return _SQLITE_CODES.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, "").format(place=place) or None


_SQLITE_CODES = {
    sqlite3.SQLITE_FULL: (
        "the disk that holds {place} is full: make room and try again; nothing was half-written"
    ),
    sqlite3.SQLITE_BUSY: ("{place} is locked by another program: let it finish or stop it, then try again"),
    sqlite3.SQLITE_LOCKED: ("{place} is locked by another program: let it finish or stop it, then try again"),
    sqlite3.SQLITE_READONLY: (
        "{place} cannot be written: check the owner and permissions of the file and its folder"
    ),
    sqlite3.SQLITE_PERM: (
        "{place} cannot be opened: check the owner and permissions of the file and its folder"
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "{place} cannot be opened: check that the path is right and its folder can be written"
    ),
    sqlite3.SQLITE_IOERR: (
        "{place} could not be read or written: check that the disk works and is not full; nothing was "
        "half-written"
    ),
    sqlite3.SQLITE_CORRUPT: "{place} is damaged: stop the program and put back a copy",
    sqlite3.SQLITE_NOTADB: "{place} is not a SQLite database: check [database] url",
}
_SQLSTATES = (  # https://www.postgresql.org/docs/current/errcodes-appendix.html; the first prefix that fits
    ("08", "the connection to {place} was lost: check that the server runs, then try again"),
    ("25006", "{place} is read-only: connect to the primary server"),
    ("28", "{place} refused the login: check user and password in [database] url"),
    ("3D000", "{place} does not exist: create it, or check [database] url"),
    ("40P01", "{place} is busy with other programs: try again"),
    ("42501", "{place} refuses this user: grant it the tables, or check [database] url"),
    ("42P01", "{place} has not the tables of this version: run `monitor init`"),
    ("42703", "{place} has not the tables of this version: run `monitor init`"),
    ("53100", "the disk that holds {place} is full: make room and try again; nothing was half-written"),
    (
        "53",
        "{place} is out of connections or memory: lower the number of processes or raise the server's limits",
    ),
    ("55P03", "{place} is locked by another program: let it finish or stop it, then try again"),
    (
        "57014",
        "{place} ended a statement that took too long: raise statement_timeout of this role, or try again",
    ),
    ("57P", "{place} is shutting down or starting: try again when it runs"),
    ("58", "{place} could not read or write its files: check the server's disk"),
    ("XX001", "{place} is damaged: stop the program and put back a backup"),
    ("XX002", "{place} is damaged: stop the program and put back a backup"),
)
