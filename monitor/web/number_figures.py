"""The figures of the statistics page in one language: title, picture, table, and the method of counting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from monitor.messages import locale
from monitor.pictures.column_charts import Columns, draw_columns, draw_curve
from monitor.pictures.listing_counts import LAGS, Lags, Month, Survival, group_years
from monitor.pictures.map_data import NationValues
from monitor.states import STATES
from monitor.storage.lists.imports import ImportInfo

_NARROW = 48  # the most months in a picture; more are drawn by year
_FIRST_STATES = 14  # columns of states

Draw = Callable[[bool], str]


@dataclass(frozen=True, slots=True)
class ListNumbers:
    """All statistics of one list. ``first`` is the day of the first check, ``last`` today.

    ``published`` is when the newest readable publication was last seen and how many entries it has;
    ``printed`` when the publisher's own number was first seen, and that number. ``past`` describes the import
    of the oldest publications, which others captured.
    """

    first: date
    last: date
    at_start: int
    months: tuple[Month, ...]
    dated: tuple[Month, ...]
    undated: int
    lags: Lags
    survival: Survival
    nation: NationValues
    listed: int
    published: tuple[datetime, int] | None
    printed: tuple[datetime, int] | None = None
    past: ImportInfo | None = None

    @property
    def imported(self) -> bool:
        """Whether the oldest publications were captured by others."""
        return self.past is not None


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure. ``header`` and ``rows`` are for people, ``fields`` and ``values`` for CSV.

    ``sentence`` describes what it shows; ``how`` the method of counting; ``up`` and ``down`` are the labels
    of the colors. ``unseen``: there are months without numbers, which are shaded.
    """

    name: str
    title: str
    sentence: str
    how: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    fields: tuple[str, ...]
    values: tuple[tuple[object, ...], ...]
    picture: Draw
    up: str = ""
    down: str = ""
    unseen: bool = False

    def draw(self, *, standalone: bool) -> str:
        """Render the picture as SVG; "" for a figure that has none."""
        return self.picture(standalone)


class NumberTexts:
    """Figures of one list in one language. ``title`` is the list's."""

    def __init__(self, language: str, title: str, timezone: str) -> None:
        self._language, self._title, self._zone = language, title, ZoneInfo(timezone)
        self._catalog = locale.translations(language)

    def figure(self, name: str, numbers: ListNumbers) -> Figure:
        """Compute a figure by its name in URLs. Raises KeyError for an unknown name."""
        make = {
            "months": self._seen,
            "dates": self._dated,
            "lag": self._lag,
            "stay": self._stay,
            "states": self._states,
            "published": self._published,
        }
        return make[name](numbers)

    def _seen(self, numbers: ListNumbers) -> Figure:
        gettext = self._catalog.gettext
        title = gettext("Joined and left, as we saw it")
        said = gettext(
            "Since %(first)s: %(joined)s joined, %(left)s left; %(start)s were there at our first check."
        )
        if numbers.imported:
            title = gettext("Joined and left, as publications showed it")
            said = gettext(
                "Since %(first)s: %(joined)s joined, %(left)s left; %(start)s were in the first publication"
                " that somebody captured."
            )
        unseen = any(not m.seen for m in numbers.months)
        how = gettext(
            "By the day of the check at which an agency was first seen, and first missing, after the"
            " waits that guard against a publisher's mistakes. An agency that comes back counts again."
            " Those that were there at our first check joined in no month. Net is joined less left."
        )
        if unseen:
            how += " " + gettext(
                "Months in which nobody looked at the list have no numbers: what came and went in them is"
                " counted in the month of the next look."
            )
        joined, left = sum(m.joined for m in numbers.months), sum(m.left for m in numbers.months)
        sentence = said % {
            "first": self._day(numbers.first),
            "joined": self._number(joined),
            "left": self._number(left),
            "start": self._number(numbers.at_start),
        }
        return Figure(
            "months",
            title,
            sentence,
            how + self._imported(numbers),
            (
                gettext("Month"),
                gettext("Joined"),
                gettext("Left"),
                gettext("Net"),
                gettext("Listed at its end"),
            ),
            tuple(
                (
                    self._month(m.first),
                    *map(self._number, (m.joined, m.left)),
                    self._signed(m.net),
                    self._number(m.total),
                )
                if m.seen
                else (self._month(m.first), gettext("nobody looked"), "", "", "")
                for m in reversed(numbers.months)
            ),
            ("month", "joined", "left", "net", "listed_at_end"),
            tuple(
                (f"{m.first:%Y-%m}", *((m.joined, m.left, m.net, m.total) if m.seen else ("", "", "", "")))
                for m in numbers.months
            ),
            self._columns(title, numbers.months, with_left=True),
            gettext("joined"),
            gettext("left"),
            unseen,
        )

    def _imported(self, numbers: ListNumbers) -> str:
        """The added note if the past was imported: that others captured it."""
        said = self._catalog.gettext("What others captured counts like a check of ours.")
        return f" {said}" if numbers.imported else ""

    def _dated(self, numbers: ListNumbers) -> Figure:
        gettext = self._catalog.gettext
        title = gettext("Joined, by the publisher's own dates")
        total = numbers.dated[-1].total if numbers.dated else 0
        sentence = gettext("The publisher gives a date for %(dated)s agencies, and none for %(undated)s.")
        if not total:
            sentence = gettext("The publisher gives no date for any agency.")
        elif not numbers.undated:
            sentence = gettext("The publisher gives a date for each agency: %(dated)s in all.")
        sentence %= {"dated": self._number(total), "undated": self._number(numbers.undated)}
        return Figure(
            "dates",
            title,
            sentence,
            gettext(
                "By the date that the publisher gives for each agency that we ever saw listed. Publishers"
                " name no date of leaving, and those that left before our first check are not here, so this"
                " is no count of who was listed then. It is never mixed with what we saw ourselves."
            )
            + self._imported(numbers),
            (gettext("Month"), gettext("Joined"), gettext("In all")),
            tuple(
                (self._month(m.first), self._number(m.joined), self._number(m.total))
                for m in reversed(numbers.dated)
                if m.joined
            ),
            ("month", "joined", "in_all"),
            tuple((f"{m.first:%Y-%m}", m.joined, m.total) for m in numbers.dated),
            self._columns(title, numbers.dated, with_left=False),
        )

    def _lag(self, numbers: ListNumbers) -> Figure:
        gettext, lags = self._catalog.gettext, numbers.lags
        title = gettext("From the publisher's date to our first sight")
        if numbers.imported:
            title = gettext("From the publisher's date to the first sight")
        names = tuple(self._bin(low, high) for low, high in LAGS)
        if lags.median is None:
            sentence = gettext("We have not seen an agency with a date join yet.")
        else:
            days = round(lags.median)
            sentence = self._catalog.ngettext(
                "Half of them were seen within %(days)s day of the publisher's date.",
                "Half of them were seen within %(days)s days of the publisher's date.",
                days,
            ) % {"days": self._number(days)}
        rows = [(name, self._number(count)) for name, count in zip(names, lags.counts, strict=True)]
        rows += [
            (gettext("seen before its date"), self._number(lags.early)),
            (gettext("no date"), self._number(lags.undated)),
        ]
        values = [
            (low, "" if high is None else high, count)
            for (low, high), count in zip(LAGS, lags.counts, strict=True)
        ]
        columns = Columns(names, lags.counts, titles=self._titles(names, lags.counts), every_label=True)
        return Figure(
            "lag",
            title,
            sentence,
            gettext(
                "Days between the publisher's own date and the check at which we first saw the agency, of"
                " those that joined after our first check. A long time means that the publisher listed it"
                " late, or dated it back."
            )
            + self._imported(numbers),
            (gettext("Days"), gettext("Agencies")),
            tuple(rows),
            ("days_from", "days_to", "agencies"),
            tuple(values),
            lambda standalone: draw_columns(columns, f"{self._title}: {title}", standalone=standalone),
        )

    def _stay(self, numbers: ListNumbers) -> Figure:
        gettext, survival = self._catalog.gettext, numbers.survival
        title = gettext("How long agencies stay")
        said = gettext("We saw %(seen)s join; %(ended)s of them have left since.")
        if numbers.imported:
            said = gettext("%(seen)s were seen to join; %(ended)s of them have left since.")
        sentence = said % {
            "seen": self._number(survival.seen),
            "ended": self._number(survival.ended),
        }
        last = max((numbers.last - numbers.first).days, 1)
        return Figure(
            "stay",
            title,
            sentence,
            gettext(
                "The estimated share still listed so many days after joining (Kaplan-Meier). Agencies that"
                " are still listed count for as long as we have watched them, not as if they never left;"
                " those that were there at our first check are left out, because nobody knows when they"
                " began."
            )
            + self._imported(numbers),
            (gettext("Days"), gettext("Still listed"), gettext("Watched that long")),
            tuple(
                (self._number(day), locale.percent(share, self._language), self._number(watched))
                for day, share, watched in survival.milestones
            ),
            ("days", "share_still_listed"),
            ((0, "1.0000"), *((day, f"{share:.4f}") for day, share in survival.steps)),
            lambda standalone: draw_curve(
                survival.steps, last, f"{self._title}: {title}", gettext("days"), standalone=standalone
            ),
        )

    def _states(self, numbers: ListNumbers) -> Figure:
        gettext = self._catalog.gettext
        title = gettext("State by state, now")
        states = sorted(numbers.nation.states.values(), key=lambda s: (-len(s.agencies), STATES[s.code]))
        listed = [state for state in states if state.agencies]
        sentence = gettext("Agencies of %(count)s states and territories are listed.") % {
            "count": self._number(len(listed))
        }
        first = listed[:_FIRST_STATES]
        counts = tuple(len(state.agencies) for state in first)
        columns = Columns(
            tuple(state.code for state in first),
            counts,
            titles=self._titles([STATES[state.code] for state in first], counts),
            every_label=True,
        )
        return Figure(
            "states",
            title,
            sentence,
            gettext(
                "Agencies listed now, and the share of the state's ZIP codes that listed county and town"
                " agencies serve; a ZIP code counts if any part of it is served. No number of people is"
                " given: serving a place is not the same as meeting everybody in it."
            ),
            (gettext("State"), gettext("Agencies"), gettext("ZIP codes served"), gettext("Share")),
            tuple(
                (
                    STATES[s.code],
                    self._number(len(s.agencies)),
                    self._number(s.served),
                    locale.percent(s.share, self._language),
                )
                for s in states
            ),
            ("state", "agencies", "zips_served", "zips"),
            tuple((s.code, len(s.agencies), s.served, s.zips) for s in states),
            lambda standalone: draw_columns(columns, f"{self._title}: {title}", standalone=standalone),
        )

    def _published(self, numbers: ListNumbers) -> Figure:
        gettext = self._catalog.gettext
        title = gettext("The publisher's own count beside ours")
        at, entries = numbers.published or (None, 0)
        sentence = (
            gettext(
                "The publisher's newest publication, last seen on %(day)s, has %(entries)s entries;"
                " we count %(ours)s agencies."
            )
            % {
                "day": self._day(at.astimezone(self._zone).date()),
                "entries": self._number(entries),
                "ours": self._number(numbers.listed),
            }
            if at
            else gettext("No publication has been read yet.")
        )
        names: tuple[str, ...] = (gettext("Published"), gettext("Counted by us"))
        counts: tuple[int, ...] = (entries, numbers.listed)
        fields: tuple[str, ...] = ("entries_published", "agencies_counted")
        if numbers.printed is not None:
            since, printed = numbers.printed
            names, counts = (*names, gettext("Printed by the publisher")), (*counts, printed)
            fields = (*fields, "printed_by_publisher")
            sentence += " " + gettext("The publisher itself prints %(count)s, since %(day)s or before.") % {
                "count": self._number(printed),
                "day": self._day(since.astimezone(self._zone).date()),
            }
        columns = Columns(names, counts, titles=self._titles(names, counts), every_label=True)
        return Figure(
            "published",
            title,
            sentence,
            gettext(
                "Ours differs while changes wait to be confirmed, and where the publication has an agency"
                " more than once."
            ),
            (gettext("Count"), gettext("Number")),
            tuple((name, self._number(count)) for name, count in zip(names, counts, strict=True)),
            fields,
            (counts,),
            lambda standalone: (
                draw_columns(columns, f"{self._title}: {title}", standalone=standalone) if at else ""
            ),
        )

    def _columns(self, title: str, months: Sequence[Month], *, with_left: bool) -> Draw:
        shown = tuple(months) if len(months) <= _NARROW else group_years(months)
        by_year = len(shown) < len(months)
        names = tuple(str(m.first.year) if by_year else self._month(m.first) for m in shown)
        columns = Columns(
            names,
            tuple(m.joined for m in shown),
            tuple(m.left for m in shown) if with_left else (),
            tuple(
                f"{name}: +{m.joined} \u2212{m.left}" if with_left else f"{name}: {m.joined}"
                for name, m in zip(names, shown, strict=True)
            ),
            unseen=tuple(place for place, m in enumerate(shown) if not m.seen),
        )
        return lambda standalone: draw_columns(columns, f"{self._title}: {title}", standalone=standalone)

    def _titles(self, names: Sequence[str], counts: Sequence[int]) -> tuple[str, ...]:
        return tuple(f"{name}: {self._number(count)}" for name, count in zip(names, counts, strict=True))

    def _bin(self, low: int, high: int | None) -> str:
        if high is None:
            return f"{low - 1}+"
        return str(low) if low == high else f"{low}\u2013{high}"

    def _number(self, count: int) -> str:
        return locale.number(count, self._language)

    def _signed(self, count: int) -> str:
        return f"+{self._number(count)}" if count > 0 else self._number(count).replace("-", "\u2212")

    def _day(self, day: date) -> str:
        return locale.short_day(day, self._language)

    def _month(self, day: date) -> str:
        return locale.month(day, self._language)
