"""Google My Maps exports: one placemark is one listing, with its address as the place and its `ExtendedData`
as the layer's table.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from itertools import islice

from monitor.domain import Publication
from monitor.errors import ParseError
from monitor.sources.cells import clean, clean_all, unescape_text
from monitor.sources.column_choice import (
    SINCE,
    URL,
    ColumnSample,
    ColumnShares,
    best_title,
    choose_columns,
    is_exact_state,
)
from monitor.sources.column_map import (
    RING_COLUMNS,
    ColumnMap,
    ParseLimits,
    ParseOptions,
    fold_header,
    list_headers,
)
from monitor.sources.described_table import has_table, read_table
from monitor.sources.format import Format, Proposal
from monitor.sources.kml import Document
from monitor.sources.kmz import compose, find_network_links, find_outside_links, unpack
from monitor.sources.listing import NO_LINKS, ListingReader
from monitor.sources.samples import SAMPLE
from monitor.sources.sniff import is_kml, is_zip, is_zipped_workbook

FOLDER_TITLE = "(folder)"
"""The header under which the configuration finds the name of a placemark's folder, for maps with a folder per
state.
"""
IGNORED = frozenset({"gx_media_links"})  # Google's own, about pictures
_BREAK = re.compile(r"<br\s*/?>|\n", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")  # stops at the next "<", so that a text of only "<" takes linear time


def parse(body: bytes, options: ParseOptions) -> Publication:
    """Parse a KML or KMZ into a publication; raises ParseError if it is neither, or no placemark in it could
    be a listing.

    All documents of a KMZ are read; a placemark that occurs in two of them counts once. Linked documents that
    it does not contain are reported as unread.
    """
    documents = unpack(body, options.limits)
    columns = options.columns or ColumnMap()
    columns = replace(columns, since=columns.since or RING_COLUMNS.since, url=columns.url or RING_COLUMNS.url)
    reader = ListingReader(
        columns,
        by_city=True,
        whole_state=options.whole_state,
        date_order=options.date_order,
        other_columns=True,
        id_from_url=True,
        ignored=IGNORED,
    )
    by_folder = FOLDER_TITLE in list_headers(columns.state)
    placemarks = _DocumentReader(reader, by_folder=by_folder, several=len(documents) > 1)
    for title, content in documents.items():
        placemarks.read(title, content)
    unread = find_outside_links(documents, placemarks.links)
    if not placemarks.count:
        raise ParseError(
            "The KML has no placemark, only a link to another document; configure that document's address."
            if unread
            else "The KML has no placemark: every layer is empty or gone."
        )
    if not reader.listings:
        raise ParseError(f"None of the {placemarks.count:,} placemarks has a name that can be read.")
    for title in placemarks.empty:
        reader.report("empty part", f"the document {clean(title)[:200]} has no placemark")
    for href in unread:
        reader.report("unread part", f"the document behind the link {clean(href)[:200]} was not read")
    publication = reader.separate(folders=tuple(map(clean, placemarks.folders)), rows="placemarks")
    return replace(publication, unread=tuple(clean(href)[:200] for href in unread))


class _DocumentReader:
    """Reads the placemarks of the documents of a map, one document after the other.

    ``by_folder``: the name of a placemark's folder is a column. ``several``: there are several documents, of
    which one may repeat another's placemarks. ``empty`` are the titles of documents without one.
    """

    def __init__(self, reader: ListingReader, *, by_folder: bool, several: bool) -> None:
        self._reader, self._by_folder, self._several = reader, by_folder, several
        self._earlier: set[tuple[object, ...]] = set()
        self.count = 0
        self.folders: list[str] = []
        self.links: list[str] = []
        self.empty: list[str] = []

    def read(self, title: str, content: bytes) -> None:
        """Read one document. Raises ParseError."""
        reader = self._reader
        document = Document(content, before=self.count, names_column=reader.meanings.is_mapped)
        seen: list[tuple[object, ...]] = []
        for number, name, address, description, point, titles, values, folder in document.rows():
            tabled = NO_LINKS
            if description and has_table(description):
                titles, values, tabled = _add_table(titles, values, description)
                if not titles:
                    reader.report("unread table", "the table in the description is not read", number)
            elif description and not titles:
                titles, values = _read_description(description, reader)
            if self._by_folder:
                titles, values = (*titles, FOLDER_TITLE), [*values, clean(folder or "")]
            if self._several:
                seen.append((name, address, description, point, titles, *values))
                if seen[-1] in self._earlier:
                    continue
            reader.read(number, titles, values, name, address, point, folder, links=tabled)
        self._earlier.update(seen)
        if self.count == document.count and not document.links:
            self.empty.append(title)
        self.count = document.count
        self.folders += document.folders
        self.links += document.links
        for mended in document.mended:
            reader.report("broken text", mended)


def _add_table(
    titles: tuple[str, ...], values: list[str], description: str
) -> tuple[tuple[str, ...], list[str], Mapping[int, str]]:
    """Add the columns of the description's table that are missing; returns them with its links by
    position.
    """
    there = set(map(fold_header, titles))
    cells = [cell for cell in read_table(description) if fold_header(cell.title) not in there]
    links = {len(titles) + at: cell.link for at, cell in enumerate(cells) if cell.link}
    texts = clean_all([cell.text for cell in cells])
    return (*titles, *(cell.title for cell in cells)), [*values, *texts], links


def _read_description(description: str, reader: ListingReader) -> tuple[tuple[str, ...], list[str]]:
    """The titles and values of the columns that Google repeats in the description, where `ExtendedData` is
    missing.

    Only if every line reads "Column: value" and one of the columns is a mapped one: free text has colons too.
    """
    columns = _split_description(description)
    if not any(map(reader.meanings.is_mapped, columns)):
        return (), []
    return tuple(columns), clean_all(list(columns.values()))


def _split_description(description: str) -> dict[str, str]:
    """The values of a description by their titles; none if a line does not read "Column: value"."""
    columns: dict[str, str] = {}
    for row in _BREAK.split(description):
        title, colon, text = (_TAG.sub("", row) if "<" in row else row).partition(":")
        if not row.strip():
            continue
        if not colon:
            return {}
        columns.setdefault(unescape_text(title).strip(), unescape_text(text))
    return columns


def propose(body: bytes, limits: ParseLimits) -> Proposal:
    """Propose which columns of a map's placemarks are read; raises ParseError if it is no map."""
    rows: list[dict[str, str]] = []
    named = placed = 0
    folders: list[str] = []
    described: Counter[str] = Counter()  # titles of descriptions, of which a sentence with a colon is none
    for content in unpack(body, limits).values():
        for placemark in islice(Document(content).placemarks(), SAMPLE):
            row = dict(zip(placemark.titles, placemark.values, strict=True))
            for cell in read_table(placemark.description):
                row.setdefault(cell.title, cell.link or cell.text)
            if not row:
                written = _split_description(placemark.description)
                described.update(written.keys())
                row = {title: clean(text) for title, text in written.items()}
            rows.append(row)
            named += bool(placemark.name)
            placed += bool(placemark.address)
            folders.append(clean(placemark.folder or ""))
    unusual = {title for title, count in described.items() if 2 * count <= len(rows)} | IGNORED
    rows = [{title: text for title, text in row.items() if title not in unusual} for row in rows]
    titles = dict.fromkeys(title for row in rows for title in row if title)
    shares = {title: ColumnShares.of([row.get(title, "") for row in rows]) for title in titles}
    since = best_title(shares, lambda title, share: share.dates * (1 + bool(SINCE.search(title))), 0.5)
    url = best_title(shares, lambda title, share: share.links * (1 + bool(URL.search(title))), 0.5)
    columns = ColumnMap(since=since, url=url if url != since else None)
    if not rows:
        return Proposal("mymaps", columns)
    places = _propose_places(
        rows, columns, folders, named=2 * named > len(rows), placed=2 * placed > len(rows)
    )
    return replace(places, notes=()) if placed else places


def _propose_places(
    rows: list[dict[str, str]], columns: ColumnMap, folders: list[str], *, named: bool, placed: bool
) -> Proposal:
    """Propose the columns with the places, or the names, that the placemarks themselves lack."""
    titles = tuple(dict.fromkeys(title for row in rows for title in row if title))
    names = ["Police"] * len(rows) if named else []  # stands for the name of each placemark
    sample = ColumnSample(
        (*titles, *["Agency name"] * named),
        [[row.get(title, "") for title in titles] + names[:1] for row in rows],
        len(rows),
    )
    choice = choose_columns(sample)
    found, notes = choice.columns, choice.notes
    columns = replace(columns, name=None if named else found.name, county=found.county)
    if placed:
        return Proposal("mymaps", columns)
    state = found.state
    if state is None and all(map(is_exact_state, folders)):
        state, notes = FOLDER_TITLE, ("the states are the names of the folders",)
    columns = replace(columns, state=state, city=found.city)
    return Proposal("mymaps", columns, {}, tuple(note for note in notes if "not read" not in note))


FORMAT = Format(
    "mymaps",
    parse,
    recognizes=lambda body: is_kml(body) or (is_zip(body) and not is_zipped_workbook(body)),
    propose=propose,
    endings=(".kml", ".kmz"),
    given_titles=(FOLDER_TITLE,),
    find_links=lambda body, options: find_network_links(body, options.limits),
    compose=compose,
)
