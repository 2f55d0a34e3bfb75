"""Parses KML bytes into placemarks: this module handles XML, and knows nothing about listings.

expat checks that a document is complete and well-formed, and never opens a file or a link by itself. Its
events go directly to the standard library's `TreeBuilder`, which is written in C: a Python handler for each
element took twice as long. The tree stays small, because placemarks are removed as they are read.

The standard library's `XMLParser` is the fastest way there. Control characters, stray bytes and prefixes
without a declaration, which programs are known to write, are mended before. What it refuses (such a prefix
that is first used late, a break) is read once more by a patient parser, which knows the byte at which a body
breaks. A DOCTYPE is refused where it begins, so no entity is ever declared; a broken document is never
recovered.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain, filterfalse, islice
from typing import NamedTuple, Protocol
from xml.etree import ElementTree
from xml.etree.ElementTree import Element
from xml.parsers import expat

from monitor.errors import ParseError
from monitor.sources.cells import clean_all
from monitor.sources.column_map import MIB
from monitor.sources.kml_bytes import find_tabs_for_lines, may_have_doctype, mend_bytes, simplify_root

_WINDOW = 32 * 1024  # bytes passed to expat at a time: some 50 placemarks
_LONGEST = MIB  # bytes without a new element that `XMLParser` may read: it keeps each line as a string
_MOST_LEVELS = 100  # the deepest nesting of folders; more is an attack
_MOST_FIELDS = 1000  # columns of schemas
_MOST_LINKS = 100  # the most links to other documents; Google's maps have at most ten layers
_TOP = -1  # the level of the root's parent
_TOO_DEEP = f"The KML is nested more than {_MOST_LEVELS} levels deep."


class Placemark(NamedTuple):
    """One placemark. ``number`` counts from 1 in document order.

    Texts are cleaned, except ``description`` and ``point``; "" if the element is empty or missing. ``point``
    is a Point's coordinates, None without a Point; ``titles`` and ``values`` are the columns of the
    `ExtendedData`, the first if a title repeats; ``folder`` is the name of the nearest folder that has one.
    """

    number: int
    name: str
    address: str
    description: str
    point: str | None
    titles: tuple[str, ...]
    values: list[str]
    folder: str | None


_Row = tuple[int, str, str, str, str | None, tuple[str, ...], list[str], str | None]
"""The fields of a `Placemark`."""


class _LocalNames(dict[str, str]):
    """Maps qualified element names, "kml:name" or "{namespace}name", to their local names, each computed
    once.
    """

    def __missing__(self, tag: str) -> str:
        self[tag] = name = tag.rpartition("}")[2].rpartition(":")[2]
        return name


class _Parser(Protocol):
    """The interface of an incremental XML parser with a `TreeBuilder`."""

    def feed(self, data: bytes, /) -> object: ...

    def close(self) -> object: ...


class _QuickParser:
    """The standard library's `XMLParser`, given what it reads in the least time: a root without a default
    namespace, and line ends as ``as_tabs`` writes them.
    """

    def __init__(self, as_tabs: Callable[[bytes], bytes], target: ElementTree.TreeBuilder) -> None:
        self._as_tabs, self._begun = as_tabs, False
        self._parser = ElementTree.XMLParser(target=target)  # noqa: S314  for no body with a DOCTYPE

    def feed(self, data: bytes, /) -> None:
        if not self._begun:
            self._begun = True
            data = simplify_root(data)
        self._parser.feed(self._as_tabs(data))

    def close(self) -> None:
        self._parser.close()


class _PatientParser:
    """Reads whatever expat reads: prefixes need no declaration. ParseError says what is wrong, and where."""

    def __init__(self, target: ElementTree.TreeBuilder) -> None:
        self._target, self._size = target, 0
        self._expat = parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.buffer_size = 2 * _WINDOW
        parser.StartDoctypeDeclHandler = _refuse_doctype
        parser.StartElementHandler = self._start_root
        parser.EndElementHandler = target.end
        parser.CharacterDataHandler = target.data

    def feed(self, data: bytes, /) -> None:
        self._size += len(data)
        self._parse(data, whole=False)

    def close(self) -> None:
        self._parse(b"", whole=True)

    def _parse(self, data: bytes, *, whole: bool) -> None:
        try:
            self._expat.Parse(data, whole)
        except expat.ExpatError as error:
            raise ParseError(_describe(error, self._expat.ErrorByteIndex, self._size)) from None

    def _start_root(self, tag: str, attributes: dict[str, str]) -> None:
        if tag.rpartition(":")[2] != "kml":
            raise ParseError(f"The XML is no KML: its root is <{tag[:40]}>.")
        self._target.start(tag, attributes)
        self._expat.StartElementHandler = self._target.start


class _Container:
    """The state of an element that may contain placemarks, while it is read."""

    __slots__ = ("element", "folder", "name", "open")

    def __init__(self, element: Element, folder: str | None, name: list[str] | None) -> None:
        self.element = element
        self.folder = folder  # the folder of the placemarks in it: the name of the nearest named folder
        self.name = name  # of a Folder: empty until its name is met
        self.open: _Container | None = None  # the child that was still open at the end of the last window


class Document:
    """One KML document that is read once, by `placemarks`; afterwards ``folders``, ``links`` and ``count``
    are complete.

    ``links`` are the addresses of NetworkLinks. Placemarks are numbered on from ``before``. ``mended`` says
    what of the bytes was no XML and is read all the same. A column is titled by its displayName where it has
    one, unless ``names_column`` says that its name is the one that is looked for.
    """

    def __init__(
        self, body: bytes, before: int = 0, names_column: Callable[[str], bool] = lambda _name: False
    ) -> None:
        self._body, self._before = body, before
        self._local = _LocalNames()
        self._names_column = names_column
        self.mended: tuple[str, ...] = ()
        self._begin()

    def _begin(self) -> None:
        self._tabs_are_lines = False
        self._folders: list[list[str]] = []
        self._ready: list[_Row] = []
        self._texts: list[str] = []  # those of the ready placemarks that are to be cleaned
        self._shown: dict[str, str] = {}  # the displayName of a column of a Schema by its name
        self.count = self._before
        self.links: list[str] = []

    @property
    def folders(self) -> tuple[str, ...]:
        """The names of all folders in document order, also of empty ones; a name given late counts."""
        return tuple(name for names in self._folders for name in names if name)

    def placemarks(self) -> Iterator[Placemark]:
        """Every placemark in and outside folders; ParseError where the document is not whole, well-formed
        KML.
        """
        return map(Placemark._make, self.rows())

    def rows(self) -> Iterator[_Row]:
        """The fields of every placemark, for loops: plain tuples are made and unpacked in half the time."""
        given = 0
        # Before the first reading: what breaks at the end of a map would otherwise cost a second one.
        self._body, self.mended = mend_bytes(self._body)
        try:
            if not may_have_doctype(self._body):
                as_tabs = find_tabs_for_lines(self._body)
                self._tabs_are_lines = as_tabs is not None
                try:
                    for ready in self._read(partial(_QuickParser, as_tabs or bytes), _LONGEST):
                        given += len(ready)
                        yield from ready
                    return
                except (ElementTree.ParseError, LookupError, ValueError):
                    self._begin()
            yield from islice(chain.from_iterable(self._read(_PatientParser, math.inf)), given, None)
        except RecursionError:
            raise ParseError(_TOO_DEEP) from None
        except (LookupError, ValueError):
            # An encoding that Python does not know, or a text that is not in it.
            raise ParseError("The XML is in an encoding that cannot be read.") from None

    def _read(
        self, make_parser: Callable[[ElementTree.TreeBuilder], _Parser], longest: float
    ) -> Iterator[list[_Row]]:
        """Yield the placemarks that each window of the body completes. Raises ElementTree.ParseError where
        only the patient parser can report the error, or for a window of more than ``longest`` bytes.
        """
        builder = ElementTree.TreeBuilder()
        top = _Container(builder.start("", {}), None, None)
        parser = make_parser(builder)
        at, window, newest = 0, _WINDOW, top.element
        while at < len(self._body):
            if window > longest:
                raise ElementTree.ParseError
            parser.feed(self._body[at : at + window])
            at += window
            if len(top.element) and self._local[top.element[0].tag] != "kml":
                raise ElementTree.ParseError
            # an unfinished tag or comment is read again from its start with every window
            before, newest = newest, _find_newest(top.element)
            window = 2 * window if newest is before else _WINDOW
            yield self._take_ready(top, ended=False)
        parser.close()
        yield self._take_ready(top, ended=True)

    def _take_ready(self, top: _Container, *, ended: bool) -> list[_Row]:
        """Remove the complete placemarks from the tree and return them."""
        self._ready, self._texts = [], []
        self._take(top, ended=ended, level=_TOP)
        return self._ready if _are_clean(self._texts) else list(map(_clean_row, self._ready))

    def _take(self, container: _Container, *, ended: bool, level: int = 0) -> None:
        """Remove complete children of a container from the tree; only its last child may still be open."""
        element, local = container.element, self._local
        children = list(element)
        open_child = None if ended or not children else children.pop()
        del element[: len(children)]
        for child in children:
            name = local[child.tag]
            if name == "Placemark":
                self._read_placemark(child, container.folder, level)
            elif name == "NetworkLink":
                self._read_link(child)
            elif name == "Schema":
                self._read_schema(child)
            else:
                if name == "name" and container.name == []:
                    container.name.append(_text(child))
                    container.folder = container.name[0] or container.folder
                if len(child) or name == "Folder":
                    self._take(self._enter(container, child, name), ended=True, level=_deeper(level))
        if children:
            container.open = None
        if open_child is not None and local[open_child.tag] not in ("Placemark", "NetworkLink"):
            container.open = self._enter(container, open_child, local[open_child.tag])
            self._take(container.open, ended=False, level=_deeper(level))

    def _enter(self, parent: _Container, element: Element, name: str) -> _Container:
        """The state of a container, new or from the window before."""
        if parent.open is not None and parent.open.element is element:
            return parent.open
        names: list[str] | None = [] if name == "Folder" else None
        if names is not None:
            self._folders.append(names)
        return _Container(element, parent.folder, names)

    def _read_placemark(self, element: Element, folder: str | None, level: int) -> None:
        # The hottest loop: texts are read without a call if an element has no children.
        local = self._local
        name = address = description = point = None
        columns: dict[str, str] = {}
        for child in element:
            kind = local[child.tag]
            if kind == "name":
                if name is None:
                    name = _text(child) if len(child) else child.text or ""
            elif kind == "address":
                if address is None:
                    address = _text(child) if len(child) else child.text or ""
            elif kind == "ExtendedData":
                for cell in child:
                    if local[cell.tag] == "Data":
                        title = cell.get("name", "")
                        for value in cell:
                            if local[value.tag] == "value":
                                if title not in columns:
                                    columns[title] = _text(value) if len(value) else value.text or ""
                            elif local[value.tag] == "displayName":
                                title = self._choose_title(title, _text(value))
                    else:
                        self._read_schema_data(cell, columns)
            elif kind == "description":
                if description is None:
                    description = _text(child) if len(child) else child.text or ""
                    if "\t" in description:
                        description = self._restore_lines(description)
            elif kind == "Point":
                point = self._read_point(child) if point is None else point
            elif kind == "MultiGeometry":
                point = self._find_point(child) if point is None else point
            elif kind == "Placemark":
                self._read_placemark(child, folder, _deeper(level))
            elif len(child):
                self._take(_Container(child, folder, None), ended=True, level=_deeper(level))
        self.count = number = self.count + 1
        name, address, values = name or "", address or "", list(columns.values())
        self._texts += name, address, *values
        self._ready.append((number, name, address, description or "", point, tuple(columns), values, folder))

    def _restore_lines(self, text: str) -> str:
        return text.replace("\t", "\n") if self._tabs_are_lines else text

    def _read_schema_data(self, element: Element, columns: dict[str, str]) -> None:
        if self._local[element.tag] == "SchemaData":
            for value in element:
                title = value.get("name", "")
                title = self._shown.get(title, title)
                if title not in columns and self._local[value.tag] == "SimpleData":
                    columns[title] = _text(value)

    def _read_schema(self, element: Element) -> None:
        """Store the display names of a Schema's columns."""
        for field in element:
            for child in field:
                if self._local[child.tag] == "displayName" and len(self._shown) < _MOST_FIELDS:
                    name = field.get("name", "")
                    self._shown[name] = self._choose_title(name, _text(child))

    def _choose_title(self, name: str, shown: str) -> str:
        return name if not shown.strip() or self._names_column(name) else shown.strip()

    def _read_point(self, element: Element) -> str:
        """The coordinates of a Point, "" where they are missing."""
        for child in element:
            if self._local[child.tag] == "coordinates":
                text = (_text(child) if len(child) else child.text or "").strip()
                return self._restore_lines(text) if "\t" in text else text
        return ""

    def _find_point(self, element: Element) -> str | None:
        """The coordinates of the first Point of a MultiGeometry; None where there is none."""
        points = (each for each in element.iter() if self._local[each.tag] == "Point")
        return next(map(self._read_point, points), None)

    def _read_link(self, element: Element) -> None:
        """A NetworkLink's Link has the address; Url is its name in KML 2.0."""
        hrefs = (_text(child).strip() for child in element.iter() if self._local[child.tag] == "href")
        if (href := next(filter(None, hrefs), None)) and href not in self.links:
            if len(self.links) == _MOST_LINKS:
                raise ParseError(f"The KML has more than {_MOST_LINKS} links to other documents.")
            self.links.append(href)


def _deeper(level: int) -> int:
    """Compute the next level; raises ParseError if it is too deep."""
    if level >= _MOST_LEVELS:
        raise ParseError(_TOO_DEEP)
    return level + 1


def _find_newest(element: Element) -> Element:
    """The last element within one, open or not; ParseError if it is too deep, before a document of nothing
    but start tags fills the memory.
    """
    level = _TOP
    while len(element):
        element, level = element[-1], _deeper(level)
    return element


def _text(element: Element) -> str:
    return "".join(element.itertext()) if len(element) else element.text or ""


def _are_clean(texts: list[str]) -> bool:
    """Whether `cells.clean` would leave all these texts as they are. Out of XML, they can hold only four of
    ASCII's control characters.
    """
    together = " ".join(["", *filter(None, texts), ""])  # a space at the end of a text is then one of two
    if not together.isascii() and not "".join(filterfalse(str.isascii, texts)).isprintable():
        return False  # `isprintable` for all texts takes longer
    return not (
        "\n" in together or "\t" in together or "\r" in together or "\x7f" in together or "  " in together
    )


def _clean_row(row: _Row) -> _Row:
    number, name, address, description, point, titles, values, folder = row
    name, address, *values = clean_all([name, address, *values])
    return number, name, address, description, point, titles, values, folder


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


def _describe(error: expat.ExpatError, at: int, size: int) -> str:
    """Where and why a document breaks."""
    if error.code in _UNFINISHED:
        return f"The XML is cut off at byte {size:,}."
    return f"The XML is broken at byte {at:,} (line {error.lineno:,}): {expat.ErrorString(error.code)}."
