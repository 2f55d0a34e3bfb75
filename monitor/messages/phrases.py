"""Phrases of several kinds of mail: what a person follows, when they get messages, and which agencies cover a
place today.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from monitor.core.due import AT_ONCE, WEEKLY
from monitor.domain import placeholder
from monitor.formatting import format_minute
from monitor.messages import locale
from monitor.messages.alert_values import MailSection
from monitor.messages.layout import clean, neutralize
from monitor.messages.model import AgenciesToday, AlsoListed, ListChecks, ListPlaces, Schedule, Sender
from monitor.messages.place_names import join_names, name_place
from monitor.messages.placements import describe_placement

LINKS = {name: placeholder(name) for name in ("confirm", "manage", "unsubscribe", "stop", "asked", "until")}
"""Placeholders for values that differ by recipient; they are replaced when the message is sent."""

NAMED = 6
"""The most ZIP codes in a heading; it counts the others, which are listed under what the person follows."""


class Phrases:
    """The phrases of one language and sender. Calling it with a sentence of the catalog translates the
    sentence.
    """

    def __init__(self, sender: Sender, language: str) -> None:
        self.language = language
        self._sender = sender
        self._catalog = locale.translations(language)

    def __call__(self, sentence: str, **values: object) -> str:
        text = self._catalog.gettext(sentence)
        return text % values if values else text

    def count(self, one: str, many: str, count: int) -> str:
        """A sentence with a number in it, ``%(count)s``."""
        return self._catalog.ngettext(one, many, count) % {"count": locale.number(count, self.language)}

    def moment(self, when: datetime | None) -> str:
        """A time in the sender's zone; empty for None."""
        return locale.moment(when, self._sender.timezone, self.language) if when else ""

    def place(self, name: str) -> str:
        """A place for people: "60601", "Cook County, IL", "Illinois", "the whole country"."""
        return name_place(name, self.language)

    def schedule(self, schedule: Schedule) -> str:
        """Describe when a person gets messages."""
        if schedule.frequency == AT_ONCE:
            return self("You get each change as soon as our checks find it.")
        hour = locale.hour_of_day(schedule.hour or 0, self.language)
        zone = (schedule.timezone or "UTC").replace("_", " ")
        if schedule.frequency == WEEKLY:
            return self(
                "You get one email a week, on Mondays at %(hour)s (%(zone)s), if something has changed.",
                hour=hour, zone=zone,
            )  # fmt: skip
        return self(
            "You get one email a day, at %(hour)s (%(zone)s), if something has changed.", hour=hour, zone=zone
        )

    def follows(
        self, follows: Sequence[ListPlaces], schedule: Schedule | None = None, title: str | None = None
    ) -> MailSection:
        """Describe what a person follows, one line per list, and when they get messages."""
        lines = [
            f"{clean(listed.title)}: {join_names([self.place(name) for name in listed.places])}"
            for listed in follows
        ]
        when = (self.schedule(schedule),) if schedule else ()
        return MailSection(title or self("What you follow"), (*lines, *when))

    def today(self, today: AgenciesToday) -> MailSection:
        """Describe which agencies cover places today. "None", "only statewide ones" and "cannot be read" are
        different sentences.
        """
        where = join_names([self.place(name) for name in today.places[:NAMED]])
        if len(today.places) > NAMED:
            where = self("%(places)s and %(count)d more", places=where, count=len(today.places) - NAMED)
        title = f"{where[:1].upper()}{where[1:]} · {clean(today.title)}"
        return MailSection(title, tuple(self._today_lines(today)))

    def _today_lines(self, today: AgenciesToday) -> list[str]:
        seen = self.moment(today.seen_at)
        lines: list[str] = []
        if today.blind:
            lines.append(
                self("We cannot see this list right now. Our last good check was on %(when)s.", when=seen)
                if seen
                else self("We have not been able to see this list yet.")
            )
        if today.seen_at is None:
            return lines
        if not today.total:
            lines.append(self("No agency listed at our check on %(when)s.", when=seen))
        elif today.state_only:
            lines.append(self("No agency of this place is listed; these cover the whole state:"))
        lines += [
            neutralize(
                f"{clean(name)}: {clean(describe_placement(reason, self.language))}"
                if reason
                else clean(name)
            )
            for name, reason in today.agencies
        ]
        left = today.total - len(today.agencies)
        if left and today.agencies:
            lines.append(self.count("%(count)s more agency", "%(count)s more agencies", left))
        elif left:
            lines.append(self.count("%(count)s agency is listed", "%(count)s agencies are listed", left))
        return lines

    def also(self, also: AlsoListed | None) -> MailSection | None:
        """Describe agencies that are listed for a person's places, in addition to the changes; None if there
        are none.
        """
        if also is None:
            return None
        lines = [
            neutralize(
                f"{clean(each.name)} ({clean(each.title)}): "
                f"{clean(describe_placement(each.reason, self.language))}"
            )
            for each in also.agencies
        ]
        left = also.total - len(also.agencies)
        if left:
            lines.append(self.count("%(count)s more agency", "%(count)s more agencies", left))
        return MailSection(
            self("Also listed for your places today"),
            tuple(lines),
            self(
                "This is not news from the lists. We now have better data on places. It shows that these "
                "agencies, which were on the lists already, serve a place that you follow."
            ),
        )

    def checks(self, checks: ListChecks) -> MailSection:
        """How well one list was checked."""
        lines = [self.count("%(count)s good check", "%(count)s good checks", checks.good)]
        if checks.last_good_at is not None:
            lines.append(self("The last one: %(when)s", when=self.moment(checks.last_good_at)))
        hours = round(checks.blind / timedelta(hours=1))
        lines.append(
            self.count("%(count)s hour without a good check", "%(count)s hours without a good check", hours)
            if hours
            else self("Never a longer gap than usual between two checks")
        )
        lines.append(
            self(
                "Counted from %(since)s to %(until)s: %(polls)s checks in all, each an entry in the public "
                "record. A gap between good checks counts from %(minutes)s minutes on.",
                since=f"{checks.since:%Y-%m-%d %H:%M}",
                until=format_minute(checks.until),
                polls=locale.number(checks.polls, self.language),
                minutes=round(checks.longest / timedelta(minutes=1)),
            )
        )
        if checks.url:
            lines.append(self("All of these checks: %(url)s", url=checks.url))
        return MailSection(clean(checks.title), tuple(lines))

    def asked_on(self) -> str:
        """When the recipient asked for these messages."""
        return self("You asked for these alerts on %(date)s.", date=LINKS["asked"])

    def links(self) -> tuple[tuple[str, str], ...]:
        """The links at the end of a mail."""
        if self._sender.managed:
            return (
                (self("Change, pause or stop"), LINKS["manage"]),
                (self("Unsubscribe"), LINKS["unsubscribe"]),
            )
        return ((self("Stop these alerts"), LINKS["stop"]),)
