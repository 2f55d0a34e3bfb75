"""On PostgreSQL the site works under a role that cannot read addresses."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from sqlalchemy.engine import Engine, make_url

from monitor import app, subscribers
from monitor.app import Components
from monitor.channels.kinds import kind_of
from monitor.channels.outline import AddressOutline, seal_address
from monitor.cli import root
from monitor.core.tokens import Purpose
from monitor.domain import Confidence, Placement, PlacementReason
from monitor.errors import MigrationError, StoreError
from monitor.keys import KeyFile
from monitor.ops.decision_kinds import DECISIONS
from monitor.ops.doctor import diagnose_site_role
from monitor.ops.health import Question
from monitor.outbox import clone_guard
from monitor.storage import database_facts, grants, migrate, operator_decisions, people
from monitor.storage import engine as db
from monitor.storage.deliveries import send_mark
from monitor.storage.deliveries.refusals import STRIKE, Refusal, insert_refusals
from monitor.storage.deliveries.tables import DeliveryRow
from monitor.storage.lists import placement_rows
from monitor.storage.lists.tables import ChangeRow, ListingVersionRow
from monitor.storage.people.tables import SubscriberRow
from monitor.subscribers.address_outlines import fill_outlines
from monitor.web import create_app
from tests.outbox.world import HAMMOND
from tests.outbox.world import World as Outbox
from tests.peers.browser import served
from tests.peers.postgres import Postgres
from tests.storage.test_migrate import NEXT, REVISIONS, scripts_at
from tests.subscribers.conftest import ANN, member, token, who
from tests.subscribers.push_world import PushTown, opened_push_town
from tests.subscribers.test_bounces import back, report
from tests.subscribers.town import PRESSED, Postbox, Town, Visitor, link, mail_server, settled
from tests.web.story import Clock, site, tell

PUBLIC = (
    "/", "/changes", "/change/1", "/list/list", "/compare/list", "/state/IN", "/zip/46320", "/map", "/map/IN",
    "/numbers", "/about", "/privacy", "/data", "/data/list/agencies.csv", "/data/record.sqlite", "/api",
    "/api/v1/lists", "/api/v1/changes", "/api/v1/zip/46320", "/feed.atom", "/feed.json",
    "/healthz",
)  # fmt: skip
SEALED = [(table, column) for table, columns in grants.SEALED.items() for column in columns]


@pytest.fixture
def role(postgres: Postgres, postgres_engine: Engine) -> Iterator[str]:
    """The name of a role for one test: roles belong to the whole server."""
    name = f"site_{secrets.token_hex(6)}"
    yield name
    with db.transaction(postgres_engine) as conn:
        if grants.has_role(conn, name):
            conn.exec_driver_sql(f"DROP OWNED BY {name}")
            conn.exec_driver_sql(f"DROP ROLE {name}")


@pytest.fixture
def site_url(postgres_engine: Engine, postgres_url: str, role: str, tmp_path: Path) -> str:
    """The database under the role that `monitor grant` makes."""
    config = tmp_path / "config.toml"
    config.write_text(f'[data]\nfolder = "data"\n[database]\nurl = "{postgres_url}"\n')
    result = CliRunner().invoke(root, ["grant", role, "--config", str(config)])
    assert result.exit_code == 0, result.output
    url = json.loads(result.output.splitlines()[-1].partition("= ")[2])
    assert make_url(url).username == role
    assert make_url(url).password
    return str(url)


@pytest.fixture
def site_engine(site_url: str) -> Iterator[Engine]:
    engine = db.connect(site_url)
    yield engine
    engine.dispose()


@pytest.fixture
def town(
    postgres_engine: Engine, postgres_url: str, site_engine: Engine, now: datetime, tmp_path: Path
) -> Iterator[Town]:
    """A service whose site has a role of its own, and whose sender has the usual one."""
    postbox = Postbox()
    controller = mail_server(postbox)
    controller.start()
    try:
        settings = settled(tmp_path, postgres_url, controller.port)
        town = Town(settings, postgres_engine, app.open_keys(settings, postgres_engine), postbox, now)
        town.site_engine = site_engine
        with town.open() as address:
            town.address, town.client = address, Visitor(address)
            yield town
    finally:
        controller.stop()


@pytest.mark.postgres
@pytest.mark.parametrize(("table", "column"), SEALED)
def test_the_role_cannot_read_what_is_sealed(site_engine: Engine, table: str, column: str) -> None:
    with pytest.raises(StoreError, match="refuses this user"), db.reading(site_engine) as conn:
        conn.exec_driver_sql(f"SELECT {column} FROM {table}")
    with pytest.raises(StoreError, match="refuses this user"), db.reading(site_engine) as conn:
        conn.exec_driver_sql(f"SELECT * FROM {table}")
    with pytest.raises(StoreError, match="refuses this user"), db.transaction(site_engine) as conn:
        conn.exec_driver_sql(f"UPDATE {table} SET {column} = NULL RETURNING {column}")
    with pytest.raises(StoreError, match="refuses this user"), db.transaction(site_engine) as conn:
        conn.exec_driver_sql(f"CREATE TABLE copied AS TABLE {table}")


@pytest.mark.postgres
def test_somebody_signs_up_confirms_changes_and_leaves_under_the_role(town: Town) -> None:
    assert town.sign_up(ANN).status_code == 200
    town.deliver()
    confirm = link(town.mail(), "confirm")
    assert town.client.get(confirm).status_code == 200
    assert town.client.post(confirm, data=PRESSED).status_code == 200
    town.deliver()
    manage = link(town.mail(), "manage")
    page = town.client.get(manage).text
    assert "Sent to a…@e….org." in page
    assert "ann@" not in page
    changed = town.client.post(
        manage,
        data={"places": "IL, Lake County IN", "lists": ["ring"], "frequency": "daily", "language": "es"},
    )
    assert "Guardado" in changed.text or "Saved" in changed.text
    assert "IL" in town.client.get(manage).text
    leave = link(town.mail(), "unsubscribe")
    assert town.client.post(leave, content=b"List-Unsubscribe=One-Click").text == "Unsubscribed.\n"
    assert who(town.engine, town.keys) is None
    erased = town.components.tombstones.read()
    assert set(erased) == {("email", town.keys.first_lookup("email", ANN))}
    with db.reading(town.engine) as conn:
        assert people.load_sealed_addresses(conn) == {}


@pytest.mark.postgres
def test_an_expired_link_is_renewed_under_the_role(town: Town) -> None:
    town.sign_up(ANN)
    town.deliver()
    town.later(hours=49)
    again = town.client.post(link(town.mail(), "confirm"), data={"again": "1"})
    assert again.status_code == 200
    assert town.deliver().sent == 1
    assert town.client.post(link(town.mail(), "confirm"), data=PRESSED).status_code == 200


@pytest.mark.postgres
def test_returned_mail_counts_under_the_role_and_its_text_is_not_kept(town: Town) -> None:
    town.member(ANN)
    one = who(town.engine, town.keys)
    assert one is not None
    head = {"Authorization": "Bearer a secret that nobody guesses"}
    policy = report(back(town.keys, one), "5.7.26", diagnosis="smtp; 550 5.7.26 ann is unauthenticated")
    town.client.headers |= head
    assert town.client.post("/bounces", content=policy).status_code == 204
    with db.reading(town.engine) as conn:
        kept = conn.execute(sa.text("SELECT error, lane FROM refusal")).one()
    assert kept == ("RCPT 550 5.7.26", town.keys.lookup("email", "lane\0example.org"))
    gone = report(back(town.keys, one), "5.1.1")
    assert town.client.post("/bounces", content=gone).status_code == 204
    assert who(town.engine, town.keys) is None


@pytest.mark.postgres
def test_an_update_of_the_bot_is_stored_under_the_role(town: Town, site_engine: Engine) -> None:
    from monitor.storage.people import bot_updates

    for _ in range(2):  # Telegram delivers some twice
        with db.transaction(site_engine) as conn:
            bot_updates.put(conn, 7, town.keys.seal(bot_updates.SEALED_AS, "{}"), town.now)
    with db.reading(town.engine) as conn:
        assert [each.update_id for each in bot_updates.load_oldest(conn, 9)] == [7]


@pytest.mark.postgres
@pytest.mark.parametrize("kind", DECISIONS)
def test_the_operator_decides_by_a_link_under_the_role(town: Town, kind: str) -> None:
    world = Outbox(town.engine, town.keys, town.settings.data.folder, town.now)
    for name in ("ann", "bea"):
        world.person(f"{name}@a.example", "IN")
    world.publish(HAMMOND)
    world.fan_out()
    world.write(sa.update(DeliveryRow).values(state="failed", last_error="550 no", settled_at=town.now))
    clone_guard.bind_folder(town.engine, town.settings.data.folder)
    (town.settings.data.folder / clone_guard.NAME).unlink(missing_ok=True)
    with db.transaction(town.engine) as conn:
        refusal = Refusal(
            channel="email", subscriber=1, delivery=1, lane="0" * 64, answer="RCPT 550", error="550 no",
            verdict=STRIKE, at=town.now,
        )  # fmt: skip
        insert_refusals(conn, [refusal])
        conn.execute(
            sa.update(ChangeRow).values(state="held", changeset_id=None, reason="many", release_at=town.now)
        )
        if kind == "resume":
            send_mark.advance(conn, 5)
        if kind == "places":
            id = conn.scalar(
                sa.insert(ListingVersionRow)
                .values(
                    source="ring", key="IN|team", agency="team", name="Team", state="IN", content={},
                    from_number=1, from_at=town.now,
                )
                .returning(ListingVersionRow.c.id)
            )  # fmt: skip
            nowhere = Placement(("IN",), "state", Confidence.STATE_ONLY, PlacementReason("failed"))
            placement_rows.put_placements(conn, "another", {int(id or 0): nowhere})
    about = {"holds": "ring", "restore": "email RCPT 550", "places": "ring"}.get(kind, "")
    token_ = town.components.desk.ask(Question(kind, about))
    assert token_ is not None
    page = town.client.get(f"/decide/{token_}")
    assert page.status_code == 200
    (choice, *_) = DECISIONS[kind].choices
    assert choice.label in page.text
    written = {"choice": choice.name, "field": ["IN|team"], "answer": ["46402"]}
    assert town.client.post(f"/decide/{token_}", data=written).status_code == 303
    assert "carries it out" in town.client.get(f"/decide/{token_}").text
    assert town.components.desk.carry_out() == 1


@pytest.mark.postgres
def test_every_public_page_is_served_under_the_role(
    postgres_engine: Engine, site_engine: Engine, tmp_path: Path
) -> None:
    clock = Clock(tell(postgres_engine))
    public = create_app(site(site_engine, clock, folder=tmp_path / "public"))
    with served(public) as address:
        visitor = Visitor(address)
        visitor.headers = {}
        answers = {path: visitor.get(path).status_code for path in PUBLIC}
        assert "database" not in visitor.get("/readyz").json()["checks"], "it can be read"
    assert {path: code for path, code in answers.items() if code >= 400} == {}


@pytest.mark.postgres
def test_the_doctor_checks_the_role(
    postgres_engine: Engine, site_url: str, role: str, postgres_url: str
) -> None:
    def verdict() -> tuple[bool | None, str]:
        (found,) = diagnose_site_role(postgres_engine, site_url)
        return found.ok, found.message

    with db.transaction(postgres_engine) as conn:
        database_facts.ensure_identity(conn)
    assert verdict()[0] is True
    with db.transaction(postgres_engine) as conn:
        conn.exec_driver_sql(f"GRANT SELECT ON signup TO {role}")
        conn.exec_driver_sql(f"REVOKE INSERT ON delivery FROM {role}")
    ok, message = verdict()
    assert ok is False
    assert "it can read addresses (signup.sealed)" in message
    assert "it lacks INSERT on delivery" in message
    assert f"monitor grant {role}" in message
    with db.transaction(postgres_engine) as conn:
        grants.grant_site(conn, role)
    assert verdict()[0] is True
    (owner,) = diagnose_site_role(postgres_engine, postgres_url)
    assert owner.ok is False, "the owner reads everything"
    nowhere = f"postgresql://{role}@/nowhere?host=%2Fnonexistent"
    (away,) = diagnose_site_role(postgres_engine, nowhere)
    assert away.ok is False
    assert "check [database] web_url" in away.message


@pytest.mark.postgres
def test_a_migration_renews_the_rights(
    postgres_engine: Engine, site_url: str, role: str, tmp_path: Path, now: datetime
) -> None:
    scripts = scripts_at(tmp_path / "scripts", REVISIONS[-1], next=NEXT)
    site = db.connect(site_url)
    with pytest.raises(MigrationError, match="the role of the site may not migrate it"):
        migrate.upgrade(site, folder=tmp_path, now=now, scripts=scripts)
    migrate.upgrade(postgres_engine, folder=tmp_path, now=now, scripts=scripts)
    with db.reading(site) as conn:
        assert conn.exec_driver_sql("SELECT hue FROM subscriber").all() == []
    site.dispose()
    with db.reading(postgres_engine) as conn:
        assert list(grants.find_grant_problems(conn, role)) == []


@pytest.mark.postgres
def test_the_site_waits_until_the_worker_has_migrated(
    postgres_engine: Engine, site_url: str, postgres_url: str, tmp_path: Path
) -> None:
    settings = settled(tmp_path, postgres_url, 25)
    settings = settings.model_copy(
        update={"database": settings.database.model_copy(update={"web_url": site_url})}
    )
    app.open_site_database(settings).dispose()
    with db.transaction(postgres_engine) as conn:
        database_facts.put(conn, database_facts.OUTLINES_MISSING, "yes")
    with pytest.raises(MigrationError, match="start `monitor worker`"):
        app.open_site_database(settings, wait=timedelta(0))
    with Components.open(settings) as worker:
        assert worker.keys
    with Components.open_for_site(settings) as components:
        assert components.keys
        assert components.engine.url.username == make_url(site_url).username


@pytest.mark.postgres
def test_the_statements_can_be_read_first(
    postgres_engine: Engine, postgres_url: str, role: str, tmp_path: Path
) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f'[data]\nfolder = "data"\n[database]\nurl = "{postgres_url}"\n')
    result = CliRunner().invoke(root, ["grant", role, "--sql", "--config", str(config)])
    assert result.exit_code == 0
    *_, password, url = result.output.splitlines()
    assert f"\\password {role}" in password
    written = make_url(postgres_url)
    assert f'"postgresql://{role}:PASSWORD@' in url
    assert url.endswith(f'/{written.database}{str(written).partition(written.database or "")[2]}"')
    with db.transaction(postgres_engine) as conn:
        assert not grants.has_role(conn, role)
        for statement in result.output.split(";\n"):
            if not statement.startswith("--"):
                conn.exec_driver_sql(statement)
        assert list(grants.find_grant_problems(conn, role)) == []
        assert database_facts.get(conn, grants.SITE_ROLE) == role


@pytest.mark.postgres
def test_who_may_not_create_roles_is_told_whom_to_ask(
    postgres_engine: Engine, postgres_url: str, role: str, tmp_path: Path
) -> None:
    with db.transaction(postgres_engine) as conn:
        conn.exec_driver_sql(f"CREATE ROLE {role} LOGIN IN ROLE pg_read_all_data, pg_write_all_data")
    config = tmp_path / "config.toml"
    url = make_url(postgres_url).set(username=role).render_as_string(hide_password=False)
    config.write_text(f'[data]\nfolder = "data"\n[database]\nurl = "{url}"\n')
    result = CliRunner().invoke(root, ["grant", f"{role}_of_the_site", "--config", str(config)])
    assert result.exit_code == 1
    assert "run the output of `monitor grant --sql`" in result.output
    with db.transaction(postgres_engine) as conn:
        assert not grants.has_role(conn, f"{role}_of_the_site")


def test_sqlite_has_no_roles(sqlite_url: str, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f'[data]\nfolder = "data"\n[database]\nurl = "{sqlite_url}"\n')
    result = CliRunner().invoke(root, ["grant", "--config", str(config)])
    assert result.exit_code == 2
    assert "only PostgreSQL has roles" in result.output


def test_outlines_of_earlier_rows_are_filled_in(
    engine: Engine, keys: KeyFile, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.subscribers.address_outlines._AT_ONCE", 2)
    addresses = [ANN, *(f"p{number}@example.org" for number in range(4))]
    ones = [member(engine, keys, now, address) for address in addresses]
    other = KeyFile.of_master(bytes(32))
    with db.transaction(engine) as conn:
        people.update_address(conn, ones[1].id, seal_address(other, "email", addresses[1]))
        conn.execute(sa.update(SubscriberRow).values(outline=None))
        database_facts.put(conn, database_facts.OUTLINES_MISSING, "yes")
    assert fill_outlines(engine, keys) == 4
    assert fill_outlines(engine, keys) == 0
    with db.reading(engine) as conn:
        found = [people.get(conn, one.id) for one in ones]
    assert [each is not None and each.outline is not None for each in found] == [True, False, *[True] * 3]


def test_a_migration_says_that_outlines_are_missing(keys: KeyFile, now: datetime, tmp_path: Path) -> None:
    engine = db.connect(f"sqlite:///{tmp_path / 'old.db'}")
    migrate.upgrade(engine, folder=tmp_path, now=now, scripts=scripts_at(tmp_path / "scripts", "0008"))
    with db.transaction(engine) as conn:
        conn.execute(
            sa.text(
                "INSERT INTO subscriber (channel, address, address_hash, state, origin, language, frequency,"
                " receipts, nonce, created_at, strikes) VALUES ('email', :sealed, :hashed, 'active', 'site',"
                " 'en', 'at_once', 1, 'nonce', 0, 0)"
            ),
            {"sealed": keys.seal("email", ANN), "hashed": keys.lookup("email", ANN)},
        )
    migrate.upgrade(engine, folder=tmp_path, now=now)
    assert fill_outlines(engine, keys) == 1
    one = who(engine, keys)
    assert one is not None
    stones = subscribers.Tombstones(tmp_path)
    leave = token(keys, Purpose.UNSUBSCRIBE, one)
    assert subscribers.leave(engine, keys, leave, now, tombstones=stones).subscriber is not None
    assert set(stones.read()) == {("email", keys.first_lookup("email", ANN))}
    engine.dispose()


def test_an_outline_says_nothing_but_its_mask_and_hashes(keys: KeyFile) -> None:
    outline = AddressOutline.compute(keys, "email", "Ann.Lee+news@mail.example.org")
    assert outline.masked == "A…@m….org"
    assert replace(outline, masked="") == AddressOutline(
        masked="",
        address=keys.first_lookup("email", "ann.lee+news@mail.example.org"),
        mailbox=keys.first_lookup("mailbox", kind_of("email").mailbox("ann.lee@mail.example.org")),
        lane=keys.first_lookup("email", "lane\0mail.example.org"),
        domain=keys.first_lookup("mail domain", "example.org"),
    )


@pytest.mark.postgres
def test_the_operators_choice_is_written_under_the_role(
    postgres_engine: Engine, site_engine: Engine, now: datetime
) -> None:
    """A signed link of a notice: the site writes what was chosen, and the worker carries it out."""
    with db.transaction(site_engine) as conn:
        assert not operator_decisions.put_choice(conn, 1, "approve", "link", now), "there is no question"
    with pytest.raises(StoreError, match="refuses this user"), db.transaction(site_engine) as conn:
        conn.exec_driver_sql("DELETE FROM operator_decision")


@pytest.fixture
def push_town(
    postgres_engine: Engine, postgres_url: str, site_engine: Engine, now: datetime, tmp_path: Path
) -> Iterator[PushTown]:
    """The same with browsers."""
    yield from opened_push_town(postgres_engine, postgres_url, now, tmp_path, site_engine)


@pytest.mark.postgres
def test_alerts_in_browsers_need_no_right_to_read_addresses(push_town: PushTown) -> None:
    old, new = push_town.member(), push_town.browser()
    assert push_town.who(old).state == "active"  # type: ignore[union-attr]
    before, after = json.dumps(old.subscription), json.dumps(new.subscription)
    assert "60601" in push_town.post("/push/mine", subscription=before).text
    assert push_town.post("/push/renew", old=before, subscription=after).status_code == 202
    push_town.town.deliver()
    assert push_town.post("/push/leave", subscription=before).status_code == 404
    assert push_town.post("/push/leave", subscription=after).status_code == 204
    assert push_town.who(new) is None
