"""The demo's mailbox as a page: what the mailbox channel wrote, for whoever signs up in the demo. It exists nowhere else."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request, Response

from monitor.web.pages import get, show

_NAME = re.compile(r"[\w-]+\.eml", re.ASCII)
_LINK = re.compile(r"(https?://[^\s<>]+)")


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a line; a ``link`` can be followed."""

    text: str
    link: bool


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail: its headers for a list, and the lines of its plain text."""

    name: str
    to: str
    subject: str
    date: str
    lines: tuple[tuple[Piece, ...], ...] = ()


def letter(path: Path) -> Letter:
    """Read one .eml file."""
    mail = BytesParser(EmailMessage, policy=policy.default).parsebytes(path.read_bytes())
    to = mail["To"].addresses[0]
    body = mail.get_body(("plain",))
    text = body.get_content() if body is not None else ""
    return Letter(
        name=path.name,
        to=to.display_name or to.addr_spec,
        subject=str(mail["Subject"]),
        date=mail["Date"].datetime.strftime("%Y-%m-%d %H:%M UTC"),
        lines=tuple(
            tuple(Piece(text, bool(_LINK.fullmatch(text))) for text in _LINK.split(line))
            for line in text.splitlines()
        ),
    )


def mailbox(folder: Path) -> APIRouter:
    """The pages of a mailbox folder, newest mail first."""
    router = APIRouter()

    @get(router, "/mailbox")
    def listed(request: Request) -> Response:
        paths = sorted(folder.glob("*.eml"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
        return show(
            request, "demo/mailbox.html", private=True, letters=[letter(path) for path in paths[:100]]
        )

    @get(router, "/mailbox/{name}")
    def one(request: Request, name: str) -> Response:
        path = folder / name
        if not _NAME.fullmatch(name) or not path.is_file():
            raise HTTPException(404)
        return show(request, "demo/letter.html", private=True, letter=letter(path))

    return router
