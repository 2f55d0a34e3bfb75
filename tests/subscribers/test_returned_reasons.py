"""What a report of several recipients does, and what the operator can read of it afterwards."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from monitor import subscribers
from monitor.keys import KeyFile
from monitor.storage import engine as db
from monitor.storage.deliveries.tables import DeliveryRow, RefusalRow
from monitor.subscribers import BounceVerdict
from tests.subscribers.conftest import ANN, member, who
from tests.subscribers.test_bounces import back, dsn, report

DAYS = timedelta(days=1)
POLICY = "Action: failed\nStatus: 5.7.1\nDiagnostic-Code: smtp; 550 5.7.1 blocked using a list"
CONTENT = "Action: failed\nStatus: 5.6.1\nDiagnostic-Code: smtp; 550 5.6.1 media not supported"
FOR_NOW = "Action: failed\nStatus: 4.2.2\nDiagnostic-Code: smtp; 452 4.2.2 full"
GONE = "Action: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 unknown"
FULL = "Action: failed\nStatus: 5.2.2\nDiagnostic-Code: smtp; 552 5.2.2 full"


@pytest.mark.parametrize(
    ("groups", "verdict"),
    [
        ((POLICY, GONE), BounceVerdict.SUPPRESSED),
        ((FOR_NOW, GONE), BounceVerdict.SUPPRESSED),
        ((CONTENT, GONE), BounceVerdict.SUPPRESSED),
        ((CONTENT, FULL), BounceVerdict.STRUCK),
        ((CONTENT, FOR_NOW), BounceVerdict.PASSED),
    ],
)
def test_each_recipient_of_a_report_is_looked_at(
    sqlite_engine: Engine, keys: KeyFile, now: datetime, groups: tuple[str, ...], verdict: BounceVerdict
) -> None:
    one = member(sqlite_engine, keys, now)
    mail = dsn("Reporting-MTA: dns; x.example\n\n" + "\n\n".join(groups), to=back(keys, one))
    assert subscribers.apply_mail(sqlite_engine, keys, mail, now) is verdict
    assert (who(sqlite_engine, keys) is None) is (verdict is BounceVerdict.SUPPRESSED)


@pytest.mark.parametrize(("later", "named"), [(5 * DAYS, True), (5 * DAYS + timedelta(seconds=1), False)])
def test_a_returned_mail_is_the_last_one_that_was_sent_within_five_days(
    sqlite_engine: Engine, keys: KeyFile, now: datetime, later: timedelta, named: bool
) -> None:
    one = member(sqlite_engine, keys, now)
    with db.transaction(sqlite_engine) as conn:
        conn.execute(sa.update(DeliveryRow).values(state="sent", settled_at=now))
        last = conn.scalar(sa.select(sa.func.max(DeliveryRow.c.id)))
    long = f"smtp; 550 5.7.1 {ANN} is blocked {'x' * 600}"
    mail = report(back(keys, one), "5.7.1", diagnosis=long)
    assert subscribers.apply_mail(sqlite_engine, keys, mail, now + later) is BounceVerdict.PASSED
    with db.reading(sqlite_engine) as conn:
        (row,) = conn.execute(sa.select(RefusalRow.__table__)).mappings()  # type: ignore[attr-defined]
    assert (row["delivery_id"], row["answer"]) == (last if named else None, "returned 5.7.1")
    assert row["error"].startswith("the mail server answered RCPT with 550 5.7.1 550 5.7.1 [address] ")
    assert ANN not in row["error"]
    assert len(row["error"]) < 300


def test_mail_that_comes_back_to_somebody_who_left_says_nothing(
    sqlite_engine: Engine, keys: KeyFile, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    one = member(sqlite_engine, keys, now)
    subscribers.remove(sqlite_engine, keys, now=now, subscriber=one.id)
    for status in ("5.7.1", "5.1.1", "5.2.2"):
        mail = report(back(keys, one), status, diagnosis="smtp; 550 blocked")
        assert subscribers.apply_mail(sqlite_engine, keys, mail, now) is BounceVerdict.PASSED
    assert [record for record in caplog.records if record.levelname == "WARNING"] == []
