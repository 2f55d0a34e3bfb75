"""Random lives of subscribers between two processes: the sender's loops here, the site in another.

A step of the sender may be held before any of its statements while a request reaches the site, so that
windows are opened on purpose. A model knows only who followed what when, and what may and must be told.
"""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa
from msgspec import structs

from monitor import subscribers
from monitor.core.due import AT_ONCE, FREQUENCIES
from monitor.domain import Listing, Placement, Rendered
from monitor.keys import KeyFile
from monitor.messages import Message
from monitor.messages.model import Alert, Digest
from monitor.outbox import insert_due_digests
from monitor.outbox.recipient_placeholders import RecipientPlaceholders
from monitor.storage import people
from monitor.storage.engine import reading, transaction
from monitor.storage.people import Subscriber
from monitor.storage.people.tables import RateWindowRow, SubscriberRow, SubscriptionRow
from monitor.subscribers import Tombstones
from tests.outbox.world import (
    AGENCIES,
    HEARD_BY,
    LISTS,
    PLACEMENTS,
    PLACES,
    Handed,
    Recorder,
    World,
)
from tests.subscribers.interleaving import PATIENCE, Stop, listening, locked
from tests.subscribers.site_process import Shared
from tests.subscribers.test_bounces import report
from tests.subscribers.town import PRESSED

STEPS = 25
Follows = frozenset[tuple[str, str]]
NOTHING: Follows = frozenset()
_RATE_WINDOWS = sa.delete(RateWindowRow)
_KEPT = (
    sa.select(sa.func.count())
    .select_from(SubscriptionRow)
    .join(SubscriberRow, SubscriberRow.c.id == SubscriptionRow.c.subscriber_id)
    .where(SubscriberRow.c.state == "ended")
)
"""How many places of people who have ended are stored."""


def locate(source: str, listing: Listing) -> Placement:
    return PLACEMENTS[listing.name.partition(" #")[0]]


def render(message: Message) -> Rendered:
    """The kind of a message and the agencies that it tells, one a line."""
    alerts = message.alerts if isinstance(message, Digest) else (message,)
    names = [told.change.subject.name for alert in alerts if isinstance(alert, Alert) for told in alert.told]
    return Rendered(subject=type(message).__name__, text="\n".join(names), html="")


@dataclass
class News:
    """A change: who may be told it, and who must be because of what they followed from then on."""

    source: str
    heard_by: set[str]
    may: set[str] = field(default_factory=set)
    must: dict[str, Follows] = field(default_factory=dict)

    def concerns(self, follows: Follows) -> Follows:
        return frozenset(each for each in follows if each[0] == self.source and each[1] in self.heard_by)


@dataclass
class Person:
    """As the model knows them. ``state``: away, form (sent), asked (has a link), expired, member, refused."""

    address: str
    state: str = "away"
    wanted: Follows = NOTHING
    follows: Follows = NOTHING
    links: dict[str, str] = field(default_factory=dict)


@dataclass
class Request:
    """A request of a person to the site, and what it changes."""

    name: str
    send: Callable[[], httpx.Response]
    done: Callable[[httpx.Response], None]


@dataclass
class Stage:
    """What lives share: the database as the sender has it, and the site's address."""

    world: World
    keys: KeyFile
    folder: Path
    shared: Shared
    client: httpx.Client
    lives: int = 0
    seen: Counter[str] = field(default_factory=Counter)
    """How often what was done, so that a test can tell that its lives were eventful."""


class Life:
    """Two people and a service, for some steps."""

    def __init__(self, stage: Stage, seed: int) -> None:
        stage.lives += 1
        self.stage, self.world, self.keys = stage, stage.world, stage.keys
        self.chance = random.Random(seed)
        self.people = [Person(f"p{number}-{stage.lives}@m{stage.lives}.example") for number in range(2)]
        self.mail = Recorder()
        self.news: dict[str, News] = {}
        self.pending: list[str] = []
        self.history: list[str] = []
        self.placeholders = RecipientPlaceholders(
            self.keys, "alerts@watch.example", "https://watch.example", "America/Chicago"
        )
        self.tombstones = Tombstones(stage.folder)

    # --- the course of a life

    def play(self) -> None:
        for person in self.people:
            self.run(None, self.signing_up(person))
            self.run(self.admit, None)
            self.run(self.send, None)
            self.run(None, self.confirming(person))
            self.run(self.send, None)
        for _ in range(STEPS):
            self.later(self.chance.choice((7, 60, 3600, 9 * 3600, 25 * 3600)))
            self.step()
            self.check()
        self.run(self.fan_out, None)
        for days in (*self.days_until_all_is_due(), 0):
            self.run(self.write_digests, None)
            self.run(self.send, None)
            self.later(days * 86400)
        self.check()
        told = {person.address: self.told(person) for person in self.people}
        self.stage.seen["told"] += sum(map(len, told.values()))
        for name, each in self.news.items():
            missed = {who for who, because in each.must.items() if because and name not in told[who]}
            assert not missed, f"{name} was never told to {missed}"
        for person in self.people:
            if person.state == "member":
                self.run(None, self.leaving(person))
        self.check()

    def days_until_all_is_due(self) -> list[int]:
        """Steps of days, which together are two weeks: pauses end within twelve days, a week within seven."""
        steps = [self.chance.choice((1, 2, 3, 5))]
        while sum(steps) < 14:
            steps.append(self.chance.choice((1, 2, 3, 5)))
        return steps

    def step(self) -> None:
        works: tuple[Callable[[], None] | None, ...] = (
            None, self.publish, self.publish, self.fan_out, self.fan_out, self.fan_out, self.write_digests,
            self.write_digests, self.send, self.send,
        )  # fmt: skip
        work = self.chance.choice(works)
        if any(person.state == "form" for person in self.people) and self.chance.random() < 0.5:
            work = self.chance.choice((self.admit, self.send))
        if work == self.fan_out and self.chance.random() < 0.8:
            self.publish()
        draw = self.chance.random()
        if draw < 0.03:
            work = self.rotate
        elif draw < 0.06:
            self.erase(self.chance.choice(self.people))
            return
        able = [person for person in self.people if person.state not in {"form", "expired", "refused"}]
        person = self.chance.choice(able or self.people)
        windowed = self.chance.random() < (0.9 if work == self.fan_out else 0.6)
        request = self.request_of(person) if work is None or windowed else None
        self.run(work, request)

    def run(self, work: Callable[[], None] | None, request: Request | None) -> None:
        """Do one step of the sender and one request: the request before some statement of the step."""
        self.history.append(f"{getattr(work, '__name__', '-')} with {request.name if request else '-'}")
        before = {person.address: person.follows for person in self.people}
        if work is None or request is None:
            if work is not None:
                work()
            if request is not None:
                request.done(request.send())
        else:
            stop = Stop(self.chance.randrange(1, self.chance.choice((7, 14, 30))))
            self.history[-1] += f" before statement {stop.at}"
            with listening(self.world.engine, stop.step), ThreadPoolExecutor(2) as pool:
                working = pool.submit(work)
                deadline = time.monotonic() + PATIENCE
                while not stop.reached.wait(0.0005) and not working.done():
                    assert time.monotonic() < deadline
                # clocks of two machines differ, and time has passed since the step looked at its own
                self.stage.shared.now += timedelta(seconds=self.chance.choice((-2, 0, 2, 2)))
                asking = pool.submit(request.send)
                while not asking.done() and not (stop.reached.is_set() and self.site_waits()):
                    assert time.monotonic() < deadline
                    wait((asking,), 0.001)  # a loop without it takes the processor that the site needs
                stop.go_on.set()
                working.result(PATIENCE)
                answer = asking.result(PATIENCE)
            self.stage.shared.now = self.world.now
            request.done(answer)
            self.stage.seen["windows"] += stop.reached.is_set()
        self.stage.seen[getattr(work, "__name__", "nothing")] += 1
        self.stage.seen[request.name.partition(",")[0] if request else "no request"] += 1
        self.note_fan_out(work, before)

    def note_fan_out(self, work: Callable[[], None] | None, before: dict[str, Follows]) -> None:
        for name, each in self.news.items():
            for person in self.people:
                who, then, now = person.address, before[person.address], person.follows
                if work == self.fan_out and name in self.pending:
                    each.must[who] = each.concerns(then & now)
                    if each.concerns(then | now):
                        each.may.add(who)
                elif who in each.must:
                    each.must[who] &= now
        if work == self.fan_out:
            self.pending.clear()

    def site_waits(self) -> bool:
        if self.world.engine.dialect.name == "postgresql":
            return locked(self.world.engine)
        return self.stage.shared.waits

    def later(self, seconds: float) -> None:
        self.world.later(seconds=seconds)
        self.stage.shared.now = self.world.now

    # --- what the sender does

    def publish(self) -> None:
        agency, source = self.chance.choice(sorted(AGENCIES)), self.chance.choice(LISTS)
        name = f"{agency} #{self.stage.lives}.{len(self.news)}"
        self.world.publish(structs.replace(AGENCIES[agency], name=name), source=source)
        self.news[name] = News(source, HEARD_BY[agency])
        self.pending.append(name)

    def fan_out(self) -> None:
        self.world.fan_out(locate)

    def write_digests(self) -> None:
        insert_due_digests(self.world.engine, self.world.now)

    def admit(self) -> None:
        subscribers.admit(self.world.engine, self.keys, self.world.now)

    def rotate(self) -> None:
        subscribers.rotate(self.world.engine, self.stage.folder, self.world.now)

    def send(self) -> None:
        seen = len(self.mail.accepted)
        self.world.send(self.mail, render=render, placeholders=self.placeholders)
        for handed in self.mail.accepted[seen:]:
            person = next((each for each in self.people if each.address == handed.address), None)
            if person is None:
                continue
            person.links = dict(handed.placeholders)
            if handed.subject == "Confirmation" and person.state == "form":
                person.state, person.follows = "asked", NOTHING

    def erase(self, person: Person) -> None:
        """Erase somebody while they use the site."""
        other = self.request_of(person)
        if other.name == "signs up":  # whether a form comes before or after is not the model's to know
            other = self.reading_nothing()

        def erase() -> None:
            subscribers.erase(
                self.world.engine,
                self.keys,
                channel="email",
                address=person.address,
                now=self.world.now,
                tombstones=self.tombstones,
            )

        def gone(answer: httpx.Response) -> None:
            assert answer.status_code in {200, 204, 404, 422}
            if other.name == "bounces" and self.is_suppressed(person):
                self.end(person, "refused")
            else:
                self.end(person, person.state if person.state == "refused" else "away")

        self.run(erase, Request(f"{other.name}, erased,", other.send, gone))

    # --- what a person does

    def request_of(self, person: Person) -> Request:
        match person.state:
            case "member":
                draw = self.chance.random()
                if draw < 0.88:
                    return self.preferring(person)
                if draw < 0.92:
                    return self.leaving(person)
                if draw < 0.94:
                    return self.writing_to_stop(person)
                return self.bouncing(person) if draw < 0.96 else self.signing_up(person)
            case "asked":
                return self.confirming(person)
            case "away":
                return self.signing_up(person)
        return self.reading_nothing()

    def choices(self) -> tuple[dict[str, Any], Follows]:
        places = self.chance.sample(PLACES, self.chance.randrange(2, 5))
        lists = self.chance.sample(LISTS, self.chance.choice((1, 2, 2)))
        form = {
            "places": ", ".join(places),
            "lists": lists,
            "frequency": self.chance.choice((AT_ONCE, *sorted(FREQUENCIES))),
            "hour": str(self.chance.randrange(24)),
            "zone": self.chance.choice(("America/Chicago", "Pacific/Honolulu")),
        }
        return form, frozenset((source, place) for source in lists for place in places)

    def reading_nothing(self) -> Request:
        return Request("looks", lambda: self.stage.client.get("/healthz"), lambda answer: None)

    def signing_up(self, person: Person) -> Request:
        form, follows = self.choices()

        def send() -> httpx.Response:
            page = self.stage.client.get("/subscribe").text
            found = re.search(r'name="stamp" value="([^"]+)"', page)
            assert found
            self.later(5)
            return self.stage.client.post(
                "/subscribe", data=form | {"address": person.address, "stamp": found[1]}
            )

        def done(answer: httpx.Response) -> None:
            assert answer.status_code == 200
            if person.state == "away":
                person.state, person.wanted = "form", follows
            else:
                self.admit()  # a reminder; after they left the form would be a new sign-up

        return Request("signs up", send, done)

    def confirming(self, person: Person) -> Request:
        path = path_of(person.links["confirm"])

        def done(answer: httpx.Response) -> None:
            assert answer.status_code == 200
            one = self.find(person)
            if one is not None and one.state == people.ACTIVE:
                person.state, person.follows = "member", person.wanted
            else:
                assert "expired" in answer.text
                person.state = "expired"

        return Request("confirms", lambda: self.stage.client.post(path, data=PRESSED), done)

    def preferring(self, person: Person) -> Request:
        form, follows = self.choices()
        if self.chance.random() < 0.3:
            end = self.world.now.date() + timedelta(days=self.chance.randrange(2, 13))
            form["pause"] = end.isoformat()
        path = path_of(person.links["manage"])

        def done(answer: httpx.Response) -> None:
            assert answer.status_code == 200, answer.text[:2000]
            person.follows = follows

        return Request("prefers", lambda: self.stage.client.post(path, data=form), done)

    def leaving(self, person: Person) -> Request:
        path = path_of(person.links["unsubscribe"])

        def done(answer: httpx.Response) -> None:
            assert answer.text == "Unsubscribed.\n"
            self.end(person, "away")

        body = {"List-Unsubscribe": "One-Click"}
        return Request("leaves", lambda: self.stage.client.post(path, data=body), done)

    def writing_to_stop(self, person: Person) -> Request:
        token = person.links["unsubscribe"].rpartition("/")[2]
        mail = f"Subject: unsubscribe {token}\r\n\r\n".encode()
        return Request(
            "writes to stop", lambda: self.post_mail(mail), lambda answer: self.end(person, "away")
        )

    def bouncing(self, person: Person) -> Request:
        mail = report(f"alerts+{person.links['bounce']}@watch.example")
        return Request("bounces", lambda: self.post_mail(mail), lambda answer: self.end(person, "refused"))

    def post_mail(self, mail: bytes) -> httpx.Response:
        secret = {"Authorization": "Bearer a secret that nobody guesses"}
        answer = self.stage.client.post("/bounces", content=mail, headers=secret)
        assert answer.status_code == 204
        return answer

    def end(self, person: Person, state: str) -> None:
        person.state, person.follows, person.wanted, person.links = state, NOTHING, NOTHING, {}

    # --- what must hold

    def find(self, person: Person) -> Subscriber | None:
        with reading(self.world.engine) as conn:
            return people.find(conn, "email", self.keys.lookup("email", person.address))

    def is_suppressed(self, person: Person) -> bool:
        with reading(self.world.engine) as conn:
            hashed = self.keys.lookup("email", person.address)
            return people.load_reason(conn, "email", hashed) is not None

    def told(self, person: Person) -> list[str]:
        return [name for each in self.handed(person) for name in each.text.splitlines() if name]

    def handed(self, person: Person) -> list[Handed]:
        return [each for each in self.mail.accepted if each.address == person.address]

    def check(self) -> None:
        with transaction(self.world.engine) as conn:
            conn.execute(_RATE_WINDOWS)  # everybody here comes from one network
            assert conn.scalar(_KEPT) == 0, "places of somebody who has ended are stored"
            for person in self.people:
                self.check_person(conn, person)

    def check_person(self, conn: sa.Connection, person: Person) -> None:
        told = self.told(person)
        assert len(told) == len(set(told)), "told twice"
        assert all(person.address in self.news[name].may for name in told), "told what concerned them not"
        one = people.find(conn, "email", self.keys.lookup("email", person.address))
        if person.state in {"away", "refused"}:
            assert one is None, "an address is stored of somebody who has ended"
        if person.state == "member":
            assert one is not None
            assert one.state in {people.ACTIVE, people.PAUSED}
            stored = {(each.source, each.place) for each in people.load_follows(conn, one.id)}
            assert stored == person.follows


def path_of(link: str) -> str:
    return link.removeprefix("https://watch.example")
