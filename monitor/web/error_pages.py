"""What somebody sees when a page cannot be given. Nothing that was sent is repeated or logged."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from monitor.errors import StoreError
from monitor.web.pages import render_page

log = logging.getLogger(__name__)


def answer_errors(app: FastAPI) -> None:
    """Give every error of the application a page."""
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _not_understood)
    app.add_exception_handler(StoreError, _without_database)
    app.add_exception_handler(Exception, _broken)


def missing(request: Request) -> Response:
    """The page for an address that leads nowhere."""
    return render_page(request, "error.html", status=404, private=True, what="missing")


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    what = {404: "missing", 405: "method"}.get(error.status_code, "refused")
    answer = render_page(request, "error.html", status=error.status_code, private=True, what=what)
    for name, value in (error.headers or {}).items():
        answer.headers[name] = value
    return answer


def _not_understood(request: Request, _: Exception) -> Response:
    """The framework's own answer would hold what was typed."""
    return render_page(request, "error.html", status=400, private=True, what="refused")


def _broken(request: Request, _: Exception) -> Response:
    """Our own mistake; the framework raises it again behind this, for the log."""
    return render_page(request, "error.html", status=500, private=True, what="broken")


def _without_database(request: Request, error: Exception) -> Response:
    log.error("a page could not be given: %s", error)
    return render_page(request, "error.html", status=503, private=True, what="database")
