"""The API as an application that is loaded with its first request."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import State
from starlette.types import ASGIApp, Receive, Scope, Send


class ApiOnDemand:
    """Answers requests of the API. Its framework takes 10 MB, which most small sites never need."""

    def __init__(self, state: State, name: str) -> None:
        self._state, self._name = state, name
        self._app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._app is None:
            self._app = await run_in_threadpool(self._create)
        await self._app(scope, receive, send)

    def _create(self) -> ASGIApp:
        from monitor.web.api_v1 import create_api

        return create_api(self._state, self._name)
