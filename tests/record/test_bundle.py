"""An evidence bundle: whole it passes, and whatever anybody changes in it fails with a reason."""

from __future__ import annotations

import ast
import base64
import contextlib
import functools
import hashlib
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.record import verify
from monitor.record.bundle import BundleBody, BundleContents, BundleEntry, Quote, build_bundle, pack_bundle
from monitor.record.checkpoint import Checkpoint, Signer, sign_note
from monitor.record.leaf import dump_canonical, encode_leaf
from monitor.record.tree import Frontier, compute_root, hash_leaf, prove_consistency, prove_inclusion

SIGNER = Signer("watch.example/log", bytes(range(32)))
BEFORE = b"Agency,State\nGary Police Department,IN\n"
AFTER = b"Agency,State\nGary Police Department,IN\nHammond Police Department,IN\n"
HEADERS = [["content-type", "text/csv"], ["etag", '"2"']]
REQUEST = {"method": "GET", "headers": [["Host", "map.example"]], "remote": "192.0.2.7"}
OUTCOMES = ["unchanged", "unchanged", "failed", "unchanged", "good", "unchanged"]
TIMES = [f"2026-03-{day:02}T12:00:00.000000Z" for day in range(1, len(OUTCOMES) + 1)]
CHANGE = {
    "kind": "added", "agency": "hammond", "name": "Hammond Police Department", "state": "IN",
    "not_before": TIMES[0], "first_seen": TIMES[4],
}  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def signatures_verified_once() -> Iterator[None]:
    """The script has no library for signatures and takes its time; most damages leave them as they were."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verify, "verify_ed25519", functools.cache(verify.verify_ed25519))
        yield


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def entries() -> list[dict[str, Any]]:
    """A log with two lists in turn, and the changes of the first one."""
    log: list[dict[str, Any]] = [{"type": "start", "version": "0.2.0"}]
    for number, outcome in enumerate(OUTCOMES, 1):
        at = TIMES[number - 1]
        poll = {"type": "poll", "source": "ring", "poll": number, "at": at, "outcome": outcome}
        if outcome != "failed":
            poll["body"] = sha(AFTER if number >= 5 else BEFORE)
        if outcome == "good":
            poll["headers"] = sha(dump_canonical(HEADERS))
        if number >= 4:  # those before were recorded by a program that kept no requests
            poll["request"] = sha(dump_canonical(REQUEST))
        log += [poll, {"type": "poll", "source": "other", "poll": number, "at": at, "outcome": "unchanged"}]
    log.append({"type": "changes", "source": "ring", "number": 2, "changes": [CHANGE]})
    return log


def evidence(**changes: Any) -> BundleContents:
    log, frontier, nodes = entries(), Frontier(), {}
    for content in log:
        frontier, completed = frontier.append(hash_leaf(encode_leaf(content)))
        nodes |= {(level, index): node for level, index, node in completed}

    def entry(number: int) -> BundleEntry:
        proof = prove_inclusion(number, len(log), lambda level, index: nodes[level, index])
        details: dict[str, Any] = {}
        if "headers" in log[number]:
            details = {"headers": HEADERS}
        if "request" in log[number]:
            details["request"] = REQUEST
        return BundleEntry(number, log[number], proof, details)

    root = compute_root(len(log), lambda level, index: nodes[level, index])
    assert root == frontier.root
    polls = [
        number
        for number, content in enumerate(log)
        if content.get("source") == "ring" and content["type"] == "poll"
    ]
    values: dict[str, Any] = {
        "title": "Hammond Police Department on Ring's map",
        "sentence": "Hammond Police Department, Indiana, was added to the list on March 1, 2026.",
        "sentence_es": "Hammond Police Department, Indiana, fue añadido a la lista el 1 de marzo de 2026.",
        "source": "ring",
        "publisher": "https://map.example/kml?a=1&b=2",
        "operator": "Watch <Example>",
        "polls": [entry(number) for number in polls],
        "changes": [entry(len(log) - 1)],
        "bodies": [BundleBody(sha(BEFORE), "csv", BEFORE), BundleBody(sha(AFTER), "csv", AFTER)],
        "before": sha(BEFORE),
        "after": sha(AFTER),
        "change": CHANGE,
        "present": [Quote(sha(AFTER), "Hammond Police Department,IN", AFTER.index(b"Hammond"))],
        "absent": [Quote(sha(BEFORE), "Hammond")],
        "checkpoint": sign_note(Checkpoint(SIGNER.name, len(log), root).text, [SIGNER]),
    }
    return BundleContents(**values | changes)


WHOLE = build_bundle(evidence(), SIGNER)


def bundle(**changes: Any) -> dict[str, bytes]:
    return build_bundle(evidence(**changes), SIGNER) if changes else dict(WHOLE)


def failures(files: dict[str, bytes], **given: str) -> dict[str, str]:
    return {name: text for name, passed, text in verify.verify(files, **given) if not passed}


def resum(files: dict[str, bytes]) -> dict[str, bytes]:
    """What somebody does who changes a file and knows how the list of files is made, but has not the key."""
    listed = sorted(set(files) - {"SHA256SUMS", "SHA256SUMS.sig"})
    return files | {"SHA256SUMS": "".join(f"{sha(files[path])}  {path}\n" for path in listed).encode()}


def resealed(files: dict[str, bytes]) -> dict[str, bytes]:
    """What the operator could do, who has the key: all fits but the record that was published before."""
    files = resum(files)
    seal = sign_note(f"{SIGNER.name}\nsha256 {sha(files['SHA256SUMS'])}\n", [SIGNER])
    return files | {"SHA256SUMS.sig": seal.encode()}


def test_a_whole_bundle_passes_every_check() -> None:
    results = verify.verify(bundle(), key=str(SIGNER.verifier))
    assert [name for name, passed, _ in results if passed] == [name for name, _ in verify.CHECKS]
    assert "6 in a row, none missing, 1 failed" in {name: text for name, _, text in results}["Polls"]


def test_each_of_the_two_signatures_is_verified_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []

    def verify_noted(key: bytes, text: bytes, signature: bytes) -> bool:
        seen.append(signature)
        return verify_ed25519(key, text, signature)

    verify_ed25519 = verify.verify_ed25519
    monkeypatch.setattr(verify, "verify_ed25519", verify_noted)
    verify.open_note.cache_clear()
    assert all(passed for _, passed, _ in verify.verify(bundle(), key=str(SIGNER.verifier)))
    assert len(seen) == len(set(seen)) == 2


def test_a_bundle_is_made_of_its_values_alone() -> None:
    assert build_bundle(evidence(), SIGNER) == bundle()
    packed = pack_bundle(bundle(), "evidence-1")
    assert packed == pack_bundle(bundle(), "evidence-1")
    with ZipFile(io.BytesIO(packed)) as archive:
        assert {name: archive.read(f"evidence-1/{name}") for name in bundle()} == bundle()


def test_the_statement_quotes_nothing_unescaped_and_is_no_affidavit() -> None:
    page = bundle()["statement.html"].decode()
    assert "Watch &lt;Example&gt;" in page
    assert "a=1&amp;b=2" in page
    assert "28 U.S.C. § 1746" in page
    assert "affidavit" not in page.lower()


FILES = sorted(WHOLE)


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=40)
@given(data=st.data())
def test_one_byte_changed_in_any_file_fails(name: str, data: st.DataObject) -> None:
    files = bundle()
    content = files[name]
    at, bit = data.draw(st.integers(0, len(content) - 1)), data.draw(st.integers(0, 7))
    files[name] = content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :]
    found = failures(files)
    assert found
    assert all(len(text) > 20 for text in found.values())


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_fails(name: str) -> None:
    files = bundle()
    del files[name]
    assert failures(files)
    if name != "SHA256SUMS":
        assert failures(resum(files))


@pytest.mark.parametrize("name", [name for name in FILES if name not in ("SHA256SUMS", "SHA256SUMS.sig")])
@settings(max_examples=15)
@given(data=st.data())
def test_a_list_of_files_that_was_made_again_does_not_help(name: str, data: st.DataObject) -> None:
    files = bundle()
    content = files[name]
    at, bit = data.draw(st.integers(0, len(content) - 1)), data.draw(st.integers(0, 7))
    files[name] = content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :]
    assert failures(resum(files))


def edited(files: dict[str, bytes], name: str, edit: Callable[[list[Any]], list[Any]]) -> dict[str, bytes]:
    lines = [json.loads(line) for line in files[name].splitlines()]
    return files | {name: b"".join(dump_canonical(line) + b"\n" for line in edit(lines))}


def without_proofs(files: dict[str, bytes], *numbers: int) -> dict[str, bytes]:
    proofs = json.loads(files["proofs.json"])
    return files | {
        "proofs.json": json.dumps({n: p for n, p in proofs.items() if int(n) not in numbers}).encode()
    }


@pytest.mark.parametrize("poll", range(len(OUTCOMES)))
def test_a_missing_poll_fails_even_with_the_operators_key(poll: int) -> None:
    files = edited(bundle(), "polls.ndjson", lambda lines: lines[:poll] + lines[poll + 1 :])
    files = resealed(without_proofs(files, 1 + 2 * poll))
    found = failures(files)
    assert "Polls" in found
    assert "missing" in found["Polls"]


@pytest.mark.parametrize("poll", range(len(OUTCOMES) - 1))
def test_a_changed_order_fails_even_with_the_operators_key(poll: int) -> None:
    def swap(lines: list[Any]) -> list[Any]:
        lines[poll], lines[poll + 1] = lines[poll + 1], lines[poll]
        return lines

    found = failures(resealed(edited(bundle(), "polls.ndjson", swap)))
    assert "out of order" in found["Polls"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("at", "2026-02-01T01:00:00.000000Z"),
        ("outcome", "unchanged"),
        ("body", sha(AFTER)),
        ("poll", 9),
        ("new", 1),
    ],
)
def test_a_changed_entry_fails_even_with_the_operators_key(field: str, value: Any) -> None:
    def change(lines: list[Any]) -> list[Any]:
        lines[2]["entry"][field] = value
        return lines

    found = failures(resealed(edited(bundle(), "polls.ndjson", change)))
    assert "the signed record has another one in its place" in found["Entries"]


def test_a_poll_at_another_place_of_the_record_fails() -> None:
    def change(lines: list[Any]) -> list[Any]:
        lines[0]["number"] += 1
        return lines

    files = edited(bundle(), "polls.ndjson", change)
    proofs = json.loads(files["proofs.json"])
    proofs["2"] = proofs.pop("1")
    found = failures(resealed(files | {"proofs.json": json.dumps(proofs).encode()}))
    assert "Entries" in found


@pytest.mark.parametrize(
    ("check", "changes", "reason"),
    [
        ("Claim", {"present": [Quote(sha(AFTER), "Hammond Police Department,IN", 3)]}, "quoted text"),
        ("Claim", {"present": [Quote(sha(AFTER), "", 3)]}, "quoted text"),
        ("Claim", {"absent": [Quote(sha(AFTER), "Hammond")]}, "says it lacks"),
        ("Claim", {"change": CHANGE | {"state": "TX"}}, "not among the recorded"),
        ("Claim", {"before": sha(AFTER)}, "did not see"),
        ("Claim", {"before": None}, "did not see"),
        ("Claim", {"after": None}, "did not see"),
        ("Claim", {"bodies": [BundleBody(sha(AFTER), "csv", AFTER)]}, "before the change is missing"),
        ("Publications", {"bodies": [BundleBody(sha(b"x"), "csv", b"x")]}, "seen in none"),
        ("Publications", {"bodies": [BundleBody(sha(BEFORE), "csv", b"x")]}, "its hash is another"),
    ],
)
def test_a_claim_that_does_not_follow_fails(check: str, changes: dict[str, Any], reason: str) -> None:
    assert reason in failures(bundle(**changes))[check]


def test_headers_requests_and_changes_are_those_that_were_recorded() -> None:
    def change_headers(lines: list[Any]) -> list[Any]:
        lines[4]["headers"][0][1] = "text/html"
        return lines

    def add_headers(lines: list[Any]) -> list[Any]:
        lines[0]["headers"] = []
        return lines

    def change_request(lines: list[Any]) -> list[Any]:
        lines[4]["request"]["headers"][0][1] = "other.example"
        return lines

    def remove_request(lines: list[Any]) -> list[Any]:
        del lines[3]["request"]
        return lines

    def add_request(lines: list[Any]) -> list[Any]:
        lines[0]["request"] = REQUEST
        return lines

    def change_change(lines: list[Any]) -> list[Any]:
        lines[0]["entry"]["changes"][0]["state"] = "TX"
        return lines

    for edit in (change_headers, add_headers):
        assert "headers of poll" in failures(resealed(edited(bundle(), "polls.ndjson", edit)))["Polls"]
    for edit in (change_request, remove_request, add_request):
        assert "request of poll" in failures(resealed(edited(bundle(), "polls.ndjson", edit)))["Polls"]
    found = failures(resealed(edited(bundle(), "changes.ndjson", change_change)))
    assert "another one in its place" in found["Entries"]
    assert "not among the recorded" in found["Claim"]


def test_a_body_that_was_not_kept_is_said_so() -> None:
    kept = [BundleBody(sha(BEFORE), "csv", None), BundleBody(sha(AFTER), "csv", AFTER)]
    whole = {name: text for name, _, text in verify.verify(bundle())}
    assert "not checked" not in whole["Claim"]
    files = bundle(bodies=kept, absent=[])
    assert failures(files) == {}
    texts = {name: text for name, _, text in verify.verify(files)}
    assert f"known by hash only: {sha(BEFORE)[:12]}" in texts["Publications"]
    assert texts["Claim"].endswith(f"(not checked in {sha(BEFORE)[:12]}, whose bytes were not kept)")
    assert "not kept" in files["statement.html"].decode()


def test_a_quote_may_lie_in_a_part_of_a_workbook() -> None:
    book = io.BytesIO()
    with ZipFile(book, "w") as archive:
        archive.writestr("xl/sharedStrings.xml", "<t>Hammond</t>")
    content = book.getvalue()
    bodies = [BundleBody(sha(BEFORE), "csv", BEFORE), BundleBody(sha(AFTER), "csv", AFTER),
              BundleBody(sha(content), "xlsx", content)]  # fmt: skip
    part = "xl/sharedStrings.xml"
    files = bundle(bodies=bodies, present=[Quote(sha(content), "Hammond", 3, part)], absent=[])
    assert "Claim" not in failures(files)
    files = bundle(bodies=bodies, present=[Quote(sha(content), "Hammond", 4, part)], absent=[])
    assert "quoted text" in failures(files)["Claim"]
    files = bundle(bodies=bodies, present=[], absent=[Quote(sha(content), "Hammond")])
    assert "says it lacks" in failures(files)["Claim"], "it is searched in every part"


def test_another_key_is_said_to_be_another() -> None:
    other = Signer(SIGNER.name, bytes(32))
    assert "another key" in failures(bundle(), key=str(other.verifier))["Key"]
    files = bundle() | {"key.txt": f"{other.verifier}\n".encode()}
    assert "not signed by the record's key" in failures(resum(files))["Key"]


def test_the_head_of_a_mail_is_compared() -> None:
    head = Checkpoint.parse(bundle()["checkpoint"].decode().partition("\n\n")[0] + "\n").head
    assert failures(bundle(), head=f"-- {head}") == {}
    forged = head[:-5] + "AAAA="
    assert "another history" in failures(bundle(), head=forged)["Head"]
    for garbage in ("127.0.0.1/log", "record 9", "record nine " + head.split()[2]):
        assert "the head that you gave is none" in failures(bundle(), head=garbage)["Head"]
    later = {name: text for name, _, text in verify.verify(bundle(), head="record 99 " + head.split()[2])}
    size = head.split()[1]
    assert f"NOT compared: save what is at /log/consistency/{size}/99 of the service" in later["Head"]


def test_a_head_of_another_size_is_joined_by_what_the_service_has() -> None:
    """The heads of a mail before the bundle and of one after it; a forged one; another record's proof."""
    own = Checkpoint.parse(bundle()["checkpoint"].decode().partition("\n\n")[0] + "\n")
    frontier, nodes, heads = Frontier(), {}, {}
    for content in [*entries(), *({"type": "test", "n": n} for n in range(30))]:
        frontier, completed = frontier.append(hash_leaf(encode_leaf(content)))
        nodes |= {(level, index): node for level, index, node in completed}
        heads[frontier.size] = Checkpoint(SIGNER.name, frontier.size, frontier.root).head
    assert heads[own.size] == own.head
    for size, head in heads.items():
        first, last = sorted((size, own.size))
        steps = prove_consistency(first, last, lambda level, index: nodes[level, index])
        proof = "".join(f"{base64.b64encode(step).decode()}\n" for step in steps)
        results = {name: (passed, text) for name, passed, text in verify.verify(bundle(), "", head, proof)}
        assert results["Head"] == (
            True,
            f"the head that you received and this bundle are of one history ({first} and {last} entries)",
        )
        if size != own.size:
            forged = f"record {size} {base64.b64encode(bytes(32)).decode()}"
            assert "another history" in failures(bundle(), head=forged, proof=proof)["Head"]
            assert "another history" in failures(bundle(), head=head, proof=proof + proof)["Head"]
            assert "base64" in failures(bundle(), head=head, proof="<html>")["Head"]


PYTHON_WORDS = re.compile(
    r"\b\w*(?:Error|Exception)\b|codec|NoneType|Traceback|unhashable|subscript|Expecting"
)


@pytest.mark.parametrize("name", FILES)
def test_a_lawyer_understands_why_a_file_of_a_bundle_fails(name: str) -> None:
    """Each file emptied, cut short, of other bytes, exchanged for another one; with the list of files as it
    was and made again.
    """
    whole = bundle()
    content = whole[name]
    others = {whole[other] for other in FILES if other != name}
    damaged = [
        b"",
        content[: len(content) // 2],
        content[:-1],
        b"\xff\xfe\x00",
        b"[]",
        b"{}\n",
        b"null",
        *others,
    ]
    damaged += [
        content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :] for at in range(0, len(content), 97)
    ]
    for bad in damaged:
        for files in (whole | {name: bad}, resum(whole | {name: bad})):
            found = failures(files)
            assert found or files == whole, bad[:40]
            for text in found.values():
                assert not PYTHON_WORDS.search(text), text
                assert len(text) > 20


@pytest.mark.parametrize("broken", [None, "bodies"])
def test_the_script_runs_alone(tmp_path: Path, broken: str | None) -> None:
    for name, content in bundle().items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content + b" " if broken and name.startswith(broken) else content)
    done = subprocess.run(
        [sys.executable, "-I", str(tmp_path / "verify.py")],
        env={},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == (1 if broken else 0), done
    assert done.stderr == ""
    assert "What this does not prove" in done.stdout
    assert done.stdout.count("FAIL") == (3 if broken else 0)
    assert not list(tmp_path.rglob("__pycache__"))


def test_the_script_needs_python_38_and_nothing_else() -> None:
    source = Path(verify.__file__).read_text()
    assert len(source.splitlines()) <= 350
    tree = ast.parse(source, feature_version=(3, 8))
    imported = {
        name.name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for name in node.names
    } | {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported <= sys.stdlib_module_names
    newer = {"removeprefix", "removesuffix", "bit_count", "is_relative_to", "readlink", "with_stem"}
    assert not newer & {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


@given(seed=st.binary(min_size=32, max_size=32), text=st.binary(max_size=60), data=st.data())
@settings(max_examples=15)
def test_signatures_are_verified_as_the_cryptography_library_does(
    seed: bytes, text: bytes, data: st.DataObject
) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.from_private_bytes(seed)
    key, signature = private.public_key().public_bytes_raw(), private.sign(text)
    assert verify.verify_ed25519(key, text, signature)
    at = data.draw(st.integers(0, 63))
    changed = (
        signature[:at] + bytes([signature[at] ^ 1 << data.draw(st.integers(0, 7))]) + signature[at + 1 :]
    )
    with contextlib.suppress(verify.VerificationFailed):  # a point that is none
        assert not verify.verify_ed25519(key, text, changed)
    assert not verify.verify_ed25519(key, text + b"x", signature)
    # s has one representative only (RFC 8032, 5.1.7)
    large = (int.from_bytes(signature[32:], "little") + verify.L).to_bytes(32, "little")
    assert not verify.verify_ed25519(key, text, signature[:32] + large)
