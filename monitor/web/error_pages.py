"""Error pages. They never repeat or log what was sent."""

from __future__ import annotations

import logging
from datetime import datetime

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from monitor.domain import SourceInfo
from monitor.errors import StoreError
from monitor.web.api_answers import ProblemError, UnreadableMomentError, answer_problem
from monitor.web.cross_origin import is_open
from monitor.web.pages import render_page

log = logging.getLogger(__name__)


def answer_errors(app: Starlette) -> None:
    """Register a page for every error of the application."""
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(StoreError, _without_database)
    app.add_exception_handler(Exception, _broken)


def not_found_page(request: Request) -> Response:
    """The page for an unknown URL."""
    if is_open(request.scope["path"]):
        return answer_problem(404, "Not found", "There is nothing at this address; see /data and /api.")
    return render_page(request, "error.html", status=404, private=True, what="missing")


def before_first_page(request: Request, watched: SourceInfo, first: datetime | None, oldest: str) -> Response:
    """The page for a moment before a list was first seen, at ``first``; ``oldest`` is the path of the page
    of that moment.
    """
    return render_page(
        request, "before.html", status=404, private=True, watched=watched, first=first, oldest=oldest
    )


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if is_open(request.scope["path"]):
        title = error.title if isinstance(error, ProblemError) else str(error.detail)
        detail = str(error.detail) if isinstance(error, ProblemError) else "See /data and /api."
        return answer_problem(error.status_code, title, detail, error.headers)
    what = {404: "missing", 405: "method"}.get(error.status_code, "refused")
    if isinstance(error, UnreadableMomentError):
        what = "moment"
    answer = render_page(request, "error.html", status=error.status_code, private=True, what=what)
    for name, value in (error.headers or {}).items():
        answer.headers[name] = value
    return answer


def _broken(request: Request, _: Exception) -> Response:
    """Answer an unexpected exception; the framework raises it again afterwards, for the log."""
    if is_open(request.scope["path"]):
        return answer_problem(500, "Our error", "This is an error of the program. Try again later.")
    return render_page(request, "error.html", status=500, private=True, what="broken")


def _without_database(request: Request, error: Exception) -> Response:
    log.error("a page could not be given: %s", error)
    if is_open(request.scope["path"]):
        return answer_problem(503, "No database", "Try again in a minute.", {"Retry-After": "60"})
    return render_page(request, "error.html", status=503, private=True, what="database")
