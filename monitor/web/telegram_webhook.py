"""The webhook of the bot as a route of the site: updates are checked, stored sealed, and answered 200.

The bot, perhaps in another process, reads them from the database. Updates of one chat above a limit are not
stored: a burst of thousands must not delay other chats.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from collections.abc import Callable
from datetime import datetime
from urllib.parse import urlsplit

from sqlalchemy.engine import Engine
from starlette.requests import Request
from starlette.responses import Response

from monitor.channels.telegram.update_shape import parse_update
from monitor.core.throttle import PER_MINUTE, Admission, Throttle
from monitor.errors import StoreError
from monitor.keys import KeyFile
from monitor.storage.engine import transaction
from monitor.storage.people import bot_updates
from monitor.web.routing import Router, post

log = logging.getLogger(__name__)

MOST_OF_A_CHAT = 4 * PER_MINUTE
"""The most updates of one chat per minute that are stored: several people in a group may use the bot
at once.
"""


def create_router(
    path: str,
    secret: str,
    engine: Engine,
    keys: KeyFile,
    clock: Callable[[], datetime],
    seconds: Callable[[], float] = time.monotonic,
) -> Router:
    """Create the route that receives updates at ``path``.

    Its responses: 200, the update is stored, or not valid, or above the limit of its chat; 403, the secret is
    missing (the header X-Telegram-Bot-Api-Secret-Token); 503, it cannot be stored now, and Telegram sends it
    again. ``seconds`` is monotonic.
    """
    router = Router()
    throttle = Throttle(seconds, MOST_OF_A_CHAT)

    def store(update_id: int, body: bytes) -> None:
        sealed = keys.seal(bot_updates.SEALED_AS, body.decode())
        with transaction(engine) as conn:
            bot_updates.put(conn, update_id, sealed, clock())

    async def receive(request: Request) -> Response:
        given = request.headers.get("X-Telegram-Bot-Api-Secret-Token", "")
        if not hmac.compare_digest(given.encode(), secret.encode()):
            return Response(status_code=403)
        body = await request.body()
        update = parse_update(body)
        if update is None or throttle.admit(update.origin) is Admission.REJECTED:
            return Response(status_code=200)
        try:
            await asyncio.to_thread(store, update.update_id, body)
        except StoreError as error:
            log.error("an update of the bot could not be stored: %s", error)
            return Response(status_code=503)
        return Response(status_code=200)

    post(router, path)(receive)
    return router


def path_within(webhook_url: str, public_url: str | None) -> str:
    """The route for requests to ``webhook_url``: a proxy removes the path prefix of ``public_url``."""
    path, prefix = urlsplit(webhook_url).path or "/", urlsplit(public_url or "").path.rstrip("/")
    return path.removeprefix(prefix) if path.startswith(prefix + "/") else path
