"""The operator decides by a link in a notice: a GET shows, a POST decides once, the worker carries it out."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from sqlalchemy.engine import Engine

from monitor import config, web
from monitor.app import Components
from monitor.cli import root
from monitor.core import tokens
from monitor.domain import Listing
from monitor.fetch import Fetcher
from monitor.ops.decisions import DECIDE_WITHIN
from monitor.ops.health import Question
from monitor.outbox import clone_guard
from monitor.polling import load_holds
from monitor.storage import operator_decisions
from monitor.storage.deliveries import refusals, send_mark
from monitor.storage.engine import reading, transaction
from monitor.storage.lists import baseline
from monitor.storage.schema import DeliveryRow, OperatorDecisionRow
from tests.outbox.world import HAMMOND, World
from tests.peers.browser import served
from tests.peers.http import Server as WebServer
from tests.polling.publisher import Publication, agencies, agency
from tests.subscribers.town import Postbox, Visitor, link, mail_server, text

CONFIGURATION = """
[data]
folder = "data"
[database]
url = "{database}"
[site]
name = "Watch"
public_url = "https://watch.example"
[email]
host = "127.0.0.1"
port = {port}
security = "none"
from = "Watch <alerts@watch.example>"
[operator]
notify = ["ops@watch.example"]
[sources.list]
title = "The list"
format = "table"
url = "{url}"
[sources.list.columns]
name = "Agency"
state = "State"
county = "County"
since = "Since"
attributes = ["Type"]
"""


@dataclass
class Operated:
    """A service whose operator reads mail and has a browser."""

    components: Components
    publication: Publication
    postbox: Postbox
    visitor: Visitor
    config: Path

    def tell(self) -> str:
        """Look twice for conditions; returns the path of the first link in the newest mail."""
        notifier = self.components.open_notifier()
        assert notifier is not None
        for _ in range(2):
            asyncio.run(notifier.look())
        return link(self.postbox.mails[-1][1], "decide")

    def tell_more(self) -> list[str]:
        """Look twice again; returns what is told to be over."""
        notifier = self.components.open_notifier()
        assert notifier is not None
        told = [asyncio.run(notifier.look()) for _ in range(2)]
        return [ended for notice in told if notice is not None for ended in notice.ended]

    def page(self, path: str) -> str:
        return " ".join(re.sub(r"<[^>]+>", " ", self.visitor.get(path).text).split())

    def hold(self) -> None:
        """Sixty listings, and a hundred more that are held."""
        self.publication.seen(agencies(60))
        self.publication.seen(agencies(160))

    def listed(self) -> int:
        with reading(self.components.engine) as conn:
            return len(baseline.load_listings(conn, "list"))


@pytest.fixture(scope="module")
def fetcher() -> Iterator[Fetcher]:
    with Fetcher(attempts=1) as fetcher:
        yield fetcher


@pytest.fixture
def operated(engine: Engine, database_url: str, fetcher: Fetcher, tmp_path: Path) -> Iterator[Operated]:
    postbox = Postbox()
    relay = mail_server(postbox)
    relay.start()
    try:
        with WebServer() as server:
            publication = Publication(server, engine, fetcher)
            path = tmp_path / "config.toml"
            path.write_text(
                CONFIGURATION.format(
                    port=relay.port,
                    url=publication.watch.target.url,
                    database=database_url,
                )
            )
            components = Components(config.load(path, {}), engine, lambda: publication.now)
            with served(web.create(components)) as address:
                yield Operated(components, publication, postbox, Visitor(address), path)
    finally:
        relay.stop()


def test_held_changes_are_published_by_a_link_and_by_nothing_but_its_button(
    operated: Operated, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="monitor")
    operated.hold()
    path = operated.tell()
    mail = operated.postbox.mails[-1][1]
    assert mail["To"] == "ops@watch.example"
    assert "Decide: list: 100 changes are held" in text(mail)
    told = " ".join(text(mail).split())
    assert re.search(r"100 changes are held until \d{4}-\d\d-\d\d \d\d:\d\d UTC: 100 agencies ", told)
    assert "do not forward this mail" in " ".join(text(mail).split())

    for _ in range(3):
        shown = operated.page(path)
    assert "list: 100 changes are held" in shown
    assert shown.count("Added: ") == 30
    assert "and 70 more" in shown
    assert "Without you it ends by itself, from 2026-03-02" in shown
    assert "monitor holds approve --all --source list" in shown
    assert operated.visitor.get(path).headers["Cache-Control"] == "no-store"
    assert operated.components.desk.carry_out() == 0
    assert operated.listed() == 60

    assert operated.visitor.post(path, data={"choice": "approve"}).status_code == 303
    assert operated.listed() == 60, "the site decides nothing by itself"
    assert "The service carries it out within seconds" in operated.page(path)
    assert operated.components.desk.carry_out() == 1
    assert operated.listed() == 160
    assert "Published: 100 added, 0 removed, 0 changed." in operated.page(path)
    assert "decision 1 (holds): the operator chose approve by a link" in caplog.text
    token = path.rpartition("/")[2]
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("monitor")]
    assert not any(token in line for line in ours)


def test_only_the_first_choice_counts(operated: Operated) -> None:
    operated.hold()
    path = operated.tell()
    operated.visitor.post(path, data={"choice": "reject"})
    operated.visitor.post(path, data={"choice": "approve"})
    assert operated.components.desk.carry_out() == 1
    assert operated.components.desk.carry_out() == 0
    assert "Reject them: 100 rejected." in operated.page(path)
    assert operated.listed() == 60
    assert load_holds(operated.components.engine) == ()


def test_a_link_decides_about_what_was_held_when_it_was_sent(operated: Operated) -> None:
    operated.hold()
    path = operated.tell()
    operated.publication.seen(agencies(230))
    later = {hold.id for hold in load_holds(operated.components.engine)}
    assert len(later) == 170
    operated.visitor.post(path, data={"choice": "approve"})
    operated.components.desk.carry_out()
    assert operated.listed() == 160
    assert len(load_holds(operated.components.engine)) == 70


def test_a_link_expires_and_names_the_command(operated: Operated) -> None:
    operated.publication.seen(agencies(60))
    operated.publication.seen(agencies(10))
    (rejected,) = load_holds(operated.components.engine)
    path = operated.tell()
    assert "rejected" in operated.page(path)
    operated.publication.now += DECIDE_WITHIN
    assert "The command still decides: monitor holds approve --all --source list" in operated.page(path)
    operated.visitor.post(path, data={"choice": "approve"})
    assert operated.components.desk.carry_out() == 0
    assert load_holds(operated.components.engine) == (rejected,)


def test_what_has_ended_by_itself_is_said(operated: Operated) -> None:
    operated.hold()
    path = operated.tell()
    operated.publication.seen(agencies(60))
    operated.publication.poll(timedelta(days=1))
    assert load_holds(operated.components.engine) == ()
    assert "Nothing is left to decide" in operated.page(path)
    operated.visitor.post(path, data={"choice": "approve"})
    assert operated.components.desk.carry_out() == 0


@pytest.mark.parametrize("change", ["another code", "another row", "no token", "another purpose"])
def test_a_link_that_was_never_made_leads_nowhere(operated: Operated, change: str) -> None:
    operated.hold()
    path = operated.tell()
    number, _, code = path.rpartition("/")[2].partition("x")
    keys = operated.components.keys
    with reading(operated.components.engine) as conn:
        nonce = conn.scalar(sa.select(OperatorDecisionRow.c.nonce))
    token = {
        "another code": f"{number}x{'b' if code[0] != 'b' else 'c'}{code[1:]}",
        "another row": f"{int(number) + 1}x{code}",
        "no token": "what",
        "another purpose": tokens.make(keys.token_key, tokens.Purpose.MANAGE, int(number), str(nonce)),
    }[change]
    for answer in (
        operated.visitor.get(f"/decide/{token}"),
        operated.visitor.post(f"/decide/{token}", data={"choice": "approve"}),
    ):
        assert answer.status_code == 404
    assert operated.visitor.post(path, data={"choice": "everything"}).status_code == 200
    assert operated.components.desk.carry_out() == 0


def test_a_choice_that_cannot_be_carried_out_says_why_and_holds_up_no_other(operated: Operated) -> None:
    operated.hold()
    desk = operated.components.desk
    first, second = desk.ask(Question("holds", "list")), desk.ask(Question("holds", "list"))
    assert first is not None
    assert second is not None
    with transaction(operated.components.engine) as conn:
        conn.execute(
            sa.update(OperatorDecisionRow)
            .where(OperatorDecisionRow.c.id == 1)
            .values(about='{"source": "list", "ids": "no list"')
        )
    with transaction(operated.components.engine) as conn:
        assert operator_decisions.put_choice(conn, 1, "approve", "link", operated.publication.now)
    desk.choose(second, "reject", "link")
    assert desk.carry_out() == 2
    view = desk.view(first)
    assert view is not None
    assert view.result.startswith("Not done: an error of the program")
    view = desk.view(second)
    assert view is not None
    assert view.result == "100 rejected."


def test_a_copied_database_is_resumed_by_a_link(operated: Operated) -> None:
    components = operated.components
    folder = components.settings.data.folder
    world = World(components.engine, components.keys, folder, operated.publication.now)
    clone_guard.bind_folder(components.engine, folder)
    world.person("ann@a.example", "IN")
    world.publish(HAMMOND)
    world.fan_out()
    (folder / clone_guard.NAME).unlink(missing_ok=True)
    with transaction(components.engine) as conn:
        send_mark.advance(conn, 5)
    assert components.fenced() is not None
    path = operated.tell()
    shown = operated.page(path)
    assert "This database looks copied or restored" in shown
    assert "1 message is due by email about ring" in shown
    operated.visitor.post(path, data={"choice": "resume"})
    assert components.desk.carry_out() == 1
    assert components.fenced() is None


def test_failed_messages_and_waves_of_refusals_are_sent_again_by_a_link(operated: Operated) -> None:
    components, now = operated.components, operated.publication.now
    world = World(components.engine, components.keys, components.settings.data.folder, now)
    for name in ("ann", "bea"):
        world.person(f"{name}@a.example", "IN")
    world.publish(HAMMOND)
    world.fan_out()
    world.write(
        sa.update(DeliveryRow).values(state="failed", attempts=8, last_error="550 no", settled_at=now)
    )
    desk = components.desk
    retry = desk.ask(Question("retry"))
    assert retry is not None
    view = desk.view(retry)
    assert view is not None
    assert view.text is not None
    assert view.text.title == "2 messages have failed for good"
    assert view.text.items == ("email: 550 no",)
    desk.choose(retry, "retry", "link")
    desk.carry_out()
    assert world.states() == ["due", "due"]
    assert desk.ask(Question("retry")) is None

    returned = refusals.Refusal(
        channel="email", subscriber=1, delivery=1, lane="0" * 64, answer="report 5.7.26",
        error="550 5.7.26 unauthenticated", verdict=refusals.POLICY, at=now,
    )  # fmt: skip
    with transaction(components.engine) as conn:
        refusals.insert_refusals(conn, [returned], state=refusals.RETURNED)
    restore = desk.ask(Question("restore", "email report 5.7.26"))
    assert restore is not None
    desk.choose(restore, "restore", "button")
    desk.carry_out()
    view = desk.view(restore)
    assert view is not None
    assert view.result.startswith("Nothing counts against 1 person")


def test_without_a_site_the_notice_names_the_command_only(operated: Operated, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(path.read_text().replace('public_url = "https://watch.example"\n', ""))
    components = Components(
        config.load(path, {}), operated.components.engine, lambda: operated.publication.now
    )
    operated.hold()
    notifier = components.open_notifier()
    assert notifier is not None
    for _ in range(2):
        asyncio.run(notifier.look())
    said = text(operated.postbox.mails[-1][1])
    assert "Run: monitor holds list --source list" in " ".join(said.split())
    assert "Decide" not in said


def test_old_decisions_are_deleted(operated: Operated) -> None:
    operated.hold()
    desk = operated.components.desk
    assert desk.ask(Question("holds", "list")) is not None
    operated.publication.now += operator_decisions.KEPT + timedelta(seconds=1)
    assert desk.ask(Question("holds", "list")) is not None
    with reading(operated.components.engine) as conn:
        assert conn.scalars(sa.select(OperatorDecisionRow.c.id)).all() == [2]


def test_agencies_without_a_place_get_one_on_the_page_of_a_notice(operated: Operated) -> None:
    components = operated.components
    rows = [
        agency(1, Agency="Gary Police Department", State="Indiana", County="Lake County"),
        agency(2, Agency="Zzyzx Task Force", State="Indiana", County=""),
        agency(3, Agency="Qwx Response Team", State="Illinois", County=""),
    ]
    operated.publication.seen(rows)
    components.renew_placements()
    path = operated.tell()
    told = " ".join(text(operated.postbox.mails[-1][1]).split())
    assert "list: 2 agencies have no place. Run: monitor place set list 'Qwx Response Team' PLACES" in told
    assert "Decide: list: 2 agencies have no place" in told

    page = operated.visitor.get(path).text
    assert [unescape(name) for name in re.findall(r'name="field" value="([^"]*)"', page)] == [
        "IL|qwx response team", "IN|zzyzx task force",
    ]  # fmt: skip
    fields = {"field": ["IL|qwx response team", "IN|zzyzx task force"], "choice": "place"}
    for answers, says in (
        (["", " "], "Nothing was written in any field."),
        (["", "Nowhereville"], "We found no town of that name"),
        (["99", "Gary, IN"], "A ZIP code has five digits"),
        (["US", "Gary, IN"], "no agency serves the whole country"),
    ):
        refused = operated.visitor.post(path, data={**fields, "answer": answers})
        assert refused.status_code == 422
        assert says in refused.text
        assert components.desk.carry_out() == 0
    assert 'value="Gary, IN"' in refused.text, "what was written stays"

    assert operated.visitor.post(path, data={**fields, "answer": ["", "Lake County, IN"]}).status_code == 303
    assert components.desk.carry_out() == 1
    assert "Zzyzx Task Force: Lake County, IN. 1 are left as they are." in operated.page(path)
    covered = {cover.listing.name: cover.placement for cover in components.coverage.of("list").covers}
    assert "46402" in covered["Zzyzx Task Force"].places
    assert covered["Zzyzx Task Force"].how == "override"
    assert covered["Qwx Response Team"].places == ("IL",)
    assert "46402" in components.locate("list", covers_of(components, "Zzyzx Task Force")).places
    again = operated.tell_more()
    assert again == [], "one agency is still without a place, which is known"


def test_a_name_that_would_be_a_link_stands_in_no_command_of_a_notice(operated: Operated) -> None:
    rows = [
        agency(1, Agency="Gary Police Department", State="Indiana", County="Lake County"),
        agency(2, Agency="evil.com/login Task Force", State="Indiana", County=""),
    ]
    operated.publication.seen(rows)
    operated.components.renew_placements()
    operated.tell()
    told = " ".join(text(operated.postbox.mails[-1][1]).split())
    assert "list: 1 agency has no place. Run: monitor unplaced" in told
    assert "evil" not in told


def test_places_that_are_given_by_command_count_at_once_and_can_be_removed(operated: Operated) -> None:
    components = operated.components
    operated.publication.seen([agency(2, Agency="Zzyzx Task Force", State="Indiana", County="")])
    components.renew_placements()
    operated.tell()
    options = ["--config", str(operated.config)]

    def run(*words: str, code: int = 0) -> str:
        result = CliRunner().invoke(root, [*words, *options])
        assert result.exit_code == code, result.output
        return result.stderr if code else result.stdout

    assert "Zzyzx Task Force" in run("unplaced")
    assert "lists no agency 'Nobody'" in run("place", "set", "list", "Nobody", "46402", code=2)
    assert "is not one place" in run("place", "set", "list", "Zzyzx Task Force", "Springfield", code=2)
    assert run("place", "set", "list", "zzyzx task force", "46402", "46403") == (
        "Zzyzx Task Force: 46402 46403\n"
    )
    (given,) = (json.loads(line) for line in run("place", "list", "--json").splitlines())
    assert (given["key"], given["places"], given["note"]) == (
        "IN|zzyzx task force", ["46402", "46403"], "",
    )  # fmt: skip
    assert run("unplaced") == "Every accepted agency is placed.\n"
    assert components.coverage.of("list").by_zip["46403"][0].listing.name == "Zzyzx Task Force"
    # a service that runs reads them before it places what a poll finds
    assert components.gazetteer.overrides.by_key == {}
    polled = components.polled_sources["list"].gazetteer
    assert polled is not None
    assert set(polled().overrides.by_key) == {("list", "IN|zzyzx task force")}
    assert operated.tell_more() == ["list: 1 agency has no place"]
    assert run("place", "remove", "list", "Zzyzx Task Force") == (
        "Zzyzx Task Force is placed by the rules again\n"
    )
    assert "Zzyzx Task Force" in run("unplaced")
    run("place", "remove", "list", "Zzyzx Task Force", code=2)


def covers_of(components: Components, name: str) -> Listing:
    """The accepted listing of a name."""
    return next(c.listing for c in components.coverage.of("list").covers if c.listing.name == name)
