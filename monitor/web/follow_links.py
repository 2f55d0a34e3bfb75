"""The operator's public channels that post a place's changes."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from monitor.places.codes import EVERYWHERE, is_area
from monitor.places.followed_areas import load_area


@dataclass(frozen=True, slots=True)
class FollowLink:
    """A public channel that gets the changes of a place: its name for people, and its URL."""

    place: str
    name: str
    url: str


def choose_links(
    links: Iterable[FollowLink], places: Collection[str], states: Collection[str]
) -> tuple[FollowLink, ...]:
    """Choose the channels for a page: those of its places, of an area around one of its ZIPs, of its states
    and of the whole country, the nearest first.
    """
    found: list[tuple[int, FollowLink]] = []
    for link in links:
        if link.place in places:
            found.append((0, link))
        elif is_area(link.place):
            area = load_area(link.place)
            if area is not None and not set(area.zips).isdisjoint(places):
                found.append((1, link))
        elif link.place in states:
            found.append((2, link))
        elif link.place == EVERYWHERE:
            found.append((3, link))
    return tuple(link for _, link in sorted(found, key=lambda pair: pair[0]))
