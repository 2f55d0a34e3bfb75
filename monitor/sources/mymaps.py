"""Google My Maps exports: one placemark is one listing, its address says where, its `ExtendedData` is the layer's table."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date
from html import unescape

from monitor import identity
from monitor.domain import Listing, Problem, Publication
from monitor.errors import ParseError
from monitor.sources.kml import Document, Placemark, unpacked
from monitor.sources.reading import (
    NAME_LENGTH,
    TEXT_LENGTH,
    Address,
    clean,
    is_missing,
    plain_number,
    read_address,
    read_date,
    web_address,
)
from monitor.sources.spec import RING_COLUMNS, Columns, SourceSpec
from monitor.states import read_state

_IGNORED = frozenset({"gx_media_links"})  # Google's own, about pictures
_UUID = re.compile(
    r"/([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})(?=[/?#]|$)", re.IGNORECASE
)
_BREAK = re.compile(r"<br\s*/?>|\n", re.IGNORECASE)
_TAG = re.compile(r"<[^>]*>")


def parse(body: bytes, spec: SourceSpec) -> Publication:
    """The publication that a KML or KMZ is; ParseError if it is none or has no placemark that could be a listing."""
    document = Document(unpacked(body, spec.limits))
    reader = _Reader(spec.columns or Columns())
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

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        since, url = columns.since or RING_COLUMNS.since, columns.url or RING_COLUMNS.url
        mapped = {
            "name": columns.name, "state": columns.state, "county": columns.county, "city": columns.city,
            "since": since, "id": columns.id, "url": url,
        }  # fmt: skip
        self._fields = {_folded(title): field for field, title in mapped.items() if title}
        self._wanted = {_folded(title): title for title in columns.attributes}
        self._meant: dict[str, tuple[str, str]] = {}
        self._folders: dict[str, str | None] = {}
        self.listings: list[Listing] = []
        self.damaged: list[Listing] = []
        self.problems: list[Problem] = []
        self._addresses = self._states = self._points = self._ids = False

    def read(self, placemark: Placemark) -> None:
        number, texts, columns, _ = placemark
        if not columns and "description" in texts:
            columns = self._described(texts["description"])
        fields: dict[str, str] = {}
        attributes: list[tuple[str, str]] = []
        for title, text in columns.items():
            field, title = self._meant.get(title) or self._meaning(title)
            if not field:
                continue
            text = plain_number(clean(text))
            if not text:
                continue
            if field == "attribute":
                attributes.append((title, self._cut(text, TEXT_LENGTH, title, number)))
            else:
                fields[field] = text

        name = clean(fields.get("name") or texts.get("name", ""))
        written = clean(texts["address"]) if "address" in texts else ""
        address = self._address(written, fields, number)
        day = self._day(fields["since"], number) if "since" in fields else None
        url = self._link(fields["url"], number) if "url" in fields else None
        listing = Listing(
            name=self._cut(name, NAME_LENGTH, "name", number),
            source_id=self._id(fields.get("id"), url, number),
            city=self._cut(address.city, NAME_LENGTH, "city", number) if address.city else None,
            county=self._cut(fields["county"], NAME_LENGTH, "county", number) if "county" in fields else None,
            state=address.state,
            state_text=(address.state_text or "")[:NAME_LENGTH] or None if not address.state else None,
            since=day,
            dates=(day,) if day else (),
            url=url,
            documents=(url,) if url else (),
            attributes=tuple(sorted(attributes)) if attributes else (),
            point=self._point(texts["point"], number) if "point" in texts else None,
            folder=self._folder(placemark.folder) if placemark.folder else None,
        )
        if not is_missing(name):
            # Nobody else has the listing yet; `dataclasses.replace` here would double the cost of a placemark's listing.
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

    def _meaning(self, title: str) -> tuple[str, str]:
        """The field a column stands for, "attribute" or "" to ignore it, and the name of the attribute; worked out once per title."""
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

    def _described(self, description: str) -> dict[str, str]:
        """The columns that Google repeats in the description, where `ExtendedData` is missing.

        Only if every line reads "Column: value" and one of the columns is a mapped one: free text has colons too.
        """
        columns: dict[str, str] = {}
        for line in _BREAK.split(description):
            title, colon, text = _TAG.sub("", line).partition(":")
            if not line.strip():
                continue
            if not colon:
                return {}
            columns.setdefault(unescape(title).strip(), unescape(text))
        known = self._fields.keys() | self._wanted.keys()
        return columns if any(_folded(title) in known for title in columns) else {}

    def _address(self, written: str, fields: dict[str, str], number: int) -> Address:
        address = read_address(written) if written else Address(None, None)
        if written:
            self._addresses = True
        if "state" in fields:
            reading = read_state(fields["state"])
            code, exact = (reading.code, reading.exact) if reading else (None, True)
            address = Address(address.city, code, fields["state"], exact)
        if "city" in fields:
            address = Address(fields["city"], address.state, address.state_text, address.exact)
        if not address.exact:
            self._report(
                "state read as", f'"{_brief(address.state_text)}" is read as {address.state}', number
            )
        elif not address.state and (written or "state" in fields):
            self._report(
                "unknown state", f'no state can be read in "{_brief(address.state_text or written)}"', number
            )
        return address

    def _day(self, text: str, number: int) -> date | None:
        day = read_date(text)
        if day is None and not is_missing(text):
            self._report("bad date", f'"{_brief(text)}" is no date', number)
        return day

    def _link(self, text: str, number: int) -> str | None:
        url = web_address(text)
        if url is None:
            self._report("bad url", f'"{_brief(text)}" is no web address', number)
        return url

    def _id(self, text: str | None, url: str | None, number: int) -> str | None:
        """The source's own id: the column that is mapped to it, or else the UUID at which a link ends."""
        if text is None and url and (match := _UUID.match(url, url.rfind("/"))):
            text = match.group(1).lower()
        if not text:
            return None
        self._ids = True
        return self._cut(text, NAME_LENGTH, "id", number)

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
