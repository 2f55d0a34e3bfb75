"""The folder that stands in for a server."""

from __future__ import annotations

import asyncio
from email import message_from_bytes
from email import policy as policies
from pathlib import Path

import pytest

from monitor.channels import Channel
from monitor.channels.email.mime import Form, MailSender
from monitor.channels.kinds import KINDS
from monitor.channels.mailbox import Mailbox, file_name
from monitor.domain import Envelope, Rendered
from monitor.errors import Permanent, Transient
from tests.channels.examples import MESSAGE, NOW, SENDER, clock, envelope


def write(channel: Channel, *to: Envelope, message: Rendered = MESSAGE) -> None:
    async def run() -> None:
        async with channel:
            for each in to:
                await channel.send(message, each)

    asyncio.run(run())


def email(folder: Path) -> Mailbox:
    return Mailbox(folder, KINDS["email"], sender=SENDER, clock=clock)


def test_a_file_holds_exactly_the_bytes_of_the_mail(tmp_path: Path) -> None:
    write(email(tmp_path / "new" / "folder"), envelope())
    (file,) = (tmp_path / "new" / "folder").iterdir()
    assert [path.stat().st_mode & 0o777 for path in (file.parent, file)] == [0o700, 0o600]
    assert file.read_bytes() == Form(MESSAGE, MailSender.parse(SENDER)).fill(envelope(), NOW)


def test_a_copy_of_a_message_replaces_the_first(tmp_path: Path) -> None:
    write(email(tmp_path), envelope(), envelope(asked="Feb 4, 2026"))
    (file,) = tmp_path.iterdir()
    assert b"Feb 4, 2026" in file.read_bytes()


def test_files_sort_in_the_order_of_deliveries_and_name_nobody(tmp_path: Path) -> None:
    write(email(tmp_path), *(envelope(delivery=number) for number in (9, 10, 100)))
    names = sorted(file.name for file in tmp_path.iterdir())
    assert names == [file_name(envelope(delivery=number)) for number in (9, 10, 100)]
    assert all(name.endswith(".eml") and "people" not in name for name in names)


def test_a_message_id_from_anywhere_stays_in_the_folder() -> None:
    assert "/" not in file_name(Envelope(1, "a@b.c", "<../../etc/passwd@x>"))


def test_a_chat_gets_a_readable_mail_with_its_posts(tmp_path: Path) -> None:
    channel = Mailbox(tmp_path, KINDS["telegram"], sender=SENDER, clock=clock)
    message = Rendered(
        "A — señal",
        "t",
        "h",
        ('<b>Hammond</b> &amp; more\n<a href="https://x.example/1">Details</a>', "x" * 4090),
    )
    write(channel, envelope("@example_in"), message=message)
    (file,) = tmp_path.iterdir()
    mail = message_from_bytes(file.read_bytes(), policy=policies.default)
    assert mail["To"] == '"@example_in" <example_in@telegram.invalid>'
    plain, markup = (part.get_content().replace("\r", "") for part in mail.iter_parts())
    assert "Hammond & more\nDetails: https://x.example/1" in plain
    assert plain.count("-- next post --") == 1
    assert "<b>Hammond</b> &amp; more<br>" in markup
    assert channel.name == "telegram"
    assert channel.lane("@example_in") == "@example_in"


def test_a_bad_address_is_refused_as_by_the_mail_channel(tmp_path: Path) -> None:
    with pytest.raises(Permanent):
        write(email(tmp_path), envelope("a@b.c\r\nBcc: x@y.z"))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_tried_again_later(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Transient, match="cannot be written"):
        write(email(tmp_path / "file"), envelope())
