"""A retraction reaches exactly those who were told and are still there, once, on both databases."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from monitor.channels import EVERYTHING
from monitor.domain import Envelope
from monitor.errors import Permanent, Transient, UsageError
from monitor.outbox import clone_guard
from monitor.outbox.digests import insert_due_digests
from monitor.outbox.outcomes import Outcome, OutcomeKind
from monitor.outbox.retract import check_reason, plan_retraction, retract
from monitor.outbox.settle import settle
from monitor.storage import engine as db
from monitor.storage import people, schema
from monitor.storage.deliveries import endings, queue
from monitor.storage.engine import reading, transaction
from monitor.storage.lists.retracted_changes import load_retracted
from monitor.storage.people import past_choices
from tests.outbox.world import CHICAGO, GARY, HAMMOND, Recorder, World, one_due, removed
from tests.subscribers.interleaving import interleave

WHY = {"en": "It was our error.", "es": "Fue un error nuestro."}


def last_change(world: World) -> int:
    return int(world.rows(schema.ChangeRow)[-1].id)


def change_of(world: World, name: str) -> int:
    (found,) = [
        row.id for row in world.rows(schema.ChangeRow) if (row.after or row.before or {}).get("name") == name
    ]
    return int(found)


def take_back(world: World, change: int | None = None) -> dict[str, int]:
    planned = plan_retraction(world.engine, change or last_change(world))
    done = retract(world.engine, change or last_change(world), WHY, now=world.now)
    assert dict(planned.channels) == dict(done.channels), "the dry run says what is done"
    return dict(done.channels)


def retractions(channel: Recorder) -> dict[str, int]:
    found: dict[str, int] = {}
    for each in channel.accepted:
        if each.subject == "retracted":
            found[each.address] = found.get(each.address, 0) + 1
    return found


def test_who_was_told_and_is_still_there_is_told_once(world: World) -> None:
    one_due(world, "told@a.example")
    gone = world.person("gone@a.example", "IN")
    world.person("elsewhere@a.example", "60601")
    world.publish(CHICAGO)
    world.fan_out()
    left = world.person("left@a.example", "46320")
    world.publish(HAMMOND)
    world.fan_out()
    channel = Recorder()
    world.send(channel)
    late = world.person("late@a.example", "IN")
    with transaction(world.engine) as conn:
        endings.end(conn, left, world.now)
        endings.end(conn, gone, world.now)
    world.later(hours=1)

    assert take_back(world) == {"email": 1}
    assert world.send(channel).sent == 1
    assert retractions(channel) == {"told@a.example": 1}
    (said,) = [each for each in channel.accepted if each.subject == "retracted"]
    first = [each for each in channel.accepted if each.address == "told@a.example"][-2]
    assert said.answers == first.message_id
    assert said.text == f"retracted {HAMMOND.name}: It was our error. (told {world.now:%m-%d})"
    assert late

    assert take_back(world) == {}
    world.later(days=400)
    assert world.send(channel).sent == 0


def test_of_several_changes_only_followers_of_the_retracted_one_are_told(world: World) -> None:
    world.person("both@a.example", "46320", "46402")
    world.person("hammond@a.example", "46324")
    world.person("gary@a.example", "46402")
    world.person("country@a.example", "US")
    world.publish(HAMMOND, GARY)
    world.fan_out()
    channel = Recorder()
    world.send(channel)
    world.later(hours=1)
    assert take_back(world, change_of(world, GARY.name)) == {"email": 3}
    world.send(channel)
    assert retractions(channel) == {"both@a.example": 1, "gary@a.example": 1, "country@a.example": 1}


def test_who_changed_places_since_is_told_of_what_they_were_told(world: World) -> None:
    moved = world.person("moved@a.example", "46402")
    came = world.person("came@a.example", "46320")
    world.publish(HAMMOND, GARY)
    world.fan_out()
    channel = Recorder()
    world.send(channel)
    world.later(hours=1)
    with transaction(world.engine) as conn:
        for who, old, new in ((moved, "46402", "60601"), (came, "46320", "46402")):
            past_choices.insert_past_follows(conn, who, "ring", [old], world.now)
            conn.execute(sa.delete(schema.SubscriptionRow).where(schema.SubscriptionRow.subscriber_id == who))
            people.follow(conn, who, [people.Follow("ring", new, "IN")], world.now)
    world.later(hours=1)
    assert take_back(world, change_of(world, GARY.name)) == {"email": 1}
    world.send(channel)
    assert retractions(channel) == {"moved@a.example": 1}


def test_nobody_is_told_any_more_what_is_retracted(world: World) -> None:
    world.person("both@a.example", "46320", "46402")
    world.person("gary@a.example", "46402")
    world.publish(HAMMOND, GARY)
    world.fan_out()
    assert take_back(world, change_of(world, GARY.name)) == {}
    channel = Recorder()
    world.send(channel)
    assert channel.told == {"both@a.example": [f"added {HAMMOND.name} because 46320"]}
    assert [row.last_error for row in world.rows() if row.state == "dropped"] == [
        "what it tells was retracted"
    ]


def test_a_retraction_before_the_fan_out_is_nobodys_news(world: World) -> None:
    world.person("a@a.example", "IN")
    world.person("daily@a.example", "IN", frequency="daily", digest_at=world.now, digest_since=world.now)
    world.publish(HAMMOND)
    assert take_back(world) == {}
    world.fan_out()
    world.later(hours=1)
    insert_due_digests(world.engine, world.now)
    channel = Recorder()
    world.send(channel)
    assert channel.accepted == []


def test_a_message_under_way_while_it_is_retracted_is_answered(world: World) -> None:
    world.person("a@a.example", "IN")
    world.person("b@b.example", "IN")
    world.publish(HAMMOND)
    world.fan_out()
    channel = Recorder(concurrency=1)
    seen: list[str] = []

    async def retract_now(envelope: Envelope) -> None:
        seen.append(envelope.address)
        if len(seen) == 1:
            assert retract(world.engine, last_change(world), WHY, now=world.now).total == 0

    channel.before = retract_now
    world.send(channel)
    world.send(channel)
    # the one that was with the server is told and answered; the other one may have been composed before
    told = {each.address for each in channel.accepted if each.subject != "retracted"}
    assert seen[0] in told
    assert retractions(channel) == dict.fromkeys(told, 1)


def test_digests_and_people_who_pause_get_it_by_itself(world: World) -> None:
    since = world.now - timedelta(hours=1)
    world.person("daily@a.example", "IN", frequency="daily", digest_at=world.now, digest_since=since)
    paused = world.person("paused@a.example", "IN")
    world.publish(HAMMOND)
    world.fan_out()
    channel = Recorder()
    world.later(hours=1)
    insert_due_digests(world.engine, world.now)
    world.send(channel)
    assert sorted(each.address for each in channel.accepted) == ["daily@a.example", "paused@a.example"]
    (digest,) = [each for each in channel.accepted if each.address == "daily@a.example"]
    world.write(
        sa.update(schema.SubscriberRow).where(schema.SubscriberRow.id == paused).values(state="paused")
    )
    assert take_back(world) == {"email": 2}
    world.send(channel)
    assert retractions(channel) == {"daily@a.example": 1}
    assert channel.accepted[-1].answers == digest.message_id
    world.write(
        sa.update(schema.SubscriberRow).where(schema.SubscriberRow.id == paused).values(state="active")
    )
    world.send(channel)
    assert retractions(channel) == {"daily@a.example": 1, "paused@a.example": 1}


def test_old_alerts_that_went_out_together_are_answered_by_their_one_message(world: World) -> None:
    world.person("a@a.example", "IN")
    world.publish(GARY)
    world.publish(HAMMOND)
    world.fan_out()
    world.later(days=2)
    channel = Recorder()
    world.send(channel)
    (together,) = channel.accepted
    take_back(world, change_of(world, HAMMOND.name))
    world.send(channel)
    assert channel.accepted[-1].answers == together.message_id
    assert channel.accepted[-1].delivery != together.delivery


def test_what_a_server_called_the_first_message_is_kept_and_named(world: World) -> None:
    one_due(world, "-100123", channel="telegram")
    one_due(world, "a@a.example")
    chat, mail = Recorder("telegram", called=lambda _: "4711"), Recorder()
    world.send(chat, mail)
    told = [row.id for row in world.rows() if row.reference == "4711"]
    assert len(told) == 2, "both alerts of the chat"
    assert take_back(world) == {"email": 1, "telegram": 1}
    world.send(chat, mail)
    assert (chat.accepted[-1].answered, mail.accepted[-1].answered) == ("4711", "")


def test_an_old_message_without_a_stored_name_is_retracted_too(world: World) -> None:
    one_due(world, "-100123", channel="telegram")
    chat = Recorder("telegram")
    world.send(chat)
    take_back(world)
    world.send(chat)
    assert [each.answered for each in chat.accepted] == ["", ""]
    assert retractions(chat) == {"-100123": 1}


def test_a_chat_under_a_new_number_gets_it_there_and_names_no_old_post(world: World) -> None:
    one_due(world, "-100", channel="telegram")
    chat = Recorder("telegram", called=lambda _: "4711")
    world.send(chat)
    world.publish(CHICAGO)
    world.person("-200", "60601", channel="telegram")
    world.publish(GARY)
    world.fan_out()
    chat.will("-100", Permanent("moved", moved_to="-300"))
    world.send(chat)
    assert take_back(world, change_of(world, HAMMOND.name)) == {"telegram": 1}
    world.send(chat)
    assert (chat.accepted[-1].address, chat.accepted[-1].answered) == ("-300", "")


def test_a_chat_that_became_another_subscriber_gets_it_once(world: World) -> None:
    first = one_due(world, "-100", channel="telegram")
    chat = Recorder("telegram", called=lambda _: "4711")
    world.send(chat)
    other = world.person("-200", "46320", "60601", channel="telegram")
    world.later(hours=1)
    with transaction(world.engine) as conn:
        endings.merge(conn, first, other, world.now)
    assert take_back(world) == {"telegram": 1}
    world.later(hours=1)
    third = world.person("-300", "IN", channel="telegram")
    with transaction(world.engine) as conn:
        endings.merge(conn, other, third, world.now)
    world.send(chat)
    assert retractions(chat) == {"-300": 1}


def test_a_message_that_may_have_arrived_is_answered_too(world: World) -> None:
    one_due(world, "a@a.example")
    channel = Recorder()
    channel.will("a@a.example", Transient("no answer", ambiguous=True))
    world.send(channel)
    assert channel.accepted == []
    assert take_back(world) == {"email": 1}
    world.later(days=1)
    world.send(channel)
    assert [each.subject for each in channel.accepted] == ["retracted"]


def test_it_is_tried_again_like_every_message(world: World) -> None:
    one_due(world, "a@a.example")
    channel = Recorder()
    world.send(channel)
    take_back(world)
    channel.will("*", Transient("away", lane=EVERYTHING))
    world.send(channel)
    assert retractions(channel) == {}
    world.later(days=1)
    world.send(channel)
    assert retractions(channel) == {"a@a.example": 1}


def test_the_first_message_is_named_as_it_was_before_sending_began_anew(world: World) -> None:
    one_due(world, "a@a.example")
    channel = Recorder()
    world.send(channel)
    world.later(hours=1)
    clone_guard.allow_sending(world.engine, world.folder, now=world.now)
    world.later(hours=1)
    clone_guard.allow_sending(world.engine, world.folder, now=world.now)
    take_back(world)
    world.send(channel)
    first, said = channel.accepted
    assert said.answers == first.message_id
    assert said.message_id != first.message_id


def test_removals_are_retracted_like_additions(world: World) -> None:
    world.person("a@a.example", "IN")
    world.publish(removed(HAMMOND))
    world.fan_out()
    channel = Recorder()
    world.send(channel)
    assert take_back(world) == {"email": 1}


def test_only_what_was_announced_can_be_retracted(world: World) -> None:
    one_due(world)
    change = last_change(world)
    with pytest.raises(UsageError, match="no change 999"):
        retract(world.engine, 999, WHY, now=world.now)
    with pytest.raises(UsageError, match="needs a reason"):
        retract(world.engine, change, {"en": "  "}, now=world.now)
    for texts in ({"en": "x" * 1001}, {"en": "x", "es": "x" * 1001}, {"en": "x" * 1001, "es": "x"}):
        with pytest.raises(UsageError, match="1001 characters"):
            retract(world.engine, change, texts, now=world.now)
    assert check_reason({"en": f" {'x' * 1000} ", "es": " "}) == {"en": "x" * 1000}
    world.write(sa.update(schema.ChangeRow).where(schema.ChangeRow.id == change).values(origin="imported"))
    with pytest.raises(UsageError, match="import"):
        retract(world.engine, change, WHY, now=world.now)
    world.write(
        sa.update(schema.ChangeRow).where(schema.ChangeRow.id == change).values(origin=None, state="held")
    )
    with pytest.raises(UsageError, match="was not announced"):
        plan_retraction(world.engine, change)
    with transaction(world.engine) as conn:
        assert load_retracted(conn, [1]) == frozenset()


def test_the_log_says_what_is_retracted_and_why(world: World) -> None:
    one_due(world)
    take_back(world)
    take_back(world)
    (leaf,) = world.rows(schema.LogLeafRow)
    assert '"type":"retraction"' in leaf.content
    assert '"reason":{"en":"It was our error.","es":"Fue un error nuestro."}' in leaf.content
    assert '"name":"Hammond Police Department"' in leaf.content


@pytest.mark.parametrize("settles_first", [True, False])
def test_settling_and_retracting_at_once_leave_nobody_out(world: World, settles_first: bool) -> None:
    """With the one in every gap between two statements of the other."""
    world.person("a@a.example", "IN")
    other = db.connect(world.engine.url.render_as_string(hide_password=False))
    try:
        for at in itertools.count(1):
            world.publish(HAMMOND)
            world.fan_out()
            change, row = last_change(world), world.rows()[-1]
            with reading(world.engine) as conn:
                claimed = queue.load_claimed(conn, [row.id])
            sent = Outcome(
                kind=OutcomeKind.SENT,
                ids=(row.id,),
                deliveries=claimed,
                moment=world.now,
                told=frozenset({change}),
            )

            def settle_it(engine: Engine, sent: Outcome = sent) -> None:
                with transaction(engine) as conn:
                    settle(conn, world.keys, "email", "test", [sent], world.now)

            def take_it_back(engine: Engine, change: int = change) -> None:
                retract(engine, change, WHY, now=world.now)

            first, second = (settle_it, take_it_back) if settles_first else (take_it_back, settle_it)
            done = interleave(
                (world.engine, other),
                lambda first=first: first(world.engine),  # type: ignore[misc]
                lambda second=second: second(other),  # type: ignore[misc]
                at,
            )
            owed = [each for each in world.rows() if each.kind == "retraction" and each.about == str(change)]
            assert len(owed) == 1, at
            if not done.stopped:
                break
    finally:
        other.dispose()
    assert at > 5


def test_two_retractions_at_once_leave_one_entry_in_the_log(world: World) -> None:
    """With the one in every gap between two statements of the other."""
    world.person("a@a.example", "IN")
    other = db.connect(world.engine.url.render_as_string(hide_password=False))
    try:
        for at in itertools.count(1):
            world.publish(HAMMOND)
            world.fan_out()
            change = last_change(world)

            def take_it_back(engine: Engine, change: int = change) -> None:
                retract(engine, change, WHY, now=world.now)

            done = interleave(
                (world.engine, other),
                lambda take=take_it_back: take(world.engine),  # type: ignore[misc]
                lambda take=take_it_back: take(other),  # type: ignore[misc]
                at,
            )
            leaves = [each for each in world.rows(schema.LogLeafRow) if '"type":"retraction"' in each.content]
            assert len(leaves) == at
            if not done.stopped:
                break
    finally:
        other.dispose()
    assert at > 5
