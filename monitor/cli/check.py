"""`monitor check`: tests every part of a configuration."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from monitor import app, subscribers
from monitor.app import Components
from monitor.channels import kinds
from monitor.config import LOOPBACK, Settings, find_warnings
from monitor.core import tokens
from monitor.core.tokens import Purpose
from monitor.domain import Envelope
from monitor.errors import ConfigError, KeyFileError, MigrationError, MonitorError, StoreError, UsageError
from monitor.fetch import Fetched
from monitor.formatting import format_count
from monitor.keys import NAME
from monitor.ops.doctor import (
    Diagnosis,
    DomainRecords,
    diagnose_clock,
    diagnose_disk,
    diagnose_domain,
    diagnose_host,
    diagnose_log_key,
    diagnose_record,
    diagnose_site_role,
)
from monitor.ops.mail_diagnosis import diagnose_mail
from monitor.polling import fetch_whole
from monitor.storage.key_exchange import find_key_problem

if TYPE_CHECKING:
    from monitor.domain import Publication

REVIEW_AFTER = timedelta(days=365)
"""The meaning of a listing changes over the years: older texts need the operator's review."""


def run_checks(
    settings: Settings,
    to: str | None,
    path: Path | None = None,
    *,
    on_answer: Callable[[Fetched], object] = lambda answer: None,
) -> Iterator[Diagnosis]:
    """Test every part in order and yield each finding at once; a part that fails does not stop the others.

    ``to`` is an address or chat for a sample alert. ``path`` is the configuration file, None for
    ``./config.toml``. ``on_answer`` gets each publisher's answer. Raises UsageError when no sample can be
    sent there.
    """
    channel = _sample_channel(settings, to) if to else None
    yield from _check_file(path)
    yield from _check_database(settings)
    yield from _check_site(settings)
    yield from _check_notify(settings)
    yield from _check_tables(settings)
    yield from _check_sources(settings, on_answer)
    yield from _check_meanings(settings)
    yield from asyncio.run(_check_channels(settings))
    if to and channel:
        yield asyncio.run(_check_part(f"sample by {channel}", lambda: _send_sample(settings, channel, to)))


def run_doctor(
    settings: Settings,
    path: Path | None,
    *,
    selector: str | None,
    nameserver: str | None,
    mail: bytes | None = None,
) -> Iterator[Diagnosis]:
    """Check the environment of the service, then run every check of `run_checks`; yield each finding at
    once. ``mail`` is an email of this service as it was received.
    """
    records = DomainRecords([_split_nameserver(nameserver)] if nameserver else [])
    domain = app.sender_address(settings).rpartition("@")[2] if settings.email.sender else ""
    if domain:
        yield from diagnose_domain(records, domain, selector)
    if mail is not None:
        yield from diagnose_mail(mail, domain, records)
    try:
        if app.describe_missing_database(settings) is None:
            with Components.open_existing(settings) as components:
                facts = components.load_health()
                yield from diagnose_host(facts)
                yield diagnose_log_key(components.engine, settings.data.folder)
                yield diagnose_record(facts)
                yield from diagnose_site_role(components.engine, settings.database.web_url)
    except MigrationError:
        pass  # `run_checks` tells it
    except StoreError as error:
        yield Diagnosis("host", None, f"key, backup and record are not looked at: {error}")
        yield diagnose_disk(app.read_disk(settings))
    answers: list[tuple[str, datetime]] = []

    def note_time(answer: Fetched) -> None:
        date = next((value for header, value in answer.headers if header.lower() == "date"), "")
        answers.append((date, app.now()))

    yield from run_checks(settings, None, path, on_answer=note_time)
    yield diagnose_clock(answers)


def _split_nameserver(text: str) -> tuple[str, int]:
    """Parse an address, with or without a port. Raises UsageError."""
    host, _, port = text.rpartition(":") if text.count(":") == 1 else (text, "", "53")
    try:
        return str(ip_address(host)), int(port)
    except ValueError:
        raise UsageError(f"{text} is not the address of a name server: write one, such as 9.9.9.9") from None


def _check_file(path: Path | None) -> Iterator[Diagnosis]:
    for warning in find_warnings(path):
        yield Diagnosis("configuration", True, f"warning: {warning}")


def _check_database(settings: Settings) -> Iterator[Diagnosis]:
    try:
        missing = app.describe_missing_database(settings)
        if missing:
            yield Diagnosis("database", True, f"warning: {missing}")
            return
        with Components.open_existing(settings) as components:
            url = components.engine.url.render_as_string(hide_password=True)
            problem = find_key_problem(components.engine, settings.data.folder)
            has_key = (settings.data.folder / NAME).exists()
        fine = f"{url}, with its key" if has_key else f"{url}; the first start makes its key"
        yield Diagnosis("database", problem is None, problem or fine)
    except MonitorError as error:
        yield Diagnosis("database", False, str(error))


def _check_site(settings: Settings) -> Iterator[Diagnosis]:
    """Warn about a proxy that is probably on another machine and is not trusted."""
    host, _ = settings.site.listen_at
    address = settings.site.public_url or ""
    if (
        address.startswith("https:")
        and host not in {"localhost", "127.0.0.1", "::1"}
        and settings.site.trusted_proxies == LOOPBACK
    ):
        yield Diagnosis(
            "site",
            True,
            f"warning: it listens on {host}; name a proxy on another machine in [site] trusted_proxies,"
            " or the sign-up limits count all visitors as one network",
        )


def _check_notify(settings: Settings) -> Iterator[Diagnosis]:
    """Check that a configured channel reaches each address for notices."""
    try:
        app.notice_ways(settings)
    except MonitorError as error:
        yield Diagnosis("notify", False, str(error))


def _check_tables(settings: Settings) -> Iterator[Diagnosis]:
    """Read the operator's tables of places and laws, if there are any."""
    from monitor.web.records_laws import load_laws

    laws = settings.documents.laws
    for what, path, read in (
        ("places", settings.places.overrides, lambda: app.load_gazetteer(settings)),
        ("laws", laws, lambda: laws and load_laws(laws)),
    ):
        if path is None:
            continue
        try:
            read()
        except ConfigError as error:
            yield from (Diagnosis(what, False, problem) for problem in error.problems)
        else:
            yield Diagnosis(what, True, str(path))


def _check_sources(settings: Settings, on_answer: Callable[[Fetched], object]) -> Iterator[Diagnosis]:
    # a person waits for the answer, and can ask again
    with app.open_parser(settings) as parser, app.open_fetcher(settings, parser, attempts=1) as fetcher:
        for name in settings.watched:
            source = app.polled_source(settings, name)
            try:
                fetched = fetcher.get(source.target)
                assert isinstance(fetched, Fetched)  # the request was not conditional
                on_answer(fetched)
                fetched = fetch_whole(fetcher, fetched, parser, source.options, source.target)
                assert isinstance(fetched, Fetched)
                publication = parser.parse(fetched.body, source.options)
            except MonitorError as error:
                reason = str(error).removesuffix(".")
                advice = f"look at its address in a browser, and at [sources.{name}]"
                yield Diagnosis(name, False, f"{reason}; {advice}")
                continue
            found = format_count(len(publication.listings), "listing")
            if publication.problems:
                found += (
                    f", {format_count(len(publication.problems), 'problem')}: {_name_problems(publication)}"
                )
            yield Diagnosis(name, True, found)


def _name_problems(publication: Publication) -> str:
    """Format the number of problems of each kind, and the text of the first one."""
    kinds = Counter(problem.kind for problem in publication.problems).most_common(5)
    first = publication.problems[0]
    where = f"row {first.row}" if first.row else "the list"
    said = ", ".join(f"{count} x {kind}" for kind, count in kinds)
    return f"{said}; the first, in {where}: {first.message}; monitor parse shows all"


def _check_meanings(settings: Settings) -> Iterator[Diagnosis]:
    """Warn about texts that are missing or were not reviewed for a year."""
    today = app.now().date()
    for name, source in settings.watched_infos.items():
        current = source.meaning(today)
        if current is None:
            yield Diagnosis(
                name,
                True,
                f"warning: no text says what being on this list means; write [[sources.{name}.meaning]]",
            )
        elif current.reviewed is None or today - current.reviewed > REVIEW_AFTER:
            yield Diagnosis(
                name,
                True,
                "warning: the text of its meaning was not reviewed for a year; check it and set reviewed",
            )


async def _check_channels(settings: Settings) -> list[Diagnosis]:
    if settings.mailbox.folder:
        return [
            Diagnosis("mailbox", True, f"every message is written to {settings.mailbox.folder}, none is sent")
        ]
    channels = app.open_channels(settings)
    found = []
    for name, kind in kinds.KINDS.items():
        section = settings.channel(name)
        if name not in channels:
            absence = kind.absence(section)
            found += [Diagnosis(name, *absence)] if absence else []
            continue
        async with channels[name] as channel:
            test = partial(_check_channel, settings, partial(kind.check, section, channel))
            found.append(await _check_part(name, test))
    return found


async def _check_channel(settings: Settings, test: Callable[[], Awaitable[str]]) -> str:
    """Test a channel; that the first start makes its key is no failure."""
    try:
        return await test()
    except KeyFileError:
        if _awaits_first_key(settings):
            return "configured; the first start makes its key"
        raise


def _awaits_first_key(settings: Settings) -> bool:
    """Whether there is no key because nothing was started yet: no file, and no row that needs one."""
    if (settings.data.folder / NAME).exists():
        return False
    if app.describe_missing_database(settings) is not None:
        return True
    with Components.open_existing(settings) as components:
        return find_key_problem(components.engine, settings.data.folder) is None


async def _check_part(what: str, test: Callable[[], Awaitable[str]]) -> Diagnosis:
    try:
        return Diagnosis(what, True, await test())
    except MonitorError as error:
        return Diagnosis(what, False, str(error))


def _sample_channel(settings: Settings, to: str) -> str:
    channel = kinds.recognize(to)
    subscribers.normalize_address(channel, to)
    if channel not in app.configured_channels(settings):
        raise UsageError(f"no sample can be sent: {channel} is not configured")
    return channel


async def _send_sample(settings: Settings, channel: str, to: str) -> str:
    """Send one alert, marked as a sample, over the real channel with the real templates."""
    from monitor.messages import locale

    now = app.now()
    # the sample belongs to no subscriber: its links lead to nothing
    alert = replace(app.sample_alert(settings, "en", now), permalink=None)
    rendered = kinds.KINDS[channel].renderer()(alert, replace(app.message_sender(settings), managed=False))
    address = app.sender_address(settings)
    envelope = Envelope(
        delivery=0,
        address=subscribers.normalize_address(channel, to),
        message_id=f"<sample.{int(now.timestamp())}@{address.rpartition('@')[2]}>",
        placeholders={
            "asked": locale.day(locale.local_day(now, settings.site.timezone), "en"),
            "stop": f"mailto:{address}?subject=sample",
            "bounce": tokens.make(b"sample", Purpose.BOUNCE, 1, "sample"),
        },
    )
    async with app.open_channels(settings)[channel] as open_channel:
        await open_channel.send(rendered, envelope)
    return "sent"
