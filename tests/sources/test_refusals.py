"""What is not a readable publication is a ParseError with its reason, never an empty publication."""

from __future__ import annotations

import random
import re
import zipfile
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.errors import ParseError
from monitor.sources import FORMATS, ColumnMap, Links, ParseLimits, ParseOptions, find_links, parse, proposals
from monitor.sources.format import Format, Proposal
from monitor.sources.proposals import propose
from tests.sources.bodies import kml, placemark, unzipped, xlsx, zipped
from tests.sources.golden import FOLDER, MAP, TABLE

ROWS = [["Agency Name", "State"], ["Hammond Police", "IN"], ["Gary Police", "IN"]]
KML = (FOLDER / "map.kml").read_bytes()
XLSX = xlsx(ROWS, {"A2": "https://example.org"})
EVERYWHERE = [
    (b"", "empty"),
    (b" \r\n", "empty"),
    (b"<!DOCTYPE html><html><head><title>Sign in - Google Accounts</title>", "login page"),
    (b"\n<html><title>Before you continue</title></html>", "consent page"),
    (b"<HTML><title>Error 404 (Not Found)!!1</title></HTML>", "error page"),
    (b"<html><body>Hello</body></html>", "web page"),
]


@pytest.mark.parametrize("spec", [MAP, TABLE], ids=["map", "table"])
@pytest.mark.parametrize(("body", "reason"), EVERYWHERE)
def test_an_empty_body_or_a_web_page_is_refused(body: bytes, reason: str, spec: ParseOptions) -> None:
    with pytest.raises(ParseError, match=reason):
        parse(body, spec)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (KML[: len(KML) // 2], f"cut off at byte {len(KML) // 2:,}"),
        (KML.replace(b"</Folder>", b"</Foldr>", 1), r"broken at byte [\d,]+ \(line \d+\)"),
        (b"<!DOCTYPE kml [<!ENTITY a 'b'>]>" + kml(placemark()), "DOCTYPE"),
        (b"<!-- <kml> --><?x <kml> ?>\r\n<!--?-->\n<!DOCTYPE kml [<!ENTITY a 'b'>]><kml/>", "DOCTYPE"),
        (
            b"\xef\xbb\xbf <?xml version='1.0'?> \x0b<!DOCTYPE kml SYSTEM 'file:///etc/passwd'><kml/>",
            "DOCTYPE",
        ),
        (b"<rss><channel/></rss>", "no KML: its root is <rss>"),
        (b'{"type": "FeatureCollection"}', "neither XML nor a KMZ"),
        (kml(), "no placemark: every layer"),
        (kml("<NetworkLink><Link><href>https://x.org</href></Link></NetworkLink>"), "only a link"),
        (kml(placemark(""), placemark("#VALUE!")), "None of the 2 placemarks"),
        (b'<?xml version="1.0" encoding="klingon"?>' + kml(placemark()), "encoding|broken"),
        (kml(placemark()) + b"<kml/>", "broken"),
        (zipped({"image.png": b"x"}), r"no \.kml"),
        (XLSX, r"no \.kml"),
        (zipped({f"{n}.png": b"x" for n in range(4097)}), "4,097 entries; at most 4096"),
        (zipped({"doc.kml": kml(placemark())})[:-30], "damaged or cut off"),
        (zipped({"doc.kml": kml(placemark())}, zipfile.ZIP_LZMA), "compressed by a method"),
        (zipped({"doc.kml": b" " * 10_000_000 + kml(placemark())}), "more than 100 times"),
    ],
)
def test_a_map_that_cannot_be_read_says_why(body: bytes, reason: str) -> None:
    with pytest.raises(ParseError, match=reason):
        parse(body, MAP)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (
            xlsx([["Agency", "State"], ["Hammond", "IN"]]),
            'headed "Agency Name" and "STATE"; the headers are: Agency, State',
        ),
        (xlsx([["Agency Name", "Town"], ["Hammond", "IN"]]), "the headers are: Agency Name, Town"),
        (xlsx([]), "the headers are: none"),
        (xlsx([["Agency Name", "State"]]), "no row with a name"),
        (b"Agency Name,State\n", "no row with a name"),
        (b"Agency,Town\nHammond,IN\n", "the headers are: Agency, Town"),
        (b"Agency Name,State,County\nHammond,IN,Lake\nGary,I", "cut off"),
        (b'Agency Name,State\n"Hammond,IN\nGary,IN\n', "CSV is broken"),
        (b"\x00\x01\x02\x03", "neither a workbook"),
        (zipped({"doc.kml": kml(placemark())}), "not a workbook"),
        (XLSX[:-40], "damaged or cut off"),
        (zipped(unzipped(XLSX) | {"xl/worksheets/sheet1.xml": b"<worksheet>"}), "damaged"),
        (zipped(unzipped(XLSX) | {"xl/workbook.xml": b"<!DOCTYPE x><workbook/>"}), "DOCTYPE"),
        (zipped(unzipped(XLSX) | {"xl/media/image.png": b"\0" * 10_000_000}), "more than 100 times"),
    ],
)
def test_a_table_that_cannot_be_read_says_why(body: bytes, reason: str) -> None:
    with pytest.raises(ParseError, match=reason):
        parse(body, TABLE)


def test_more_than_the_limit_is_refused_packed_or_not() -> None:
    body = kml(*[placemark(f"Police {n}") for n in range(500)])
    tight = ParseOptions("ring", "mymaps", limits=ParseLimits(decoded=10_000))
    for form in (body, zipped({"doc.kml": body})):
        with pytest.raises(ParseError, match=r"more than|larger than"):
            parse(form, tight)
    assert find_links(body, tight) == Links()


def test_what_a_zip_declares_is_not_believed() -> None:
    body = zipped({"doc.kml": b" " * 5_000_000 + kml(placemark())})
    size = (5_000_000 + len(kml(placemark()))).to_bytes(4, "little")
    assert body.count(size) == 2
    with pytest.raises(ParseError):
        parse(body.replace(size, (100).to_bytes(4, "little")), MAP)


def test_a_format_or_name_column_that_is_not_there_is_said() -> None:
    with pytest.raises(ParseError, match="no format"):
        parse(KML, ParseOptions("x", "rss"))
    with pytest.raises(ParseError, match="names no column"):
        parse(XLSX, ParseOptions("x", "table", ColumnMap(state="State")))


@pytest.mark.parametrize("percent", range(100))
def test_a_map_cut_at_any_percent_never_publishes(percent: int) -> None:
    with pytest.raises(ParseError):
        parse(KML[: len(KML) * percent // 100], MAP)


@given(
    st.binary(max_size=300), st.sampled_from([b"", b"PK\x03\x04", b"<kml>", b"<?xml", b"Agency Name,State\n"])
)
def test_arbitrary_bytes_raise_nothing_else(body: bytes, start: bytes) -> None:
    for spec in (MAP, TABLE):
        read_or_refuse(start + body, spec)


@given(st.integers(min_value=0, max_value=2**32))
@settings(max_examples=150)
def test_damaged_bodies_raise_nothing_else(seed: int) -> None:
    chance = random.Random(seed)
    for body, spec in ((KML, MAP), (zipped({"doc.kml": KML}), MAP), (XLSX, TABLE)):
        read_or_refuse(mutated(body, chance), spec)
    parts = unzipped(XLSX)
    part = chance.choice(sorted(parts))
    read_or_refuse(zipped(parts | {part: mutated(parts[part], chance)}), TABLE)


def mutated(body: bytes, chance: random.Random) -> bytes:
    changed = bytearray(body)
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(len(changed))
        match chance.randrange(3):
            case 0:
                changed[at] = chance.randrange(256)
            case 1:
                del changed[at : at + chance.randint(1, 40)]
            case _:
                changed[at:at] = changed[at : at + chance.randint(1, 40)]
        if not changed:
            return b""
    return bytes(changed)


def read_or_refuse(body: bytes, spec: ParseOptions) -> None:
    with suppress(ParseError):
        assert parse(body, spec).listings
    find_links(body, spec)


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"%PDF-1.7\n%\xe2\xe3", "a PDF"),
        (b"{\\rtf1\\ansi Agency, State\\par Gary PD, IN}", "a text with formatting (RTF)"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(60), "an archive of 7-Zip or RAR"),
        (b"MIME-Version: 1.0\r\n\r\n<html><table>", "a saved web page (MHTML)"),
        (b'<?xml version="1.0"?>\n<Workbook xmlns="urn:x"><Table>', "a spreadsheet in XML of 2003"),
        (b'<?xml version="1.0"?>\n<!-- of <2026> --><agencies><agency>', "XML with the root <agencies>"),
        (b'\xef\xbb\xbf<?xml version="1.0"?><rss version="2.0">', "XML with the root <rss>"),
        (b'<?xml version="1.0"?>' + b"<??>" * 1000 + b"<a>", "XML with the root <a>"),
        (b'var agencies = [{"agency": "Gary PD"}];', "a script with JSON in it"),
        (b'callback({"agency": "Gary PD"});', "a script with JSON in it"),
        (zipped({"word/document.xml": b"<x/>"}), "a document of Word"),
        (zipped({"a.shp": b"", "a.dbf": b""}), "a shapefile"),
    ],
)
def test_a_file_of_another_kind_is_called_by_it(body: bytes, what: str) -> None:
    options = ParseOptions("list", "table", ColumnMap("Agency", "State"))
    for read in (propose, lambda body: parse(body, options)):
        with pytest.raises(ParseError, match=re.escape(f"The body is {what}, which is not read: give ")):
            read(body)


def test_a_format_of_xml_is_asked_before_its_root_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    body = b'<?xml version="1.0"?>\n<gpx version="1.1"><wpt><name>Gary PD</name></wpt></gpx>'
    gpx = Format(
        "gpx",
        lambda body, options: parse(body, TABLE),
        recognizes=lambda body: b"<gpx" in body,
        propose=lambda body, limits: Proposal("gpx"),
        endings=(".gpx",),
    )
    monkeypatch.setattr(proposals, "FORMATS", {**FORMATS, gpx.name: gpx})
    assert propose(body).format == "gpx"
    with pytest.raises(ParseError, match="XML with the root <agencies>"):
        propose(b'<?xml version="1.0"?>\n<agencies><agency>')
