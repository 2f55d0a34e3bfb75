"""Google My Maps exports: one placemark is one listing, its address says where, its `ExtendedData` is the layer's table."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date
from html import unescape

from monitor.core import identity
from monitor.domain import Listing, Problem, Publication
from monitor.errors import ParseError
from monitor.sources.cells import (
    NAME_LENGTH,
    TEXT_LENGTH,
    clean,
    is_missing,
    plain_number,
    read_address,
    read_date,
    web_address,
)
from monitor.sources.columns import RING_COLUMNS, ColumnMap, SourceSpec
from monitor.sources.draft import drafted
from monitor.sources.kml import Document, Placemark, unpacked
from monitor.states import read_state

_IGNORED = frozenset({"gx_media_links"})  # Google's own, about pictures
_UUID = re.compile(r"/([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})(?=[/?#]|$)")
_BREAK = re.compile(r"<br\s*/?>|\n", re.IGNORECASE)
_TAG = re.compile(r"<[^>]*>")


def parse(body: bytes, spec: SourceSpec) -> Publication:
    """The publication that a KML or KMZ is; ParseError if it is none or has no placemark that could be a listing."""
    document = Document(unpacked(body, spec.limits))
    reader = _Reader(spec.columns or ColumnMap())
    for placemark in document.placemarks():
        reader.read(placemark)
    if not document.count:
        raise ParseError(
            "The KML has no placemark, only a link to another document."
            if document.link
            else "The KML has no placemark: every layer is empty or gone."
        )
    if not reader.listings:
        raise ParseError(f"None of the {document.count:,} placemarks has a name that can be read.")
    reader.tell_apart()
    return Publication(
        listings=tuple(reader.listings),
        problems=tuple(reader.problems),
        columns=frozenset(reader.carried()),
        folders=tuple(clean(name) for name in document.folders),
        damaged=tuple(reader.damaged),
    )


class _Reader:
    """Turns placemarks into listings, one by one, and keeps what is wrong with them beside."""

    def __init__(self, columns: ColumnMap) -> None:
        self.columns = columns
        since, url = columns.since or RING_COLUMNS.since, columns.url or RING_COLUMNS.url
        mapped = {
            "name": columns.name, "state": columns.state, "county": columns.county, "city": columns.city,
            "since": since, "id": columns.id, "url": url,
        }  # fmt: skip
        self._fields = {_folded(title): field for field, title in mapped.items() if title}
        self._wanted = {_folded(title): title for title in columns.attributes}
        self._meant: dict[str, tuple[str, str]] = {}
        self._titles: tuple[str, ...] = ()
        self._columns: list[tuple[int, str, str]] = []
        self._folders: dict[str, str | None] = {}
        self.listings: list[Listing] = []
        self.damaged: list[Listing] = []
        self.problems: list[Problem] = []
        self._addresses = self._points = self._ids = False

    def read(self, placemark: Placemark) -> None:
        number, name, written, description, point, titles, values, folder = placemark
        if description and not titles:
            titles, values = self._described(description)
        if titles != self._titles:
            self._titles, self._columns = titles, self._read_as(titles)
        fields: dict[str, str] = {}
        attributes: list[tuple[str, str]] = []
        for at, field, title in self._columns:
            text = values[at]
            if not text:
                continue
            if text[-1] == "0":  # "1.0"
                text = plain_number(text)
            if field == "attribute":
                attributes.append((title, self._cut(text, TEXT_LENGTH, title, number)))
            else:
                fields[field] = text

        name = fields.get("name") or name
        city, state, state_text = self._address(written, fields, number)
        since, link = fields.get("since"), fields.get("url")
        day = (read_date(since) or self._no_date(since, number)) if since else None
        url = (web_address(link) or self._no_link(link, number)) if link else None
        listing = drafted(
            name=self._cut(name, NAME_LENGTH, "name", number),
            source_id=self._id(fields.get("id"), url, number),
            city=self._cut(city, NAME_LENGTH, "city", number) if city else None,
            county=self._cut(fields["county"], NAME_LENGTH, "county", number) if "county" in fields else None,
            state=state,
            state_text=state_text,
            since=day,
            dates=(day,) if day else (),
            url=url,
            documents=(url,) if url else (),
            attributes=tuple(sorted(attributes)) if attributes else (),
            point=None if point is None else self._point(point, number),
            folder=self._folder(folder) if folder else None,
        )
        if not is_missing(name):
            # Nobody else has the listing yet, so that its key may still be set.
            object.__setattr__(listing, "key", identity.natural_key(listing, by_city=True))
            self.listings.append(listing)
        elif written or fields or attributes or listing.point:
            self.damaged.append(listing)
            self._report("empty name", f"the name is {name or 'empty'}", number)

    def carried(self) -> set[str]:
        """What the publication carries, in the words of `Listing` fields and of attributes."""
        carried = {title if field == "attribute" else field for field, title in self._meant.values() if field}
        carried.discard("name")
        carried = {"source_id" if field == "id" else field for field in carried}
        if self._addresses:
            carried |= {"city", "state"}
        if self._points:
            carried.add("point")
        if self._ids:
            carried.add("source_id")
        return carried

    def tell_apart(self) -> None:
        """Give listings that share their natural key one each, with one problem per key.

        Only these go through `identity.keyed`, which sees all that share a key together: copies of a million others would cost much.
        """
        seen: set[str] = set()
        shared: Counter[str] = Counter()
        for listing in self.listings:
            if listing.key in seen:
                shared[listing.key] += 1
            seen.add(listing.key)
        positions = [n for n, listing in enumerate(self.listings) if listing.key in shared] if shared else []
        alike = [self.listings[n] for n in positions]
        for n, listing in zip(positions, identity.keyed(alike, by_city=True), strict=True):
            self.listings[n] = listing
        for key, more in shared.items():
            self._report("duplicate key", f"{more + 1} placemarks share the key {key[:NAME_LENGTH]}", None)

    def _read_as(self, titles: tuple[str, ...]) -> list[tuple[int, str, str]]:
        """Where a column stands, the field it stands for and its title; without those to ignore."""
        meanings = [(at, *self._meaning(title)) for at, title in enumerate(titles)]
        return [meaning for meaning in meanings if meaning[1]]

    def _meaning(self, title: str) -> tuple[str, str]:
        """The field a column stands for, "attribute" or "" to ignore it, and the name of the attribute; worked out once per title."""
        if title in self._meant:
            return self._meant[title]
        folded = _folded(title)
        if folded in self._fields:
            meaning = (self._fields[folded], "")
        elif self._wanted:
            meaning = ("attribute", self._wanted[folded]) if folded in self._wanted else ("", "")
        else:
            name = clean(title)[:NAME_LENGTH]
            meaning = ("", "") if not name or title in _IGNORED else ("attribute", name)
        self._meant[title] = meaning
        return meaning

    def _described(self, description: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The titles and values of the columns that Google repeats in the description, where `ExtendedData` is missing.

        Only if every line reads "Column: value" and one of the columns is a mapped one: free text has colons too.
        """
        columns: dict[str, str] = {}
        for line in _BREAK.split(description):
            title, colon, text = _TAG.sub("", line).partition(":")
            if not line.strip():
                continue
            if not colon:
                return (), ()
            columns.setdefault(unescape(title).strip(), unescape(text))
        known = self._fields.keys() | self._wanted.keys()
        if not any(_folded(title) in known for title in columns):
            return (), ()
        return tuple(columns), tuple(map(clean, columns.values()))

    def _address(
        self, written: str, fields: dict[str, str], number: int
    ) -> tuple[str | None, str | None, str | None]:
        """City, state and, where that cannot be read, what stood in its place."""
        city, state, state_text, exact = read_address(written)
        if written:
            self._addresses = True
        if "state" in fields:
            state_text = fields["state"]
            reading = read_state(state_text)
            state, exact = (reading.code, reading.exact) if reading else (None, True)
        city = fields.get("city", city)
        if not exact:
            self._report("state read as", f'"{_brief(state_text)}" is read as {state}', number)
        elif not state and (written or "state" in fields):
            self._report(
                "unknown state", f'no state can be read in "{_brief(state_text or written)}"', number
            )
        return city, state, None if state or not state_text else state_text[:NAME_LENGTH]

    def _no_date(self, text: str, number: int) -> date | None:
        if not is_missing(text):
            self._report("bad date", f'"{_brief(text)}" is no date', number)
        return None

    def _no_link(self, text: str, number: int) -> str | None:
        self._report("bad url", f'"{_brief(text)}" is no web address', number)
        return None

    def _id(self, text: str | None, url: str | None, number: int) -> str | None:
        """The source's own id: the column that is mapped to it, or else the UUID at which a link ends."""
        if text:
            self._ids = True
            return self._cut(text, NAME_LENGTH, "id", number)
        if url and (match := _UUID.match(url, url.rfind("/"))):
            self._ids = True
            return match[1].lower()
        return None

    def _point(self, text: str, number: int) -> tuple[float, float] | None:
        """KML writes longitude, latitude and perhaps altitude; a listing has latitude first."""
        try:
            longitude, latitude = (float(part) for part in text.split(",")[:2])
        except ValueError:
            latitude = longitude = float("nan")
        if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
            self._report("bad point", f'"{_brief(clean(text))}" is no point', number)
            return None
        self._points = True
        return latitude, longitude

    def _folder(self, name: str) -> str | None:
        if name not in self._folders:
            self._folders[name] = clean(name)[:NAME_LENGTH] or None
        return self._folders[name]

    def _cut(self, text: str, length: int, column: str, number: int) -> str:
        if len(text) <= length:
            return text
        self._report("text cut", f"{column} has {len(text):,} characters; {length:,} are kept", number)
        return text[:length]

    def _report(self, kind: str, message: str, number: int | None) -> None:
        self.problems.append(Problem(kind, message, number))


def _folded(title: str) -> str:
    return "".join(title.split()).casefold()


def _brief(text: str | None) -> str:
    return (text or "")[:80]
