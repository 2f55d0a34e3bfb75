"""Lists in gzip and in ZIPs: read within the limits, or refused with what to do."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Callable

import pytest

from monitor.errors import ParseError
from monitor.sources import ColumnMap, ParseLimits, ParseOptions, compose, find_links, parse
from monitor.sources.proposals import propose
from tests.sources.bodies import kml, placemark, xlsx, zipped

COLUMNS = ColumnMap(name="Agency", state="State")
TABLE, RECORDS, GEOJSON = (ParseOptions("list", name, COLUMNS) for name in ("table", "json", "geojson"))
ROWS = [("Agency", "State"), ("Gary Police", "IN"), ("Hammond Police", "IN")]
CSV = "".join(f"{name},{state}\n" for name, state in ROWS).encode()
JSON = json.dumps([dict(zip(ROWS[0], row, strict=True)) for row in ROWS[1:]]).encode()
FEATURES = [
    {"type": "Feature", "geometry": None, "properties": dict(zip(ROWS[0], row, strict=True))}
    for row in ROWS[1:]
]
LAYER = json.dumps({"type": "FeatureCollection", "features": FEATURES}).encode()
BOOK = xlsx(ROWS)
MAP = kml(placemark("Gary Police", "Gary, IN"), placemark("Hammond Police", "Hammond, IN"))
MAP_OPTIONS = ParseOptions("map", "mymaps")


def names(body: bytes, options: ParseOptions = TABLE) -> list[str]:
    return [listing.name for listing in parse(body, options).listings]


PACKED_LISTS = {
    "csv.gz": (gzip.compress(CSV), TABLE),
    "two members and padding": (gzip.compress(CSV[:20]) + gzip.compress(CSV[20:]) + bytes(512), TABLE),
    "xlsx.gz": (gzip.compress(BOOK), TABLE),
    "json.gz": (gzip.compress(JSON), RECORDS),
    "geojson.gz": (gzip.compress(LAYER), GEOJSON),
    "kml.gz": (gzip.compress(MAP), MAP_OPTIONS),
    "csv in a zip": (zipped({"agencies.csv": CSV}), TABLE),
    "in a folder, by a Mac": (
        zipped({"2026/": b"", "2026/list": CSV, "__MACOSX/2026/._list": b"x"}),
        TABLE,
    ),
    "xlsx in a zip": (zipped({"agencies.xlsx": BOOK}), TABLE),
    "json in a zip": (zipped({"agencies.json": JSON}), RECORDS),
    "geojson in a zip": (zipped({"layer.geojson": LAYER}), GEOJSON),
    "csv.gz in a zip": (zipped({"agencies.csv.gz": gzip.compress(CSV)}), TABLE),
    "kmz in a zip": (zipped({"map.kmz": zipped({"doc.kml": MAP})}), MAP_OPTIONS),
}


@pytest.mark.parametrize(("body", "options"), PACKED_LISTS.values(), ids=PACKED_LISTS)
def test_a_compressed_list_is_read_like_the_file_in_it(body: bytes, options: ParseOptions) -> None:
    assert names(body, options) == ["Gary Police", "Hammond Police"]


def test_a_text_in_gzip_is_not_taken_for_one_that_was_cut() -> None:
    without_end = CSV.rstrip(b"\n")
    assert parse(without_end, TABLE).unterminated
    assert not parse(gzip.compress(without_end), TABLE).unterminated


def test_what_explains_a_list_stands_beside_it_and_is_named() -> None:
    publication = parse(zipped({"agencies.csv": CSV, "README.txt": b"about", "terms.pdf": b"%PDF"}), TABLE)
    assert len(publication.listings) == 2
    assert [(problem.kind, problem.message) for problem in publication.problems] == [
        ("other files", "the ZIP also holds README.txt, terms.pdf, which is not read")
    ]


def test_of_several_files_the_configuration_names_one() -> None:
    body = zipped({"out/agencies-2026-11.csv": CSV, "out/officers.csv": b"Agency,State\nNobody,IN\n"})
    with pytest.raises(ParseError) as refusal:
        parse(body, TABLE)
    assert str(refusal.value) == (
        "The ZIP holds 2 files where one is read (out/agencies-2026-11.csv, out/officers.csv); name the list "
        "as options.file, with * for what changes in its name."
    )
    for pattern in ("agencies-*.csv", "out/agencies-*"):
        chosen = ParseOptions("list", "table", COLUMNS, settings={"file": pattern})
        assert names(body, chosen) == ["Gary Police", "Hammond Police"]
    with pytest.raises(ParseError, match=r"holds 0 files that fit x\*\.csv"):
        parse(body, ParseOptions("list", "table", COLUMNS, settings={"file": "x*.csv"}))


def tar_of_one() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        entry = tarfile.TarInfo("agencies.csv")
        entry.size = len(CSV)
        archive.addfile(entry, io.BytesIO(CSV))
    return out.getvalue()


def protected() -> bytes:
    body = bytearray(zipped({"agencies.csv": CSV}, zipfile.ZIP_STORED))
    body[6] |= 1  # the flag of an encrypted entry, in its own header and in the directory
    body[body.index(b"PK\x01\x02") + 8] |= 1
    return bytes(body)


PACKED = gzip.compress(CSV * 100)
DAMAGED = {
    "one byte short": (PACKED[:-1], f"cut off at byte {len(PACKED) - 1}"),
    "half": (PACKED[: len(PACKED) // 2], "cut off at byte"),
    "wrong sum": (PACKED[:-8] + bytes(8), "gzip is damaged"),
    "more behind it": (PACKED + b"more", "something else follows"),
    "tar": (tar_of_one(), "tar archive"),
    "protected": (protected(), "protected by a password"),
    "four layers": (
        gzip.compress(gzip.compress(gzip.compress(gzip.compress(CSV)))),
        "compressed more than 3 times",
    ),
    "nothing": (gzip.compress(b""), "empty"),
}


@pytest.mark.parametrize(("body", "reason"), DAMAGED.values(), ids=DAMAGED)
def test_what_cannot_be_unpacked_is_refused_with_the_reason(body: bytes, reason: str) -> None:
    with pytest.raises(ParseError, match=reason):
        parse(body, TABLE)


@pytest.mark.parametrize(
    "pack", [gzip.compress, lambda body: zipped({"agencies.csv": body})], ids=["gzip", "zip"]
)
def test_a_bomb_is_refused_before_it_is_unpacked(pack: Callable[[bytes], bytes]) -> None:
    bomb = pack(CSV + bytes(32 * 1024 * 1024))
    with pytest.raises(ParseError, match="unpacks to more than"):
        parse(bomb, TABLE)
    with pytest.raises(ParseError, match="unpacks to more than"):
        parse(pack(bomb), TABLE)
    roomy = ParseOptions("list", "table", COLUMNS, limits=ParseLimits(decoded=1024))
    with pytest.raises(ParseError, match="unpacks to more than"):
        parse(pack(CSV * 100), roomy)


def test_links_of_a_compressed_map_are_found_and_composed() -> None:
    href = "https://www.google.com/maps/d/kml?mid=1&lid=2"
    outer = kml(f"<NetworkLink><Link><href>{href.replace('&', '&amp;')}</href></Link></NetworkLink>")
    body = gzip.compress(outer)
    assert find_links(body, MAP_OPTIONS).hrefs == (href,)
    assert names(compose(body, {href: MAP}, MAP_OPTIONS), MAP_OPTIONS) == ["Gary Police", "Hammond Police"]


def test_a_compressed_list_is_proposed_like_the_file_in_it() -> None:
    plain = propose(CSV)
    assert propose(gzip.compress(CSV)) == plain
    packed = propose(zipped({"agencies.csv": CSV, "README.txt": b"about"}))
    assert (packed.format, packed.columns) == (plain.format, plain.columns)
    assert packed.notes == (*plain.notes, "the ZIP also holds README.txt, which is not read")
