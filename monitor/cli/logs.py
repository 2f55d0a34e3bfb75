"""Logging of the commands: to stderr, without addresses, tokens or URLs that hold one."""

from __future__ import annotations

import logging

from monitor.log_lines import LogFormat, create_formatter

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


def configure(
    debug: bool, *, service: bool = False, libraries: bool = True, form: LogFormat = "text"
) -> None:
    """Set up logging for this process: warnings; INFO for a ``service``; DEBUG of this program with
    ``debug``. ``form``: one line of text each, or one JSON object.

    ``libraries``: quiet those of the channels too, which imports the registry of channels.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(create_formatter(form))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(True)
    logging.getLogger("monitor").setLevel(
        logging.DEBUG if debug else logging.INFO if service else logging.WARNING
    )
    # its warnings are about what visitors send, and name a library to install that no page needs
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    for name in (*_LOUD, *(_of_channels() if libraries else ())):
        logging.getLogger(name).setLevel(logging.WARNING)


def _of_channels() -> tuple[str, ...]:
    from monitor.channels.kinds import KINDS

    return tuple(name for kind in KINDS.values() for name in kind.loggers)
