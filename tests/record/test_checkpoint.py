"""Signed checkpoints, and the file of the key that signs them."""

from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import KeyFileError, RecordError
from monitor.record import log_key
from monitor.record.checkpoint import (
    Checkpoint,
    Signer,
    Verifier,
    open_checkpoint,
    open_note,
    parse_head,
    sign_note,
)
from monitor.record.tree import hash_leaf

SIGNER = Signer("watch.example/log", bytes(range(32)))
CHECKPOINT = Checkpoint("watch.example/log", 105_120, hash_leaf(b"root"))


def test_the_example_of_the_specification_is_accepted() -> None:
    """https://c2sp.org/signed-note, from golang.org/x/mod/sumdb/note."""
    verifier = Verifier.parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    text = (
        "If you think cryptography is the answer to your problem,\n"
        "then you don't know what your problem is.\n"
    )
    signature = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
    note = f"{text}\n— PeterNeumann {signature}\n"
    assert open_note(note, [verifier]) == text
    assert str(verifier) == "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"


def test_a_checkpoint_is_signed_and_opened() -> None:
    note = sign_note(CHECKPOINT.text, [SIGNER])
    assert note.startswith(f"watch.example/log\n105120\n{base64.b64encode(CHECKPOINT.root).decode()}\n\n— ")
    assert open_checkpoint(note, SIGNER.verifier) == CHECKPOINT
    assert sign_note(CHECKPOINT.text, [SIGNER]) == note  # Ed25519 is deterministic


@given(data=st.data())
def test_a_flipped_byte_of_a_note_is_never_the_same_checkpoint(data: st.DataObject) -> None:
    note = sign_note(CHECKPOINT.text, [SIGNER]).encode()
    at, bit = data.draw(st.integers(0, len(note) - 1)), data.draw(st.integers(0, 7))
    changed = note[:at] + bytes([note[at] ^ 1 << bit]) + note[at + 1 :]
    with pytest.raises((RecordError, UnicodeDecodeError)):
        open_checkpoint(changed.decode(), SIGNER.verifier)


def test_signatures_of_others_are_passed_over_and_a_wrong_one_of_ours_is_not() -> None:
    witness = Signer("witness.example", bytes(32))
    both = sign_note(CHECKPOINT.text, [witness, SIGNER])
    assert open_checkpoint(both, SIGNER.verifier) == CHECKPOINT
    with pytest.raises(RecordError, match="no known key"):
        open_checkpoint(sign_note(CHECKPOINT.text, [witness]), SIGNER.verifier)
    other = sign_note(Checkpoint("watch.example/log", 1, CHECKPOINT.root).text, [SIGNER]).splitlines()[-1]
    with pytest.raises(RecordError, match="does not fit"):
        open_note(both + other + "\n", [SIGNER.verifier])


def test_a_key_signs_for_its_own_log_only() -> None:
    note = sign_note(Checkpoint("other.example/log", 3, CHECKPOINT.root).text, [SIGNER])
    with pytest.raises(RecordError, match=r"of the log other\.example"):
        open_checkpoint(note, SIGNER.verifier)


@pytest.mark.parametrize(
    "note",
    ["", "a\n1\n", "a\n1\nAA==\n\n", "a\n1\nA=\n\nx\n", "a\n1\nA=\n\n— a AAA\n", "a\n1\nAA==\n\n— a AAAA=\n"],
)  # fmt: skip
def test_what_is_not_a_note_is_said_to_be_none(note: str) -> None:
    with pytest.raises(RecordError):
        open_note(note, [SIGNER.verifier])


def test_a_note_of_more_than_64_kib_is_not_read() -> None:
    with pytest.raises(RecordError):
        open_note(sign_note("x" * 70_000 + "\n", [SIGNER]), [SIGNER.verifier])


@pytest.mark.parametrize("size", ["-1", "01", "1e3", "٣", "", "9" * 19])
def test_a_size_has_one_spelling(size: str) -> None:
    with pytest.raises(RecordError):
        Checkpoint.parse(CHECKPOINT.text.replace("105120", size))


def test_the_head_is_read_out_of_the_last_line_of_a_mail() -> None:
    line = f"-- {CHECKPOINT.head} (how to check: https://watch.example/data)"
    assert parse_head(line) == (CHECKPOINT.size, CHECKPOINT.root)
    for other in ("record", "record 5", "record five x", "record 5 AA==", ""):
        with pytest.raises(RecordError):
            parse_head(other)


@pytest.mark.parametrize(
    "text",
    ["", "a+b", "a+00000000+AAAA", str(SIGNER.verifier)[:-4], str(SIGNER.verifier).replace("log+", "log+0")],
)
def test_another_verifier_key_is_refused(text: str) -> None:
    with pytest.raises(RecordError):
        Verifier.parse(text)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb"])
def test_a_name_that_cannot_stand_in_a_note_is_refused(name: str) -> None:
    with pytest.raises(RecordError, match="cannot name"):
        _ = Signer(name, bytes(32)).verifier


# --- the file -----------------------------------------------------------------------------------------------


def test_the_key_is_made_once_and_private(tmp_path: Path) -> None:
    made = log_key.create_log_key(tmp_path, "watch.example/log")
    assert log_key.create_log_key(tmp_path, "other.example/log") == made == log_key.load_log_key(tmp_path)
    assert stat.S_IMODE((tmp_path / "log.key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["log.key"]
    assert base64.b64encode(made.signer.seed).decode() not in repr(made)


def test_an_exchange_is_signed_by_the_old_key(tmp_path: Path) -> None:
    first = log_key.create_log_key(tmp_path, "watch.example/log")
    second = log_key.exchange_log_key(tmp_path, first)
    third = log_key.exchange_log_key(tmp_path, second)

    assert third == log_key.load_log_key(tmp_path)
    assert len({first.verifier.key, second.verifier.key, third.verifier.key}) == 3
    assert log_key.follow_endorsements(first.verifier, third.endorsements) == third.verifier
    assert log_key.follow_endorsements(second.verifier, third.endorsements) == third.verifier
    assert log_key.follow_endorsements(third.verifier, third.endorsements) == third.verifier
    with pytest.raises(RecordError, match="do not follow"):
        log_key.follow_endorsements(first.verifier, (third.endorsements[0], third.endorsements[0]))


def test_a_key_that_the_old_one_did_not_sign_is_refused(tmp_path: Path) -> None:
    first = log_key.create_log_key(tmp_path, "watch.example/log")
    log_key.exchange_log_key(tmp_path, first)
    path = tmp_path / "log.key"
    lines = path.read_text().splitlines()
    stranger = log_key.create_log_key(tmp_path / "other", "watch.example/log")
    other = (tmp_path / "other" / "log.key").read_text().splitlines()[1]
    path.write_text("\n".join([lines[0], other, *lines[2:]]))
    with pytest.raises(KeyFileError, match="put the right file back"):
        log_key.load_log_key(tmp_path)
    with pytest.raises(RecordError):
        log_key.read_endorsement(
            log_key.endorse(first.signer, stranger.signer).replace(
                str(first.verifier), str(stranger.verifier)
            )
        )


def test_a_missing_open_or_damaged_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="put back"):
        log_key.load_log_key(tmp_path)
    log_key.create_log_key(tmp_path, "watch.example/log")
    path = tmp_path / "log.key"
    path.chmod(0o644)
    with pytest.raises(KeyFileError, match="chmod 600"):
        log_key.load_log_key(tmp_path)
    path.chmod(0o600)
    for text in ("", "# nothing", path.read_text().replace("+", "-"), path.read_text() + "what\n"):
        path.write_text(text)
        with pytest.raises(KeyFileError, match="right file"):
            log_key.load_log_key(tmp_path)
