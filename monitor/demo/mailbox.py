"""The demo's mailbox as a page: what the mailbox channel wrote, for whoever signs up in the demo. It exists nowhere else."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import HTMLResponse

from monitor.render import WIDTH
from monitor.web.pages import get, render_page

_NAME = re.compile(r"[\w-]+\.eml", re.ASCII)
_LINK = re.compile(r"(https?://[^\s<>]+)")
_AS_A_MAIL = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"
"""What a mail's own markup may do: carry its style, and nothing else."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a line; a ``link`` can be followed."""

    text: str
    link: bool


@dataclass(frozen=True, slots=True)
class DemoMail:
    """One mail: its headers for a list, its plain text as paragraphs of lines, and its markup."""

    name: str
    to: str
    subject: str
    date: str
    paragraphs: tuple[tuple[tuple[Piece, ...], ...], ...]
    markup: str


def letter(path: Path) -> DemoMail:
    """Read one .eml file."""
    mail = BytesParser(EmailMessage, policy=policy.default).parsebytes(path.read_bytes())
    to = mail["To"].addresses[0]
    text, markup = (
        body.get_content() if (body := mail.get_body((kind,))) is not None else ""
        for kind in ("plain", "html")
    )
    return DemoMail(
        name=path.name,
        to=to.display_name or to.addr_spec,
        subject=str(mail["Subject"]),
        date=mail["Date"].datetime.strftime("%Y-%m-%d %H:%M UTC"),
        paragraphs=tuple(
            tuple(
                tuple(Piece(piece, bool(_LINK.fullmatch(piece))) for piece in _LINK.split(line))
                for line in unwrapped(paragraph)
            )
            for paragraph in re.split(r"\n\s*\n", text.strip())
        ),
        markup=markup,
    )


def unwrapped(paragraph: str) -> list[str]:
    """The lines of a paragraph without the breaks that only keep a mail narrow: those before a word that did not fit any more."""
    first, *others = paragraph.splitlines()
    lines, before = [first], first
    for line in others:
        did_not_fit = len(before) + 1 + len(line.strip().partition(" ")[0]) > WIDTH
        if did_not_fit and not _LINK.search(before):
            lines[-1] += " " + line.strip()
        else:
            lines.append(line)
        before = line
    return lines


def mailbox(folder: Path) -> APIRouter:
    """The pages of a mailbox folder, newest mail first."""
    router = APIRouter()

    @get(router, "/mailbox")
    def listed(request: Request) -> Response:
        paths = sorted(folder.glob("*.eml"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
        return render_page(
            request, "demo/mailbox.html", private=True, letters=[letter(path) for path in paths[:100]]
        )

    @get(router, "/mailbox/{name}")
    def as_text(request: Request, name: str) -> Response:
        return render_page(request, "demo/letter.html", private=True, letter=letter(found(name)))

    @get(router, "/mailbox/{name}/html")
    def as_a_mail_program_shows_it(name: str) -> Response:
        headers = {"Content-Security-Policy": _AS_A_MAIL, "Cache-Control": "no-store"}
        return HTMLResponse(letter(found(name)).markup, headers=headers)

    def found(name: str) -> Path:
        path = folder / name
        if not _NAME.fullmatch(name) or not path.is_file():
            raise HTTPException(404)
        return path

    return router
