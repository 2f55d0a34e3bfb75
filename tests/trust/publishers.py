"""Invented publishers whose truth is known: what joins, leaves and changes, and the accidents on the way.

`History` plays one publisher: a list of agencies, 60 publications, and for every publication the bytes that a
server would give. Beside the bytes stands the truth, so that whatever a program tells can be called true or
false. Nothing here imports the program: the same histories judge any version of it.
"""

from __future__ import annotations

import csv
import io
import random
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from xml.sax.saxutils import escape

START = datetime(2026, 1, 5, 6, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
SIZES = (8, 44, 300, 3_000)
PUBLICATIONS = 60
HEADER = ("STATE", "LAW ENFORCEMENT AGENCY", "TYPE", "COUNTY", "SUPPORT TYPE", "SIGNED", "MOA")
STATES = {
    "AL": "ALABAMA", "AZ": "ARIZONA", "CO": "COLORADO", "FL": "FLORIDA", "GA": "GEORGIA", "KS": "KANSAS",
    "LA": "LOUISIANA", "NM": "NEW MEXICO", "PA": "PENNSYLVANIA", "TX": "TEXAS", "VA": "VIRGINIA",
    "WY": "WYOMING",
}  # fmt: skip
_MISSPELT = {
    "ALABAMA": "ALABMAA", "ARIZONA": "ARIZONIA", "COLORADO": "COLARADO", "FLORIDA": "FLORDIA",
    "GEORGIA": "GEOGRIA", "KANSAS": "KANASS", "LOUISIANA": "LOUSIANA", "NEW MEXICO": "NEW MEXCIO",
    "PENNSYLVANIA": "PENNSLYVANIA", "TEXAS": "TEAXS", "VIRGINIA": "VIRGINA", "WYOMING": "WYOMNIG",
}  # fmt: skip
_ROLES = (
    "Police Department", "Sheriff\u2019s Office", "Sheriff's Office", "Police Dept.",
    "Department of Public Safety", "Constable", "Marshal's Office",
)  # fmt: skip
_ACCENTED = ("Cañon", "Española", "Doña", "Peñasco", "Jiménez", "Bogotá", "Mañana", "Álamo")
_MODELS = ("Jail Enforcement Model", "Task Force Model", "Warrant Service Officer")
_KINDS = ("Municipality", "County", "State Agency")
_RENAMED_ROLES = {
    "Police Department": "Department of Public Safety",
    "Police Dept.": "Metropolitan Police Department",
    "Department of Public Safety": "Police Department",
    "Sheriff\u2019s Office": "County Sheriff\u2019s Department",
    "Sheriff's Office": "County Sheriff's Department",
    "Constable": "Constable Precinct 1",
    "Marshal's Office": "City Marshal's Office",
}


@dataclass(frozen=True)
class Agency:
    """One agency as the publisher knows it; ``number`` is who it is, whatever it is called."""

    number: int
    name: str
    state: str
    city: str
    county: str
    kind: str
    support: str
    since: date
    url: str = ""
    point: str = ""
    folder: str = "Police"


@dataclass(frozen=True)
class Truth:
    """Something that truly happened: ``kind`` is join, leave, rename, move or switch.

    ``visible`` is the first publication that shows it undamaged.
    """

    kind: str
    number: int
    at: datetime
    visible: datetime | None = None


@dataclass(frozen=True)
class Published:
    """One publication: bytes from a moment on, and the accident that they suffer from, if any."""

    at: datetime
    body: bytes
    accident: str = ""


@dataclass
class History:
    """Sixty publications of an invented list, and what is true of it."""

    seed: int
    size: int
    form: str  # "csv" or "kml"
    dated: bool = True
    linked: bool = True
    published: list[Published] = field(default_factory=list)
    truths: list[Truth] = field(default_factory=list)
    spellings: dict[tuple[str, str], set[int]] = field(default_factory=dict)
    accidents: list[tuple[str, datetime, datetime]] = field(default_factory=list)
    harmless: set[int] = field(
        default_factory=set
    )  # agencies of which a typo or its correction was published

    @classmethod
    def of(cls, seed: int) -> History:
        """The history of a seed: sizes and forms take turns."""
        size = SIZES[seed % 4] if seed % 20 < 18 else SIZES[seed % 3]
        history = cls(
            seed, size, "kml" if seed // 4 % 2 else "csv", dated=seed % 5 != 3, linked=seed % 3 != 1
        )
        _Author(history).write()
        return history


class _Author:
    """Writes a history: moves the truth on, and lets accidents happen to what is published of it."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.random = random.Random(history.seed * 7919 + 13)
        self.now = START
        self.numbers = 0
        self.names: set[tuple[str, str]] = set()
        self.touched: set[int] = set()
        self.unseen: list[int] = []  # positions of truths that no undamaged publication has shown
        self.away: list[tuple[datetime, Agency]] = []
        self.snapshots: list[tuple[datetime, list[Agency]]] = []
        self.agencies = [self.invent() for _ in range(history.size)]
        self.touched.clear()

    def write(self) -> None:
        accidents = self.random.sample(sorted(ACCIDENTS), k=len(ACCIDENTS))
        self.publish()
        while len(self.history.published) < PUBLICATIONS:
            self.now += HOUR * self.random.choice((1, 2, 5, 9, 26, 50)) + timedelta(
                minutes=self.random.randrange(60)
            )
            for _ in range(self.random.choice((0, 1, 1, 2))):
                self.happen()
            left = PUBLICATIONS - len(self.history.published)
            if accidents and self.random.random() < 0.6 and left > 8:
                kind = accidents.pop()
                began, last = self.now, len(self.history.published)
                ACCIDENTS[kind](self)
                if len(self.history.published) > last:
                    self.history.accidents.append((kind, began, self.now))
            self.publish()

    # what is true

    def invent(self, **given: str) -> Agency:
        pick = self.random.choice
        while True:
            state = given.get("state") or pick(sorted(STATES))
            town = pick(_ACCENTED) if self.random.random() < 0.12 else _town(self.random)
            if self.random.random() < 0.2:
                town = f"{pick(('Saint', 'Mount', 'East', 'Lake', 'Fort'))} {town}"
            name = given.get("name") or f"{town} {pick(_ROLES)}"
            if (place_of(name), state) not in self.names:
                break
        self.names.add((place_of(name), state))
        self.numbers += 1
        since = (self.now - timedelta(days=self.random.randrange(3, 4000))).date()
        agency = Agency(
            self.numbers, name, state, given.get("city", town), f"{_town(self.random)} County", pick(_KINDS),
            pick(_MODELS), since,
            url=f"https://list.example/moa/{self.numbers:05d}.pdf" if self.history.linked else "",
            point=f"{-80 - self.random.random() * 30:.7f},{30 + self.random.random() * 15:.7f}"
            if self.history.linked else "",
            folder="Fire" if self.numbers % (9 if self.history.size > 44 else 3) == 0 else "Police",
        )  # fmt: skip
        self.know(agency)
        self.touched.add(agency.number)
        return agency

    def know(self, agency: Agency, name: str | None = None) -> None:
        spelling = (fold(name or agency.name), agency.state)
        self.history.spellings.setdefault(spelling, set()).add(agency.number)

    def true(self, kind: str, number: int) -> None:
        self.unseen.append(len(self.history.truths))
        self.history.truths.append(Truth(kind, number, self.now))

    def untouched(self) -> Agency | None:
        free = [x for x in self.agencies if x.number not in self.touched]
        if not free or len(self.touched) > 40:
            return None
        agency = self.random.choice(free)
        self.touched.add(agency.number)
        return agency

    def put(self, agency: Agency) -> None:
        self.agencies = [agency if x.number == agency.number else x for x in self.agencies]
        self.know(agency)

    def happen(self) -> None:
        """One true thing, or a typo and its correction."""
        for since, back in list(self.away):
            if self.now - since > 3 * 24 * HOUR:
                self.away.remove((since, back))
                self.agencies.append(back)
                self.true("join", back.number)
                return
        kind = self.random.choice(
            (
                "join",
                "join",
                "join",
                "leave",
                "leave",
                "rename",
                "move",
                "switch",
                "namesake",
                "comeback",
                "typo",
            )
        )
        if kind in ("join", "namesake"):
            twin = self.random.choice(self.agencies)
            other = self.random.choice([x for x in STATES if x != twin.state])
            named = {"name": twin.name, "state": other, "city": twin.city} if kind == "namesake" else {}
            if named and (place_of(named["name"]), other) in self.names:
                return
            new = self.invent(**named)
            self.agencies.insert(self.random.randrange(len(self.agencies) + 1), new)
            self.true("join", new.number)
            return
        if (kind in ("leave", "comeback") and len(self.agencies) < 6) or not (agency := self.untouched()):
            return
        if kind in ("leave", "comeback"):
            if sum(x.state == agency.state for x in self.agencies) <= 3 or (
                agency.folder == "Fire" and sum(x.folder == "Fire" for x in self.agencies) <= 3
            ):
                return
            self.agencies.remove(agency)
            self.true("leave", agency.number)
            if kind == "comeback":
                self.away.append((self.now, agency))
        elif kind == "rename":
            role = next(role for role in _ROLES if agency.name.endswith(role))
            name = agency.name.removesuffix(role) + _RENAMED_ROLES[role]
            # without a date, a document or a point nobody can know it
            if self.history.linked or (self.history.dated and self.history.form == "csv"):
                self.put(replace(agency, name=name))
                self.true("rename", agency.number)
        elif kind == "move" and self.history.form == "csv":
            self.put(replace(agency, county=f"{_town(self.random)} County"))
            self.true("move", agency.number)
        elif kind == "switch" and self.history.form == "csv":
            model = self.random.choice([x for x in _MODELS if x != agency.support])
            self.put(replace(agency, support=model))
            self.true("switch", agency.number)
        elif kind == "typo":
            at = self.random.randrange(2, len(agency.name) - 2)
            wrong = agency.name[:at] + agency.name[at + 1] + agency.name[at] + agency.name[at + 2 :]
            self.know(agency, wrong)
            self.history.harmless.add(agency.number)
            self.put(replace(agency, name=wrong))
            self.publish()
            self.now += HOUR * self.random.choice((3, 30))
            self.put(agency)

    # what is published of it

    def publish(
        self,
        agencies: Iterable[Agency] | None = None,
        accident: str = "",
        change: Callable[[bytes], bytes] = lambda body: body,
        **form: object,
    ) -> None:
        if len(self.history.published) >= PUBLICATIONS and accident:
            return
        rows = self.agencies if agencies is None else list(agencies)
        body = change(write_body(rows, self.history, **form))  # type: ignore[arg-type]
        self.history.published.append(Published(self.now, body, accident))
        if accident:
            return
        for position in self.unseen:
            self.history.truths[position] = replace(self.history.truths[position], visible=self.now)
        self.unseen.clear()
        self.snapshots.append((self.now, list(self.agencies)))

    def last(self, least: timedelta = timedelta()) -> list[Agency] | None:
        """What was published at least so long ago and is not what is true now."""
        past = [x for at, x in self.snapshots if self.now - at >= least and x != self.agencies]
        return past[-1] if past else None

    def lasting(self, *hours: float) -> None:
        self.now += HOUR * self.random.choice(hours)

    def alter(self, accident: str, alter: Callable[[Agency], Agency], *hours: float) -> None:
        """Publish every agency altered, for one of so many hours."""
        self.publish(map(alter, self.agencies), accident)
        self.lasting(*hours)


# The accidents. Each publishes something that is not so, and leaves the clock where it is put right.

_Accident = Callable[[_Author], None]
ACCIDENTS: dict[str, _Accident] = {}


def _accident(kind: str) -> Callable[[_Accident], _Accident]:
    def put(function: _Accident) -> _Accident:
        ACCIDENTS[kind] = function
        return function

    return put


@_accident("reordered")
def _reordered(author: _Author) -> None:
    author.random.shuffle(author.agencies)


@_accident("truncated")
def _truncated(author: _Author) -> None:
    share = author.random.choice((0.4, 0.8, 0.97))
    author.publish(accident="truncated", change=lambda body: body[: int(len(body) * share)])
    author.lasting(0.4, 1, 3)


@_accident("cut in the last cell")
def _cut(author: _Author) -> None:
    """The last row's last cells: a county that is half a county, and nothing after it."""
    author.publish(accident="", last="SUPPORT TYPE")
    author.now += 2 * HOUR
    most = len(author.agencies[-1].support) - 3
    less = author.random.randrange(3, most) + 1
    author.publish(
        accident="cut in the last cell", last="SUPPORT TYPE", change=lambda body: body.rstrip(b"\r\n")[:-less]
    )
    author.lasting(1, 3, 7)
    author.publish(last="SUPPORT TYPE")
    author.now += HOUR


@_accident("stale for minutes")
def _stale_minutes(author: _Author) -> None:
    author.happen()
    author.publish()
    author.now += HOUR * 12
    if old := author.last():
        author.publish(old, "stale for minutes")
        author.lasting(0.3, 1.1)


@_accident("stale for hours")
def _stale_hours(author: _Author) -> None:
    author.happen()
    author.happen()
    author.publish()
    author.now += HOUR * author.random.choice((4, 20))
    if old := author.last():
        author.publish(old, "stale for hours")
        author.lasting(3, 8, 20)


@_accident("stale of days")
def _stale_days(author: _Author) -> None:
    if old := author.last(3 * 24 * HOUR):
        author.publish(old, "stale of days")
        author.lasting(1, 8, 20)


@_accident("swapped")
def _swapped(author: _Author) -> None:
    """Another list of the same publisher, with the same columns."""
    other = _Author(
        History(author.history.seed + 100_003, max(6, author.history.size // 2), author.history.form)
    )
    author.publish(other.agencies, "swapped")
    author.lasting(1, 4, 9)


@_accident("misspelt state")
def _misspelt(author: _Author) -> None:
    state = author.random.choice(author.agencies).state
    author.publish(accident="misspelt state", states={state: _MISSPELT[STATES[state]]})
    author.lasting(2, 30, 72)


@_accident("unreadable state")
def _unreadable_state(author: _Author) -> None:
    state = author.random.choice(author.agencies).state
    author.publish(accident="unreadable state", states={state: "(see note)"})
    author.lasting(2, 30, 72)


@_accident("emptied state column")
def _emptied_state(author: _Author) -> None:
    if author.random.random() < 0.7:
        joined = author.invent()
        author.agencies.append(joined)
        author.true("join", joined.number)
    author.publish(accident="emptied state column", states=dict.fromkeys(STATES, ""))
    author.lasting(2, 7, 30)


@_accident("emptied column")
def _emptied(author: _Author) -> None:
    author.publish(
        accident="emptied column", empty=author.random.choice(("COUNTY", "SIGNED", "SUPPORT TYPE"))
    )
    author.lasting(2, 7, 30)


@_accident("renamed column")
def _renamed_column(author: _Author) -> None:
    column = author.random.choice(("COUNTY", "SIGNED", "STATE", "LAW ENFORCEMENT AGENCY"))
    author.publish(accident="renamed column", titles={column: f"{column.title()} (new)"})
    author.lasting(2, 7, 30)


@_accident("date format")
def _date_format(author: _Author) -> None:
    form = author.random.choice(("%Y-%m-%d", "%B %d, %Y", "%b %d, %Y", "%d-%b-%Y"))
    author.publish(accident="date format", days=lambda day: day.strftime(form))
    author.lasting(2, 30, 100)


@_accident("unreadable dates")
def _unreadable_dates(author: _Author) -> None:
    few = author.random.choice((2, 5))
    author.publish(
        accident="unreadable dates",
        days=lambda day: "see MOA" if day.toordinal() % few == 0 else f"{day.month}/{day.day}/{day.year}",
    )
    author.lasting(2, 30, 100)


@_accident("capitals")
def _capitals(author: _Author) -> None:
    author.alter("capitals", lambda x: replace(x, name=x.name.upper(), county=x.county.upper()), 2, 30, 100)


@_accident("broken encoding in names")
def _mojibake(author: _Author) -> None:
    damage = author.random.choice((_as_cp1252, _as_question_marks, _as_replacement, _accents_from_nowhere))
    few = author.random.choice((1, 2))

    def alter(agency: Agency) -> Agency:
        return (
            agency
            if agency.number % few
            else replace(agency, name=damage(agency.name), city=damage(agency.city))
        )

    author.alter("broken encoding in names", alter, 1, 3, 20)


def _as_cp1252(text: str) -> str:
    return text.encode().decode("cp1252", "replace")


def _as_question_marks(text: str) -> str:
    return text.encode("ascii", "replace").decode()


def _as_replacement(text: str) -> str:
    return "".join(c if c.isascii() else "\ufffd" for c in text)


def _accents_from_nowhere(text: str) -> str:
    return text.replace("o", "Ã³")


@_accident("layer missing for two hours")
def _layer(author: _Author) -> None:
    if author.history.form == "kml" and sum(x.folder == "Fire" for x in author.agencies) >= 3:
        author.publish([x for x in author.agencies if x.folder != "Fire"], "layer missing for two hours")
        author.now += 2 * HOUR


@_accident("oscillation")
def _oscillation(author: _Author) -> None:
    """Two servers behind one address, of which one lags behind."""
    author.publish()
    author.now += HOUR * 3
    old = list(author.agencies)
    author.happen()
    author.happen()
    for _ in range(author.random.choice((2, 3))):
        author.publish()
        author.lasting(1, 2)
        author.publish(old, "oscillation")
        author.lasting(1, 2)


def place_of(name: str) -> str:
    """Where an agency is, by its name: two of one place and state would not be told apart by anybody."""
    role = next((role for role in (*_ROLES, *_RENAMED_ROLES.values()) if name.endswith(role)), "")
    return fold(name.removesuffix(role))


def fold(text: str) -> str:
    """A name as it is looked up: without case and punctuation."""
    return " ".join(re.sub(r"[^\w]+", " ", text.casefold().replace("'", "").replace("\u2019", "")).split())


_FIRST = "Ab Bel Cor Dun El Far Gar Hol Ir Jas Kel Lin Mor Nor Or Pel Quin Ros Sel Tor Ur Val Wes Yar Zel"
_SECOND = "a be co di e fo gu hi lo ma ne pi ra so tu va wi xe zu"
_THIRD = "bridge burg dale field ford grove haven hurst land mere mont port ridge stead ton view ville wick"
_SYLLABLES = tuple(tuple(text.split()) for text in (_FIRST, _SECOND, _SECOND, _THIRD))


def _town(chance: random.Random) -> str:
    return "".join(map(chance.choice, _SYLLABLES))


def _us(day: date) -> str:
    return f"{day.month}/{day.day}/{day.year}"


def write_body(
    agencies: Iterable[Agency],
    history: History,
    *,
    states: dict[str, str] | None = None,
    titles: dict[str, str] | None = None,
    empty: str = "",
    days: Callable[[date], str] = _us,
    last: str = "",
) -> bytes:
    """A publication in the history's form; ``states`` are written otherwise, ``empty`` names a column without
    values, ``last`` the column that stands last."""
    rows = []
    for x in agencies:
        row = dict(
            zip(
                HEADER,
                (
                    STATES[x.state],
                    x.name,
                    x.kind,
                    x.county,
                    x.support,
                    days(x.since) if history.dated else "",
                    x.url,
                ),
                strict=True,
            )
        )
        row |= {"STATE": (states or {}).get(x.state, row["STATE"])}
        if empty:
            row[empty] = ""
        rows.append((row, x))
    if history.form == "kml":
        return _kml(rows, history, titles or {})
    header = [x for x in HEADER if x != last] + ([last] if last else [])
    file = io.StringIO()
    table = csv.writer(file, lineterminator="\n")
    table.writerow((titles or {}).get(title, title) for title in header)
    table.writerows([row[title] for title in header] for row, _ in rows)
    return file.getvalue().encode()


def _kml(rows: list[tuple[dict[str, str], Agency]], history: History, titles: dict[str, str]) -> bytes:
    """A map as Google My Maps writes it: folders, addresses, and points where the history has them."""
    text = '<?xml version="1.0" encoding="UTF-8"?>\n<kml xmlns="http://www.opengis.net/kml/2.2"><Document><name>m</name>'
    for folder in dict.fromkeys(x.folder for _, x in rows):
        text += f"<Folder><name>{folder}</name>"
        for row, x in rows:
            if x.folder != folder:
                continue
            address = f"{x.city}, {row['STATE'].title()}" if row["STATE"] else x.city
            title, value = titles.get("SIGNED", "Active Date"), escape(row["SIGNED"])
            day = f'<Data name="{title}"><value>{value}</value></Data>'
            point = f"<Point><coordinates>{x.point},0</coordinates></Point>" if x.point else ""
            text += (
                f"<Placemark><name>{escape(x.name)}</name><address>{escape(address)}</address>"
                f"<ExtendedData>{day}</ExtendedData>{point}</Placemark>"
            )
        text += "</Folder>"
    return (text + "</Document></kml>").encode()
