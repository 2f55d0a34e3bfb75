"""Diagnoses the environment: the sender's domain in the DNS, the clock, the disk, the key, the backup, the
site's database role.

Each finding says what to do. The DNS queries are those of mail receivers: SPF (RFC 7208), DMARC (RFC 7489)
and, if the selector is known, DKIM (RFC 6376).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import dns.exception
import dns.resolver
from sqlalchemy.engine import Engine, make_url

from monitor.errors import StoreError
from monitor.formatting import format_minute
from monitor.ops.health import HealthFacts, HostFacts, check_host, find_full_disk
from monitor.ops.record_health import check_record
from monitor.record.signing import find_log_key_problem
from monitor.storage import database_facts, grants
from monitor.storage.engine import connect, reading

_TIMEOUT = 5.0  # s, for one query
_CLOCK_OFF = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The result of one check. ``ok`` None: it could not be checked, which is not an error."""

    what: str
    ok: bool | None
    message: str


class DomainRecords:
    """Queries the DNS. ``nameservers`` replaces the system's (address and port)."""

    def __init__(self, nameservers: Sequence[tuple[str, int]] = ()) -> None:
        self._resolver = dns.resolver.Resolver(configure=not nameservers)
        self._resolver.lifetime = _TIMEOUT
        if nameservers:
            self._resolver.nameservers = [address for address, _ in nameservers]
            self._resolver.port = nameservers[0][1]

    def texts(self, name: str) -> tuple[str, ...]:
        """Query the TXT records of a name, () if there are none. Raises DNSException if no server answers."""
        try:
            answer = self._resolver.resolve(name, "TXT")
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return ()
        return tuple(b"".join(record.strings).decode("utf-8", "replace") for record in answer)

    def takes_mail(self, name: str) -> bool:
        """Query whether a domain has MX records, or an address instead. Raises DNSException if no server
        answers.
        """
        for kind in ("MX", "A", "AAAA"):
            try:
                self._resolver.resolve(name, kind)
            except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
                continue
            return True
        return False


def diagnose_domain(records: DomainRecords, domain: str, selector: str | None) -> Iterator[Diagnosis]:
    """Check the records that mail receivers query about the sender's domain."""
    try:
        yield _diagnose_spf(records.texts(domain), domain)
        yield _diagnose_dmarc(records.texts(f"_dmarc.{domain}"), domain)
        yield (
            Diagnosis("DNS: DKIM", None, "not looked at: name your relay's selector with --selector")
            if selector is None
            else diagnose_dkim(records, domain, selector)
        )
        takes = records.takes_mail(domain)
        yield Diagnosis(
            "DNS: bounces",
            takes,
            f"{domain} takes mail, so bounces and answers arrive"
            if takes
            else f"{domain} has neither MX nor an address: bounces are lost; send from a domain that takes "
            "mail",
        )
    except dns.exception.DNSException as error:
        yield Diagnosis(
            "DNS",
            None,
            f"no name server answered ({type(error).__name__}): try again, or name one: --nameserver 9.9.9.9",
        )


def diagnose_clock(answers: Sequence[tuple[str, datetime]]) -> Diagnosis:
    """Compare this machine's clock with publishers' servers: the Date header of each answer, and our time at
    that moment.
    """
    differences = [at - said for date, at in answers if (said := _read_date(date)) is not None]
    if not differences:
        return Diagnosis("clock", None, "no publisher has answered with its time")
    nearest = min(differences, key=abs)
    seconds = int(nearest.total_seconds())
    if abs(nearest) <= _CLOCK_OFF:
        return Diagnosis("clock", True, f"within {abs(seconds)} s of a publisher's")
    side = "ahead of" if seconds > 0 else "behind"
    return Diagnosis(
        "clock", False, f"{abs(seconds)} s {side} every publisher's: set this machine's clock (NTP)"
    )


def diagnose_host(facts: HealthFacts) -> Iterator[Diagnosis]:
    """Check the key, the disk and the backup."""
    found = {finding.part: finding for finding in check_host(facts)}
    host = facts.host
    made = host.last_backup_at
    backup = f"the last one is of {format_minute(made)}" if made else "none; `monitor backup` makes one"
    good = {
        "key": "the key file is this database's, and nobody else can read it"
        if host.key_made
        else "none yet; `monitor init` and the first start make it",
        "disk": _describe_free(host.disk_free),
        "backup": backup,
    }
    for part, message in good.items():
        finding = found.get(part)
        if finding is not None:
            command = f"`{finding.remedy}`" if finding.remedy else ""
            message = finding.problem if command in finding.problem else f"{finding.problem}; run {command}"
        yield Diagnosis(part, finding is None, message)


def diagnose_disk(host: HostFacts) -> Diagnosis:
    """Check the disk alone, where the database cannot be read: a full disk may be the reason."""
    finding = find_full_disk(host)
    return Diagnosis("disk", finding is None, finding.problem if finding else _describe_free(host.disk_free))


def _describe_free(free: int | None) -> str:
    return "not known" if free is None else f"{free / 1e6:,.0f} MB free"


def diagnose_log_key(engine: Engine, folder: Path) -> Diagnosis:
    """Check the key that signs the record. Raises StoreError."""
    problem = find_log_key_problem(engine, folder)
    return Diagnosis("record key", problem is None, problem or "it signs this record, or was not needed yet")


def diagnose_record(facts: HealthFacts) -> Diagnosis:
    """Say whether the database is an older copy than the record that was published, or was one."""
    if facts.host.lost_head:
        return Diagnosis("record", False, next(each.problem for each in check_record(facts) if each.remedy))
    if facts.forks:
        last = facts.forks[-1]
        text = f"it goes on from an older copy since {format_minute(last.at)} (its entry {last.entry})"
        return Diagnosis("record", None, f"{text}: {last.published!r} was published and is not in it")
    return Diagnosis("record", True, "it continues what was published last")


def diagnose_site_role(engine: Engine, web_url: str | None) -> Iterator[Diagnosis]:
    """Check the role under which the site opens the database: that of ``web_url``, or the one that `monitor
    grant` created. Yields nothing if there is none.
    """
    what = "the site's role"
    if engine.dialect.name != "postgresql":
        if web_url is not None:
            yield Diagnosis(what, False, "[database] web_url is set, but url is not PostgreSQL: remove it")
        return
    with reading(engine) as conn:
        role = (
            make_url(web_url).username if web_url is not None else database_facts.get(conn, grants.SITE_ROLE)
        )
        if role is None:
            return
        problems = list(grants.find_grant_problems(conn, role))
    if web_url is not None and not problems:
        site = connect(web_url)
        try:
            with reading(site) as conn:
                if database_facts.load_identity(conn) != _read_identity(engine):
                    problems.append("[database] web_url leads to another database than url")
        except StoreError as error:
            reason = str(error).replace("[database] url", "[database] web_url")
            yield Diagnosis(what, False, f"{role}: {reason}")
            return
        finally:
            site.dispose()
    if problems:
        text = "; ".join(problems)
        yield Diagnosis(what, False, f"{role}: {text}: run `monitor grant {role}`, or check web_url")
    else:
        yield Diagnosis(what, True, f"{role} cannot read addresses, and has what the site needs")


def _read_identity(engine: Engine) -> str | None:
    with reading(engine) as conn:
        return database_facts.load_identity(conn)


def _diagnose_spf(texts: Sequence[str], domain: str) -> Diagnosis:
    records = [text for text in texts if text.lower().split(" ")[0] == "v=spf1"]
    if len(records) == 1:
        return Diagnosis("DNS: SPF", True, f'"{records[0]}"; your relay must be among what it names')
    if records:
        return Diagnosis(
            "DNS: SPF",
            False,
            f"{domain} has {len(records)} SPF records, which counts as none: make one of them",
        )
    return Diagnosis(
        "DNS: SPF",
        False,
        f'{domain} has no SPF record: publish a TXT record such as "v=spf1 include:your-relay.example -all"',
    )


def _diagnose_dmarc(texts: Sequence[str], domain: str) -> Diagnosis:
    record = next((text for text in texts if text.lower().replace(" ", "").startswith("v=dmarc1")), None)
    if record is None:
        return Diagnosis(
            "DNS: DMARC",
            False,
            f'_dmarc.{domain} has no record: publish "v=DMARC1; p=none; rua=mailto:you@{domain}"',
        )
    return Diagnosis("DNS: DMARC", True, f'"{record}"')


def diagnose_dkim(records: DomainRecords, domain: str, selector: str) -> Diagnosis:
    """Look up the key of a selector (RFC 6376, 3.6.1). Raises DNSException if no server answers."""
    name = f"{selector}._domainkey.{domain}"
    tags = [
        dict(part.strip().partition("=")[::2] for part in text.split(";")) for text in records.texts(name)
    ]
    key = next((tag["p"].strip() for tag in tags if "p" in tag), None)
    if key is None:
        return Diagnosis(
            "DNS: DKIM", False, f"{name} has no key: publish the record that your relay shows you"
        )
    if not key:
        return Diagnosis("DNS: DKIM", False, f"the key at {name} is revoked: publish the current one")
    return Diagnosis("DNS: DKIM", True, f"{name} has a key")


def _read_date(value: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
