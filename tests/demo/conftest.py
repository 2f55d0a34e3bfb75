"""The demo, played once for all tests: its story as it was when that ended, and the site after it."""

from __future__ import annotations

import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import httpx
import pytest

from monitor.demo import play

PATIENCE = 600.0  # s, a bound for what hangs, on any machine
T = TypeVar("T")


def until(look: Callable[[], T | None], what: str) -> T:
    """Wait, with a bound, for what the demo's own threads do."""
    deadline = time.monotonic() + PATIENCE
    while (found := look()) is None:
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.1)
    return found


@dataclass(frozen=True)
class Played:
    """``told``: the demo's folder at the end of its story, and what it had printed. ``site``: the address of
    the live demo.
    """

    told: tuple[Path, str]
    site: str


@pytest.fixture(scope="package")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """The live demo in a thread."""
    folder = tmp_path_factory.mktemp("demo")
    said: list[str] = []
    story: list[str] = []
    over = threading.Event()

    def say(line: str) -> None:
        said.append(line)
        if " messages in " in line:  # the last line before anybody is live: nothing is written meanwhile
            shutil.copytree(folder / "live", folder / "told")
            story.extend(said)

    thread = threading.Thread(
        target=play,
        args=(folder / "live",),
        kwargs={"once": False, "say": say, "until": over.is_set},
    )

    def look() -> str | None:
        assert thread.is_alive(), "the demo did not go on"
        return next(
            (found[1] for line in said if (found := re.search(r"The site:.*?(http://[\d.:]+)", line))), None
        )

    thread.start()
    try:
        site = until(look, "the site")
        yield Played((folder / "told", re.sub(r"\x1b\[\d*m", "", "\n".join(story))), site)
    finally:
        over.set()
        thread.join(PATIENCE)


@pytest.fixture(scope="package")
def told(played: Played) -> tuple[Path, str]:
    """The folder of the story when it ended, and what it had printed."""
    return played.told


@pytest.fixture(scope="package")
def demo(played: Played) -> Iterator[httpx.Client]:
    """A browser's view of the live demo's site."""
    with httpx.Client(base_url=played.site, timeout=PATIENCE) as client:
        yield client
