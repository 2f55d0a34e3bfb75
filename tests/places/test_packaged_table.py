"""The packaged table and the script that builds it."""

from __future__ import annotations

import hashlib
import importlib.util
import lzma
import sys
import zipfile
from pathlib import Path
from types import ModuleType
from zlib import crc32

import pytest

from monitor import places
from monitor.domain import Listing
from monitor.places import STATES, Gazetteer, load
from monitor.places.compact import ByKey, KeyIndex
from monitor.places.hand_kept_tables import _campuses, _consolidated, _mailing
from monitor.places.names import key
from monitor.places.packaged_table import Table, distance, list_version_files, packaged
from monitor.places.table_format import NO_AREA, NOWHERE, StateColumns, TableFile
from tools.table_encoder import pack

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "monitor" / "places" / "table.zip"
SHA256 = "89b9d2e02ea1cf2d3adbc4203b68e70125d924f6ca731ab7bf88127ebe271652"
RAW = {
    "--postal": "geonames_postal_US.txt.xz",
    "--counties": "zcta520_county20.csv.xz",
    "--places": "geonames_places_US.tsv.xz",
    "--names": "us_census_places_names.csv.xz",
}


@pytest.fixture(scope="module")
def builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_gazetteer", ROOT / "tools" / "build_gazetteer.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def arguments(folder: Path) -> list[str]:
    return [part for option, name in RAW.items() for part in (option, str(folder / name))]


def test_the_packaged_table_is_the_one_that_was_reviewed() -> None:
    assert hashlib.sha256(TABLE.read_bytes()).hexdigest() == SHA256
    assert TABLE.stat().st_size < 520_000


def test_every_module_and_table_of_the_gazetteer_is_in_its_version() -> None:
    folder = Path(places.__file__).parent
    modules = [path for path in folder.rglob("*") if path.suffix in {".py", ".zip"}]
    assert len({path.parent for path in modules}) > 1, "rooms within the room count too"
    assert sorted(map(str, list_version_files(folder))) == sorted(map(str, modules))


def test_the_same_raw_files_build_the_same_bytes(shared: Path, tmp_path: Path, builder: ModuleType) -> None:
    built = tmp_path / "table.zip"
    assert builder.main(["build", *arguments(shared / "data" / "geo"), "--out", str(built)]) == 0
    assert built.read_bytes() == TABLE.read_bytes()


def postal(*rows: str) -> str:
    return "".join(f"US\t{row}\n".replace("|", "\t") for row in rows)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Raw files of a land with three ZIPs in two counties of Illinois."""
    (tmp_path / RAW["--postal"].removesuffix(".xz")).write_text(
        postal(
            "60001|Alden|Illinois|IL|Alpha|001|||40.00|-89.00|4",
            "60002|Alden|Illinois|IL|Alpha|001|||40.20|-89.00|4",
            "60003|Boyd|Illinois|IL|Beta|003|||40.40|-89.00|4",
        )
    )
    (tmp_path / RAW["--counties"].removesuffix(".xz")).write_text(
        "zcta5,arealand_zcta5_20,areawater_zcta5_20,fips_code_county,arealand_part,areawater_part,state_fips_code,is_primary\n"
        "60001,100000000,0,17001,100000000,0,17,1\n"
        "60002,100000000,0,17001,97000000,0,17,1\n"
        "60002,100000000,0,17003,3000000,0,17,0\n"
        "60003,100000000,0,17003,99000000,0,17,1\n"
        "60003,100000000,0,17001,1000000,0,17,0\n"
    )
    (tmp_path / RAW["--places"].removesuffix(".xz")).write_text(
        "state\tname\tpopulation\tlatitude\tlongitude\nIL\tAlden\t900\t40.0\t-89.0\n"
    )
    (tmp_path / RAW["--names"].removesuffix(".xz")).write_text(
        "id,name,census_geoid\nx,Alpha County,place-17001\nx,Beta County,place-17003\n"
        "x,Gamma township,place-1700312345\nx,Lost village,place-1799999\n"
    )
    return tmp_path


def built(builder: ModuleType, folder: Path, name: str, *more: str) -> Path:
    raw = [part for option, file in RAW.items() for part in (option, str(folder / file.removesuffix(".xz")))]
    out = folder / name
    assert builder.main(["build", *raw, "--out", str(out), *more]) == 0
    return out


def test_a_county_has_the_zips_with_two_percent_of_their_land_in_it(builder: ModuleType, small: Path) -> None:
    gazetteer = Gazetteer(Table(built(builder, small, "one.zip").read_bytes()))
    assert gazetteer.locate(Listing(name="Beta County Sheriff", state="IL")).places == ("60002", "60003")
    assert gazetteer.locate(Listing(name="Alpha County Sheriff", state="IL")).places == ("60001", "60002")


def test_a_small_town_does_not_take_a_far_zip_of_its_mailing_city(builder: ModuleType, small: Path) -> None:
    gazetteer = Gazetteer(Table(built(builder, small, "one.zip").read_bytes()))
    assert gazetteer.locate(Listing(name="Alden Police", state="IL")).places == ("60001",)


def test_the_census_relation_replaces_the_place_points(builder: ModuleType, small: Path) -> None:
    relation = small / "relation.txt"
    relation.write_text(
        "OID_ZCTA5_20|GEOID_ZCTA5_20|NAMELSAD_ZCTA5_20|AREALAND_ZCTA5_20|GEOID_PLACE_20|NAMELSAD_PLACE_20|AREALAND_PART\n"
        "1|60001|ZCTA5 60001|100000000|1700001|Alden village|50000000\n"
        "2|60002|ZCTA5 60002|100000000|1700001|Alden village|20000000\n"
        "3|60003|ZCTA5 60003|100000000|1700001|Alden village|1000000\n"
    )
    gazetteer = Gazetteer(Table(built(builder, small, "two.zip", "--zcta-place", str(relation)).read_bytes()))
    assert gazetteer.locate(Listing(name="Alden Police", state="IL")).places == ("60001", "60002")


def test_a_packed_raw_file_builds_what_a_plain_one_does(builder: ModuleType, small: Path) -> None:
    plain = built(builder, small, "plain.zip").read_bytes()
    raw = small / RAW["--postal"].removesuffix(".xz")
    packed = raw.with_suffix(".txt.xz")
    packed.write_bytes(lzma.compress(raw.read_bytes()))
    assert built(builder, small, "packed.zip", "--postal", str(packed)).read_bytes() == plain


def test_the_report_names_zips_gained_lost_and_moved(
    builder: ModuleType, small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = built(builder, small, "old.zip")
    raw = small / RAW["--postal"].removesuffix(".xz")
    raw.write_text(
        postal(
            "60001|Newtown|Illinois|IL|Alpha|001|||40.00|-89.00|4",
            "60003|Boyd|Illinois|IL|Beta|003|||40.40|-89.00|4",
            "60009|Carver|Illinois|IL|Beta|003|||40.41|-89.00|4",
        )
    )
    relation = small / RAW["--counties"].removesuffix(".xz")
    relation.write_text(
        "\n".join(line for line in relation.read_text().splitlines() if not line.startswith("60002")) + "\n"
    )
    capsys.readouterr()
    replaced = built(builder, small, "replaced.zip").read_bytes()
    (small / "replaced.zip").write_bytes(old.read_bytes())
    new = built(builder, small, "replaced.zip", "--report")
    assert new.read_bytes() == replaced
    while_building = capsys.readouterr().out
    assert builder.main(["report", str(old), str(new)]) == 0
    said = capsys.readouterr().out
    assert said.strip() in while_building
    assert "1 ZIPs gained\n  60009  Carver, IL (Beta County)" in said
    assert "1 ZIPs lost\n  60002  Alden, IL" in said
    assert "1 ZIPs moved\n  60001  Alden, IL (Alpha County)  ->  Newtown, IL (Alpha County)" in said


def test_a_table_is_an_ordinary_archive_with_every_state() -> None:
    with zipfile.ZipFile(TABLE) as archive:
        assert archive.testzip() is None
    packed = TableFile(TABLE.read_bytes())
    assert set(STATES) <= {state for group in packed.index["groups"] for state in group}


def test_what_is_packed_is_read_back() -> None:
    """With everything that does not fit into the usual number of bytes, and nothing at all."""
    names = ["Alden", "Aldenville", "Boyd", "Ñandú", "Wide"]
    full = StateColumns(
        zips=[1, 2, 300, 70_000, 99_999, 5, 6],
        homes=["IA", "WI"],
        city=[0, 0, 1, 3, 0, 4, 1],
        lat=[40_000, NOWHERE, -14_000, 40_100, 71_000, 0, 1],
        lon=[-179_999, NOWHERE, 179_999, -89_000, 145_000, 0, -1],
        radius=[NO_AREA, 0, 253, 254, 1_502, 30_000, 1],
        counties=[("01001", "Alpha County"), ("17003", "Ñ County"), ("78030", "St. Thomas")],
        shares=[
            ((0, 100),),
            (),
            ((1, 60), (0, 30), (2, 9)),
            ((2, 98),),
            ((1, 51), (2, 50)),
            ((0, 2),),
            ((0, 100),),
        ],
        places=[0, *[2] * 40, 4],
        population=[0, *range(40), 8_804_190],
        place_lat=[40_000, *range(40), 71_386],
        place_lon=[-179_000, *range(40), 151_000],
        incorporated=[True, *[False] * 40, True],
        subdivisions=sorted(
            [(1, 0, "t"), *((county, 2, "o") for county in range(1, 400, 2)), (600, 2, "c"), (600, 4, "v")]
        ),
        municipalities=[3],
        relation="Alden|00001:50 00002:9",
        town_zips="=|0,1-2|",
    )
    empty = StateColumns()
    packed = pack({"000": "IL", "999": "AK IL"}, names, {"AK": empty, "IL": full})
    read = TableFile(packed)
    assert list(read.names) == names
    assert (read.names[-1], read.names[1:3]) == ("Wide", ["Aldenville", "Boyd"])
    assert read.index["prefixes"] == {"000": "IL", "999": "AK IL"}
    assert read.take("IL") == full
    assert read.take("AK") == empty
    with pytest.raises(KeyError):
        read.take("XX")
    assert pack({"999": "AK IL", "000": "IL"}, names, {"IL": full, "AK": empty}) == packed


def test_a_key_is_found_by_itself_and_not_by_its_checksum() -> None:
    keys = ["plumless", "buckeroo", ""]
    assert crc32(b"plumless") == crc32(b"buckeroo")
    index = KeyIndex(keys)
    assert [index.find(key) for key in keys] == [0, 1, 2]
    assert KeyIndex(keys[:1]).find("buckeroo") is None
    assert KeyIndex([]).find("") is None
    assert index.list_keys() == keys
    values = ByKey(index, [1, 0, 1], lambda at: at * 10)
    assert values["buckeroo"] == (0, 20)
    assert list(values) == ["plumless", "buckeroo"]
    assert len(values) == 2
    assert "" not in values
    with pytest.raises(KeyError):
        values[""]


def test_every_hand_kept_row_names_what_the_table_has() -> None:
    table = load().table
    for (state, name), rows in _mailing().items():
        for _, mail in rows:
            for word in mail:
                known = (
                    word in table.state(state).row
                    if word.isdigit()
                    else key(word) in table.state(state).by_city
                )
                assert known, (state, name, word)
    for state, campuses in _campuses().items():
        for campus in campuses:
            assert all(z in table.state(state).row for z in campus.zips), campus
    for state, governments in _consolidated().items():
        for government in governments:
            assert all(key(c) in table.state(state).by_county for c in government.counties), government


def test_a_campus_lies_in_the_town_that_its_row_names() -> None:
    table = load().table
    far = []
    for state, campuses in _campuses().items():
        rows = table.state(state)
        for campus in campuses:
            for z in campus.zips:
                row = rows.row[z]
                same = key(rows.cities[rows.city[row]]) == key(campus.town)
                here = rows.point(row)
                near = here is not None and any(
                    distance(t.point, here) < 12 for t in rows.towns.get(key(campus.town), ())
                )
                if not same and not near and here is not None:
                    far.append((state, campus.town, z))
    assert far == []


def test_names_alike_are_found_in_the_text_of_all_names() -> None:
    table = packaged().state("RI")
    for names in (table.towns, table.by_city):
        expected = [name for name in names if name[0] == "w" and 6 <= len(name) <= 9]
        assert expected
        assert names.alike("w", 6, 9) == expected
        assert names.alike("x", 6, 9) == []
