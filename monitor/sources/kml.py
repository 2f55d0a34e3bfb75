"""KML and KMZ bytes to placemarks, streaming: the part that knows XML, and nothing of what a listing is.

expat proves that a document is whole and well-formed, holds one placemark at a time without any clearing of a tree, never opens a file or
a link by itself, and knows the byte at which a body breaks. Its handlers in Python are four times as slow as expat itself, so the
placemarks that look like nearly all do are read by `plain` and never come to it. A DOCTYPE is refused where it begins, so
no entity is ever declared; a broken document is never recovered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import count, repeat
from typing import NamedTuple
from xml.parsers import expat

from monitor.errors import ParseError
from monitor.sources import plain
from monitor.sources.archive import opened
from monitor.sources.cells import clean
from monitor.sources.columns import MIB, ParseLimits
from monitor.sources.sniff import is_zip, refuse_empty_and_pages

_STAND_IN = b"<Placemark/>"
"""What expat reads in place of placemarks that were cut out: so it proves that one may stand there, and tells its number and folder."""

_LEAVES = frozenset({"name", "address", "description", "value", "SimpleData", "coordinates", "href"})
_SCOPES = frozenset(
    {
        "Document", "Folder", "Placemark", "NetworkLink", "GroundOverlay", "ScreenOverlay", "PhotoOverlay", "Tour",
        "Point", "LineString", "LinearRing", "Model", "author", "Style",
    }
)  # fmt: skip
"""Elements whose leaves are their own: a name in an `atom:author` is not the placemark's, nor a line's coordinates its point."""


class Placemark(NamedTuple):
    """One placemark. ``number`` counts from 1 in document order.

    Texts are cleaned, ``description`` and ``point`` as they stand; "" where the element is empty or not there. ``point`` is a Point's
    coordinates, None without a Point; ``titles`` and ``values`` are the columns of the `ExtendedData`, the first where a title repeats;
    ``folder`` is the name of the nearest folder that has one.
    """

    number: int
    name: str
    address: str
    description: str
    point: str | None
    titles: tuple[str, ...]
    values: tuple[str, ...]
    folder: str | None


# `Placemark._make` would call Python once more for every placemark.
_of_tuple: Callable[[tuple[object, ...]], Placemark] = partial(tuple.__new__, Placemark)


def _instead_of(stand_in: Placemark, rows: plain.Rows) -> Iterator[Placemark]:
    """The placemarks that one stood in for."""
    columns = zip(
        count(stand_in.number), rows.names, rows.addresses, rows.descriptions, rows.points, repeat(rows.titles), rows.values,
        repeat(stand_in.folder), strict=False,
    )  # fmt: skip
    return map(_of_tuple, columns)


def _local(tag: str) -> str:
    return tag.rpartition(":")[2]


class Document:
    """One KML document that is read once, by `placemarks`; afterwards ``folders`` and ``link`` are complete."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._folders: list[dict[str, str]] = []
        self._ready: list[Placemark] = []
        self.count = 0
        self.link: str | None = None

    @property
    def folders(self) -> tuple[str, ...]:
        """The names of all folders in document order, also of empty ones; a name given late counts."""
        return tuple(folder["name"] for folder in self._folders if folder.get("name"))

    def placemarks(self) -> Iterator[Placemark]:
        """Every placemark of every folder and outside folders; ParseError where the document is not whole, well-formed KML."""
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.buffer_size = 64 * 1024
        parser.ordered_attributes = True
        parser.StartDoctypeDeclHandler = _refuse_doctype
        parser.StartElementHandler = self._root(parser)
        ready = self._ready
        try:
            for stretch, rows in plain.pieces(self._body):
                parser.Parse(stretch + _STAND_IN if rows else stretch, False)
                stand_in = ready.pop() if rows else None
                yield from ready
                ready.clear()
                if rows and stand_in:
                    self.count += len(rows.names) - 1
                    yield from _instead_of(stand_in, rows)
            parser.Parse(b"", True)
            yield from ready
        except expat.ExpatError:
            raise ParseError(_broken(self._body)) from None
        except (LookupError, ValueError):
            # An encoding that Python does not know, or a text that is not in it.
            raise ParseError("The XML is in an encoding that cannot be read.") from None

    def _root(self, parser: expat.XMLParserType) -> Callable[[str, list[str]], None]:
        def root(tag: str, _attributes: list[str]) -> None:
            if _local(tag) != "kml":
                raise ParseError(f"The XML is no KML: its root is <{tag[:40]}>.")
            self._listen(parser)

        return root

    def _listen(self, parser: expat.XMLParserType) -> None:
        """Set the handlers: closures that do little for the many elements of no interest, for most of the time is spent in them.

        ``leaves``, ``data``, ``scopes`` and ``ignored`` hold qualified names as they are met, so that a prefix costs nothing.
        """
        leaves: dict[str, str] = {}
        scopes: dict[str, str] = {}
        data: set[str] = set()
        ignored: set[str] = set()
        pieces: list[str] = []
        collect = pieces.append
        scope: dict[str, str] = {}
        opened = [scope]
        folders: list[dict[str, str]] = []
        columns: dict[str, str] = {}
        column = ""
        around: list[dict[str, str]] = []
        ready = self._ready.append

        def start(tag: str, attributes: list[str]) -> None:
            nonlocal column
            if tag in leaves:
                parser.CharacterDataHandler = collect
                if attributes and leaves[tag] == "SimpleData":
                    column = _value_of("name", attributes)
            elif tag in data:
                column = (
                    attributes[1] if attributes and attributes[0] == "name" else _value_of("name", attributes)
                )
            elif tag in scopes:
                enter(scopes[tag])
            elif tag not in ignored:
                name = _local(tag)
                if name in _LEAVES:
                    leaves[tag] = name
                elif name in _SCOPES:
                    scopes[tag] = name
                else:
                    (data if name == "Data" else ignored).add(tag)
                start(tag, attributes)

        def end(tag: str) -> None:
            if tag in leaves:
                parser.CharacterDataHandler = None
                name = leaves[tag]
                text = "".join(pieces)
                pieces.clear()
                if name == "value" or name == "SimpleData":
                    if column not in columns:
                        columns[column] = text
                elif name not in scope:
                    scope[name] = text
            elif tag in scopes:
                leave(scopes[tag])

        def enter(name: str) -> None:
            nonlocal scope, columns, column
            scope = {}
            opened.append(scope)
            if name == "Placemark":  # nothing of what it stands in gets into it, wherever it stands
                parser.CharacterDataHandler = None
                pieces.clear()
                around.append(columns)
                columns, column = {}, ""
            elif name == "Folder":
                folders.append(scope)
                self._folders.append(scope)

        def leave(name: str) -> None:
            nonlocal scope, columns, column
            ended = opened.pop()
            scope = opened[-1]
            if name == "Placemark":
                self.count += 1
                text = ended.get
                ready(
                    Placemark(
                        self.count, clean(text("name", "")), clean(text("address", "")), text("description", ""),
                        text("point"), tuple(columns), tuple(map(clean, columns.values())), _name_of(folders),
                    )
                )  # fmt: skip
                columns, column = around.pop(), ""
            elif name == "Folder":
                folders.pop()
            elif name == "Point":
                scope.setdefault("point", ended.get("coordinates", ""))
            elif name == "NetworkLink":
                self.link = self.link or ended.get("href", "").strip() or None

        parser.StartElementHandler = start
        parser.EndElementHandler = end


def _value_of(name: str, attributes: list[str]) -> str:
    """The value of an attribute in expat's list of names and values; "" if it is not there."""
    return dict(zip(attributes[::2], attributes[1::2], strict=True)).get(name, "")


def _name_of(folders: list[dict[str, str]]) -> str | None:
    """The name of the innermost folder that has one."""
    for folder in reversed(folders):
        if name := folder.get("name"):
            return name
    return None


def _refuse_doctype(*_declaration: object) -> None:
    raise ParseError("The XML has a DOCTYPE, which no KML needs; it is refused.")


_UNFINISHED = frozenset(
    expat.errors.codes[message]
    for message in (
        expat.errors.XML_ERROR_NO_ELEMENTS,
        expat.errors.XML_ERROR_UNCLOSED_TOKEN,
        expat.errors.XML_ERROR_PARTIAL_CHAR,
        expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
    )
)


def _broken(body: bytes) -> str:
    """Where and why a document breaks, found by expat alone: the reader leaves out of it what it knows to be whole."""
    parser = expat.ParserCreate()
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        if error.code not in _UNFINISHED:
            return f"The XML is broken at byte {parser.ErrorByteIndex:,} (line {error.lineno:,}): {expat.ErrorString(error.code)}."
    return f"The XML is cut off at byte {len(body):,}."


def unpacked(body: bytes, limits: ParseLimits) -> bytes:
    """The KML bytes of a KML or KMZ body, within the limits; ParseError for what is neither."""
    refuse_empty_and_pages(body)
    if not is_zip(body):
        if len(body) > limits.decoded:
            raise ParseError(f"The body is larger than {limits.decoded / MIB:g} MiB.")
        if body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] != b"<" and not body.startswith(
            (b"\xff\xfe", b"\xfe\xff")
        ):
            raise ParseError("The body is neither XML nor a KMZ.")
        return body
    with opened(body, limits, limits.entries) as archive:
        documents = [name for name in archive.names if name.lower().endswith(".kml")]
        if not documents:
            raise ParseError("The zip is no KMZ: there is no .kml in it.")
        # Google writes doc.kml; others' readers take the first document that is not in a folder.
        return archive.read(min(documents, key=lambda name: (name.lower() != "doc.kml", name.count("/"))))


def network_link(body: bytes, limits: ParseLimits | None = None) -> str | None:
    """The address in a KML or KMZ whose only content is a NetworkLink; None for one with placemarks and for anything else."""
    try:
        document = Document(unpacked(body, limits or ParseLimits()))
        for _ in document.placemarks():
            return None
    except ParseError:
        return None
    return document.link
