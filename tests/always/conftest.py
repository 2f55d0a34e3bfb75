"""The worlds of the other rooms, side by side: what must always hold is rarely one room's affair."""

from tests.dispatch.conftest import sqlite_world, world
from tests.people.conftest import publish, small_town, town
from tests.poll.conftest import fetcher, publication, sqlite_publication

__all__ = [
    "fetcher",
    "publication",
    "publish",
    "small_town",
    "sqlite_publication",
    "sqlite_world",
    "town",
    "world",
]
