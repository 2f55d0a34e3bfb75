"""Well-formed documents of every format, with whatever publishers and attackers may put into them.

Each is a publication whose listings can be stored, or a ParseError with a reason; nothing else. 500 documents
of each kind here, 20,000 in `make torture-sources`.
"""

from __future__ import annotations

import csv
import io
import json
import os
import random
import tomllib
from collections.abc import Callable
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import msgspec
import openpyxl
import pytest
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

from monitor.config import load
from monitor.domain import Listing, Publication
from monitor.errors import ConfigError, ParseError
from monitor.parser.child import dump_publication
from monitor.sources import ColumnMap, ParseOptions, parse
from monitor.subscribers import bounces

ROUNDS = 20_000 if os.environ.get("MONITOR_TORTURE") else 500
COLUMNS = ColumnMap(
    name="Agency", state="State", county="County", city="City", since="Signed", id="Id", url="Link",
    attributes=("Type", "Support"),
)  # fmt: skip
TITLES = ("Agency", "State", "County", "City", "Signed", "Id", "Link", "Type", "Support", "Other", "name")
TEXTS = (
    "", " ", "Springfield Police Department", "TX", "Texas", "PENNSLYVANIA", "Richmond va", "#VALUE!", "#N/A",
    "1.0",
    "2025-09-03", "9/3/25", "Sept. 5, 2025", "20250905", "99999999999999", "1e999", "-0", "https://a.example/x",
    "http://[", "https:/x", "javascript:alert(1)", "link", "<b>x</b>", "&amp;amp;", "&#99999999999;", "&#0;",
    "|~",
    "a\tb", "\u202eevil", "\u200b", "\ufeff", "\U0001f694", "e\u0301", "x" * 3000, "9" * 5000, "{}", '"', "'",
    "Column: value<br>Other: x", "City, ST", ",,,", "1 Main St, Nowhere, OH 45000-1, USA",
    "\ufffd", "\ud83d\ude94",
)  # fmt: skip


def text(rng: random.Random) -> str:
    chosen = rng.choice(TEXTS)
    if rng.random() < 0.2:
        chosen += rng.choice(TEXTS)[:50]
    return chosen.encode("utf-8", "replace").decode()


def xml_text(rng: random.Random) -> str:
    return escape(ILLEGAL_CHARACTERS_RE.sub("", text(rng)))


def value(rng: random.Random, level: int = 0) -> Any:
    kind = rng.random()
    if kind < 0.6 or level > 3:
        return text(rng)
    if kind < 0.8:
        return rng.choice([None, True, False, 0, -1, 1e308, 10**400, 1.5, 10**15, -(10**18)])
    if kind < 0.9:
        return [value(rng, level + 1) for _ in range(rng.randrange(4))]
    return {text(rng): value(rng, level + 1) for _ in range(rng.randrange(4))}


def record(rng: random.Random) -> dict[str, Any]:
    return {rng.choice((*TITLES, text(rng))): value(rng) for _ in range(rng.randrange(8))}


def make_csv(rng: random.Random) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=rng.choice(",;\t"), lineterminator=rng.choice(["\n", "\r\n"]))
    titles = rng.sample(TITLES, rng.randrange(2, len(TITLES)))
    writer.writerow(["Agency", "State", *titles])
    for _ in range(rng.randrange(8)):
        writer.writerow([text(rng) for _ in range(rng.randrange(len(titles) + 4))])
    return out.getvalue().encode(rng.choice(["utf-8", "utf-8-sig", "utf-16"]))


def make_workbook(rng: random.Random) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["Agency", "State", *rng.sample(TITLES, 5)])
    for _ in range(rng.randrange(5)):
        cells = [
            rng.choice([ILLEGAL_CHARACTERS_RE.sub("", text(rng)), None, 1e300, True, -5]) for _ in range(8)
        ]
        sheet.append([cell[:30_000] if isinstance(cell, str) else cell for cell in cells])
    if rng.random() < 0.3:
        sheet.cell(rng.randrange(1, 1_048_577), rng.randrange(1, 16_385), "far")
    if rng.random() < 0.3:
        sheet.merge_cells(start_row=2, end_row=rng.randrange(2, 9), start_column=1, end_column=2)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def make_json(rng: random.Random) -> bytes:
    records = [record(rng) if rng.random() < 0.9 else value(rng) for _ in range(rng.randrange(6))]
    return json.dumps(records if rng.random() < 0.95 else value(rng)).encode()


def make_geojson(rng: random.Random) -> bytes:
    def feature() -> Any:
        point = {"type": "Point", "coordinates": [value(rng) for _ in range(rng.randrange(4))]}
        return {
            "type": "Feature",
            "properties": record(rng),
            "geometry": rng.choice([point, value(rng), None]),
        }

    features = [feature() if rng.random() < 0.9 else value(rng) for _ in range(rng.randrange(6))]
    return json.dumps({"type": "FeatureCollection", "features": features} | record(rng)).encode()


def make_arcgis(rng: random.Random) -> bytes:
    kinds = ["esriFieldTypeString", "esriFieldTypeDate", "esriFieldTypeOID", value(rng)]
    fields = [
        {"name": title, "type": rng.choice(kinds), "alias": value(rng)}
        | (
            {"domain": {"codedValues": [{"code": value(rng), "name": value(rng)}]}}
            if rng.random() < 0.3
            else {}
        )
        for title in rng.sample(TITLES, 6)
    ]
    features = [
        {"attributes": record(rng), "geometry": rng.choice([{"x": value(rng), "y": value(rng)}, value(rng)])}
        for _ in range(rng.randrange(5))
    ]
    return json.dumps({"fields": [{"name": "Agency"}, *fields], "features": features}).encode()


def make_html(rng: random.Random) -> bytes:
    def cell(kind: str) -> str:
        spans = "".join(
            f' {name}="{rng.choice(["1", "2", "99", "x", "9999"])}"' for name in ("rowspan", "colspan")
        )
        link = f"<a href={quoteattr(xml_text(rng))}>" if rng.random() < 0.2 else ""
        return f"<{kind}{spans if rng.random() < 0.2 else ''}>{link}{xml_text(rng)}</{kind}>"

    rows = "".join(
        "<tr>" + "".join(cell(rng.choice(["td", "th"])) for _ in range(rng.randrange(7))) + "</tr>"
        for _ in range(rng.randrange(6))
    )
    head = "<tr><th>Agency</th><th>State</th><th>Signed</th></tr>"
    return f"<html><title>{xml_text(rng)}</title><table>{head}{rows}</table></html>".encode()


def make_lists(rng: random.Random) -> bytes:
    """A page of lists, blocks and headings, nested at random."""

    def element(level: int) -> str:
        if level > 5 or rng.random() < 0.3:
            texts = (
                "Gary PD",
                "Lima Police - OH",
                "Indiana",
                "Ohio (2)",
                "A SO; B PD",
                "<!-- x -->",
                xml_text(rng),
            )
            return rng.choice(texts)
        kind = rng.choice(
            ("ul", "ol", "dl", "li", "dt", "dd", "p", "div", "h2", "h3", "b", "nav", "br", "tr", "td")
        )
        inner = "".join(element(level + 1) for _ in range(rng.randrange(5)))
        kept = f" class='row-{rng.randrange(3)}'" if rng.random() < 0.3 else ""
        return f"<{kind}{kept}>{inner}" + (f"</{kind}>" if rng.random() < 0.9 else "")

    return f"<html><body>{''.join(element(0) for _ in range(8))}</body></html>".encode()


def make_kml(rng: random.Random) -> bytes:
    def element(level: int) -> str:
        kind = rng.random()
        if kind < 0.25 and level < 6:
            inner = "".join(element(level + 1) for _ in range(rng.randrange(4)))
            return f"<Folder><name>{xml_text(rng)}</name>{inner}</Folder>"
        if kind < 0.3:
            return f"<NetworkLink><Link><href>{xml_text(rng)}</href></Link></NetworkLink>"
        data = "".join(
            f"<Data name={quoteattr(xml_text(rng))}><value>{xml_text(rng)}</value></Data>"
            for _ in range(rng.randrange(4))
        )
        parts = [
            f"<name>{xml_text(rng)}</name>", f"<address>{xml_text(rng)}</address>",
            f"<description>{xml_text(rng)}</description>", f"<ExtendedData>{data}</ExtendedData>",
            f"<Point><coordinates>{xml_text(rng)}</coordinates></Point>",
            "<Placemark><name>inner</name></Placemark>", "<name><b>x</b></name>",
        ]  # fmt: skip
        return "<Placemark>" + "".join(rng.sample(parts, rng.randrange(len(parts)))) + "</Placemark>"

    return (
        "<kml><Document>" + "".join(element(0) for _ in range(rng.randrange(6))) + "</Document></kml>"
    ).encode()


MAKERS: dict[str, tuple[Callable[[random.Random], bytes], int]] = {
    "table csv": (make_csv, 1),
    "table xlsx": (make_workbook, 10),  # as slow as ten others
    "json": (make_json, 1),
    "geojson": (make_geojson, 1),
    "arcgis": (make_arcgis, 1),
    "html": (make_html, 1),
    "html items": (make_lists, 1),
    "html blocks": (make_lists, 1),
    "mymaps": (make_kml, 1),
}


OTHER_COLUMNS = {
    "html items": ColumnMap("(item)", "(heading)", since="(date)", url="(link)", attributes=("(line 2)",)),
    "html blocks": ColumnMap("(block)", "(state)"),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_a_well_formed_document_is_read_or_refused(kind: str) -> None:
    make, share = MAKERS[kind]
    options = ParseOptions("list", kind.split()[0], OTHER_COLUMNS.get(kind, COLUMNS))
    read = 0
    rounds = ROUNDS if os.environ.get("MONITOR_TORTURE") else ROUNDS // share
    for seed in range(rounds):
        body = make(random.Random(f"{kind} {seed}"))
        try:
            publication = parse(body, options)
        except ParseError as refusal:
            assert str(refusal), seed  # noqa: PT017
            continue
        read += 1
        keys = {listing.key for listing in publication.listings}
        assert len(keys) == len(publication.listings), seed
        assert keys, seed
        assert "" not in keys, seed
        head, *batches = dump_publication(publication).split(b"\n")
        msgspec.json.decode(head.removeprefix(b'{"publication":')[:-1], type=Publication)
        listings = [each for batch in batches for each in msgspec.json.decode(batch, type=list[Listing])]
        assert listings == list(publication.listings), seed
    assert read > rounds / 10  # or nothing is tested


def test_a_delivery_report_of_any_content_is_read() -> None:
    for seed in range(ROUNDS):
        rng = random.Random(f"report {seed}")
        names = ("Action", "Status", "Diagnostic-Code", "Content-Type", "X", "Final-Recipient")
        lines = [f"{rng.choice(names)}: {text(rng)}" for _ in range(rng.randrange(6))]
        part = rng.choice(
            ["message/delivery-status", "message/rfc822", "message/feedback-report", "text/plain"]
        )
        mail = (
            "Content-Type: multipart/report; boundary=b\n"
            f"Subject: {text(rng)}\nTo: {text(rng)}\n\n--b\nContent-Type: {part}\n\n"
            + "\n".join(lines)
            + "\n\n"
            "Action: failed\nStatus: 5.1.1\n\n--b--\n"
        )
        said = bounces._read(bounces.message_from_bytes(mail.encode()))
        assert all(report.status for report in said.reports), seed


def test_a_configuration_of_any_values_is_read_or_refused(tmp_path: Any) -> None:
    path = tmp_path / "config.toml"
    names = ("site", "fetch", "email", "telegram", "operator", "signup", "sources", "nonsense")
    keys = ("timeout", "host", "port", "url", "bind", "token", "proxy", "notify", "format", "columns")
    for seed in range(ROUNDS // 5):
        rng = random.Random(f"configuration {seed}")
        lines = []
        for name in rng.sample(names, 3):
            lines.append(f"[{name}]")
            lines += [
                f"{key} = {json.dumps(rng.choice([text(rng), 5, -1, True, [text(rng)], 1.5]))}"
                for key in rng.sample(keys, 3)
            ]
        written = "\n".join(lines)
        try:
            tomllib.loads(written)
        except tomllib.TOMLDecodeError:
            continue
        path.write_text(written)
        try:
            load(path, environment={})
        except ConfigError as refusal:
            assert refusal.problems, seed  # noqa: PT017
