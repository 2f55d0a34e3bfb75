"""A document is read the same wherever its windows end, and only where markup counts as markup."""

from __future__ import annotations

import random
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.domain import Publication
from monitor.errors import ParseError
from monitor.sources import kml as reader
from monitor.sources import parse
from monitor.sources.cells import clean
from monitor.sources.kml import Document, Placemark
from monitor.sources.kml_bytes import mend_bytes
from tests.sources.bodies import kml, placemark
from tests.sources.golden import MAP

PLAIN = "<Placemark><name>Hammond Police</name><address>Hammond, IN</address></Placemark>"
OTHER = "<Placemark><name>Gary &amp; Lake Police</name></Placemark>"


def read(body: bytes) -> tuple[list[Placemark], tuple[str, ...], list[str]] | None:
    """All that a document holds; None if it is broken."""
    document = Document(body)
    try:
        placemarks = list(document.placemarks())
    except ParseError:
        return None
    assert document.count == len(placemarks)
    return placemarks, document.folders, document.links


def published(body: bytes) -> Publication:
    return parse(body, MAP)


TEXTS = [
    "Hammond Police",
    " Gary,  IN ",
    "Cañon City",
    "two\nlines",
    "1.0",
    "",
    "<![CDATA[A & <b>]]>",
    "<![CDATA[]]>",
]
ODD_TEXTS = [
    "a\rb",
    "x]",
    "]]&gt;",
    "A &amp; B",
    "<![CDATA[a]b]]>",
    "<![CDATA[[]]>",
    "<![CDATA[a]]><![CDATA[b]]>",
    "a<!-- b -->c",
    f"<![CDATA[{PLAIN}]]>",
    f"a<!-- {PLAIN} -->",
    "a<b/>c",
    "&#65;",
]
BROKEN_TEXTS = ["]]>", "\x01", "\ufffe", "&no;", "<", "<![CDATA[", "<!--"]
AROUND = [
    "<Folder><name>North</name>{}</Folder>",
    "<Folder>{}<name>late</name></Folder>",
    "<!-- {} -->",
    "<?pi {}?>",
    "<Placemark/>{}",
    "<name>a{}b</name>",
    "<Placemark>{}<name>outer</name></Placemark>",
    "<k:Folder>{}</k:Folder>",
    "<value>1</value>{}",
    "<description><![CDATA[{}]]></description>",
    "<ExtendedData><Data name='z'>{}<value>1</value></Data></ExtendedData>",
]
BROKEN_AROUND = [
    "<!-- {}",
    "{} -->",
    "<?pi {}",
    "</Document>{}",
    '<x a="{}"/>',
    "]]{}>",
    "<![CDATA[{}",
    "<x {}/>",
]
TITLES = [[], ["Active Date"], ["Active Date", "x.*("], ["A", "A"], ["A &amp; B"]]


def a_document(chance: random.Random) -> str:
    """A map in the shape that Google writes, more or less of it odd, and one time in three broken."""
    odd, broken = chance.choice([0, 0.02, 0.2]), chance.choice([0, 0, 0.02])

    def either(usual: list[str], unusual: list[str], wrong: list[str]) -> str:
        number = chance.random()
        return chance.choice(wrong if number < broken else unusual if number < broken + odd else usual)

    def leaf(name: str) -> str:
        form = either(
            ["<{0}>{1}</{0}>"] * 8 + ["<{0}/>", ""], ["<{0} >{1}</{0}>", "<k:{0}>{1}</k:{0}>"], ["<{0}>{1}"]
        )
        space = chance.choice(["", "\n  ", "\r\n"])
        return form.format(name, either(TEXTS, ODD_TEXTS, BROKEN_TEXTS)) + space

    def a_placemark() -> str:
        data = "".join(f'<Data name="{title}">{leaf("value")}</Data>' for title in titles)
        children = [leaf(name) for name in ("name", "address", "description")]
        children.append(chance.choice(["", "<styleUrl>#icon</styleUrl>\n"]))
        children.append(f"<ExtendedData>{data}</ExtendedData>" if titles else "")
        children.append(chance.choice(["", f"<Point>{leaf('coordinates')}</Point>"]))
        if chance.random() < odd:
            chance.shuffle(children)
        start = either(["<Placemark>"], ['<Placemark id="a">'], ['<Placemark id="<">'])
        return start + "".join(children) + "</Placemark>"

    titles = chance.choice(TITLES)
    inside = "".join(
        either(["{}"], AROUND, BROKEN_AROUND).format(a_placemark()) for _ in range(chance.randint(1, 12))
    )
    root = chance.choice(["kml", "kml", 'kml xmlns="urn:a"', 'kml xmlns="urn:a" xmlns:k="urn:k"'])
    return either(["{}"], ["{}<!-- end -->"], [PLAIN + "{}", "{}" + PLAIN, "<!-- {}"]).format(
        f"<{root}><Document>{inside}</Document></kml>"
    )


@given(st.integers(min_value=0, max_value=2**32), st.sampled_from([1, 100, 400]))
@settings(max_examples=300)
def test_where_a_window_ends_does_not_matter(seed: int, window: int) -> None:
    text = a_document(random.Random(seed))
    mended, _ = mend_bytes(text.encode())  # which UTF-16 is not
    whole = read(mended.decode().encode("utf-16"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "_WINDOW", window)
        assert read(text.encode()) == whole, text


SPACED = st.text("a \t\n\r\x7f\x85\xa0\u200b\u2028é", max_size=6)


@settings(max_examples=200)
@given(st.lists(st.tuples(SPACED, SPACED, SPACED), min_size=1, max_size=5))
def test_every_text_is_cleaned_whatever_is_beside_it(rows: list[tuple[str, str, str]]) -> None:
    written = "".join(
        f"<Placemark><name>{name}</name><address>{address}</address>"
        f'<ExtendedData><Data name="c"><value>{text}</value></Data></ExtendedData></Placemark>'
        for name, address, text in (tuple(text.replace("\r", "&#13;") for text in row) for row in rows)
    )
    placemarks = list(Document(f"<kml>{written}</kml>".encode()).placemarks())
    assert [(each.name, each.address, *each.values) for each in placemarks] == [
        tuple(map(clean, row)) for row in rows
    ]


@settings(max_examples=300)
@given(st.lists(st.sampled_from(["a", " ", "\t", "\n", "\r\n", "\r", "&#9;", "&#10;", "<b/>"]), max_size=8))
def test_the_lines_of_a_description_are_those_of_the_document(pieces: list[str]) -> None:
    written = "".join(pieces)
    body = f"<kml><Placemark><description>{written}</description></Placemark></kml>".encode()
    (placemark,) = Document(body).placemarks()
    lines = written.replace("\r\n", "\n").replace("\r", "\n").replace("<b/>", "")
    lines = lines.replace("&#10;", "\n").replace("&#9;", "\t")
    assert placemark.description.replace("\t", " ") == lines.replace("\t", " ")


@pytest.mark.parametrize(
    "odd",
    [
        "<gx:media_links>no declaration</gx:media_links>",
        "<name>a\x01b</name>",
        "<name>a&#1;b</name>",
        "<!-- <!DOCTYPE kml> -->",
        '<note a:x="1" b:x="2" xmlns:a="urn:n" xmlns:b="urn:n"/>',
    ],
)
def test_what_the_strict_parser_refuses_late_is_read_once(odd: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "_WINDOW", 200)
    folder = "<Folder><name>{}</name>{}</Folder>"
    link = "<NetworkLink><Link><href>more.kml</href></Link></NetworkLink>"
    layers = [
        folder.format("early", PLAIN * 20 + link),
        folder.format("late", f"<Placemark>{odd}</Placemark>" + PLAIN),
    ]
    document = Document(f"<kml><Document>{''.join(layers)}</Document></kml>".encode())
    assert [placemark.number for placemark in document.placemarks()] == [*range(1, 23)]
    assert (document.count, document.folders, document.links) == (22, ("early", "late"), ["more.kml"])


@pytest.mark.parametrize("odd", [b"\x0b", b"&#1;", b"\x93"])
def test_what_programs_are_known_to_write_late_costs_no_second_reading(
    odd: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(reader, "_PatientParser")
    late = PLAIN.encode().replace(b"Hammond", b"Hammond" + odd, 1)
    body = b"<kml><Document>%s%s</Document></kml>" % (PLAIN.encode() * 100, late)
    document = Document(body)
    assert len(list(document.placemarks())) == 101
    assert len(document.mended) == 1


@pytest.mark.parametrize("root", ["kml", "k:kml", "k:kml xmlns:k='urn:k'", "kml xmlns='urn:k' a='1'"])
def test_a_prefix_without_a_declaration_costs_no_second_reading(
    root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(reader, "_PatientParser")
    odd = "<Placemark xml:lang='en'><gx:media_links>a</gx:media_links><k:name>Gary</k:name></Placemark>"
    document = Document(f"<!-- <kml> --><{root}><xml:a/>{PLAIN}{odd}</{root.split()[0]}>".encode())
    assert [each.name for each in document.placemarks()] == ["Hammond Police", "Gary"]


def test_a_long_text_of_short_lines_takes_little_memory() -> None:
    body = b"<kml><Placemark><name>A</name><description>%s</description></Placemark></kml>" % (
        b"ab\n" * 2**21
    )
    tracemalloc.start()
    try:
        (placemark,) = Document(body).placemarks()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(placemark.description) == 3 * 2**21
    assert peak < 15 * len(body)  # a string for each line would be 30 times


def test_a_document_that_breaks_late_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "_WINDOW", 200)
    body = f"<kml>{PLAIN * 20}<a></b></kml>".encode()
    placemarks = Document(body).placemarks()
    assert next(placemarks).number == 1
    with pytest.raises(ParseError, match=f"broken at byte {body.index(b'</b>') + 2:,} "):
        list(placemarks)


@pytest.mark.parametrize(
    "around",
    ["<!-- {} -->", "<description><![CDATA[{}]]></description>", "<?note {}?>", "<!-- <![CDATA[ {} -->"],
)
def test_a_placemark_that_is_no_markup_is_none(around: str) -> None:
    publication = published(kml(PLAIN, around.format(OTHER + PLAIN.replace("Hammond", "Gary")), OTHER))
    assert [listing.name for listing in publication.listings] == ["Hammond Police", "Gary & Lake Police"]


@pytest.mark.parametrize("text", ["a ]]> b", "a \ufffe b", "a &#xz; b", "a &no; b", "a < b"])
def test_a_text_that_is_not_well_formed_breaks_the_map(text: str) -> None:
    with pytest.raises(ParseError, match="broken"):
        published(kml(PLAIN, PLAIN.replace("Hammond", text), PLAIN))


@pytest.mark.parametrize("text", ["Fish & Game", "R&D Unit", "A&;", "Q&A"])
def test_a_bare_ampersand_is_read_and_told_and_hides_no_cut(text: str) -> None:
    body = kml(PLAIN, PLAIN.replace("Hammond", text), OTHER)
    publication = published(body)
    assert [listing.name for listing in publication.listings] == [
        "Hammond Police",
        f"{text} Police",
        "Gary & Lake Police",
    ]
    assert [problem.message for problem in publication.problems] == [
        'an "&" that XML wants as "&amp;" is read'
    ]
    for end in range(body.index(b"</Placemark>"), len(body) - 1, 7):
        with pytest.raises(ParseError):
            published(body[:end])


def test_a_placemark_outside_the_document_breaks_the_map() -> None:
    for body in (kml(PLAIN) + PLAIN.encode(), b'<kml a="' + PLAIN.encode() + b'"/>'):
        with pytest.raises(ParseError, match="broken"):
            published(body)
    with pytest.raises(ParseError, match="root is <Placemark>"):
        published(PLAIN.encode() + kml(PLAIN))


def test_the_byte_at_which_a_map_breaks_is_named() -> None:
    body = kml(*[PLAIN] * 3).replace(b"</Folder>", b"</Foldr>")
    with pytest.raises(ParseError, match=rf"broken at byte {body.index(b'</Foldr>') + 2} "):
        published(body)


def test_numbers_and_folders_go_on_over_folders() -> None:
    body = kml(
        PLAIN,
        PLAIN,
        OTHER,
        "</Folder><Folder><name>Second</name>",
        PLAIN,
        "<Folder>",
        OTHER,
        PLAIN,
        "</Folder>",
    )
    found = read(body)
    assert found
    assert [(place.number, place.folder) for place in found[0]] == [
        (1, "L"),
        (2, "L"),
        (3, "L"),
        (4, "Second"),
        (5, "Second"),
        (6, "Second"),
    ]


def test_layers_with_other_columns_are_read_as_well() -> None:
    one = [placemark(f"A {n}", **{"Active Date": "5/8/2018"}) for n in range(3)]
    two = [placemark(f"B {n}", Note="x") for n in range(3)]
    publication = published(kml(*one, *two))
    assert [listing.attributes for listing in publication.listings] == [()] * 3 + [(("Note", "x"),)] * 3


def test_a_placemark_in_another_element_is_one_too() -> None:
    body = kml(f"<Update><Create><Folder><name>New</name>{PLAIN}</Folder></Create></Update>", "<a><b/></a>")
    found = read(body)
    assert found
    assert [(place.name, place.folder) for place in found[0]] == [("Hammond Police", "New")]


def test_a_point_in_a_multi_geometry_is_the_placemarks() -> None:
    line = "<LineString><coordinates>1,2 3,4</coordinates></LineString>"
    point = "<Point><coordinates>-87.5,41.6</coordinates></Point>"
    body = kml(f"<Placemark><name>A</name><MultiGeometry>{line}{point}</MultiGeometry></Placemark>")
    assert published(body).listings[0].point == (41.6, -87.5)


def test_an_authors_name_is_not_the_placemarks() -> None:
    author = "<atom:author><atom:name>Somebody</atom:name></atom:author>"
    body = kml(f"<Placemark>{author}<name>Hammond Police</name></Placemark>")
    assert published(body).listings[0].name == "Hammond Police"


def test_folders_in_folders_without_end_are_refused() -> None:
    with pytest.raises(ParseError, match="more than 100 levels"):
        published(kml("<Folder>" * 200 + PLAIN + "</Folder>" * 200))
    with pytest.raises(ParseError, match="more than 100 levels"):
        published(kml("<Placemark>" * 200 + "</Placemark>" * 200))
    with pytest.raises(ParseError, match="more than 100 levels"):
        published(kml("<Placemark>" + "<x>" * 100_000 + "</x>" * 100_000 + "</Placemark>"))


def test_a_spreadsheets_error_value_is_empty_on_a_map_too() -> None:
    publication = published(kml(placemark(Note="#N/A")))
    assert publication.listings[0].attributes == ()
    assert [(problem.kind, problem.row) for problem in publication.problems] == [("unreadable cell", 1)]
