"""Bundles that say another thing than the record: by strangers, and by the operator, who has the key."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import zlib
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from monitor.record import archive_check, verify
from monitor.record.archive_check import check_archive
from monitor.record.bundle import BundleBody, Quote
from monitor.record.checkpoint import Checkpoint, Signer, sign_note
from tests.record.test_bundle import (
    AFTER,
    BEFORE,
    CHANGE,
    PYTHON_WORDS,
    SIGNER,
    TIMES,
    bundle,
    edited,
    evidence,
    failures,
    resealed,
    resum,
    sha,
    without_proofs,
)

A_DAY: dict[str, Any] = {
    "change": None,
    "before": None,
    "after": None,
    "changes": (),
    "present": (),
    "absent": (),
    "day": date(2026, 3, 3),
}
SPARE = "Hobart"
LACKING = [Quote(sha(BEFORE), SPARE), Quote(sha(AFTER), SPARE)]


def with_claim(files: dict[str, bytes], **values: Any) -> dict[str, bytes]:
    """The claim in other words, signed again by the operator; None takes a value away."""
    claim = json.loads(files["claim.json"]) | values
    claim = {name: value for name, value in claim.items() if value is not None}
    text = json.dumps(claim, ensure_ascii=False, sort_keys=True, indent=1) + "\n"
    return resealed(files | {"claim.json": text.encode()})


def check(files: dict[str, bytes]) -> dict[str, str]:
    """What fails, each with a reason in one line that is no programmer's."""
    found = failures(files)
    for text in found.values():
        assert text.isprintable()
        assert len(text) > 20
        assert not PYTHON_WORDS.search(text), text
    return found


def test_a_day_is_claimed_with_all_its_publications() -> None:
    results = {name: (passed, text) for name, passed, text in verify.verify(bundle(**A_DAY))}
    assert all(passed for passed, _ in results.values()), results
    assert results["Claim"][1].startswith("2026-03-03. In the operator's words: ")
    results = {n: (passed, text) for n, passed, text in verify.verify(bundle(**A_DAY | {"absent": LACKING}))}
    assert results["Claim"][1].startswith("2026-03-03, without 'Hobart'. In the operator's words: ")


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"day": date(2026, 3, 1)}, "not those around"),
        ({"day": date(2026, 3, 6)}, "not those around"),
        ({"day": date(2025, 3, 3)}, "not those around"),
        ({"bodies": [BundleBody(sha(BEFORE), "csv", BEFORE)]}, "a publication of the day is missing"),
        ({"absent": LACKING[:1]}, "was not searched"),
        ({"absent": [Quote(sha(AFTER), "Hammond"), LACKING[0]]}, "says it lacks"),
    ],
)
def test_a_day_that_the_polls_do_not_show_fails(values: dict[str, Any], reason: str) -> None:
    assert reason in check(bundle(**A_DAY | values))["Claim"]


@pytest.mark.parametrize("day", ["2026-03", "20260303", "2026-03-0", "2026", "", 20260303, None])
def test_a_day_is_written_in_one_way(day: Any) -> None:
    assert "Claim" in check(with_claim(bundle(**A_DAY), day=day))


def test_a_text_that_a_publication_has_in_another_spelling_is_not_missing() -> None:
    for text in ("Smith & Sons", "Smith &amp; Sons"):
        body = f"<td>{text}</td>".encode()
        bodies = [BundleBody(sha(BEFORE), "csv", BEFORE), BundleBody(sha(body), "html", body)]
        files = bundle(bodies=bodies, after=None, present=(), absent=[Quote(sha(body), "Smith & Sons")])
        assert "Claim" in check(files)


def test_polls_of_another_time_than_the_change_fail() -> None:
    """The operator leaves out the first polls, and says that the later one was the first."""
    files = edited(bundle(), "polls.ndjson", lambda lines: lines[1:])
    files = with_claim(without_proofs(files, 1), first_poll=2)
    assert "not those around the change" in check(files)["Claim"]
    files = edited(bundle(), "polls.ndjson", lambda lines: lines[:4])
    files = with_claim(without_proofs(files, 9, 11), last_poll=4, after=sha(BEFORE), present=[], absent=[])
    assert "not those around the change" in check(files)["Claim"]


def test_what_the_record_has_is_said_before_the_words_of_the_operator() -> None:
    told = {name: text for name, _, text in verify.verify(with_claim(bundle(), sentence="Gary was added"))}
    assert told["Claim"] == "added: Hammond Police Department. In the operator's words: Gary was added"
    assert "statement.html, README.txt and polls.warc.gz" in verify.NOT_PROVED


@pytest.mark.parametrize("text", ["a\nOK    Head          fine", "\x1b[1A\x1b[2KOK", "\u202eKO", "\ud800"])
def test_no_text_of_a_bundle_writes_lines_of_the_check(text: str) -> None:
    for files in (bundle(sentence=text.encode(errors="replace").decode()), bundle() | {f"{text}.txt": b"x"}):
        for _, _, said in verify.verify(files):
            assert said.isprintable()
    assert "Files" in check(bundle() | {f"bodies/{text}.txt": b"x"})


def two() -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Bundles of the same record."""
    return bundle(), bundle(**A_DAY)


@pytest.mark.parametrize("name", sorted(name for name in bundle() if two()[0][name] != two()[1].get(name)))
def test_files_of_two_bundles_that_change_places_fail(name: str) -> None:
    one, other = two()
    exchanged = one | {name: other.get(name, b"")}
    assert check(exchanged)
    assert name == "SHA256SUMS" or check(resum(exchanged))
    assert check(exchanged | {each: other[each] for each in ("SHA256SUMS", "SHA256SUMS.sig")})


def test_an_older_state_of_the_record_fails() -> None:
    older = sign_note(Checkpoint(SIGNER.name, 3, bytes(32)).text, [SIGNER])
    files = bundle() | {"checkpoint": older.encode()}
    assert "Files" in check(files)
    assert "the signed record has another one" in check(resealed(files))["Entries"]


def test_a_state_signed_by_another_key_fails() -> None:
    other = Signer(SIGNER.name, bytes(32))
    note = bundle()["checkpoint"].decode()
    text = note.rpartition("\n\n")[0] + "\n"
    for signed in (sign_note(text, [other]), text + "\n", note.replace("\u2014", "-")):
        assert (
            "not signed by the record's key"
            in check(resealed(bundle() | {"checkpoint": signed.encode()}))["Entries"]
        )
    # a signature of a witness beside ours is none of our business
    assert not check(resealed(bundle() | {"checkpoint": sign_note(text, [other, SIGNER]).encode()}))


def test_one_wrong_signature_of_the_key_ends_the_check() -> None:
    """A file of a million signatures would take half a day."""
    *text, line = bundle()["checkpoint"].decode().splitlines(keepends=True)
    wrong = SIGNER.sign_line("another text\n")
    note = "".join([*text, wrong * 100_000, line])
    assert "not signed" in check(resealed(bundle() | {"checkpoint": note.encode()}))["Entries"]


def spoil(name: str, edit: Callable[[bytes], bytes]) -> Callable[[], dict[str, bytes]]:
    return lambda: bundle() | {name: edit(bundle()[name])}


ODD: dict[str, Callable[[], dict[str, bytes]]] = {
    "a value twice": spoil("claim.json", lambda c: c.replace(b'"format": 1', b'"format": 1,\n "format": 1')),
    "a sentence twice": spoil("claim.json", lambda c: c.replace(b"{\n", b'{\n "sentence": "x",\n', 1)),
    "no number": spoil("claim.json", lambda c: c.replace(b'"first_poll": 1', b'"first_poll": NaN')),
    "no number in a poll": spoil("polls.ndjson", lambda c: c.replace(b'"number":1', b'"number":NaN', 1)),
    "endless": spoil("polls.ndjson", lambda c: c.replace(b'"number":1', b'"number":1e999', 1)),
    "huge": spoil("polls.ndjson", lambda c: c.replace(b'"number":1', b'"number":1' + b"0" * 5000, 1)),
    "large": spoil("polls.ndjson", lambda c: c.replace(b'"number":1', b'"number":1' + b"0" * 4000, 1)),
    "negative": spoil("polls.ndjson", lambda c: c.replace(b'"number":1', b'"number":-1', 1)),
    "a fraction": spoil("polls.ndjson", lambda c: c.replace(b'"number":1', b'"number":1.0', 1)),
    "deep": spoil("polls.ndjson", lambda c: b"[" * 100_000 + c),
    "deep values": spoil("proofs.json", lambda c: b'{"1":' * 100_000),
    "half a character": spoil(
        "polls.ndjson", lambda c: c.replace(b'"source":"ring"', b'"source":"\\ud800"', 1)
    ),
    "a name twice in a poll": spoil(
        "polls.ndjson", lambda c: c.replace(b'{"entry"', b'{"entry":{},"entry"', 1)
    ),
    "line ends of Windows": spoil("polls.ndjson", lambda c: c.replace(b"\n", b"\r\n")),
    "one line end of Windows": spoil("polls.ndjson", lambda c: c.replace(b"\n", b"\r\n", 1)),
    "line ends of old Macs": spoil("polls.ndjson", lambda c: c.replace(b"\n", b"\r")),
    "Windows in the state": spoil("checkpoint", lambda c: c.replace(b"\n", b"\r\n")),
    "Windows in the claim": spoil("claim.json", lambda c: c.replace(b"\n", b"\r\n")),
    "a mark of bytes": spoil("claim.json", lambda c: b"\xef\xbb\xbf" + c),
    "an empty line": spoil("polls.ndjson", lambda c: c + b"\n"),
    "a tail": spoil("polls.ndjson", lambda c: c + b"hidden"),
    "a tail of changes": spoil("changes.ndjson", lambda c: c + b" "),
    "a poll twice": spoil("polls.ndjson", lambda c: c + c.splitlines(keepends=True)[-1]),
    "a tail of the claim": spoil("claim.json", lambda c: c + b" "),
    "a tail of the state": spoil("checkpoint", lambda c: c + b"x"),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_writing_fails_even_with_the_operators_key(name: str) -> None:
    files = ODD[name]()
    assert files != bundle()
    assert "Files" in check(files)
    assert check(resealed(files))


@pytest.mark.parametrize("tail", [b"x", b"\0" * 10, b"\x1f\x8b"])
def test_bytes_after_the_web_archive_fail(tail: bytes) -> None:
    files = bundle()
    assert "polls.warc.gz" in check(files | {"polls.warc.gz": files["polls.warc.gz"] + tail})["Files"]


@pytest.mark.parametrize("number", ["9" * 5000, "0", "1" * 18, "-1", "\u0665", "1_0"])
def test_no_number_of_a_head_ends_the_check(number: str) -> None:
    root = bundle()["checkpoint"].decode().split("\n")[2]
    found = failures(bundle(), head=f"record {number} {root}")
    told = {name: text for name, _, text in verify.verify(bundle(), head=f"record {number} {root}")}
    assert "is none" in told["Head"] if number != "1" * 18 else "NOT compared" in told["Head"]
    assert ("Head" in found) == (number != "1" * 18)


def test_the_script_says_in_one_line_what_it_cannot_read(tmp_path: Path) -> None:
    for name, content in bundle().items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    (tmp_path / "\udcff\n\x1b[2J").write_bytes(b"x")
    (tmp_path / "\N{LATIN SMALL LETTER N WITH TILDE}").write_bytes(b"x")
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "loop").symlink_to(tmp_path)
    ran = run(tmp_path, {"LC_ALL": "C.UTF-8"})
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "\x1b" not in ran.stdout
    assert "passwd" not in ran.stdout
    ran = run(tmp_path, {"LC_ALL": "C.UTF-8", "PYTHONIOENCODING": "ascii"}, "-S")
    assert (ran.returncode, ran.stderr) == (0, "")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(verify.LARGEST + 1)
    ran = run(tmp_path, {})
    assert (ran.returncode, "Traceback" in ran.stderr, "too large" in ran.stderr) == (2, False, True)
    ran = run(tmp_path, {}, str(tmp_path / "verify.py"), "--proof", str(tmp_path / "none"))
    assert (ran.returncode, "Traceback" in ran.stderr, "cannot be read" in ran.stderr) == (2, False, True)


def archived(records: Callable[[list[bytes]], list[bytes]]) -> tuple[bool, str]:
    """What the check says of an archive of other records, each a gzip member, which the operator signed."""
    members = []
    content = bundle()["polls.warc.gz"]
    while content:
        member = zlib.decompressobj(zlib.MAX_WBITS | 16)
        member.decompress(content)
        members.append(content[: len(content) - len(member.unused_data)])
        content = member.unused_data
    files = resealed(bundle() | {"polls.warc.gz": b"".join(records(members))})
    assert not check(files)
    name, passed, text = check_archive(files)
    assert (name, text.isprintable(), PYTHON_WORDS.search(text)) == ("Archive", True, None)
    return passed, text


def change(record: bytes, old: bytes, new: bytes) -> bytes:
    return gzip.compress(gzip.decompress(record).replace(old, new))


@pytest.mark.parametrize(
    "records",
    [
        lambda found: [*found[:1], found[-2], *found[2:-2], found[1], found[-1]],
        lambda found: found[:-2],
        lambda found: [*found, found[-2]],
        lambda found: [*found[:-2], change(found[-2], b"2026-03-06", b"2026-03-07"), found[-1]],
        lambda found: [change(each, b"Gary", b"Cary") for each in found],
        lambda found: [change(each, b"WARC-Type: revisit", b"WARC-Type: resource") for each in found][::-1],
    ],
)  # fmt: skip
def test_a_web_archive_of_other_publications_fails(
    records: Callable[[list[bytes]], list[bytes]],
) -> None:
    passed, text = archived(records)
    assert not passed
    assert "has other publications than the polls, or in another order" in text


@pytest.mark.parametrize(
    "records",
    [
        lambda found: [*found, b"x"],
        lambda found: [*found, bytes(10)],
        lambda found: [*found[:-1], found[-1][:-9]],
        lambda found: [change(each, b"WARC-Date", b"WARC-Date: x\r\nWARC-Date") for each in found],
        lambda found: [change(each, b"Content-Length: ", b"Content-Length: 9") for each in found],
        lambda found: [change(each, b"Content-Length: ", b"Content-Length: -") for each in found],
        lambda found: [b"PK\3\4"],
    ],
)  # fmt: skip
def test_a_web_archive_that_is_damaged_or_goes_on_fails(
    records: Callable[[list[bytes]], list[bytes]],
) -> None:
    passed, text = archived(records)
    assert not passed
    assert "is damaged, or has something behind its end" in text


def test_a_whole_web_archive_passes_and_so_does_none_where_nothing_is_kept() -> None:
    assert archived(list) == (True, "polls.warc.gz has the publications of 5 polls, in their order")
    nothing = [BundleBody(sha(BEFORE), "csv", None), BundleBody(sha(AFTER), "csv", None)]
    files = bundle(bodies=nothing, present=(), absent=())
    assert "polls.warc.gz" not in files
    assert check_archive(files)[1]
    assert not check_archive({})[1]


def test_a_web_archive_that_unpacks_to_endless_bytes_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_check, "LARGEST", 5000)
    assert not check_archive(bundle() | {"polls.warc.gz": gzip.compress(bytes(5001))})[1]
    assert not check_archive(bundle() | {"polls.warc.gz": gzip.compress(bytes(2501)) * 2})[1]


def run(folder: Path, environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    words = words if words and words[0].endswith("verify.py") else (*words, str(folder / "verify.py"))
    return subprocess.run(
        [sys.executable, *words], env=environment, capture_output=True, text=True, check=False
    )


def test_the_evidence_of_this_file_is_what_it_says() -> None:
    assert (CHANGE["not_before"], CHANGE["first_seen"]) == (TIMES[0], TIMES[4])
    assert AFTER.startswith(BEFORE)
    assert evidence().day is None
