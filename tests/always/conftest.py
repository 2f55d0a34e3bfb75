"""The worlds of the other rooms, side by side: what must always hold is rarely one room's affair."""

from tests.dispatch.conftest import world
from tests.people.conftest import small_town, town
from tests.poll.conftest import fetcher, publication, sqlite_publication

__all__ = ["fetcher", "publication", "small_town", "sqlite_publication", "town", "world"]
