"""The page on which the operator decides something by a link from a notice."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from monitor.ops.decisions import DecisionDesk, DecisionView
from monitor.web.pages import redirect, render_page
from monitor.web.routing import Router, get, post

BY = "link"
"""How a choice on this page is named in the database and the log."""


def create_router(desk: DecisionDesk) -> Router:
    """Create the routes of decisions."""
    router = Router()

    @get(router, "/decide/{token}")
    def ask_operator(request: Request, token: str) -> Response:
        """Show the decision, with a button for each choice, without changing anything."""
        return _show(request, token, desk.view(token))

    @post(router, "/decide/{token}")
    def decide(
        request: Request,
        token: str,
        choice: str = "",
        field: list[str] = [],  # noqa: B006 - read only
        answer: list[str] = [],  # noqa: B006 - read only
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
