"""The page on which the operator decides something by a link from a notice."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from monitor.ops.decisions import DecisionDesk, DecisionView
from monitor.web.pages import get, post, redirect, render_page

BY = "link"
"""How a choice on this page is named in the database and the log."""


def create_router(desk: DecisionDesk) -> APIRouter:
    """Create the routes of decisions."""
    router = APIRouter()

    @get(router, "/decide/{token}")
    def ask_operator(request: Request, token: str) -> Response:
        """Show the decision, with a button for each choice, without changing anything."""
        return _show(request, token, desk.view(token))

    @post(router, "/decide/{token}")
    def decide(
        request: Request,
        token: str,
        choice: str = Form(""),
        field: Annotated[list[str], Form()] = [],  # noqa: B006 - read only
        answer: Annotated[list[str], Form()] = [],  # noqa: B006 - read only
    ) -> Response:
        """Store the choice; the worker carries it out. ``field`` has the field name of each ``answer``."""
        view = desk.choose(token, choice, BY, dict(zip(field, answer, strict=False)))
        if view is None:
            return _show(request, token, desk.view(token))
        if any(each.problem for each in view.fields):
            return _show(request, token, view, status=422)
        return redirect(request, f"/decide/{token}")

    return router


def _show(request: Request, token: str, view: DecisionView | None, status: int = 200) -> Response:
    return render_page(
        request,
        "people/decide.html",
        private=True,
        status=404 if view is None else status,
        token=token,
        view=view,
        state="unknown" if view is None else view.state.value,
    )
