"""A publisher, and a fetcher that does not wait between its attempts but notes for how long it would have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from monitor.fetch import Fetcher, FetchFailed, Target
from tests.peers.http import Server


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def make(slept: list[float]) -> Iterator[Callable[..., Fetcher]]:
    """Makes fetchers with settings of their own."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(Fetcher(**{"sleep": slept.append, **settings}))


@pytest.fixture
def fetcher(make: Callable[..., Fetcher]) -> Fetcher:
    return make(contact="https://example.org/contact")


@pytest.fixture
def failure(fetcher: Fetcher) -> Callable[..., FetchFailed]:
    """How getting a URL fails."""

    def failure(url: str | Target, fetcher: Fetcher = fetcher, **target: Any) -> FetchFailed:
        with pytest.raises(FetchFailed) as caught:
            fetcher.get(url if isinstance(url, Target) else Target(url=url, **target))
        return caught.value

    return failure
