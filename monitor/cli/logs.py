"""Logging of the commands: to stderr, one line each, never with an address, a token or a URL that carries one."""

from __future__ import annotations

import logging

# these log request lines (with the bot token in them) or message content at INFO and DEBUG
_LOUD = (
    "httpx",
    "httpcore",
    "telegram",
    "aiosmtplib",
    "apscheduler",
    "alembic",
    "asyncio",
    "tenacity",
    "uvicorn",
)


def configure(debug: bool, *, service: bool = False) -> None:
    """Set up logging for this process: warnings, of a ``service`` also what it does, with ``debug`` everything of the program's own rooms."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", force=True
    )
    logging.captureWarnings(True)
    logging.getLogger("monitor").setLevel(
        logging.DEBUG if debug else logging.INFO if service else logging.WARNING
    )
    for name in _LOUD:
        logging.getLogger(name).setLevel(logging.WARNING)
