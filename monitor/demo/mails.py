"""The demo's mailbox folder as pages. Only the demo has them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from monitor.messages.layout import WIDTH
from monitor.web.pages import render_page
from monitor.web.routing import Router, get

_NAME = re.compile(r"[\w-]+\.eml", re.ASCII)
_LINK = re.compile(r"(https?://[^\s<>]+)")
_MAIL_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"
"""The content security policy of a mail's own HTML: inline styles and nothing else."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a line; ``link``: it is a URL."""

    text: str
    link: bool


@dataclass(frozen=True, slots=True)
class DemoMail:
    """One mail: headers, plain text as paragraphs of lines, and HTML."""

    name: str
    to: str
    subject: str
    at: datetime
    paragraphs: tuple[tuple[tuple[Piece, ...], ...], ...]
    markup: str


def read_mail(path: Path) -> DemoMail:
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
        at=mail["Date"].datetime.astimezone(UTC),
        paragraphs=tuple(
            tuple(
                tuple(Piece(piece, bool(_LINK.fullmatch(piece))) for piece in _LINK.split(line))
                for line in unwrap(paragraph)
            )
            for paragraph in re.split(r"\n\s*\n", text.strip())
        ),
        markup=markup,
    )


def unwrap(paragraph: str) -> list[str]:
    """Split a paragraph into lines, joining those that were only wrapped to keep the mail narrow."""
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


def mailbox_router(folder: Path) -> Router:
    """Create the pages of a mailbox folder, newest mail first."""
    router = Router()

    @get(router, "/mailbox")
    def show_mails(request: Request) -> Response:
        paths = sorted(folder.glob("*.eml"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
        return render_page(
            request, "demo/mailbox.html", private=True, letters=[read_mail(path) for path in paths[:100]]
        )

    @get(router, "/mailbox/{name}")
    def show_mail(request: Request, name: str) -> Response:
        return render_page(request, "demo/letter.html", private=True, letter=read_mail(find(name)))

    @get(router, "/mailbox/{name}/html")
    def show_html(_: Request, name: str) -> Response:
        headers = {"Content-Security-Policy": _MAIL_POLICY, "Cache-Control": "no-store"}
        return HTMLResponse(read_mail(find(name)).markup, headers=headers)

    def find(name: str) -> Path:
        path = folder / name
        if not _NAME.fullmatch(name) or not path.is_file():
            raise HTTPException(404)
        return path

    return router
