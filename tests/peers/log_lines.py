"""Every line that any logger writes, as somebody reads them who sets all levels to DEBUG."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def every_line(but: str | None = None) -> Iterator[list[str]]:
    """The lines that loggers write within the block, also those that exist by then, with their arguments;
    without those of the library named ``but``.
    """
    seen: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if but is None or not record.name.startswith(but):
                seen.append(f"{self.format(record)} {record.args}")

    keep = Keep(logging.DEBUG)
    root = logging.getLogger()
    loggers = [root, *(each for each in root.manager.loggerDict.values() if isinstance(each, logging.Logger))]
    levels = [(each, each.level) for each in loggers]
    root.addHandler(keep)
    for each in loggers:
        each.setLevel(logging.DEBUG)
    try:
        yield seen
    finally:
        root.removeHandler(keep)
        for each, level in levels:
            each.setLevel(level)
