"""`monitor explain`: one sentence for each thing that decided whether somebody was told."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from sqlalchemy.engine import Engine

from monitor import subscribers
from monitor.channels import EVERYTHING
from monitor.cli import root
from monitor.core.tokens import Purpose
from monitor.errors import UsageError
from monitor.keys import KeyFile
from monitor.ops.explain import Explanation, explain
from monitor.outbox import insert_due_digests
from monitor.outbox.retract import retract
from monitor.storage import engine as db
from monitor.storage import people
from monitor.storage.deliveries import fanout, pauses, queue
from monitor.storage.deliveries.tables import DeliveryRow
from monitor.storage.lists.tables import ChangeRow
from monitor.storage.people import past_choices
from monitor.storage.people.tables import PastStatusRow, PastSubscriptionRow
from monitor.subscribers import Preferences
from tests.subscribers.conftest import ANN, _published, ask, member, publish, small_town, token, who
from tests.subscribers.town import Town

__all__ = ["publish", "small_town"]

HOUR = timedelta(hours=1)
Publish = Callable[..., int]


def send_out(engine: Engine, changeset: int, now: datetime) -> int:
    """Fan a changeset out as placed; returns the id of its change."""
    with db.transaction(engine) as conn:
        assert fanout.mark_fanned_out(conn, changeset, now)
        fanout.insert_deliveries(conn, changeset, "ring", now)
        change = conn.scalar(sa.select(ChangeRow.c.id).where(ChangeRow.c.changeset_id == changeset))
        assert change is not None
        return int(change)


@pytest.fixture
def asking(engine: Engine, keys: KeyFile, now: datetime) -> Callable[..., Explanation]:
    def ask_why(change: int, address: str = ANN, at: datetime = now + HOUR, **more: object) -> Explanation:
        given = {"configured": {"email"}, "fenced": None} | more
        return explain(
            engine, keys, channel="email", address=address, change=change, now=at, **given  # type: ignore[arg-type]
        )  # fmt: skip

    return ask_why


def test_an_alert_that_waits_and_then_is_sent(
    engine: Engine, keys: KeyFile, publish: Publish, now: datetime, asking: Callable[..., Explanation]
) -> None:
    member(engine, keys, now)
    change = send_out(engine, publish("Chicago Police Department", now), now + HOUR)
    found = asking(change, fenced="this database looks copied", configured=set())
    assert found.verdict == "waiting"
    assert found.address != ANN
    assert [match.place for match in found.matches] == ["60601"]
    text = "\n".join(found.steps)
    for part in ("follow 60601", "is due since", "looks copied", "email is not configured"):
        assert part in text
    with db.transaction(engine) as conn:
        conn.execute(
            sa.text(
                "UPDATE delivery SET state = 'sent', attempts = 2, settled_at = due_at WHERE kind = 'alert'"
            )
        )
    found = asking(change)
    assert found.verdict == "alert"
    assert "accepted after 2 attempts" in "\n".join(found.steps)


def test_the_whole_state_is_named_as_the_rule(
    engine: Engine, keys: KeyFile, publish: Publish, now: datetime, asking: Callable[..., Explanation]
) -> None:
    member(engine, keys, now)
    change = send_out(engine, publish("State Police", now, "IL", "US", everyone=True), now)
    found = asking(change)
    assert [(match.place, match.statewide) for match in found.matches] == [("60601", True)]
    assert any("whole state" in step for step in found.steps)


def test_no_place_matches(
    engine: Engine, keys: KeyFile, publish: Publish, now: datetime, asking: Callable[..., Explanation]
) -> None:
    member(engine, keys, now)
    change = send_out(engine, publish("Gary Police Department", now, "46402", "IN", "US"), now)
    found = asking(change)
    assert found.verdict == "not told"
    assert found.steps[-1] == ("It concerns 46402, IN, US. Of this list they follow 60601: no place matches.")


def test_a_message_about_another_change_of_the_same_poll_does_not_tell_this_one(
    engine: Engine, keys: KeyFile, publish: Publish, now: datetime, asking: Callable[..., Explanation]
) -> None:
    member(engine, keys, now)
    theirs = publish("Chicago Police Department", now)
    with db.transaction(engine) as conn:
        other = _published(conn, "Gary Police Department", now, ("46402", "IN", "US"), "ring", False)
        conn.execute(
            sa.update(ChangeRow).where(ChangeRow.c.changeset_id == other).values(changeset_id=theirs)
        )
    send_out(engine, theirs, now)
    with db.reading(engine) as conn:
        told, untold = conn.scalars(sa.select(ChangeRow.c.id).order_by(ChangeRow.c.id)).all()
    assert asking(told).verdict == "waiting"
    found = asking(untold)
    assert found.verdict == "not told"
    assert found.steps[-1].endswith("tells them of other changes of the same poll.")


def test_who_came_later_was_not_told(
    engine: Engine, keys: KeyFile, publish: Publish, now: datetime, asking: Callable[..., Explanation]
) -> None:
    change = send_out(engine, publish("Chicago Police Department", now), now)
    member(engine, keys, now + HOUR)
    found = asking(change, at=now + 2 * HOUR)
    assert (found.verdict, "only since after" in found.steps[-1]) == ("not told", True)


def test_who_has_not_confirmed_was_not_told(
    engine: Engine, keys: KeyFile, publish: Publish, now: datetime, asking: Callable[..., Explanation]
) -> None:
    ask(engine, keys, now)
    change = send_out(engine, publish("Chicago Police Department", now), now + HOUR)
    found = asking(change)
    assert (found.verdict, found.steps[-1]) == ("not told", "They have not confirmed their address.")


def test_a_digest_waits_and_then_tells_it(
    engine: Engine, keys: KeyFile, publish: Publish, now: datetime, asking: Callable[..., Explanation]
) -> None:
    member(engine, keys, now, ANN, "60601", frequency="daily", timezone="America/Chicago", local_hour=8)
    change = send_out(engine, publish("Chicago Police Department", now), now + HOUR)
    found = asking(change)
    assert (found.verdict, "their daily digest" in found.steps[-1]) == ("waiting", True)
    assert insert_due_digests(engine, now + 2 * HOUR) == 1
    found = asking(change, at=now + 3 * HOUR)
    assert found.verdict == "waiting"
    assert [delivery.in_digest for delivery in found.deliveries] == [True]
    assert any(step.startswith("Digest ") for step in found.steps)


def test_never_and_erased_get_the_same_answer(
    engine: Engine, keys: KeyFile, publish: Publish, now: datetime, asking: Callable[..., Explanation]
) -> None:
    member(engine, keys, now)
    change = send_out(engine, publish("Chicago Police Department", now), now + HOUR)
    assert subscribers.remove(engine, keys, now=now, channel="email", address=ANN)
    erased, never = asking(change), asking(change, address="abc@example.org")
    assert (erased.verdict, erased.steps, erased.deliveries) == (never.verdict, never.steps, never.deliveries)
    assert erased.verdict == "unknown"


def test_what_is_not_published_or_not_there(
    engine: Engine, keys: KeyFile, publish: Publish, now: datetime, asking: Callable[..., Explanation]
) -> None:
    member(engine, keys, now)
    changeset = publish("Chicago Police Department", now)
    assert (asking(1).verdict, "not queued yet" in asking(1).steps[-1]) == ("waiting", True)
    with db.transaction(engine) as conn:
        conn.execute(
            sa.update(ChangeRow)
            .where(ChangeRow.c.changeset_id == changeset)
            .values(state="held", reason="40 at once", changeset_id=None)
        )
    found = asking(1)
    assert (found.verdict, "40 at once" in found.steps[-1]) == ("waiting", True)
    with pytest.raises(UsageError, match="monitor changes"):
        asking(999)


def test_the_command_prints_sentences_or_json(small_town: Town) -> None:
    small_town.member()
    config = ["--config", str(small_town.settings.data.folder.parent / "config.toml")]
    missing = CliRunner().invoke(root, ["explain", ANN, "1", *config])
    assert (missing.exit_code, "there is no change 1" in missing.output) == (2, True)
    with db.transaction(small_town.engine) as conn:
        changeset = _published(conn, "Chicago Police Department", small_town.now, ("60601",), "ring", False)
    change = send_out(small_town.engine, changeset, small_town.now)
    small_town.deliver()
    said = CliRunner().invoke(root, ["explain", ANN, str(change), *config])
    assert said.exit_code == 0, said.output
    assert "accepted at the first attempt" in said.output
    assert ANN not in said.output
    as_json = json.loads(CliRunner().invoke(root, ["explain", ANN, str(change), "--json", *config]).output)
    assert (as_json["verdict"], as_json["deliveries"][0]["state"]) == ("alert", "sent")
    pages = [
        f"https://watch.example/change/{change}",
        f"/es/changes/{changeset}#c{change}",
        f"changes/{changeset}",
    ]
    for page in pages:
        by_page = CliRunner().invoke(root, ["explain", ANN, page, *config])
        assert f"change {change} (+ Chicago Police Department (IL), ring): alert" in by_page.output, page
    with db.transaction(small_town.engine) as conn:
        second = _published(conn, "Chicago Park Police", small_town.now, ("60601",), "ring", False)
        third = _published(conn, "Chicago Lake Police", small_town.now, ("60601",), "ring", False)
        conn.execute(
            sa.update(ChangeRow).where(ChangeRow.c.changeset_id == third).values(changeset_id=second)
        )
    several = CliRunner().invoke(root, ["explain", "nobody@example.org", f"/changes/{second}", *config])
    assert several.output.count("unknown") == 1, "one answer is enough for an address that nobody has"
    several = CliRunner().invoke(root, ["explain", ANN, f"/changes/{second}", *config])
    assert several.output.count("waiting") == 2
    one = CliRunner().invoke(
        root, ["retract", f"/changes/{second}", "--reason", "wrong", "--dry-run", *config]
    )
    assert (one.exit_code, "has 2 changes" in one.output) == (2, True)
    only_announced = CliRunner().invoke(root, ["explain", ANN, "http://watch.example/about", *config])
    assert (only_announced.exit_code, "names no change" in only_announced.output) == (2, True)
    group = CliRunner().invoke(root, ["explain", "-1001234567890", str(change), "--json", *config])
    assert json.loads(group.output)["channel"] == "telegram", "the number of a group is negative"
    assert json.loads(group.output)["verdict"] == "unknown"


def change_to(engine: Engine, keys: KeyFile, one: people.Subscriber, at: datetime, **new: object) -> None:
    wanted = {"places": ("60601",), "sources": ("ring",), "language": "en", "frequency": "at_once"} | new
    link = subscribers.change(engine, keys, token(keys, Purpose.MANAGE, one), Preferences(**wanted), at)  # type: ignore[arg-type]
    assert link.subscriber is not None


def test_a_place_that_was_given_up_since_is_named_as_the_reason(
    engine: Engine, keys: KeyFile, publish: Publish, now: datetime, asking: Callable[..., Explanation]
) -> None:
    one = member(engine, keys, now)
    change = send_out(engine, publish("Chicago Police Department", now), now + HOUR)
    change_to(engine, keys, one, now + 2 * HOUR, places=("46402",))
    later = send_out(engine, publish("Chicago Police Department", now), now + 3 * HOUR)
    found = asking(change, at=now + 4 * HOUR)
    assert [(match.place, match.followed_until) for match in found.matches] == [("60601", now + 2 * HOUR)]
    assert any("They followed 60601 since" in step and "and until" in step for step in found.steps)
    assert found.verdict == "waiting", "the message was queued before"
    found = asking(later, at=now + 4 * HOUR)
    assert (found.verdict, found.matches) == ("not told", ())


def test_only_a_pause_of_the_channel_or_of_their_own_domain_is_named(
    engine: Engine, keys: KeyFile, publish: Publish, now: datetime, asking: Callable[..., Explanation]
) -> None:
    member(engine, keys, now)
    change = send_out(engine, publish("Chicago Police Department", now), now)
    until = now + 2 * HOUR
    for lane, sentence in (
        ("elsewhere.example", None),
        ("example.org", "Their part of the channel is paused until 2026-03-01 14:00 UTC: it is away."),
        (EVERYTHING, "The channel is paused until 2026-03-01 14:00 UTC: it is away."),
    ):
        with db.transaction(engine) as conn:
            pauses.set_pause(conn, "email", lane, until, "it is away")
        paused = [step for step in asking(change).steps if "paused" in step]
        assert paused == [] if sentence is None else sentence in paused, paused


def test_how_they_were_told_at_the_fan_out_is_remembered(
    engine: Engine, keys: KeyFile, publish: Publish, now: datetime, asking: Callable[..., Explanation]
) -> None:
    one = member(engine, keys, now)
    change_to(engine, keys, one, now + HOUR, pause_until=(now + timedelta(days=9)).date())
    paused = send_out(engine, publish("Chicago Police Department", now), now + 2 * HOUR)
    change_to(engine, keys, one, now + 3 * HOUR, frequency="weekly", timezone="America/Chicago", local_hour=8)
    weekly = send_out(engine, publish("Chicago Police Department", now), now + 4 * HOUR)
    change_to(engine, keys, one, now + 5 * HOUR)
    for change, sentence in ((paused, "had paused their messages"), (weekly, "had a weekly digest")):
        assert any(sentence in step for step in asking(change, at=now + 6 * HOUR).steps)
    assert insert_due_digests(engine, now + 6 * HOUR) == 1
    assert {asking(change, at=now + 7 * HOUR).verdict for change in (paused, weekly)} == {"waiting"}


def test_who_confirmed_after_the_fan_out_is_told_when(
    engine: Engine, keys: KeyFile, publish: Publish, now: datetime, asking: Callable[..., Explanation]
) -> None:
    ask(engine, keys, now)
    change = send_out(engine, publish("Chicago Police Department", now), now + HOUR)
    one = who(engine, keys)
    assert one is not None
    subscribers.confirm(engine, keys, token(keys, Purpose.CONFIRM, one), now + 2 * HOUR)
    found = asking(change, at=now + 3 * HOUR)
    assert found.verdict == "not told"
    assert f"{now + 2 * HOUR:%Y-%m-%d %H:%M}" in found.steps[-1]


def test_what_they_chose_before_is_kept_for_90_days_and_not_beyond_their_leaving(
    engine: Engine, keys: KeyFile, now: datetime
) -> None:
    def count() -> int:
        with db.reading(engine) as conn:
            return sum(
                conn.scalar(sa.select(sa.func.count()).select_from(table)) or 0
                for table in (PastSubscriptionRow, PastStatusRow)
            )

    stays, leaves = member(engine, keys, now), member(engine, keys, now, "bob@example.org")
    for one in (stays, leaves):
        change_to(engine, keys, one, now + HOUR, places=("46402",))
    assert count() == 6, "confirmed, changed, and gave up a place, both of them"
    subscribers.leave(engine, keys, token(keys, Purpose.UNSUBSCRIBE, leaves), now + 2 * HOUR)
    assert count() == 3
    subscribers.purge(engine, now + timedelta(days=89))
    assert count() == 3
    subscribers.purge(engine, now + timedelta(days=91))
    assert count() == 0
    with db.reading(engine) as conn:
        assert [follow.place for follow in people.load_follows(conn, stays.id)] == ["46402"]


def test_the_end_of_a_pause_is_remembered(
    engine: Engine, keys: KeyFile, publish: Publish, now: datetime, asking: Callable[..., Explanation]
) -> None:
    one = member(engine, keys, now)
    change_to(engine, keys, one, now + HOUR, pause_until=(now + timedelta(days=2)).date())
    change = send_out(engine, publish("Chicago Police Department", now), now + 2 * HOUR)
    assert insert_due_digests(engine, now + timedelta(days=3)) == 1
    with db.reading(engine) as conn:
        then = past_choices.load_status_at(conn, one.id, now + 2 * HOUR)
        assert past_choices.load_status_at(conn, one.id, now + timedelta(days=4)) is None
    assert then is not None
    assert then.state == "paused"
    assert any("had paused" in step for step in asking(change, at=now + timedelta(days=4)).steps)


def test_what_came_with_an_import_is_told_to_nobody(
    engine: Engine, keys: KeyFile, publish: Publish, now: datetime, asking: Callable[..., Explanation]
) -> None:
    member(engine, keys, now)
    change = send_out(engine, publish("Gary Police Department", now, "60601", "IL", "US"), now)
    with db.transaction(engine) as conn:
        conn.execute(
            sa.update(ChangeRow)
            .where(ChangeRow.c.id == change)
            .values(origin="imported", captured_by="An Archive")
        )
    found = asking(change)
    assert found.verdict == "not told"
    assert "An Archive captured what it rests on. Nobody is told of those." in found.steps[-1]


def test_a_retraction_is_the_last_thing_that_is_said(
    engine: Engine, keys: KeyFile, publish: Publish, now: datetime, asking: Callable[..., Explanation]
) -> None:
    member(engine, keys, now)
    change = send_out(engine, publish("Chicago Police Department", now), now + HOUR)
    with db.transaction(engine) as conn:
        (delivery,) = conn.scalars(sa.select(DeliveryRow.c.id).where(DeliveryRow.c.kind == "alert"))
        queue.settle_sent(conn, [delivery], now + HOUR)
    assert retract(engine, change, {"en": "Our error."}, now=now + 2 * HOUR).total == 1
    found = asking(change, at=now + 3 * HOUR)
    assert found.verdict == "alert"
    first, second, third = found.steps[-3:]
    assert first.startswith("The change was retracted on 2026-03-01 ")
    assert second.startswith("Retraction ")
    assert "is due since" in third
