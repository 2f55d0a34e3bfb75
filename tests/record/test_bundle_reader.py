"""A bundle that somebody handed over: an odd ZIP file, which programs read differently, is refused."""

from __future__ import annotations

import io
import json
import os
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.cli import root
from monitor.errors import UsageError
from monitor.record.bundle import pack_bundle
from monitor.record.bundle_reader import read_bundle
from monitor.record.verify import LARGEST, VerificationFailed, verify
from tests.record.test_bundle import PYTHON_WORDS, SIGNER, bundle

FILES = bundle()
PACKED = pack_bundle(FILES, "evidence-1")
STATEMENT = "evidence-1/statement.html"
FORGED = b"<p>Gary Police Department</p>"


def read(content: bytes, folder: Path) -> dict[str, bytes]:
    path = folder / "evidence.zip"
    path.write_bytes(content)
    return read_bundle(path)


def with_files(*added: tuple[str | ZipInfo, bytes], before: bool = False) -> bytes:
    """The bundle with further files before or after its own."""
    packed = io.BytesIO()
    own = [(f"evidence-1/{name}", content) for name, content in sorted(FILES.items())]
    with warnings.catch_warnings(), ZipFile(packed, "w", ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")  # of two files with one name
        for name, content in [*added, *own] if before else [*own, *added]:
            archive.writestr(name, content)
    return packed.getvalue()


def link(name: str) -> ZipInfo:
    info = ZipInfo(name)
    info.create_system = 3
    info.external_attr = 0o120777 << 16
    return info


def hide(content: bytes) -> bytes:
    """The ZIP file without its last file in its list: a program that reads from the start still shows it."""
    end = content.rindex(b"PK\x05\x06")
    count, size = struct.unpack_from("<HI", content, end + 10)
    last = content.rindex(b"PK\x01\x02", 0, end)
    shorter = struct.pack("<HHI", count - 1, count - 1, size - (end - last))
    return content[:last] + content[end : end + 8] + shorter + content[end + 16 :]


def encrypt(content: bytes) -> bytes:
    """Every file marked as encrypted."""
    marked = bytearray(content)
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = marked.find(mark)
        while place >= 0:
            marked[place + at] |= 1
            place = marked.find(mark, place + 4)
    return bytes(marked)


ODD: dict[str, tuple[Callable[[], bytes], str]] = {
    "a file twice, forged first": (lambda: with_files((STATEMENT, FORGED), before=True), "twice"),
    "a file twice, forged last": (lambda: with_files((STATEMENT, FORGED)), "twice"),
    "a file twice but for capitals": (lambda: with_files((STATEMENT.upper(), FORGED)), "folders"),
    "capitals in the name": (lambda: with_files(("evidence-1/Statement.html", FORGED)), "twice"),
    "another folder": (lambda: with_files(("evidence-2/statement.html", FORGED)), "several folders"),
    "beside the folder": (lambda: with_files(("statement.html", FORGED)), "several folders"),
    "an absolute path": (lambda: with_files(("/etc/passwd", FORGED)), "several folders"),
    "a path upward": (lambda: with_files(("evidence-1/../../x", FORGED)), "lies outside"),
    "an empty part": (lambda: with_files(("evidence-1//x", FORGED)), "lies outside"),
    "a path of Windows": (lambda: with_files(("evidence-1/..\\..\\x", FORGED)), "lies outside"),
    "a drive": (lambda: with_files(("evidence-1/C:x", FORGED)), "lies outside"),
    "a line in a name": (lambda: with_files(("evidence-1/x\nOK    Files", FORGED)), "lies outside"),
    "a link": (lambda: with_files((link("evidence-1/x"), b"/etc/passwd")), "a link to another file"),
    "bytes after the end": (lambda: PACKED + b"x", "belong to none"),
    "bytes before the start": (lambda: b"#!/bin/sh\n" + PACKED, "belong to none"),
    "two ZIP files": (lambda: pack_bundle({"x": FORGED}, "evidence-1") + PACKED, "belong to none"),
    "a comment": (lambda: PACKED[:-2] + b"\x05\0hello", "belong to none"),
    "a file that is not listed": (lambda: hide(with_files((STATEMENT + "x", FORGED))), "belong to none"),
    "encrypted": (lambda: encrypt(PACKED), "damaged or encrypted"),
    "damaged": (lambda: PACKED[:150] + bytes(3) + PACKED[153:], "damaged"),
    "much in little": (
        lambda: with_files(*((f"evidence-1/{n}", bytes(2**27)) for n in range(5))), "too many bytes",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_an_odd_zip_file_is_refused_with_a_reason(tmp_path: Path, name: str) -> None:
    make, reason = ODD[name]
    with pytest.raises(VerificationFailed, match=reason) as refused:
        read(make(), tmp_path)
    assert str(refused.value).isprintable()
    assert not PYTHON_WORDS.search(str(refused.value))


def test_the_command_says_why_and_fails(tmp_path: Path) -> None:
    path = tmp_path / "evidence.zip"
    path.write_bytes(ODD["a file twice, forged last"][0]())
    done = CliRunner().invoke(root, ["verify", str(path), "--json"])
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    assert (told["check"], told["passed"], "twice" in told["text"]) == ("Files", False, True)


@pytest.mark.parametrize("method", [ZIP_STORED, ZIP_DEFLATED])
@pytest.mark.parametrize("prefix", ["evidence-1/", "else where/", ""])
def test_a_bundle_that_was_packed_again_passes(tmp_path: Path, method: int, prefix: str) -> None:
    """By another program, under another name or without the folder, with entries of folders, as a stream."""
    packed = io.BytesIO()

    class Stream(io.BytesIO):
        def seekable(self) -> bool:
            return False

    stream = Stream()
    for target in (packed, stream):
        with ZipFile(target, "w", method) as archive:
            archive.writestr(f"{prefix}bodies/", b"")
            for name, content in FILES.items():
                archive.writestr(prefix + name, content)
        assert read(target.getvalue(), tmp_path) == FILES
    assert all(passed for _, passed, _ in verify(FILES, str(SIGNER.verifier)))


@given(at=st.integers(0, len(PACKED) - 1), bit=st.integers(0, 7))
@settings(max_examples=300)
def test_a_changed_byte_of_the_zip_file_is_refused_or_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, at: int, bit: int
) -> None:
    content = PACKED[:at] + bytes([PACKED[at] ^ 1 << bit]) + PACKED[at + 1 :]
    files, reason = {}, ""
    try:
        files = read(content, tmp_path_factory.getbasetemp())
    except (VerificationFailed, UsageError) as refused:
        reason = str(refused)
    assert not PYTHON_WORDS.search(reason)
    assert reason or files == FILES or not all(passed for _, passed, _ in verify(files))


def test_a_folder_of_links_or_of_endless_files_is_no_bundle(tmp_path: Path) -> None:
    for name, content in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    assert read_bundle(tmp_path) == FILES
    (tmp_path / "statement.html").rename(tmp_path.parent / "elsewhere.html")
    (tmp_path / "statement.html").symlink_to(tmp_path.parent / "elsewhere.html")
    assert "statement.html" not in read_bundle(tmp_path)
    (tmp_path / "x").touch()
    os.truncate(tmp_path / "x", LARGEST + 1)
    with pytest.raises(VerificationFailed, match="too large"):
        read_bundle(tmp_path)
    with pytest.raises(VerificationFailed, match="too large"):
        read_bundle(tmp_path / "x")
    assert zipfile.is_zipfile(io.BytesIO(PACKED))
