"""Changes lead exactly from one list to the other, and a rename, a new id or a new column is none that
anybody is told falsely.
"""

from __future__ import annotations

import random
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from monitor.core.diff import _is_another_row, apply, diff, find_respelled, value_of
from monitor.core.identity import assign_keys
from monitor.domain import Change, Kind, Listing
from tests.core.simulation import agency
from tests.core.strategies import lists

DAY = date(2025, 4, 14)


def between(
    before: list[Listing], after: list[Listing], *, by_city: bool = False, **options: frozenset[str]
) -> tuple[Change, ...]:
    return diff(assign_keys(before, by_city=by_city), assign_keys(after, by_city=by_city), **options)


def only(before: Listing, after: Listing, *, by_city: bool = False, **options: frozenset[str]) -> Change:
    (change,) = between([before], [after], by_city=by_city, **options)
    return change


@given(lists())
def test_a_list_does_not_differ_from_itself(listings: tuple[Listing, ...]) -> None:
    assert diff(listings, [structs.replace(listing) for listing in listings]) == ()


@given(lists(), lists())
@settings(max_examples=150)
def test_the_changes_applied_give_the_other_list(
    before: tuple[Listing, ...], after: tuple[Listing, ...]
) -> None:
    changes = diff(before, after)
    assert set(apply(changes, before)) == set(after)
    assert {x.before for x in changes if x.before} == set(before) - set(after)
    assert {x.after for x in changes if x.after} == set(after) - set(before)


@given(lists(), lists(), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(
    before: tuple[Listing, ...], after: tuple[Listing, ...], chance: random.Random
) -> None:
    shuffled = (chance.sample(side, len(side)) for side in (before, after))
    assert diff(*shuffled) == diff(before, after)


@given(lists(), lists())
@settings(max_examples=150)
def test_swapping_the_sides_swaps_added_and_removed(
    before: tuple[Listing, ...], after: tuple[Listing, ...]
) -> None:
    opposite = {Kind.ADDED: Kind.REMOVED, Kind.REMOVED: Kind.ADDED, Kind.CHANGED: Kind.CHANGED}
    there = {(opposite[x.kind], x.after, x.before, x.fields, x.quiet) for x in diff(before, after)}
    assert there == {(x.kind, x.before, x.after, x.fields, x.quiet) for x in diff(after, before)}


def test_a_change_that_does_not_fit_is_not_applied() -> None:
    (a,), (b,) = assign_keys([agency("A")], by_city=False), assign_keys([agency("B")], by_city=False)
    with pytest.raises(ValueError, match="not there"):
        apply([Change(Kind.REMOVED, before=a)], [b])
    with pytest.raises(ValueError, match="already"):
        apply([Change(Kind.ADDED, after=a)], [a])


def test_two_listings_with_one_key_are_refused() -> None:
    with pytest.raises(ValueError, match="two listings have the key"):
        diff([agency("A", key="k"), agency("B", key="k")], [])


@pytest.mark.parametrize(
    ("field", "value"),
    [("county", "Lake"), ("city", "Gary"), ("since", DAY), ("state", "IN")],
)
def test_what_is_told_is_named(field: str, value: object) -> None:
    before = agency("Hammond Police Department", source_id="1")
    change = only(before, structs.replace(before, **{field: value}))
    assert (change.kind, change.fields, change.quiet) == (Kind.CHANGED, (field,), False)


def test_an_attribute_is_named_by_its_column() -> None:
    change = only(
        agency("A", attributes=(("TYPE", "x"),)), agency("A", attributes=(("SUPPORT", "y"), ("TYPE", "x")))
    )
    assert change.fields == ("SUPPORT",)
    assert not change.quiet


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("url", "https://x/2"),
        ("point", (3.0, 4.0)),
        ("folder", "Layer 2"),
        ("name", "HAMMOND  police-department"),
        ("county", "LAKE"),
        ("attributes", (("TYPE", "jail model."),)),
        ("documents", ("https://x/1", "https://x/3")),
        ("source_id", "new"),
    ],
)
def test_links_points_folders_letter_case_and_punctuation_are_quiet(field: str, value: object) -> None:
    before = agency(
        "Hammond Police Department",
        county="Lake",
        url="https://x/1",
        point=(1.0, 2.0),
        folder="Layer 1",
        attributes=(("TYPE", "Jail Model"),),
    )
    change = only(before, structs.replace(before, **{field: value}))
    assert change.quiet


@pytest.mark.parametrize(
    ("field", "value"), [("url", "https://x/2"), ("point", (3.0, 4.0)), ("folder", "Layer 2")]
)
def test_a_policy_that_silences_nothing_tells_links_points_and_folders(field: str, value: object) -> None:
    before = agency("Hammond Police", url="https://x/1", point=(1.0, 2.0), folder="Layer 1")
    change = only(before, structs.replace(before, **{field: value}), silent=frozenset())  # type: ignore[arg-type]
    assert change.fields == (field,)
    assert not change.quiet


def test_a_folder_renamed_tells_nothing() -> None:
    before = [agency(f"{x} Police", folder="Layer 1") for x in "ABCDE"]
    assert all(x.quiet for x in between(before, [structs.replace(x, folder="Participants") for x in before]))


def test_a_silent_attribute_of_the_configuration_is_quiet() -> None:
    before, after = (agency("A", attributes=(("Video Requests", n),)) for n in "12")
    assert only(before, after, silent=frozenset({"Video Requests"})).quiet
    assert not only(before, after).quiet


def test_a_column_that_appears_or_disappears_is_quiet_and_hides_no_other_change() -> None:
    before = agency("A", county="Lake")
    after = agency("A", county="Lake", attributes=(("TYPE", "County"),))
    new = frozenset({"TYPE"})
    assert only(before, after, new_columns=new).quiet
    assert only(after, before, new_columns=new).quiet
    assert only(before, structs.replace(after, county="Porter"), new_columns=new).fields == ("county",)


@pytest.mark.parametrize(("was", "now"), [(None, "1"), ("1", None), ("1", "9")])
def test_an_id_that_appears_disappears_or_is_made_anew_is_no_event(was: str | None, now: str | None) -> None:
    before, after = ([agency(f"{x} Police", source_id=id_ and id_ + x) for x in "ABC"] for id_ in (was, now))
    assert [x.kind for x in between(before, after)] == [Kind.CHANGED] * 3
    assert all(x.quiet for x in between(before, after))


def test_a_city_column_that_appears_is_no_event() -> None:
    before, after = [agency("A Police")], [agency("A Police", city="Gary")]
    assert all(x.quiet for x in between(before, after, by_city=True, new_columns=frozenset({"city"})))


def test_namesakes_in_two_towns_are_two_agencies() -> None:
    gone, come = (
        agency("Washington Police", city=city, since=day)
        for city, day in (("Gary", DAY), ("Elkhart", date(2024, 1, 1)))
    )
    assert {x.kind for x in between([gone], [come], by_city=True)} == {Kind.ADDED, Kind.REMOVED}


def test_a_rename_is_one_change_and_never_left_plus_joined() -> None:
    change = only(
        agency("Freedom County Sheriff's Office", "MN", since=DAY),
        agency("Freeborn County Sheriff's Office", "MN", since=DAY),
    )
    assert change.renamed
    assert change.fields == ("name",)


def test_a_chain_of_renames_takes_each_listing_once() -> None:
    before = [agency("Ash Police", source_id="1"), agency("Bay Police", source_id="2")]
    after = [agency("Bay Police", source_id="1"), agency("Cedar Police", source_id="2")]
    changes = between(before, after)
    assert [(x.before.name, x.after.name) for x in changes if x.before and x.after] == [
        ("Ash Police", "Bay Police"),
        ("Bay Police", "Cedar Police"),
    ]


def test_the_one_listing_of_two_namesakes_that_stays_is_recognized_by_its_link() -> None:
    jail, task = (
        agency("Lee Sheriff's Office", url="https://x/jail"),
        agency("Lee Sheriff\u2019s Office", url="https://x/task"),
    )
    (change,) = (x for x in between([jail], [jail, task]) if not x.quiet)
    assert (change.kind, change.after and change.after.url) == (Kind.ADDED, "https://x/task")


def test_a_document_that_everybody_names_pairs_nobody() -> None:
    page = {"url": "https://x/agreement.pdf"}
    stay = [agency("Elm Marshal", **page)]
    changes = between([*stay, agency("Ash Jail", **page)], [*stay, agency("Ash Sheriff", **page)])
    assert {x.kind for x in changes} == {Kind.ADDED, Kind.REMOVED}


def test_values_are_found_by_the_words_of_the_columns() -> None:
    listing = agency("A", county="Lake", attributes=(("TYPE", "x"),))
    assert [value_of(listing, x) for x in ("name", "county", "TYPE", "city", "OTHER")] == [
        "A",
        "Lake",
        "x",
        None,
        None,
    ]


@pytest.mark.parametrize("field", ["city", "county"])
@pytest.mark.parametrize(
    ("was", "now", "paired"),
    [("Hammond", "Hammond", True), ("Hammond", None, True), (None, None, True), ("Hammond", "Gary", False)],
)
def test_two_spellings_are_one_agency_unless_they_are_in_two_places(
    field: str, was: str | None, now: str | None, paired: bool
) -> None:
    spelled = [agency("Lake Police Department", "IN", key="1", **{field: was})]
    respelled = [agency("Lake PD", "IN", key="2", **{field: now})]
    assert bool(find_respelled(spelled, respelled)) is paired


@pytest.mark.parametrize(
    ("name", "was", "now", "another"),
    [
        ("City of Alder Police Dept", [14, 15], [15], True),
        ("City of Alder Police Dept", [14], [15], True),
        ("City of Alder Police Dept", [14], [14], False),
        ("City of Alder Police Dept", [14, 15], [14, 15], False),
        ("City of Alder Police Dept", [14], [14, 15], False),
        ("City of Alder Police Dept", [], [15], False),
        ("City of Alder Police Dept", [14], [], False),
        ("Cedar Police Department", [14], [15], False),
    ],
)
def test_another_row_of_an_agency_is_one_with_its_name_and_other_dates(
    name: str, was: list[int], now: list[int], another: bool
) -> None:
    def dated(name: str, days: list[int]) -> Listing:
        return agency(name, dates=tuple(date(2025, 4, day) for day in days))

    assert _is_another_row(dated("Alder Police Department", was), dated(name, now)) is another


def test_two_listings_with_one_key_are_an_error_that_names_the_key() -> None:
    twice = [structs.replace(agency(name), key=key) for name, key in (("A", "a"), ("B", "b"), ("C", "b"))]
    with pytest.raises(ValueError, match="two listings have the key 'b'"):
        diff(twice, [])
