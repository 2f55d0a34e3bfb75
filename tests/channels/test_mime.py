"""The bytes of a mail, against what the email package makes for the same recipient."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from email import message_from_bytes
from email import policy as policies
from email.header import decode_header, make_header
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monitor.channels.email.mime import Form, MailSender, check_address
from monitor.channels.placeholders import fill
from monitor.domain import Envelope, Rendered, placeholder
from monitor.errors import Permanent
from tests.channels.examples import MESSAGE, NOW, SENDER, envelope

HEAD = MailSender.parse(SENDER)


def by_the_email_package(message: Rendered, to: Envelope, boundary: str) -> bytes:
    """The whole mail for one recipient, built from nothing as anybody would."""
    mail = EmailMessage(policy=policies.SMTP.clone(max_line_length=76))
    mail["Date"] = format_datetime(NOW)
    mail["To"] = to.address
    mail["Message-ID"] = to.message_id
    mail["List-Unsubscribe"] = f"<{to.placeholders['stop']}>"
    mail["From"] = Address("Map Monitor", "alerts", "watch.example")
    mail["Subject"] = message.subject
    mail["List-Id"] = "<alerts.watch.example>"
    mail["Auto-Submitted"] = "auto-generated"
    mail["Precedence"] = "list"
    mail.set_content(fill(message.text, to.placeholders), cte="quoted-printable")
    mail.add_alternative(
        fill(message.html, to.placeholders, html.escape), subtype="html", cte="quoted-printable"
    )
    mail.set_boundary(boundary)
    return mail.as_bytes()


def boundary_of(mail: bytes) -> str:
    found = re.search(rb'boundary="([^"]+)"', mail)
    assert found is not None
    return found[1].decode()


def test_the_bytes_equal_what_the_email_package_makes_for_that_recipient() -> None:
    message = replace(MESSAGE, subject="Hammond Police Department (IN) added to the map")
    form = Form(message, HEAD)
    for to in (envelope(), envelope("zoe+alerts@a.very-long.sub.domain.example", 123456)):
        mail = form.fill(to, NOW)
        assert mail == by_the_email_package(message, to, boundary_of(mail))


# what stands in our messages: no line separators but \n (render.clean takes the others out) and no
# private-use characters
words = st.text(st.characters(exclude_categories=("C", "Zl", "Zp")), max_size=120)
lines = st.lists(
    st.one_of(
        words,
        st.tuples(words, st.sampled_from(["asked", "stop"]), words).map(
            lambda t: t[0] + placeholder(t[1]) + t[2]
        ),
    ),
    max_size=6,
).map(lambda each: "\n".join([*each, ""]))


@given(text=lines, markup=lines, asked=words)
def test_any_text_survives_encoding_with_its_marks_filled(text: str, markup: str, asked: str) -> None:
    message = Rendered(subject="A subject", text=text, html=markup)
    to = envelope(asked=asked)
    mail = Form(message, HEAD).fill(to, NOW)
    assert mail == by_the_email_package(message, to, boundary_of(mail))
    assert all(len(line) <= 76 for line in mail.partition(b"\r\n\r\n")[2].split(b"\r\n"))
    read = message_from_bytes(mail, policy=policies.SMTP)
    plain = read.get_body(("plain",))
    assert plain is not None
    assert plain.get_content().replace("\r", "").rstrip("\n") == fill(text, to.placeholders).rstrip("\n")


def test_a_link_of_any_length_is_divided_where_the_email_package_divides_it() -> None:
    """No escape is cut, wherever its "=" stands, and a line is as long as it may be."""
    links = [
        f"https://w.example/?{'a' * before}={'b' * after}" for before in range(90) for after in (0, 9, 80)
    ]
    text = "".join(f"{placeholder('asked')}{link}\n" for link in links)
    message, to = Rendered(subject="A subject", text=text, html=text), envelope(asked="x")
    mail = Form(message, HEAD).fill(to, NOW)
    assert mail == by_the_email_package(message, to, boundary_of(mail))


@given(words)
@example("Hammond Police Department (IN) added to Ring's map — señal — " + "ñ" * 150)
@example("=?utf-8?b?4oCu?= an encoded word that decodes to a bidi override")
@example("a" * 200)
def test_any_subject_arrives_as_it_was_on_lines_that_are_short_enough(text: str) -> None:
    subject = " ".join(text.split())
    mail = Form(Rendered(subject=text, text="t", html="h"), HEAD).fill(envelope(), NOW)
    unfolded = re.sub(r"\r\n(?=[ \t])", "", message_from_bytes(mail)["Subject"]).strip()
    assert str(make_header(decode_header(unfolded))) == subject
    head = mail.partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert all(len(line) <= 78 or subject.isascii() for line in head)
    assert all(len(line) <= 998 for line in head)


def test_a_sender_may_have_a_name_of_any_script() -> None:
    head = MailSender.parse("Vigía — Mapa, S.A. <alerts@watch.example>")
    read = message_from_bytes(Form(MESSAGE, head).fill(envelope(), NOW))
    assert str(make_header(decode_header(read["From"]))) == "Vigía — Mapa, S.A. <alerts@watch.example>"


def test_text_comes_first_and_html_last() -> None:
    read = message_from_bytes(Form(MESSAGE, HEAD).fill(envelope(), NOW), policy=policies.SMTP)
    assert [part.get_content_type() for part in read.iter_parts()] == ["text/plain", "text/html"]


def test_the_headers_of_a_list_that_nobody_answers_are_there() -> None:
    read = message_from_bytes(Form(MESSAGE, HEAD).fill(envelope(), NOW), policy=policies.SMTP)
    assert read["From"] == "Map Monitor <alerts@watch.example>"
    assert read["To"] == "ann@people.example"
    assert str(make_header(decode_header(message_from_bytes(bytes(read))["Subject"]))) == MESSAGE.subject
    assert read["Message-ID"] == "<delivery-7@watch.example>"
    assert read["List-Id"] == "<alerts.watch.example>"
    assert read["Auto-Submitted"] == "auto-generated"
    assert read["Precedence"] == "list"
    assert read["Date"].datetime == NOW
    assert "List-Unsubscribe-Post" not in read


def test_stopping_by_mail_alone_is_advertised_until_the_site_serves_one_click() -> None:
    mail = Form(MESSAGE, HEAD).fill(envelope(), NOW)
    assert b"\r\nList-Unsubscribe: <mailto:alerts@watch.example?subject=stop%20TOKEN>\r\n" in mail
    assert b"One-Click" not in mail


def test_an_address_that_serves_one_click_comes_first_and_is_announced() -> None:
    long = "https://watch.example/u/" + "t" * 150
    to = envelope(stop="https://watch.example/m/T", stop_by_mail="mailto:stop@watch.example", one_click=long)
    mail = Form(MESSAGE, HEAD).fill(to, NOW)
    assert f"\r\nList-Unsubscribe: <{long}>, <mailto:stop@watch.example>\r\n".encode() in mail
    assert b"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in mail


@pytest.mark.parametrize(
    "address",
    [
        "a@b.c\r\nRCPT TO:<x@y.z>",
        "a@b.c\n",
        "a b@c.d",
        "<a@b.c>",
        "a@b.c>",
        "a@b@c.d",
        "a",
        "@b.c",
        "a@",
        "a..b@c.d",
        ".a@c.d",
        "a@-b.c",
        "a@b..c",
        'a"b"@c.d',
        "a,b@c.d",
        "a@[127.0.0.1]",
        "ä@b.example",
        "a\x00@b.c",
        "x" * 65 + "@b.c",
        "a@" + "b." * 130 + "c",
    ],
)
def test_an_address_that_could_say_more_than_an_address_never_reaches_the_library(address: str) -> None:
    with pytest.raises(Permanent) as refused:
        check_address(address)
    assert refused.value.address_gone
    assert len(address) == 1 or address not in str(refused.value)


def test_an_international_domain_is_written_in_ascii() -> None:
    assert check_address("ann@bücher.com") == "ann@xn--bcher-kva.com"


@pytest.mark.parametrize(
    "marks",
    [
        {"stop": "mailto:a@b.c\r\nBcc: x@y.z"},
        {"stop": "mailto:a@b.c> <mailto:x@y.z"},
        {"one_click": "https://watch.example/a b"},
        {"asked": "Feb 3\r\nBcc: x@y.z"},
        {"asked": placeholder("stop")},
    ],
)
def test_a_word_that_would_break_a_header_or_a_line_is_refused(marks: dict[str, str]) -> None:
    with pytest.raises(Permanent):
        Form(MESSAGE, HEAD).fill(envelope(**marks), NOW)


def test_a_mark_without_a_word_is_refused_and_not_sent_as_it_is() -> None:
    bare = Envelope(1, "ann@people.example", "<1@watch.example>", placeholders={"stop": "mailto:a@b.c"})
    with pytest.raises(Permanent, match="'asked'"):
        Form(MESSAGE, HEAD).fill(bare, NOW)


def test_a_subject_cannot_hold_a_second_header() -> None:
    mail = Form(Rendered(subject="a\r\nBcc: x@y.z", text="t", html="h"), HEAD).fill(envelope(), NOW)
    read = message_from_bytes(mail, policy=policies.SMTP)
    assert "Bcc" not in read
    assert read["Subject"] == "a Bcc: x@y.z"


def test_words_of_a_recipient_are_escaped_in_html_and_plain_in_text() -> None:
    mail = Form(MESSAGE, HEAD).fill(envelope(asked="<b>&"), NOW)
    read = message_from_bytes(mail, policy=policies.SMTP)
    plain, markup = (part.get_content() for part in read.iter_parts())
    assert "asked on <b>&." in plain
    assert "Asked on &lt;b&gt;&amp;<" in markup
