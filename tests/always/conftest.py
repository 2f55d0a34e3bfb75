"""The worlds of the other rooms, side by side: what must always hold is rarely one room's affair."""

from tests.outbox.conftest import world
from tests.polling.conftest import fetcher, publication, sqlite_publication
from tests.subscribers.conftest import small_town, town

__all__ = ["fetcher", "publication", "small_town", "sqlite_publication", "town", "world"]
