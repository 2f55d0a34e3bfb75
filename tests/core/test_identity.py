"""Who is who: keys, names as they are compared, and which vanished listing a new one used to be."""

from __future__ import annotations

import random
from datetime import date
from typing import Any

import pytest
from msgspec import structs

from monitor.core import renames
from monitor.core.identity import (
    assign_keys,
    content_digest,
    digest,
    make_named_key,
    natural_key,
)
from monitor.core.renames import pair
from monitor.core.wording import expand, is_one_word_apart, normalize
from monitor.domain import Listing
from tests.core.simulation import agency

DAY, OTHER_DAY = date(2025, 4, 14), date(2025, 4, 15)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Hammond  Police Department\n", "hammond police department"),
        ("St. Mary\u2019s County Sheriff's Office", "st marys county sheriffs office"),
        ("Parks & Recreation", "parks and recreation"),
        ("Doña Ana", "dona ana"),
        ("Macon P.D.", "macon pd"),
        ("Constable-Pct. 3", "constable pct 3"),
    ],
)
def test_what_people_do_not_read_as_a_difference_is_none(written: str, read: str) -> None:
    assert normalize(written) == read


@pytest.mark.parametrize(
    ("name", "state", "compared"),
    [
        ("City of St. Cloud PD", "FL", "saint cloud police department"),
        ("Florida Dept. of Corrections", "FL", "department of corrections"),
        ("Pasco County BOCC", "FL", "pasco county board of county commissioners"),
        ("Lee Co SO", "FL", "lee county sheriff office"),
        ("Oklahoma County Sheriff's Office", "OK", "oklahoma county sheriff office"),
        ("Kansas City PD", "KS", "kansas city police department"),
        ("Texas City PD", "FL", "texas city police department"),
    ],
)
def test_abbreviations_are_written_out_and_the_own_state_is_dropped(
    name: str, state: str, compared: str
) -> None:
    assert expand(name, state) == compared


def test_the_key_is_the_id_of_the_source_if_it_gives_one() -> None:
    assert natural_key(agency("A", source_id="17"), by_city=True) == natural_key(
        agency("B", source_id="17"), by_city=True
    )


def test_the_key_of_a_table_is_state_and_name_and_of_a_map_also_the_city() -> None:
    listing = agency("Hammond Police Department", "IN", city="Hammond", county="Lake County")
    assert natural_key(listing, by_city=False) == "IN|hammond police department"
    assert natural_key(listing, by_city=True) == "IN|hammond police department|hammond"


def test_what_parts_the_pieces_of_a_key_is_a_space_in_a_name() -> None:
    for name in ("Hammond|Gary PD", "Hammond~Gary PD", " Hammond | Gary~PD"):
        assert natural_key(agency(name, "IN"), by_city=False) == "IN|hammond gary pd"


def test_a_county_that_moves_moves_no_key() -> None:
    one, other = (agency("Hammond PD", county=county) for county in ("Lake County", "Porter County"))
    assert natural_key(one, by_city=True) == natural_key(other, by_city=True)


def test_a_state_that_could_not_be_read_is_in_the_key_as_it_was_written() -> None:
    assert natural_key(agency("A", None, state_text="Pensylvania"), by_city=False) == "pensylvania|a"


def test_no_two_listings_have_one_key_and_the_order_does_not_matter() -> None:
    same = [
        agency("A", url="https://x/1"),
        agency("A", url="https://x/2"),
        agency("A", point=(1.0, 2.0)),
        agency("A"),
        agency("A", county="Lake"),
        agency("A", county="Lake", folder="f"),
        agency("A", url="https://x/2", county="Lake"),
        agency("B"),
    ]
    keys = {structs.replace(x, key=""): x.key for x in assign_keys(same, by_city=False)}
    assert len(set(keys.values())) == len(same)
    for seed in range(5):
        shuffled = random.Random(seed).sample(same, len(same))
        assert {structs.replace(x, key=""): x.key for x in assign_keys(shuffled, by_city=False)} == keys


def test_listings_alike_in_everything_are_counted_and_none_is_lost() -> None:
    assert len({listing.key for listing in assign_keys([agency("A")] * 3, by_city=False)}) == 3


def test_a_third_namesake_changes_no_key_of_the_two_that_were_there() -> None:
    two = [agency("A", url="https://x/1"), agency("A", county="Lake")]
    three = [agency("A", url="https://x/0"), *two]
    assert {x.key for x in assign_keys(two, by_city=False)} < {
        x.key for x in assign_keys(three, by_city=False)
    }


def test_the_digest_knows_a_list_again_whatever_its_order_links_and_folders() -> None:
    one = [agency("A", url="https://x/1", folder="f", point=(1.0, 2.0)), agency("B")]
    other = [agency("b."), agency("A", url="https://x/9", folder="g", key="k")]
    assert digest(one) == digest(other)
    assert digest(one) != digest([*one, agency("B")])
    assert digest(one) != digest([agency("A"), agency("C")])
    assert len(digest(one)) == 32


def test_the_content_digest_is_of_every_field() -> None:
    listing = Listing(name="A", key="k", state="IL")
    other = {
        "url": "https://x",
        "point": (1.0, 2.0),
        "folder": "f",
        "key": "l",
        "since": DAY,
        "dates": (DAY,),
        "documents": ("d",),
    }
    assert content_digest(listing) == content_digest(structs.replace(listing))
    assert (
        len(
            {content_digest(structs.replace(listing, **{f: v})) for f, v in other.items()}
            | {content_digest(listing)}
        )
        == 8
    )


def paired(was: Listing, now: Listing) -> bool:
    """Whether the two are one agency; the answer must not depend on the side."""
    there = pair([structs.replace(was, key="was")], [structs.replace(now, key="now")])
    back = pair([structs.replace(now, key="now")], [structs.replace(was, key="was")])
    assert bool(there) == bool(back)
    return bool(there)


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("Freedom County Sheriff's Office", "Freeborn County Sheriff's Office"),
        ("Macro Island Police Department", "Marco Island Police Department"),
        ("Green Forks Police Department", "Greens Fork Police Department"),
        ("Pasco County BOCC", "Pasco County Board of County Commissioners"),
        ("La Vernia Police Dept", "La Vernia Police Department"),
        ("City of Melbourne Police Department", "Melbourne Police Department"),
        ("Office of the Sheriff of Lee County", "Lee County Sheriff's Office"),
        ("Boca Raton Police Department", "Boca Raton Police Services Department"),
        ("New Hampshire State Police", "New Hampshire State Police Department"),
        ("University of West Florida Board of Trustees", "University of West Florida Police Department"),
    ],
)
def test_a_typo_or_another_spelling_with_the_same_date_is_the_same_agency(was: str, now: str) -> None:
    assert paired(agency(was, "FL", since=DAY), agency(now, "FL", since=DAY))


def test_names_far_apart_pair_if_date_and_county_agree_but_not_by_the_date_alone() -> None:
    was, now = "Jackson Regional Jail", "Jackson County Jail Services"
    assert paired(agency(was, since=DAY, county="Polk County"), agency(now, since=DAY, county="Polk"))
    assert not paired(agency(was, since=DAY, county="Polk County"), agency(now, since=DAY))


def test_one_document_is_evidence_unless_it_is_everybodys() -> None:
    was, now = (
        agency("Jackson Jail", key="a", url="https://x/moa.pdf"),
        agency("Jackson Sheriff", key="b", url="https://x/moa.pdf"),
    )
    assert pair([was], [now])
    assert not pair([was], [now], widespread=frozenset({"https://x/moa.pdf"}))


def test_another_county_asks_for_more_likeness() -> None:
    was, now = "Carver Township Police Department", "Carter Township Police Department, North"
    assert paired(agency(was, since=DAY), agency(now, since=DAY))
    assert not paired(agency(was, since=DAY, county="Lake"), agency(now, since=DAY, county="Polk"))


def test_without_evidence_only_nearly_equal_names_pair() -> None:
    assert paired(agency("Hammond Police Dept"), agency("Hammond Police Department"))
    assert paired(agency("Hamond Police Department"), agency("Hammond Police Department", since=DAY))
    assert not paired(agency("Hammond Police Department"), agency("Highland Police Department"))


def test_without_evidence_attributes_that_have_nothing_in_common_speak_against_it() -> None:
    was = agency("Hammond Police Dept", attributes=(("TYPE", "Municipality"),))
    assert not paired(was, agency("Hammond Police Department", attributes=(("TYPE", "County"),)))
    assert paired(was, agency("Hammond Police Department", attributes=(("TYPE", "County; Municipality"),)))
    assert paired(was, agency("Hammond Police Department", attributes=(("OTHER", "x"),)))


def test_where_all_dates_differ_nothing_pairs() -> None:
    assert not paired(
        agency("Hammond Police Dept", since=DAY), agency("Hammond Police Department", since=OTHER_DAY)
    )
    assert paired(
        agency("Hammond Police Dept", since=DAY, dates=(DAY, OTHER_DAY)),
        agency("Hammond Police Department", since=OTHER_DAY),
    )


def test_across_states_only_an_identical_name_with_the_same_date_pairs() -> None:
    was = agency("Wichita County Sheriff's Office", "OK", since=DAY)
    assert paired(was, agency("Wichita County Sheriff\u2019s Office", "TX", since=DAY))
    assert not paired(was, agency("Wichita County Sheriff's Office", "TX"))
    assert not paired(was, agency("Wichita County Sheriffs Department", "TX", since=DAY))


def test_across_states_a_name_keeps_its_state() -> None:
    was = agency("Kansas Bureau of Investigation", "KS", since=DAY)
    assert paired(was, agency("Kansas Bureau of Investigation", "AR", since=DAY))
    assert paired(was, agency("Kansas Bureau of Investigation", None, state_text="KANASS", since=DAY))
    assert not paired(was, agency("Arkansas Bureau of Investigation", "AR", since=DAY))


def test_a_state_left_blank_is_no_other_state_if_nobody_else_has_the_name() -> None:
    was, now = (
        agency("Hammond Police Department", "IN", key="a"),
        agency("Hammond Police Department", None, key="b"),
    )
    assert paired(was, now)
    assert not pair([was, agency("Hammond Police Department", "LA", key="c")], [now])


def test_a_fire_department_is_not_the_police_renamed() -> None:
    assert not paired(
        agency("Hammond Police Department", city="Hammond", since=DAY),
        agency("Hammond Fire Department", city="Hammond", since=DAY),
    )


def test_pairs_are_one_to_one_and_the_best_first() -> None:
    was = [agency("Marion Police Dept", key="a", since=DAY), agency("Marlon Police Dept", key="b", since=DAY)]
    now = [
        agency("Marlon Police Department", key="c", since=DAY),
        agency("Marion Police Department", key="d", since=DAY),
    ]
    assert {(x.key, y.key) for x, y in pair(was, now)} == {("a", "d"), ("b", "c")}
    assert pair(was, now) == pair(was[::-1], now[::-1])
    assert len(pair(was, now[:1])) == 1


def test_the_same_county_wins_over_a_name_a_little_more_alike() -> None:
    gone = agency("Bay County Sheriff's Office", key="a", since=DAY, county="Bay County")
    near = agency("Bay County Sheriff", key="b", since=DAY, county="Bay County")
    other = agency("Clay County Sheriff's Office", key="c", since=DAY, county="Clay County")
    assert pair([gone], [near, other]) == [(gone, near)]


def test_a_name_is_recognized_whatever_the_city_unless_the_list_tells_agencies_apart_by_it() -> None:
    gary, hammond = (agency("Lake Sheriff", "IN", city=city) for city in ("Gary", "Hammond"))
    assert make_named_key(gary) == make_named_key(hammond) == make_named_key(agency("LAKE  sheriff", "IN"))
    assert make_named_key(gary, by_city=True) != make_named_key(hammond, by_city=True)


def test_of_several_of_one_name_those_that_share_a_date_are_one_agency_across_states() -> None:
    gone = [agency("Lake Sheriff", "IN", since=DAY), agency("Lake Sheriff", "OH", since=OTHER_DAY)]
    come = [agency("Lake Sheriff", "IL", since=OTHER_DAY), agency("Lake Sheriff", "WI", since=DAY)]
    pairs = pair(assign_keys(gone, by_city=False), assign_keys(come, by_city=False))
    assert sorted((was.state, now.state) for was, now in pairs) == [("IN", "WI"), ("OH", "IL")]


def test_thousands_of_resembling_names_are_compared_within_a_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = 0
    extract = renames.process.extract

    def count(query: str, choices: list[str], **rest: Any) -> Any:
        nonlocal compared
        compared += len(choices)
        return extract(query, choices, **rest)

    monkeypatch.setattr(renames.process, "extract", count)

    def make(word: str, n: int) -> Listing:
        name = f"{word} Place {n:05} Police"
        return Listing(name=name, key=f"TX|{name}|{word}", state="TX")

    before = [make("Old", n) for n in range(4000)]
    after = [make("New", n) for n in range(3990)]
    swapped = Listing(name="Police Old Place 03999", key="TX|swapped", state="TX")
    assert renames.pair(before, [*after, swapped]) == [(before[3999], swapped)]
    assert compared <= 3 * renames._MOST_COMPARED


def test_one_letter_more_is_a_misspelling_in_words_of_six_letters_and_more() -> None:
    assert is_one_word_apart("harvey police department", "harveys police department")
    assert not is_one_word_apart("smith police department", "smiths police department")
