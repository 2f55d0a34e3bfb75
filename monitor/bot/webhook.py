"""The bot's webhook as a route of the site. Only requests with Telegram's secret are accepted."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response

from monitor.bot.runner import Bot


def routes(bot: Bot, path: str) -> APIRouter:
    """The webhook at a path of the site, for ``create_app(routers=[...])``."""
    router = APIRouter()

    async def receive(request: Request) -> Response:
        secret = request.headers.get("X-Telegram-Bot-Api-Secret-Token")
        return Response(status_code=await bot.handle_update(await request.body(), secret))

    router.add_api_route(path, receive, methods=["POST"], response_model=None, include_in_schema=False)
    return router


def path_within(webhook_url: str, public_url: str | None) -> str:
    """The route that receives what is sent to ``webhook_url``: a proxy removes the path prefix of
    ``public_url``.
    """
    path, prefix = urlsplit(webhook_url).path or "/", urlsplit(public_url or "").path.rstrip("/")
    return path.removeprefix(prefix) if path.startswith(prefix + "/") else path
