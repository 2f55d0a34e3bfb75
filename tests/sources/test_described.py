"""What programs for maps write into a placemark: tables in the description, columns with a displayName."""

from __future__ import annotations

from datetime import date

import pytest

from monitor.domain import Listing, Publication
from monitor.sources import ColumnMap, ParseOptions, parse
from monitor.sources.proposals import propose
from tests.sources.bodies import kml

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
