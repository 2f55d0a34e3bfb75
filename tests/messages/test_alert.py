"""What people read in an alert, and what they never read."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.channels.telegram.posts import LIMIT, length, split_posts
from monitor.domain import (
    AlertedChange,
    Basis,
    Change,
    Confidence,
    Kind,
    Listing,
    Meaning,
    PlacementReason,
    Rendered,
    ValueMeaning,
    placeholder,
)
from monitor.keys import KeyFile
from monitor.messages import render
from monitor.messages.layout import clean
from monitor.messages.model import Alert, Digest, Sender
from monitor.outbox import Recipient, RecipientPlaceholders

AFTER = datetime(2026, 11, 24, 20, 7, tzinfo=UTC)
BEFORE = AFTER - timedelta(hours=1)
MEANING = Meaning(
    date(2025, 1, 1),
    "Ring lists it as an agency. Listing alone gives no access to cameras.",
    "Ring la presenta como agencia. Estar en la lista no da acceso a las cámaras.",
    "Ring, 2025",
    date(2026, 11, 24),
)


SENDER = ("site_name", "contact", "postal_address", "timezone", "managed", "next_step", "next_step_es")


def listing(name: str = "Hammond Police Department", state: str | None = "IN", **fields: Any) -> Listing:
    return Listing(name=name, key=name, state=state, **fields)


def told(change: Change, **fields: Any) -> AlertedChange:
    defaults = {
        "because": ("46320",),
        "reason": PlacementReason("covers", ("Hammond",)),
        "confidence": Confidence.EXACT,
    }
    return AlertedChange(change=change, **defaults | {"not_before": BEFORE, "not_after": AFTER} | fields)


def added(
    name: str = "Hammond Police Department", *, previous: Listing | None = None, **fields: Any
) -> Change:
    return Change(Kind.ADDED, after=listing(name, **fields), previous=previous)


def removed(name: str = "Hammond Police Department", **fields: Any) -> Change:
    return Change(Kind.REMOVED, before=listing(name, **fields))


def changed(before: Listing, after: Listing, *fields: str) -> Change:
    return Change(Kind.CHANGED, before=before, after=after, fields=fields)


def written(*those: AlertedChange, **fields: Any) -> Rendered:
    defaults: dict[str, Any] = {
        "source": "ring",
        "title": "Ring's Active Agency Map",
        "publisher": "Ring",
        "official_url": "https://maps.example/ring",
        "meaning": MEANING,
        "site_name": "Map Monitor",
        "contact": "hello@watch.example",
        "timezone": "America/Chicago",
    }
    given = defaults | fields
    sender = {name: given.pop(name) for name in SENDER if name in given}
    return render(Alert(told=those, **given), Sender(**sender))


def text(*those: AlertedChange, **fields: Any) -> str:
    """The plain text, its lines joined."""
    return " ".join(written(*those, **fields).text.split())


# --- what happened ---


def test_an_addition_says_what_where_and_between_which_checks() -> None:
    message = written(told(added(since=date(2026, 11, 23))))
    assert message.subject == "Hammond Police Department (IN) added to Ring's Active Agency Map"
    assert message.text.startswith(
        "Hammond Police Department, Indiana, is now on Ring's Active Agency Map.\n"
        "Not there at our check Nov 24, 2026, 1:07 pm CST; there at 2:07 pm.\n"
        "Ring's own date for it: Nov 23, 2026 (not checked by us).\n"
    )


def test_a_removal_says_no_longer_listed_and_not_why() -> None:
    message = written(told(removed()))
    assert message.subject == "Hammond Police Department (IN) no longer listed on Ring's Active Agency Map"
    assert "There at our check Nov 24, 2026, 1:07 pm CST; not there at 2:07 pm." in message.text
    assert "does not say why" in message.text


def test_an_agency_that_is_back_is_listed_again() -> None:
    message = written(told(added(previous=listing("Hammond PD"))))
    assert message.subject == "Hammond Police Department (IN) listed again on Ring's Active Agency Map"
    assert "its name there was Hammond PD" in " ".join(message.text.split())
    assert "its name there" not in text(told(added(previous=listing())))


def test_a_rename_is_told_as_that() -> None:
    change = changed(listing("Hammond Police Dept"), listing(), "name")
    message = written(told(change))
    assert (
        message.subject
        == "Hammond Police Dept (IN) is now listed as Hammond Police Department on Ring's Active Agency Map"
    )
    assert "Under the old name at our check Nov 24, 2026, 1:07 pm CST; under the new one at 2:07 pm." in text(
        told(change)
    )


def test_a_changed_attribute_is_told_before_and_after() -> None:
    change = changed(
        listing(attributes=(("SUPPORT TYPE", "Jail"),), county="Lake"),
        listing(attributes=(("SUPPORT TYPE", "Task force"),)),
        "SUPPORT TYPE",
        "county",
    )
    said = text(told(change))
    assert "Support type: was “Jail”, now “Task force”." in said
    assert "County: was “Lake”, now empty." in said


def test_a_move_to_another_state_names_both() -> None:
    assert "State: was “Indiana”, now “Illinois”." in text(
        told(changed(listing(), listing(state="IL"), "state"))
    )


def test_what_an_addition_carries_besides_is_the_publishers_word() -> None:
    said = text(told(added(attributes=(("SUPPORT TYPE", "Task force"), ("MOA", "signed")))))
    assert "Ring adds: Support type: Task force; MOA: signed." in said


# --- when ---


def test_a_first_check_without_a_last_says_that_since_when_is_not_known() -> None:
    for change in (
        added(),
        removed(),
        changed(listing("A"), listing("B"), "name"),
        changed(listing(), listing(city="X"), "city"),
    ):
        said = text(told(change, not_before=None))
        assert "at our check Nov 24, 2026, 2:07 pm CST; since when is not known." in said


def test_checks_on_different_days_both_carry_their_date() -> None:
    said = text(told(added(), not_before=BEFORE - timedelta(days=1)))
    assert "Not there at our check Nov 23, 2026, 1:07 pm CST; there at Nov 24, 2026, 2:07 pm CST." in said


def test_checks_around_the_end_of_summer_time_both_carry_their_zone() -> None:
    before, after = datetime(2026, 11, 1, 6, 30, tzinfo=UTC), datetime(2026, 11, 1, 7, 30, tzinfo=UTC)
    said = text(told(added(), not_before=before, not_after=after))
    assert "Not there at our check Nov 1, 2026, 1:30 am CDT; there at 1:30 am CST." in said


def test_a_zone_without_an_abbreviation_is_written_as_an_offset() -> None:
    assert "UTC-03;" in text(told(added()), timezone="America/Sao_Paulo")


@pytest.mark.parametrize(
    ("since", "note"),
    [
        (date(2026, 10, 24), "more than 30 days before our check"),
        (date(2026, 10, 25), None),
        (date(2026, 11, 25), "still to come"),
        (date(2026, 11, 24), None),
    ],
)
def test_the_publishers_date_stands_apart_and_an_old_one_is_said_to_be_old(
    since: date, note: str | None
) -> None:
    said = text(told(added(since=since)))
    assert "(not checked by us)" in said
    assert (note in said) if note else "days before" not in said


def test_an_alert_that_is_late_or_was_held_or_is_a_sample_says_so_first() -> None:
    message = written(told(added()), late=True, held=True, sample=True)
    opening = " ".join(message.text.partition("Hammond")[0].split())
    assert "This is a sample: nothing has changed." in opening
    assert "our check found the change on Nov 24, 2026, 2:07 pm CST, more than 24 hours ago." in opening
    assert "Announced after a wait" in opening
    assert message.subject.startswith("[Sample] ")
    assert "sample" not in text(told(added()))


# --- why this person ---


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, "You follow 46320; this agency covers Hammond. You asked on"),
        ({"because": ("IN",)}, "You follow Indiana. You asked on"),
        ({"because": ("US",)}, "You follow the whole country. You asked on"),
        (
            {"because": ("46320", "IN", "US")},
            "You follow 46320, Indiana and the whole country; this agency covers Hammond.",
        ),
        (
            {"because": tuple(f"{46320 + n}" for n in range(56)), "language": "es"},
            "Usted sigue 46320, 46321, 46322, 46323, 46324, 46325 y 50 más; esta agencia cubre Hammond.",
        ),
        (
            {"reason": PlacementReason("covers", ("Lake County",)), "confidence": Confidence.APPROXIMATE},
            "this agency covers Lake County (an estimate).",
        ),
        (
            {"reason": PlacementReason("in", ("Gary",)), "confidence": Confidence.APPROXIMATE},
            "this agency is in Gary: an estimate.",
        ),
        (
            {
                "because": ("IN",),
                "reason": PlacementReason("somewhere", ("IN",)),
                "confidence": Confidence.STATE_ONLY,
            },
            "You follow Indiana; this agency could not be placed within Indiana; those who follow IN hear "
            "of it.",
        ),
    ],
)
def test_the_reason_for_this_person_is_given_and_an_estimate_called_one(
    fields: dict[str, Any], why: str
) -> None:
    fields = dict(fields)
    language = fields.pop("language", "en")
    assert why in text(told(added(), **fields), language=language)


def test_a_post_says_how_sure_the_place_is_and_nothing_about_a_person() -> None:
    unsure = "\n".join(
        written(
            told(
                added(), reason=PlacementReason("covers", ("Lake County",)), confidence=Confidence.APPROXIMATE
            )
        ).blocks
    )
    assert "This agency covers Lake County (an estimate)." in unsure
    assert "You " not in unsure
    assert "covers" not in "\n".join(written(told(added())).blocks)


# --- meaning, links, stopping ---


def test_the_meaning_is_dated_and_in_the_readers_language() -> None:
    said = text(told(added()))
    assert f"What being listed means: {MEANING.en} Text reviewed Nov 24, 2026. Source: Ring, 2025." in said
    message = written(told(added()), language="es")
    assert MEANING.es in " ".join(message.text.split())
    assert '<p lang="es">' in message.html


def test_a_post_has_one_sentence_of_meaning() -> None:
    posted = "\n".join(written(told(added())).blocks)
    assert "Ring lists it as an agency." in posted
    assert "Listing alone" not in posted


def test_an_alert_without_a_meaning_is_whole() -> None:
    assert "What being listed means" not in text(told(added()), meaning=None)


def test_a_permalink_is_only_there_when_there_is_one() -> None:
    message = written(told(added()), permalink="https://watch.example/changes/812")
    assert "Details and proof: https://watch.example/changes/812" in message.text
    assert 'href="https://watch.example/changes/812"' in message.html
    assert "https://watch.example/changes/812" in message.blocks[-1]
    assert "Details and proof" not in "".join(
        [*(bare := written(told(added()))).blocks, bare.text, bare.html]
    )


def test_a_mail_says_how_to_stop_and_since_when_by_marks_and_a_post_has_none() -> None:
    message = written(told(added()))
    for part in (message.text, message.html):
        assert part.count(placeholder("stop")) == 1
        assert part.count(placeholder("asked")) == 1
    assert "\ue000" not in message.subject + "".join(message.blocks)


def test_the_day_somebody_asked_is_their_day() -> None:
    key = KeyFile.of_master(bytes(32))
    words = RecipientPlaceholders(key, "a@watch.example", None, "America/Chicago")
    recipient = Recipient(1, "email", "en", "n", datetime(2026, 2, 4, 3, tzinfo=UTC))
    assert words(recipient)["asked"] == "Feb 3, 2026"


# --- several changes ---


def several(number: int, **fields: Any) -> list[AlertedChange]:
    return [told(added(f"Agency {n:03}", state=("IN", "IL", "OH")[n % 3]), **fields) for n in range(number)]


def test_several_changes_are_counted_in_the_subject_and_grouped_by_state() -> None:
    message = written(
        *several(3),
        told(removed("Gary PD")),
        told(changed(listing("A"), listing("B"), "name")),
        told(added("C", previous=listing("C"))),
    )
    assert (
        message.subject
        == "3 agencies added, 1 listed again, 1 no longer listed, 1 renamed: Ring's Active Agency Map (IL, "
        "IN, OH)"
    )
    body = message.text
    assert (
        body.index("Illinois")
        < body.index("Agency 001")
        < body.index("Indiana")
        < body.index("Agency 000")
        < body.index("Ohio")
    )
    assert "- Gary PD: no longer listed." in body
    assert "- B: the new name of A." in body
    assert "All this happened between our checks of Nov 24, 2026, 1:07 pm CST and 2:07" in body


def test_one_agency_is_not_agencies() -> None:
    assert written(told(added()), told(removed("B"))).subject.startswith(
        "1 agency added, 1 no longer listed: "
    )


def test_changes_of_different_intervals_each_say_theirs() -> None:
    said = text(told(added("A")), told(added("B"), not_before=None))
    assert "All this" not in said
    assert said.count("at our check") == 2


def test_a_reason_that_all_share_is_said_once() -> None:
    assert text(*several(6)).count("You follow") == 1
    mixed = text(*several(6), told(added("Z", state="OH"), because=("OH",)))
    assert "You follow Ohio." in mixed


def test_two_hundred_changes_are_all_spelt_out() -> None:
    message = written(*several(200))
    for part in (message.text, message.html, "".join(message.blocks)):
        assert len(set(re.findall(r"Agency \d{3}", part))) == 200
        assert "do not fit" not in part


def test_changes_beyond_two_hundred_are_counted_and_pointed_to() -> None:
    message = written(*several(257))
    assert message.subject.startswith("257 agencies added")
    for part in (message.text, message.html, "".join(message.blocks)):
        assert len(set(re.findall(r"Agency \d{3}", part))) == 200
        assert "57 more changes do not fit into this message" in part


def test_a_mail_is_never_so_large_that_its_end_is_cut_off() -> None:
    longest = [told(added("<&" * 90 + f" Agency {n:03d}"), because=(f"{46300 + n}",)) for n in range(300)]
    message = written(*longest)
    assert len(message.html.encode()) < 100_000
    shown = len(set(re.findall(r"Agency \d{3}", message.html)))
    for part in (message.text, message.html):
        assert f"{300 - shown} more changes do not fit into this message" in part
        assert placeholder("stop") in part


def test_an_agency_without_a_readable_state_comes_last_under_those_words() -> None:
    body = written(told(added("A", state=None)), told(added("B"))).text
    assert body.index("Indiana") < body.index("State not known") < body.index("- A: added.")


def test_an_alert_without_a_change_is_a_bug() -> None:
    with pytest.raises(ValueError, match="without a change"):
        written()


# --- words that are never used ---


def everything() -> Iterator[Rendered]:
    changes = [
        added(since=date(2026, 1, 1)),
        removed(),
        changed(listing("A"), listing("B"), "name"),
        changed(listing(), listing(city="x"), "city"),
    ]
    for change in [*changes, added(previous=listing("B"))]:
        yield written(told(change), late=True, held=True, sample=True)
        yield written(told(change, not_before=None, confidence=Confidence.CONFLICT))
    yield written(*[told(change) for change in changes])


def test_an_alert_never_says_joined_left_or_real_time() -> None:
    for message in everything():
        markup = re.sub(r"<style>.*?</style>", "", message.html, flags=re.DOTALL)
        said = " ".join((message.subject, message.text, markup, *message.blocks)).lower()
        assert not re.search(r"\b(?:joined|joins|left|leaves|real[- ]?time|instant)\b", said)


# --- text from outside ---


class Reader(HTMLParser):
    """Which tags and addresses a piece of HTML really has, and what a reader sees."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.addresses: list[str] = []
        self.seen = ""
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [
            value or "" for name, value in attrs if name in {"href", "src", "background", "action"}
        ]

    def handle_data(self, data: str) -> None:
        self.seen += data


MAIL_TAGS = {
    "html",
    "head",
    "meta",
    "title",
    "style",
    "body",
    "div",
    "p",
    "h1",
    "h2",
    "ul",
    "li",
    "strong",
    "a",
}
nasty = st.one_of(
    st.text(max_size=300),
    st.sampled_from(
        [
            "<img src=x>",
            "a\r\nBcc: x@y.z",
            "\u202eevil\u2066",
            placeholder("stop"),
            "{{ 7*7 }}",
            "&lt;b&gt;",
            '"><script>',
            "a\u200bb\u00ad",
            "x" * 400,
        ]
    ),
)


@settings(max_examples=60)
@given(name=nasty, old=nasty, value=nasty, reason=nasty, column=nasty, title=nasty)
def test_text_from_outside_is_only_ever_text(
    name: str, old: str, value: str, reason: str, column: str, title: str
) -> None:
    change = changed(
        listing(old, attributes=((column, ""),)), listing(name, attributes=((column, value),)), "name", column
    )
    again = Change(Kind.ADDED, after=listing(name, attributes=((column, value),)), previous=listing(old))
    why = PlacementReason("either", (reason,), value)
    for those in ([told(change, reason=why)], [told(change, reason=why), told(again, because=("IN",))]):
        message = written(*those, title=title, publisher=value)
        parts = (message.subject, message.text, message.html, *message.blocks)
        for part in parts:
            marks = part.replace(placeholder("stop"), "").replace(placeholder("asked"), "")
            assert not re.search(
                r"[^\n\x20-\x7e\x80-\U0010ffff]|[\u200b-\u200f\u202a-\u202e\u2066-\u2069\ue000-\uf8ff\x80-\x9f]",
                marks,
            )
        assert "\n" not in message.subject
        assert message.text.count(placeholder("stop")) == 1
        mail = Reader(message.html)
        assert mail.tags <= MAIL_TAGS
        assert set(mail.addresses) <= {"https://maps.example/ring", placeholder("stop")}
        for block in message.blocks:
            post = Reader(block)
            assert post.tags <= {"b", "i", "u", "a"}
            assert len(block.encode("utf-16-le")) // 2 < 4096


@given(nasty)
def test_cleaned_text_is_one_short_line_of_visible_characters(raw: str) -> None:
    shown = clean(raw)
    assert len(shown) <= 200
    assert shown == shown.strip()
    assert all(character.isprintable() for character in shown)
    assert clean(shown) == shown


def test_a_long_name_is_cut_at_two_hundred_characters_and_shorter_in_the_subject() -> None:
    message = written(told(added("x" * 300)))
    assert "x" * 199 + "…" in message.html
    assert "x" * 200 not in message.html
    assert "x" * 80 not in message.subject


def test_a_mail_loads_nothing_and_knows_light_and_dark() -> None:
    for message in everything():
        assert not re.search(
            r"<(?:img|script|link|iframe|table|form)|url\(|@import|@font-face|src=", message.html
        )
        assert '<meta name="color-scheme" content="light dark">' in message.html
        assert "prefers-color-scheme: dark" in message.html


def test_lines_of_plain_text_fit_a_narrow_window() -> None:
    for message in everything():
        assert all(len(line) <= 76 or "://" in line for line in message.text.splitlines())


@pytest.mark.parametrize("letter", ["&", "<", '"', "a", "😀"])
def test_what_is_too_long_for_a_post_is_told_as_far_as_it_fits(letter: str) -> None:
    name = letter * 10_000
    cells = tuple((f"Column {number} {name}", name) for number in range(10))
    after = listing(name, city=name, county=name, attributes=cells)
    before = listing("x" + name, "IL", city="y", county="z", attributes=cells[:1])
    changes = [
        added(name, attributes=cells, previous=before),
        added(name, state=None, state_text=name, attributes=cells),
        removed(name),
        changed(before, after, "name", "city", "county", *(column for column, _ in cells)),
    ]
    for several in (*([change] for change in changes), changes):
        message = written(*(told(change, reason=PlacementReason("covers", (name,))) for change in several))
        made = split_posts(message.blocks)
        assert all(length(post) <= LIMIT for post in made)
        text = "".join(made)
        assert text.count("<b>") == text.count("</b>") >= len(several)


def test_a_spanish_sentence_has_one_full_stop_and_its_article_fits_the_hour() -> None:
    def words(*tellings: AlertedChange) -> str:
        return " ".join(written(*tellings, language="es").text.split())

    assert "estaba a las 2:07 p.m. Qué significa" in words(told(added()))
    at_one = told(added(), not_before=BEFORE - timedelta(hours=1), not_after=BEFORE)
    assert "estaba a la 1:07 p.m. Qué significa" in words(at_one)


# --- what values mean ---

VALUES = (
    ValueMeaning(
        column="SUPPORT TYPE",
        value="Task Force Model",
        names={"en": "Task Force Model", "es": "Modelo de grupo operativo"},
        texts={"en": "Outside a jail.", "es": "Fuera de una cárcel."},
        citations={"en": "A law", "es": "Una ley"},
        reviewed=date(2026, 11, 28),
    ),
    ValueMeaning(column="TYPE", value="County", names={"es": "Condado"}),
)
FORCE = {"attributes": (("SUPPORT TYPE", "Task Force Model; Tribal"), ("TYPE", "County"))}


def test_an_alert_explains_the_values_that_it_names() -> None:
    message = written(told(added(**FORCE)), values=VALUES)
    for form in (message.text, message.html):
        assert "Task Force Model: Outside a jail." in form
        assert "Text reviewed Nov 28, 2026. Source: A law." in form
    assert "Task Force Model: Outside a jail." in message.blocks[-1]
    assert "Outside a jail." not in text(told(removed(**FORCE)), values=VALUES)
    assert "Outside a jail." not in text(told(added(**FORCE)))


def test_values_and_their_sources_are_spanish_in_a_spanish_alert() -> None:
    said = text(told(added(**FORCE)), values=VALUES, language="es")
    assert "Tipo de apoyo: Modelo de grupo operativo; Tribal" in said
    assert "Condado" in said
    assert "Modelo de grupo operativo: Fuera de una cárcel." in said
    assert "Fuente: Una ley." in said
    assert "Task Force" not in said
    assert "County" not in said


def test_only_a_value_that_changed_is_explained() -> None:
    before, after = listing(attributes=(("SUPPORT TYPE", "Tribal"),)), listing(**FORCE)
    said = text(told(changed(before, after, "SUPPORT TYPE")), values=VALUES, language="es")
    assert "“Modelo de grupo operativo; Tribal”" in said or "«Modelo de grupo operativo; Tribal»" in said
    assert "Fuera de una cárcel." in said
    assert "Fuera de una cárcel." not in text(
        told(changed(before, after, "TYPE")), values=VALUES, language="es"
    )


def test_characters_that_show_nothing_are_no_name() -> None:
    assert clean("Gary\u3164\u2800 Po\u034flice\uffa0") == "Gary Police"
    assert clean("\u3164\u2800") == ""


def test_the_postal_address_stands_in_the_footer() -> None:
    message = written(told(added()), postal_address="PO Box 1,\nSpringfield, IL 62701")
    assert "Postal address: PO Box 1, Springfield, IL 62701" in " ".join(message.text.split())
    assert "Postal address: PO Box 1, Springfield, IL 62701" in message.html
    assert "PO Box" not in "".join(message.blocks)
    spanish = written(told(added()), postal_address="PO Box 1", language="es")
    assert "Dirección postal: PO Box 1" in " ".join(spanish.text.split())
    assert "Postal address" not in text(told(added()))


AGREEMENT = "https://www.ice.example/doclib/hammond.pdf?a=1&b=2"


@pytest.mark.parametrize(
    ("language", "label", "steps", "short"),
    [
        (
            "en",
            "The document that the list links",
            (
                "What you can do",
                "Read the agreement where the list links it.",
                "Ask the sheriff or the chief who approved it, and when it can be ended.",
                "Request the records under your state's public records law.",
                "Come to the council.",
                "Tell us if something here is wrong: hello@watch.example",
            ),
            "What you can do: read the agreement, ask who approved it",
        ),
        (
            "es",
            "El documento al que enlaza la lista",
            (
                "Qué puede hacer",
                "Lea el acuerdo, si la lista tiene el enlace.",
                "Pregunte al sheriff o al jefe de policía quién lo aprobó",
                "Solicite los documentos según la ley de registros públicos de su estado.",
                "Venga al concejo.",
                "Díganos si algo aquí está mal: hello@watch.example",
            ),
            "Qué puede hacer: lea el acuerdo, pregunte quién lo aprobó",
        ),
    ],
)
@pytest.mark.parametrize("others", [(), ("Gary Police Department",)])
def test_an_alert_and_a_digest_end_with_next_steps_and_link_the_agreement(
    language: str, label: str, steps: tuple[str, ...], short: str, others: tuple[str, ...]
) -> None:
    those = (told(added(url=AGREEMENT)), *(told(added(name)) for name in others))
    own = {"next_step": "Come to the council.", "next_step_es": "Venga al concejo."}
    alone = written(*those, language=language, basis=Basis.AGREEMENT, **own)
    alert = Alert(
        told=those,
        source="ring",
        title="A map",
        publisher="Ring",
        official_url="https://maps.example",
        meaning=None,
        basis=Basis.AGREEMENT,
        language=language,
    )
    sender = Sender(site_name="Map Monitor", contact="hello@watch.example", **own)
    collected = render(Digest(language=language, about="daily", alerts=(alert,)), sender)
    for message in (alone, collected):
        flat = " ".join(message.text.split())
        for step in steps:
            assert step in flat, step
            assert step in html.unescape(message.html), step
        assert f"{label}: {AGREEMENT}" in flat
        assert f'href="{html.escape(AGREEMENT)}"' in message.html
        posts = html.unescape("\n\n".join(message.blocks))
        assert short in posts
    assert f'<a href="{html.escape(AGREEMENT)}">{label}</a>' in "\n\n".join(alone.blocks)
    assert flat.count(AGREEMENT) == 1


@pytest.mark.parametrize(
    "address",
    [
        None,
        "",
        "javascript:alert(1)",
        "ftp://ice.example/x",
        "https://ice.example@evil.example/x",
        'https://ice.example/"onclick="x',
        "https://ice.example/<b>",
        "https://ice.example/a b",
        "https://ice.example/\u202egpj.exe",
        "https://ice.example/\r\nBcc: x",
        "https://ice.example/" + "x" * 500,
        "https:///x",
    ],
)
def test_only_a_plain_address_of_the_web_becomes_a_link_in_a_message(address: str | None) -> None:
    message = written(told(added(url=address)))
    assert "The document that the list links" not in message.text + message.html
    assert "The document that the list links" not in "".join(message.blocks)


def test_who_is_listed_again_soon_is_told_that_the_list_contradicted_itself() -> None:
    again = added(previous=listing())
    for hours, says in ((1, "within 1 day:"), (25, "within 2 days:"), (720, "within 30 days:"), (721, "")):
        message = text(told(again, gone_at=AFTER - timedelta(hours=hours)))
        assert ("The list contradicted itself" in message) == bool(says)
        assert says in message
    assert "contradicted" not in text(told(added(), gone_at=AFTER - timedelta(hours=1)))
    spanish = text(told(again, gone_at=AFTER - timedelta(days=3)), language="es")
    assert "La lista se contradijo en 3 días" in spanish


@pytest.mark.parametrize(
    ("language", "fact", "difference"),
    [
        ("en", "Named on: Aug 28, 2019", "was “Jan 5, 2026”, now “Feb 6, 2026”"),
        (
            "es",
            "Nombrada el: 28 de agosto de 2019",
            "antes “5 de enero de 2026”, ahora “6 de febrero de 2026”",
        ),
    ],
)
def test_a_date_of_the_list_is_written_in_the_language_of_the_reader(
    language: str, fact: str, difference: str
) -> None:
    named = text(told(added(attributes=(("Named on", "2019-08-28"),))), language=language)
    assert fact in named
    old, new = listing(since=date(2026, 1, 5)), listing(since=date(2026, 2, 6))
    assert difference in text(told(changed(old, new, "since")), language=language)
    odd = text(told(added(attributes=(("Named on", "2019-13-28"),))), language=language)
    assert "2019-13-28" in odd
