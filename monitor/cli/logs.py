"""Logging of the commands: to stderr, without addresses, tokens or URLs that hold one."""

from __future__ import annotations

import logging

from monitor.channels.kinds import KINDS

# At INFO and DEBUG these log request lines or message content. Channels name those of their own libraries.
_LOUD = (
    "httpx",
    "httpcore",
    "apscheduler",
    "alembic",
    "asyncio",
    "tenacity",
    "uvicorn",
)


def configure(debug: bool, *, service: bool = False) -> None:
    """Set up logging for this process: warnings; INFO for a ``service``; DEBUG of this program with
    ``debug``.
    """
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", force=True
    )
    logging.captureWarnings(True)
    logging.getLogger("monitor").setLevel(
        logging.DEBUG if debug else logging.INFO if service else logging.WARNING
    )
    for name in (*_LOUD, *(name for kind in KINDS.values() for name in kind.loggers)):
        logging.getLogger(name).setLevel(logging.WARNING)
