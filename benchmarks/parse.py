"""Parsing a map compared with expat without handlers, and with other readers of KML, in one run.

python -m benchmarks.parse             2,600 placemarks, best of 60
python -m benchmarks.parse --million   1,000,000 placemarks (650 MB), once: time, memory above the listings
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import io
import os
import random
import re
import resource
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree
from xml.parsers import expat

from lxml import etree

from monitor.sources import ParseLimits, ParseOptions, parse
from monitor.sources.kml import Document

ROUNDS = 60
WINDOW = 32 * 1024  # bytes that a parser is given at a time, as `monitor.sources.kml` does
LAYER = 2000  # rows that a layer of Google My Maps holds at most
CITIES = (
    "Hammond",
    "Naperville",
    "Richmond",
    "Saint Paul",
    "Port Arthur",
    "Bloomfield Township",
    "Coeur d'Alene",
)
STATES = ("IN", "IL", "VA", "MN", "NJ", "ID", "Texas", "North Carolina")
MIB = 1024 * 1024


def ring(placemarks: int) -> Iterator[str]:
    """A map in the shape of Ring's, in pieces: layers of addresses without points, the columns twice, one in
    four states in full.
    """
    chance = random.Random(1)
    yield (
        '<?xml version="1.0" encoding="UTF-8"?>\n<kml xmlns="http://www.opengis.net/kml/2.2">\n  '
        "<Document>\n    <name>Active Agency Map</name>\n"
    )
    for number in range(placemarks):
        if number % LAYER == 0:
            yield (
                "    </Folder>\n" if number else ""
            ) + f"    <Folder>\n      <name>Agencies {number // LAYER + 1}</name>\n"
        city, state = f"{chance.choice(CITIES)} {number}", chance.choice(STATES)
        day = f"{chance.randint(1, 12)}/{chance.randint(1, 28)}/20{chance.randint(18, 25)}"
        profile = f"https://agency.ring.com/agencies/{uuid.UUID(int=chance.getrandbits(128))}"
        yield f"""      <Placemark>
        <name>{city} Police Department</name>
        <address>{city}, {state}</address>
        <description><![CDATA[Active Date: {day}<br>Agency Profile: {profile}]]></description>
        <styleUrl>#icon-1899-0288D1</styleUrl>
        <ExtendedData>
          <Data name="Active Date">
            <value>{day}</value>
          </Data>
          <Data name="Agency Profile">
            <value>{profile}</value>
          </Data>
        </ExtendedData>
      </Placemark>
"""
    yield "    </Folder>\n  </Document>\n</kml>\n"


def body_of(placemarks: int) -> bytes:
    buffer = io.BytesIO()
    for piece in ring(placemarks):
        buffer.write(piece.encode())
    return buffer.getvalue()


def with_ids(body: bytes) -> bytes:
    """The map as other programs write it: an id on each placemark."""
    pieces = body.split(b"<Placemark>")
    ids = (b'<Placemark id="ID_%05d">' % number for number in range(1, len(pieces)))
    return pieces[0] + b"".join(start + rest for start, rest in zip(ids, pieces[1:], strict=True))


def with_points(body: bytes) -> bytes:
    """The map with a point beside each address."""
    chance = random.Random(2)
    pieces = body.split(b"      </Placemark>")
    points = (
        b"        <Point>\n          <coordinates>\n            %.7f,%.7f,0\n          </coordinates>\n"
        b"        </Point>\n      </Placemark>" % (chance.uniform(-120, -70), chance.uniform(30, 48))
        for _ in pieces[1:]
    )
    return pieces[0] + b"".join(point + rest for point, rest in zip(points, pieces[1:], strict=True))


def with_tabs(body: bytes) -> bytes:
    """The map with tabs before its elements, and the line ends of Windows."""
    return body.replace(b"  ", b"\t").replace(b"\n", b"\r\n")


def with_undeclared_prefix(body: bytes) -> bytes:
    """The map with an element in each placemark whose prefix is not declared."""
    return body.replace(b"</styleUrl>", b"</styleUrl><gx:drawOrder>1</gx:drawOrder>")


def only_names(body: bytes) -> bytes:
    """The map without descriptions, styles and columns: least XML for a listing."""
    for tag in (rb"description", rb"styleUrl", rb"ExtendedData"):
        body = re.sub(rb" *<%s>.*?</%s>\n" % (tag, tag), b"", body, flags=re.DOTALL)
    return body


def with_accents(body: bytes) -> bytes:
    """The map with a letter beyond ASCII in each name."""
    return body.replace(b" Police Department", " Polic\xeda Department".encode())


def bare_expat(body: bytes) -> None:
    expat.ParserCreate().Parse(body, True)


def lxml_fromstring(body: bytes) -> None:
    etree.fromstring(body)


def lxml_iterparse(body: bytes) -> None:
    """Raw texts only, by direct child access, the tree cleared behind."""
    for _, element in etree.iterparse(io.BytesIO(body), tag="{*}Placemark"):
        for child in element:
            if child.tag.endswith("}ExtendedData"):
                [(cell.get("name"), value.text) for cell in child for value in cell]
            else:
                _ = child.text
        element.clear()
        while element.getprevious() is not None:
            del element.getparent()[0]


def elementtree_iterparse(body: bytes) -> None:
    for _, element in ElementTree.iterparse(io.BytesIO(body)):
        if element.tag.endswith("}Placemark"):
            for child in element:
                _ = child.text
            element.clear()


def fastkml(body: bytes) -> None:
    from fastkml import KML

    KML.from_string(body.decode().split("?>", 1)[1])


def pykml(body: bytes) -> None:
    from pykml import parser

    for placemark in parser.fromstring(body).iter("{*}Placemark"):
        _ = (placemark.name.text, placemark.address.text)


def tree_in_windows(body: bytes) -> None:
    """The tree that `Document` reads from, thrown away window by window."""
    parser, builder = expat.ParserCreate(), ElementTree.TreeBuilder()
    holder = builder.start("holder", {})
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = builder.start, builder.end
    parser.CharacterDataHandler = builder.data
    for at in range(0, len(body), WINDOW):
        parser.Parse(body[at : at + WINDOW], False)
        element = holder
        while len(element):
            del element[:-1]
            element = element[-1]


def tree_by_xml_parser(body: bytes) -> None:
    """The same by the standard library's parser, which is C throughout and resolves namespaces."""
    builder = ElementTree.TreeBuilder()
    holder = builder.start("holder", {})
    parser = ElementTree.XMLParser(target=builder)
    for at in range(0, len(body), WINDOW):
        parser.feed(body[at : at + WINDOW])
        element = holder
        while len(element):
            del element[:-1]
            element = element[-1]


def only_placemarks(body: bytes) -> None:
    for _ in Document(body).placemarks():
        pass


def whole(body: bytes) -> None:
    parse(body, SPEC)


SPEC = ParseOptions("ring", "mymaps", limits=ParseLimits(decoded=2048 * MIB))
READERS: tuple[tuple[str, Callable[[bytes], None]], ...] = (
    ("expat, no handler (the limit)", bare_expat),
    ("lxml fromstring, nothing read", lxml_fromstring),
    ("lxml iterparse, raw texts", lxml_iterparse),
    ("ElementTree iterparse, raw texts", elementtree_iterparse),
    ("expat to TreeBuilder, nothing read", tree_in_windows),
    ("XMLParser to TreeBuilder, nothing read", tree_by_xml_parser),
    ("monitor: placemarks, cleaned texts", only_placemarks),
    ("monitor: parse, checked and keyed listings", whole),
)


def seconds_of(read: Callable[[bytes], None], body: bytes) -> float:
    """Processor time, which other work on the machine changes less than the time on the clock.

    Without the garbage collector, as in the parser's process (`monitor.parser.child`).
    """
    gc.collect()
    gc.disable()
    try:
        start = time.process_time()
        read(body)
        return time.process_time() - start
    finally:
        gc.enable()


def small() -> None:
    """The readers take turns, so that a busy moment of the machine affects all of them."""
    body = body_of(2600)
    compare("as My Maps writes them", body)
    compare("with an id each", with_ids(body))
    compare("with a point each", with_points(body))
    compare("with an accent in each name", with_accents(body))
    compare("with tabs and the line ends of Windows", with_tabs(body))
    compare("with a prefix without a declaration", with_undeclared_prefix(body))
    compare("with names and addresses alone", only_names(body))


def compare(title: str, body: bytes) -> None:
    """Print the times of all readers for one document."""
    readers = list(READERS)
    readers += [(name, globals()[name]) for name in ("fastkml", "pykml") if importlib.util.find_spec(name)]
    refusing = {name for name, read in readers if refuses(read, body)}
    readers = [(name, read) for name, read in readers if name not in refusing]
    times = {name: [seconds_of(read, body) for _ in range(2)] for name, read in readers}
    for _ in range(ROUNDS):
        for name, read in readers:
            if times[name][0] < 1:  # fastkml takes seconds
                times[name].append(seconds_of(read, body))
    limit = min(times[READERS[0][0]])
    print(f"2,600 placemarks {title}, {len(body) / 1e6:.1f} MB, processor time, best of {ROUNDS}")
    for name, taken in times.items():
        print(f"{name:<46}{min(taken) * 1000:9.1f} ms {min(taken) / limit:8.1f} x")
    for name in sorted(refusing):
        print(f"{name:<46} refuses it")


def refuses(read: Callable[[bytes], None], body: bytes) -> bool:
    """Whether a reader refuses a document, such as one with a prefix that is not declared."""
    try:
        read(body)
    except (SyntaxError, ValueError):  # those of lxml and of the standard library are SyntaxErrors
        return True
    return False


def resident() -> int:
    """Bytes of this process in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def peak() -> int:
    """The most bytes that this process had in memory."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def million() -> None:
    body = body_of(1_000_000)
    print(f"1,000,000 placemarks, {len(body) / 1e6:.0f} MB, processor time, once")
    limit = seconds_of(bare_expat, body)
    print(f"{'expat, no handler (the limit)':<46}{limit:9.1f} s  {1:8.1f} x")
    before, peak_before = resident(), peak()
    start = time.process_time()
    publication = parse(body, SPEC)
    seconds = time.process_time() - start
    highest = peak()
    held = resident() - before
    print(f"{'monitor: parse, checked and keyed listings':<46}{seconds:9.1f} s  {seconds / limit:8.1f} x")
    print(f"{len(publication.listings):,} listings take {held / MIB:,.0f} MiB")
    if highest > peak_before:
        print(f"above body and listings, at the highest: {(highest - before - held) / MIB:,.0f} MiB")
    else:
        print("above body and listings, at the highest: not seen (making the body took more)")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--million", action="store_true")
    if arguments.parse_args().million:
        million()
    else:
        small()
