"""What programs for maps write into a placemark: tables in the description, columns with a displayName."""

from __future__ import annotations

from datetime import date

import pytest

from monitor.domain import Listing, Publication
from monitor.sources import ColumnMap, ParseOptions, parse
from monitor.sources.proposals import propose
from tests.sources.bodies import kml, zipped

DATED = ParseOptions("map", "mymaps", ColumnMap(since="Signed", url="Agreement"))

ARCGIS = """<html><body><table><tr style="x"><td>Gary Police</td></tr><tr><td><table border="0">
<tr><td>FID</td><td>17</td></tr><tr bgcolor="#D4E4F3"><td>Signed</td><td>9/3/2025</td></tr>
<tr><td>Model &amp; kind:</td><td><b>Task</b> Force<br>Model</td></tr>
<tr><td>Agreement</td><td><a target="_blank" href="https://list.example/moa?a=1&amp;b=2">link</a></td></tr>
</table></td></tr></table></body></html>"""
WIDE = (
    "<table><tr><th>FID</th><th>Signed</th><th>Model</th></tr>"
    "<tr><td>17</td><td>9/3/2025</td><td>Task</td></tr></table>"
)


def mark(description: str, columns: str = "") -> str:
    return (
        "<Placemark><name>Gary Police</name><address>Gary, IN</address>"
        f"<description><![CDATA[{description}]]></description>{columns}</Placemark>"
    )


def read(*placemarks: str) -> tuple[Publication, Listing]:
    publication = parse(kml(*placemarks), DATED)
    return publication, publication.listings[0]


def test_a_table_in_the_description_is_read_as_columns() -> None:
    publication, listing = read(mark(ARCGIS))
    assert (listing.since, listing.url) == (date(2025, 9, 3), "https://list.example/moa?a=1&b=2")
    assert dict(listing.attributes) == {"FID": "17", "Model & kind": "Task Force Model"}
    assert publication.problems == ()


def test_a_row_of_titles_above_a_row_of_values_is_read() -> None:
    _, listing = read(mark(WIDE))
    assert (listing.since, dict(listing.attributes)) == (date(2025, 9, 3), {"FID": "17", "Model": "Task"})


def test_what_stands_as_data_counts_before_the_table() -> None:
    data = '<ExtendedData><Data name="signed"><value>9/4/2025</value></Data></ExtendedData>'
    _, listing = read(mark(ARCGIS, data))
    assert listing.since == date(2025, 9, 4)
    assert dict(listing.attributes)["FID"] == "17"


@pytest.mark.parametrize("table", ["<table><tr><td>Welcome to Gary</td></tr></table>", "<td>", "<TABLE><TD>"])
def test_a_table_that_is_not_read_is_named(table: str) -> None:
    publication, listing = read(mark(table))
    assert [(problem.kind, problem.row) for problem in publication.problems] == [("unread table", 1)]
    assert listing.attributes == ()


@pytest.mark.parametrize(
    "columns",
    [
        '<ExtendedData><Data name="f1"><displayName>Signed</displayName><value>9/3/2025</value></Data>'
        '<Data name="f2"><displayName>Support type</displayName><value>Task</value></Data></ExtendedData>',
        '<ExtendedData><Data name="Signed"><displayName>Day</displayName><value>9/3/2025</value></Data>'
        '<Data name="Support type"><displayName> </displayName><value>Task</value></Data></ExtendedData>',
        '<ExtendedData><SchemaData schemaUrl="#s"><SimpleData name="f1">9/3/2025</SimpleData>'
        '<SimpleData name="Support type">Task</SimpleData></SchemaData></ExtendedData>',
    ],
)
def test_a_column_is_called_by_its_display_name(columns: str) -> None:
    schema = (
        '<Schema id="s"><SimpleField name="f1" type="string"><displayName>Signed</displayName></SimpleField>'
        "</Schema>"
    )
    _, listing = read(schema, mark("", columns))
    assert (listing.since, dict(listing.attributes)) == (date(2025, 9, 3), {"Support type": "Task"})


def test_a_proposal_reads_the_table_too() -> None:
    proposal = propose(kml(mark(ARCGIS)))
    assert (proposal.columns.since, proposal.columns.url) == ("Signed", "Agreement")


PLACES = [
    ("Gary Police", "IN", "Lake", "Gary"),
    ("Lima Police", "OH", "Allen", "Lima"),
    ("Bath PD", "ME", "Sagadahoc", "Bath"),
]


def placed(name: str, columns: dict[str, str], form: str) -> str:
    """A placemark without an address, its columns as one kind of program writes them."""
    cells = {
        "data": "<ExtendedData>{}</ExtendedData>",
        "schema": "<ExtendedData><SchemaData>{}</SchemaData></ExtendedData>",
        "table": "<description><![CDATA[<table>{}</table>]]></description>",
        "rows": "<description><![CDATA[{}]]></description>",
    }
    cell = {
        "data": '<Data name="{}"><value>{}</value></Data>',
        "schema": '<SimpleData name="{}">{}</SimpleData>',
        "table": "<tr><td>{}</td><td>{}</td></tr>",
        "rows": "{}: {}<br>",
    }[form]
    inside = "".join(cell.format(title, text) for title, text in columns.items())
    return f"<Placemark><name>{name}</name>{cells[form].format(inside)}</Placemark>"


@pytest.mark.parametrize("form", ["data", "schema", "table", "rows"])
def test_places_in_columns_are_proposed_where_there_are_no_addresses(form: str) -> None:
    body = kml(*(
        placed(name, {"State": state, "County": county, "City": city}, form)
        for name, state, county, city in PLACES
    ))  # fmt: skip
    columns = propose(body).columns
    assert (columns.name, columns.state, columns.county, columns.city) == (None, "State", "County", "City")
    found = parse(body, ParseOptions("map", "mymaps", columns))
    assert [(x.name, x.state, x.county, x.city) for x in found.listings] == PLACES


def test_names_in_a_column_are_proposed_where_placemarks_have_none() -> None:
    body = kml(*(placed("", {"AGENCY": name, "STATE": state}, "schema") for name, state, _, _ in PLACES))
    columns = propose(body).columns
    assert (columns.name, columns.state) == ("AGENCY", "STATE")
    assert [x.name for x in parse(body, ParseOptions("map", "mymaps", columns)).listings] == [
        x[0] for x in PLACES
    ]


def test_the_names_of_folders_may_be_the_states() -> None:
    folders = [
        f"<Folder><name>{state}</name><Placemark><name>{name}</name></Placemark></Folder>"
        for name, state in (("Gary Police", "Indiana"), ("Lima Police", "Ohio"))
    ]
    proposal = propose(kml(*folders))
    assert (proposal.columns.state, proposal.notes) == (
        "(folder)",
        ("the states are the names of the folders",),
    )
    found = parse(kml(*folders), ParseOptions("map", "mymaps", proposal.columns))
    assert [(x.name, x.state) for x in found.listings] == [("Gary Police", "IN"), ("Lima Police", "OH")]


def test_a_map_without_places_is_told() -> None:
    proposal = propose(kml("<Placemark><name>Gary Police</name></Placemark>"))
    assert proposal.columns == ColumnMap()
    assert "no column holds states" in proposal.notes[0]


def test_a_map_in_utf_16_is_a_map() -> None:
    assert propose(kml(mark("")).decode().encode("utf-16")).format == "mymaps"


def test_references_of_html_are_read_outside_of_cdata_and_told() -> None:
    body = kml(mark("&nbsp;&copy;").replace("Gary Police", "Gary&nbsp;Police &copy; Lake&rsquo;s"))
    found = parse(body, DATED)
    assert [listing.name for listing in found.listings] == ["Gary Police \u00a9 Lake\u2019s"]
    assert [problem.message for problem in found.problems] == [
        "references that only HTML knows are read as in HTML"
    ]


def test_a_kmz_within_a_kmz_is_one_of_its_documents() -> None:
    inner = zipped({"doc.kml": kml(mark("").replace("Gary", "Lima"))})
    link = "<NetworkLink><Link><href>layers/b.kmz</href></Link></NetworkLink>"
    body = zipped({"doc.kml": kml(mark(""), link), "layers/b.kmz": inner})
    found = parse(body, ParseOptions("map", propose(body).format))
    assert ([listing.name for listing in found.listings], found.unread) == (
        ["Gary Police", "Lima Police"],
        (),
    )


def test_a_sentence_with_a_colon_in_one_description_is_no_column() -> None:
    prose = placed("Falls", {"The largest in the world": "see https://list.example/falls"}, "rows")
    proposal = propose(kml(prose, mark(""), mark("")))
    assert proposal.columns == ColumnMap()


def test_a_map_of_links_alone_says_so() -> None:
    link = "<NetworkLink><Link><href>https://list.example/a.kml</href></Link></NetworkLink>"
    assert propose(kml(link)).columns == ColumnMap()
