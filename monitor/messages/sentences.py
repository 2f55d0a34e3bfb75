"""The sentences of an alert in one language, from the catalog. Results are plain text: layouts escape them.

They never say "joined" or "left": we know only what a list showed at our checks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache

from monitor.domain import Meaning, ValueMeaning
from monitor.messages import locale
from monitor.messages.change_view import ChangeDescription, Difference, Moment
from monitor.messages.locale import N_
from monitor.messages.place_names import join_names
from monitor.messages.placements import describe_placement

NAMED_PLACES = 6
"""The most places that the reason of an alert names; it counts the others."""

_OLD = 30  # days; an older date of the publisher is pointed out

_FIELDS = {
    "name": N_("Name"),
    "city": N_("City"),
    "county": N_("County"),
    "state": N_("State"),
    "url": N_("Document"),
    "since": N_("%(owner)s own date"),
    "documents": N_("Documents"),
    "dates": N_("%(owner)s own dates"),
    "source_id": N_("Number on the list"),
    "state_text": N_("State as written"),
    "folder": N_("Group on the list"),
    "point": N_("Point on the map"),
}
# columns of known lists; any other column is shown under its own name
_COLUMNS = {
    "Support type": N_("Support type"),
    "Type": N_("Type"),
    "TYPE": N_("TYPE"),
    "Addendum": N_("Addendum"),
    "Named on": N_("Named on"),
    "Note": N_("Note"),
}
_HEADLINES = {
    "added": N_("%(agency)s added to %(title)s"),
    "again": N_("%(agency)s listed again on %(title)s"),
    "removed": N_("%(agency)s no longer listed on %(title)s"),
    "renamed": N_("%(agency)s is now listed as %(name)s on %(title)s"),
    "changed": N_("%(agency)s: entry changed on %(title)s"),
}
_SENTENCES = {
    "added": N_("%(agency)s is now on %(title)s."),
    "again": N_("%(agency)s is listed again on %(title)s."),
    "removed": N_("%(agency)s is no longer listed on %(title)s."),
    "renamed": N_("%(agency)s is now listed as %(name)s on %(title)s."),
    "changed": N_("The entry of %(agency)s on %(title)s has changed."),
}
_BRIEF = {
    "added": N_("added"),
    "again": N_("listed again"),
    "removed": N_("no longer listed"),
    "renamed": N_("the new name of %(was)s"),
    "changed": N_("entry changed"),
}
_BETWEEN_CHECKS = {
    "added": N_("Not there at our check %(before)s; there at %(later)s."),
    "removed": N_("There at our check %(before)s; not there at %(later)s."),
    "renamed": N_("Under the old name at our check %(before)s; under the new one at %(later)s."),
    "changed": N_("Unchanged at our check %(before)s; changed at %(later)s."),
}
_SINCE_UNKNOWN = {
    "added": N_("There at our check %(after)s; since when is not known."),
    "removed": N_("Not there at our check %(after)s; since when is not known."),
    "renamed": N_("Under the new name at our check %(after)s; since when is not known."),
    "changed": N_("Changed at our check %(after)s; since when is not known."),
}
_COUNTS = ("added", "again", "removed", "renamed", "changed")


class Sentences:
    """The sentences of one language; English for a language that has none."""

    def __init__(self, language: str) -> None:
        self.language = locale.find_language(language) or locale.DEFAULT
        self._catalog = locale.translations(self.language)

    def _(self, sentence: str, **values: object) -> str:
        text = self._catalog.gettext(sentence)
        return text % values if values else text

    def _count(self, one: str, many: str, count: int) -> str:
        return self._catalog.ngettext(one, many, count) % {"count": count}

    # --- times

    def day(self, when: date) -> str:
        """A date: "Nov 24, 2026"."""
        return locale.day(when, self.language)

    def moment(self, when: Moment) -> str:
        """A time with its zone: "Nov 24, 2026, 1:07 pm CST"."""
        return f"{self.day(when.local.date())}, {self._hour(when)} {when.zone}"

    def _hour(self, when: Moment) -> str:
        return locale.time_of_day(when.local, self.language)

    def _later(self, when: Moment, first: Moment) -> str:
        """Format the later of two moments: only the parts that differ from the first one."""
        if not when.same_day(first):
            return self._catalog.pgettext("later moment", "%(moment)s") % {"moment": self.moment(when)}
        zone = "" if when.zone == first.zone else f" {when.zone}"
        context = "later, at one o'clock" if when.local.hour % 12 == 1 else "later"
        # two checks within a minute must not read as one
        same = when.local.timestamp() // 60 == first.local.timestamp() // 60
        hour = locale.time_of_day(when.local, self.language, seconds=same)
        return self._catalog.pgettext(context, "%(hour)s") % {"hour": hour + zone}

    # --- one change

    def headline(self, change: ChangeDescription, title: str) -> str:
        """The headline of one change: "Hammond Police Department (IN) added to Ring's Active Agency Map"."""
        name = change.short_was if change.what == "renamed" else change.short
        agency = f"{name} ({change.code})" if change.code else name
        return self._(_HEADLINES[change.what], agency=agency, name=change.short, title=title)

    def sentence(self, change: ChangeDescription, title: str) -> str:
        """What happened, as a sentence."""
        name = change.was if change.what == "renamed" else change.name
        agency = f"{name}, {change.state}," if change.state else name
        sentence = self._(_SENTENCES[change.what], agency=agency, name=change.name, title=title)
        if change.what == "again" and change.was:
            sentence += " " + self._("When it was last listed, its name there was %(was)s.", was=change.was)
        return sentence

    def brief(self, change: ChangeDescription) -> str:
        """What happened, in a few words after the agency's name."""
        if change.what == "again" and change.was:
            return self._("listed again, before as %(was)s", was=change.was)
        return self._(_BRIEF[change.what], was=change.was)

    def interval(self, change: ChangeDescription) -> str:
        """Between which two checks it happened."""
        what = "added" if change.what == "again" else change.what
        before, after = change.not_before, change.not_after
        if before is None:
            return self._(_SINCE_UNKNOWN[what], after=self.moment(after))
        return _one_stop(
            self._(_BETWEEN_CHECKS[what], before=self.moment(before), later=self._later(after, before))
        )

    def captured(self, before: Moment | None, after: Moment, name: str) -> str:
        """Between which two captures by somebody else it happened."""
        if before is None:
            sentence = N_(
                "Found on the publication of %(after)s. Captured by %(name)s, not seen by this service."
            )
            return self._(sentence, after=self.moment(after), name=name)
        sentence = N_(
            "Between the publications of %(before)s and %(later)s. Captured by %(name)s, not seen by this "
            "service."
        )
        later = self._later(after, before)
        return self._(sentence, before=self.moment(before), later=later, name=name)

    def joined(self, before: Moment, after: Moment, name: str) -> str:
        """Between which capture by somebody else and our first check it happened."""
        sentence = N_(
            "Between the publication of %(before)s, captured by %(name)s and not seen by this service, and "
            "our first check of %(later)s."
        )
        later = self._later(after, before)
        return _one_stop(self._(sentence, before=self.moment(before), later=later, name=name))

    def came_from(self, change: ChangeDescription) -> str:
        """Say from which list it moved here."""
        return self._(N_("It moved here from another list: %(list)s."), list=change.came_from)

    def contradiction(self, change: ChangeDescription) -> str:
        """Say that the publisher reverted its own removal; "" if it did not."""
        if not change.contradicted_within:
            return ""
        return self._count(
            "The list contradicted itself within %(count)d day: it had dropped this entry and put it back.",
            "The list contradicted itself within %(count)d days: it had dropped this entry and put it back.",
            change.contradicted_within,
        )

    def retracted(self, when: Moment, reason: str) -> str:
        """That the operator retracted it, and why."""
        return self._("Retracted on %(when)s. The reason: %(reason)s", when=self.moment(when), reason=reason)

    def retracted_headline(self, headline: str) -> str:
        """The headline of a retracted change."""
        return self._("Retracted: %(headline)s", headline=headline)

    def own_date(self, change: ChangeDescription, publisher: str) -> str:
        """The publisher's own date, apart from ours."""
        assert change.own_date is not None
        values = {"owner": possessive(publisher), "publisher": publisher, "day": self.day(change.own_date)}
        if change.own_date_age > _OLD:
            sentence = N_(
                "%(owner)s own date for it: %(day)s (not checked by us); that is more than 30 days before "
                "our check found it."
            )
        elif change.own_date_age < 0:
            sentence = N_(
                "%(owner)s own date for it: %(day)s (not checked by us); that day was still to come when our "
                "check found it."
            )
        else:
            sentence = N_("%(owner)s own date for it: %(day)s (not checked by us).")
        return self._(sentence, **values)

    def field(self, name: str, publisher: str) -> str:
        """A field or column of a listing as a label."""
        if name in _FIELDS:
            return self._(_FIELDS[name], owner=possessive(publisher), publisher=publisher)
        return self._(_COLUMNS[name]) if name in _COLUMNS else name

    def difference(self, difference: Difference, publisher: str) -> str:
        """One field that changed."""
        values = {
            "field": self.field(difference.field, publisher),
            "before": difference.before,
            "after": difference.after,
        }
        if not difference.before:
            return self._("%(field)s: was empty, now “%(after)s”.", **values)
        if not difference.after:
            return self._("%(field)s: was “%(before)s”, now empty.", **values)
        return self._("%(field)s: was “%(before)s”, now “%(after)s”.", **values)

    def also(self, attributes: Sequence[tuple[str, str]], more: int, publisher: str) -> str:
        """Other values that the list has for an agency; ``more`` counts those left out."""
        facts = "; ".join(f"{self.field(name, publisher)}: {value}" for name, value in attributes)
        if more:
            return self._(
                "%(publisher)s adds: %(facts)s; and %(count)d more.",
                publisher=publisher, facts=facts, count=more,
            )  # fmt: skip
        return self._("%(publisher)s adds: %(facts)s.", publisher=publisher, facts=facts)

    def reach(self, change: ChangeDescription) -> str:
        """Where the agency is, without a capital letter or a period: "this agency covers Lake County"."""
        reason = describe_placement(change.reason, self.language)
        if change.estimate and self._("estimate") not in reason:
            return self._("this agency %(reason)s (an estimate)", reason=reason)
        return self._("this agency %(reason)s", reason=reason)

    def why(self, change: ChangeDescription) -> str:
        """Why this person gets it."""
        places = self.place_names(change.because)
        if change.reason and change.reach_matters:
            return self._("You follow %(places)s; %(reach)s.", places=places, reach=self.reach(change))
        return self._("You follow %(places)s.", places=places)

    def place_names(self, names: Sequence[str]) -> str:
        """Names joined for a sentence: "46320, 60601 and Indiana"; of more than seven it counts the rest."""
        shown = list(names)
        if len(shown) > NAMED_PLACES + 1:
            shown = [*shown[:NAMED_PLACES], self._("%(count)d more", count=len(shown) - NAMED_PLACES)]
        if len(shown) < 2:
            return "".join(shown)
        return self._("%(names)s and %(last)s", names=join_names(shown[:-1]), last=shown[-1])

    # --- several changes

    def counts(self, number: Mapping[str, int]) -> str:
        """Counts by what happened: "3 agencies added, 1 no longer listed"."""
        parts = [what for what in _COUNTS if number.get(what)]
        return ", ".join(
            self._first_count(what, number[what]) if place == 0 else self._next_count(what, number[what])
            for place, what in enumerate(parts)
        )

    def _first_count(self, what: str, count: int) -> str:
        match what:
            case "added":
                return self._count("%(count)d agency added", "%(count)d agencies added", count)
            case "again":
                return self._count("%(count)d agency listed again", "%(count)d agencies listed again", count)
            case "removed":
                return self._count(
                    "%(count)d agency no longer listed", "%(count)d agencies no longer listed", count
                )
            case "renamed":
                return self._count("%(count)d agency renamed", "%(count)d agencies renamed", count)
        return self._count("%(count)d agency changed", "%(count)d agencies changed", count)

    def _next_count(self, what: str, count: int) -> str:
        ngettext = self._catalog.ngettext
        match what:
            case "again":
                text = ngettext("%(count)d listed again", "%(count)d listed again", count)
            case "removed":
                text = ngettext("%(count)d no longer listed", "%(count)d no longer listed", count)
            case "renamed":
                text = ngettext("%(count)d renamed", "%(count)d renamed", count)
            case _:
                text = ngettext("%(count)d changed", "%(count)d changed", count)
        return text % {"count": count}

    def summary(self, number: Mapping[str, int], title: str, codes: Sequence[str] = ()) -> str:
        """The headline of several changes, with the states' codes."""
        return f"{self.counts(number)}: {title}" + (f" ({', '.join(codes)})" if codes else "")

    def between(self, before: Moment | None, after: Moment) -> str:
        """The interval of several changes."""
        if before is None:
            return self._(
                "All this was found at our check %(after)s; since when is not known.",
                after=self.moment(after),
            )
        return _one_stop(
            self._(
                "All this happened between our checks of %(before)s and %(later)s.",
                before=self.moment(before), later=self._later(after, before),
            )
        )  # fmt: skip

    def rest(self, count: int) -> str:
        """How many changes are left out; a link follows."""
        return self._count(
            "%(count)d more change does not fit into this message:",
            "%(count)d more changes do not fit into this message:",
            count,
        )

    # --- notes

    def sample_subject(self, subject: str) -> str:
        """The subject of a sample."""
        return self._("[Sample] %(subject)s", subject=subject)

    def sample(self) -> str:
        """That this is a sample."""
        return self._("This is a sample: nothing has changed. It shows what an alert looks like.")

    def late(self, when: Moment) -> str:
        """That this alert is late."""
        return self._(
            "This alert is late: our check found the change on %(moment)s, more than 24 hours ago.",
            moment=self.moment(when),
        )

    def held(self) -> str:
        """That this was held before it was announced."""
        return self._(
            "Announced after a wait: it could have been the publisher's error, so we held it before telling "
            "anybody. The times are those of our checks."
        )

    # --- the rest of the page

    def meaning_title(self) -> str:
        """The heading above the meaning."""
        return self._("What being listed means")

    def next_steps_title(self) -> str:
        """The heading above what a reader can do."""
        return self._("What you can do")

    def tell_us(self, contact: str) -> str:
        """The step for a reader who finds a mistake; ``contact``: where to write."""
        return self._("Tell us if something here is wrong: %(contact)s", contact=contact)

    def document(self) -> str:
        """The label of the link to an agency's document, such as an agreement."""
        return self._("The document that the list links")

    def removal_caveat(self) -> str:
        """What a removal does not say."""
        return self._("That an agency is no longer listed does not say why.")

    def reviewed(self, meaning: Meaning | ValueMeaning) -> str:
        """When the text was reviewed, and its source."""
        citation = meaning.source(self.language)
        parts = []
        if meaning.reviewed:
            parts.append(self._("Text reviewed %(day)s.", day=self.day(meaning.reviewed)))
        if citation:
            parts.append(self._("Source: %(citation)s.", citation=citation))
        return " ".join(parts)

    def asked_on(self, day: str) -> str:
        """When the person asked; ``day`` as text."""
        return self._("You asked on %(date)s.", date=day)

    def unknown_state(self) -> str:
        """The heading of agencies without a known state."""
        return self._("State not known")

    def details(self) -> str:
        """The label of the link to the site."""
        return self._("Details and proof")

    def stop(self) -> str:
        """The label of the link that ends alerts."""
        return self._("Stop these alerts")

    def manage(self) -> str:
        """The label of the link to the preferences."""
        return self._("Change, pause or stop")


def possessive(name: str) -> str:
    """ "Ring's", "Officers'"."""
    return f"{name}'" if name.endswith("s") else f"{name}'s"


@cache
def sentences_of(language: str) -> Sentences:
    """The sentences of a language."""
    return Sentences(language)


def _one_stop(sentence: str) -> str:
    """The sentence with only one period at its end, if an abbreviation ("p.m.") ends it."""
    return sentence[:-1] if sentence.endswith("..") else sentence
