"""The parser in a process of its own: equal answers, and an end for everything that breaks its limits."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from textwrap import dedent

import pytest

from monitor.domain import Listing
from monitor.errors import ParseError
from monitor.parser import IN_PROCESS, ParserLimits, ParserProcess
from monitor.parser.confinement import find_readable
from monitor.parser.limits import MIB, default_memory
from monitor.sources import ColumnMap, ParseOptions
from monitor.sources.page_links import read_links
from tests.conftest import ROOT

MAP = ParseOptions("ring", "mymaps")
RECORDS = ParseOptions("list", "json", ColumnMap(name="Agency"))
TABLE = ParseOptions("list", "table", ColumnMap(name="Agency", state="State"))
FILES = ROOT / "monitor" / "demo" / "files"
PREAMBLE = """
    import json, os, struct, sys
    def read():
        (length,) = struct.unpack(">Q", sys.stdin.buffer.read(8))
        return sys.stdin.buffer.read(length)
    def say(content):
        sys.stdout.buffer.write(struct.pack(">Q", len(content)) + content)
        sys.stdout.buffer.flush()
"""


@pytest.fixture
def parser() -> Iterator[ParserProcess]:
    with ParserProcess() as process:
        yield process


@pytest.fixture
def played(tmp_path: Path) -> Iterator[Callable[..., ParserProcess]]:
    """A parser whose child runs other code, after it was given its limits."""
    opened: list[ParserProcess] = []

    def play(code: str, **limits: object) -> ParserProcess:
        script = tmp_path / "child.py"
        script.write_text(dedent(PREAMBLE) + dedent(code))
        opened.append(ParserProcess(ParserLimits(**limits), script=script))  # type: ignore[arg-type]
        return opened[-1]

    yield play
    for process in opened:
        process.close()


@pytest.mark.parametrize("name", ["ring-2019-08-28.kml", "ring-2019-09-09.kml"])
def test_a_child_reads_what_this_process_reads(parser: ParserProcess, name: str) -> None:
    body = (FILES / name).read_bytes()
    assert parser.parse(body, MAP) == IN_PROCESS.parse(body, MAP)


def test_every_field_of_a_listing_comes_back_as_it_was(parser: ParserProcess) -> None:
    header = "Agency,State,County,City,Signed,Id,Link,Model\n"
    rows = 'Ñandú “Pólice”,TX,Ñ,"A, B",2026-01-02,7,https://x.example/a,"Jail; ""Task"""\nPlain,IL,,,,,,\n'
    columns = ColumnMap(
        name="Agency", state="State", county="County", city="City", since="Signed", id="Id", url="Link",
        attributes=("Model",),
    )  # fmt: skip
    spec = ParseOptions("list", "table", columns)
    body = (header + rows).encode()
    read = parser.parse(body, spec)
    assert read == IN_PROCESS.parse(body, spec)
    assert len(read.listings) == 2


def test_a_child_reads_the_links_of_a_page(parser: ParserProcess) -> None:
    page = "<p>Números: <a href='/a.xlsx'>añadidos</a>, <a href='b.csv' title='más'></a>".encode("latin-1")
    url, charset = "https://list.example/page", "text/html; charset=latin-1"
    links = parser.read_links(page, url, charset)
    assert links == read_links(page, url, charset)
    assert [(link.address, link.words) for link in links] == [
        ("https://list.example/a.xlsx", "añadidos"),
        ("https://list.example/b.csv", "más"),
    ]


def test_a_strangers_page_is_not_parsed_in_the_service() -> None:
    """The worker and the site start without the library that reads HTML; the parser's process has it."""
    loads = "import sys, monitor.cli.run, monitor.web.composition; print('lxml' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", loads], capture_output=True, text=True, check=True)
    assert shown.stdout == "False\n"


def test_a_page_that_breaks_a_limit_is_refused(played: Callable[..., ParserProcess]) -> None:
    parser = played("read(); read(); sys.exit(1)")
    with pytest.raises(ParseError):
        parser.read_links(b"<a href=x>", "https://list.example/", "")


def test_a_refusal_has_the_same_words(parser: ParserProcess) -> None:
    for body in (b"", b"<html>", b"<kml></kml>"):
        with pytest.raises(ParseError) as here:
            IN_PROCESS.parse(body, MAP)
        with pytest.raises(ParseError) as there:
            parser.parse(body, MAP)
        assert str(there.value) == str(here.value)


def test_listings_are_paired_as_in_this_process(parser: ParserProcess) -> None:
    gone = [Listing(name=f"Town {n} Police Dept", state="IL", key=f"a{n}") for n in range(40)]
    come = [Listing(name=f"Town {n} Police Department", state="IL", key=f"b{n}") for n in range(40)]
    pairs = parser.pair(gone, come)
    assert pairs == IN_PROCESS.pair(gone, come)
    assert len(pairs) == 40
    assert all(any(was is listing for listing in gone) for was, _ in pairs)


def test_one_child_answers_again_and_again(parser: ParserProcess) -> None:
    body = b"Agency,State\nA,IL\n"
    for _ in range(3):
        parser.parse(body, TABLE)
    (child,) = parser._waiting
    pid = child._process.pid
    parser.parse(body, TABLE)
    assert [child._process.pid for child in parser._waiting] == [pid]


def test_a_refused_body_costs_no_child(parser: ParserProcess) -> None:
    parser.parse(b"Agency,State\nA,IL\n", TABLE)
    (child,) = parser._waiting
    with pytest.raises(ParseError):
        parser.parse(b"<html>", TABLE)
    assert parser._waiting == [child]


def test_at_most_two_children_run_at_once(parser: ParserProcess) -> None:
    body = (FILES / "ring-2019-08-28.kml").read_bytes()
    threads = [threading.Thread(target=parser.parse, args=(body, MAP)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= len(parser._waiting) <= 2


def test_a_child_that_was_killed_meanwhile_is_replaced(parser: ParserProcess) -> None:
    body = b"Agency,State\nA,IL\n"
    parser.parse(body, TABLE)
    parser._waiting[0]._process.kill()
    parser._waiting[0]._process.wait()
    assert len(parser.parse(body, TABLE).listings) == 1


def test_an_idle_child_is_ended() -> None:
    ended = threading.Event()
    parser = ParserProcess(idle=timedelta(0))
    close = parser.close
    parser.close = lambda: (close(), ended.set())  # type: ignore[method-assign, assignment, return-value]
    parser.parse(b"Agency,State\nA,IL\n", TABLE)
    assert ended.wait(300)
    assert parser._waiting == []


def test_a_child_that_takes_too_long_is_ended(played: Callable[..., ParserProcess]) -> None:
    parser = played("read(); import threading; threading.Event().wait()", wall=timedelta(milliseconds=300))
    with pytest.raises(ParseError, match=r"took longer than 0\.3 s"):
        parser.parse(b"x", MAP)


def test_a_child_that_reads_nothing_is_ended(played: Callable[..., ParserProcess]) -> None:
    parser = played("import threading; threading.Event().wait()", wall=timedelta(milliseconds=300))
    with pytest.raises(ParseError, match="took longer"):
        parser.parse(bytes(4 * MIB), MAP)


def test_a_child_that_takes_too_much_processor_is_ended(tmp_path: Path) -> None:
    spin = tmp_path / "child.py"
    spin.write_text(
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from monitor.parser.child import limit_processor\n"
        "limit_processor(int(sys.argv[2]))\n"
        "while True: pass\n"
    )
    limits = ParserLimits(processor=timedelta(seconds=1), wall=timedelta(minutes=10))
    with ParserProcess(limits, script=spin) as parser, pytest.raises(ParseError, match="processor time"):
        parser.parse(b"x", MAP)


def test_a_body_that_wants_too_much_memory_is_refused_and_the_next_is_read() -> None:
    big = b"[" + b'[""],' * 4_000_000 + b"{}]"
    with ParserProcess(ParserLimits(memory=220 * MIB)) as parser:
        with pytest.raises(ParseError, match=r"memory|ended by"):
            parser.parse(big, RECORDS)
        assert len(parser.parse(b"Agency,State\nA,IL\n", TABLE).listings) == 1


def test_a_child_that_dies_is_a_refusal_that_says_how(played: Callable[..., ParserProcess]) -> None:
    with pytest.raises(ParseError, match="ended by SIGSEGV"):
        played("read(); os.kill(os.getpid(), 11)").parse(b"x", MAP)


@pytest.mark.parametrize("code", ["sys.exit(3)", "read(); sys.exit(3)", "read(); read(); sys.exit(3)"])
def test_a_child_that_ends_by_itself_is_a_refusal(played: Callable[..., ParserProcess], code: str) -> None:
    with pytest.raises(ParseError, match=r"exit code 3"):
        played(code).parse(b"x", MAP)


LISTING = '{"name": "A", "key": "%s"}'
PUBLICATION = (
    '{"publication": {"listings": [%s], "problems": [], "columns": [], "folders": [], "damaged": []}}'
)


@pytest.mark.parametrize(
    "answer",
    [
        "", "nonsense", "[]", "{}", '{"publication":}', '{"publication":{}}',
        '{"publication":{"listings":[{}]}}',
        '{"publication":{"listings":[{"name":1}]}}', '{"pairs":[]}', '{"refused": 1}', "[" * 100_000,
        PUBLICATION % "", PUBLICATION % (LISTING % ""), PUBLICATION % f"{LISTING % 'a'},{LISTING % 'a'}",
        '{"publication":{"listings":[{"name":"A","key":"a","since":"yesterday"}]}}',
    ],
)  # fmt: skip
def test_an_answer_that_is_not_valid_is_refused(played: Callable[..., ParserProcess], answer: str) -> None:
    parser = played(f"read(); read(); say({answer.encode()!r})")
    with pytest.raises(ParseError, match="an answer that"):
        parser.parse(b"x", MAP)


def test_a_pair_that_nobody_asked_for_is_refused(played: Callable[..., ParserProcess]) -> None:
    one = [Listing(name="A", key="a")]
    for pairs in ('[["a","c"]]', '[["a","b"],["a","b"]]', '[["a"]]', "1"):
        with pytest.raises(ParseError):
            played(f"read(); read(); say(b'{{\"pairs\":{pairs}}}')").pair(one, [Listing(name="B", key="b")])


def test_an_answer_that_is_too_large_is_refused_before_it_is_read(
    played: Callable[..., ParserProcess],
) -> None:
    parser = played(
        "read(); read(); sys.stdout.buffer.write(struct.pack('>Q', 1 << 40)); sys.stdout.flush(); read()",
        answer=MIB,
    )
    with pytest.raises(ParseError, match="larger than 1 MiB"):
        parser.parse(b"x", MAP)


def test_a_child_knows_no_environment_and_may_write_no_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MONITOR_EMAIL__PASSWORD", "secret")
    seen, target = tmp_path / "child.py", tmp_path / "written"
    seen.write_text(
        dedent(PREAMBLE)
        + f"sys.path.insert(0, {str(ROOT)!r})\n"
        + dedent(
            f"""
            from monitor.parser.child import limit
            limit(1 << 30)
            read(); read()
            try:
                with open({str(target)!r}, "wb") as file:
                    import signal
                    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                    file.write(b"x")
                wrote = True
            except OSError:
                wrote = False
            links = [f"/proc/self/fd/{{each}}" for each in os.listdir("/proc/self/fd")]
            # the descriptor of the folder itself is closed; libffi keeps one for ctypes
            opened = [each for each in links if os.path.islink(each) and "libffi" not in os.readlink(each)]
            words = sorted(os.environ) + [os.getcwd(), str(wrote), str(len(opened))]
            say(json.dumps({{"refused": " ".join(words)}}).encode())
            """
        )
    )
    handle = os.open(tmp_path, os.O_RDONLY)  # stands for a database
    os.set_inheritable(handle, True)
    try:
        with ParserProcess(script=seen) as parser, pytest.raises(ParseError) as told:
            parser.parse(b"x", MAP)
    finally:
        os.close(handle)
    assert set(str(told.value).split()) <= {"LANG", "LC_CTYPE", "MALLOC_ARENA_MAX", "/", "False", "3"}


def test_a_child_reads_no_file_but_the_programs_and_reaches_nobody(tmp_path: Path) -> None:
    """What a hostile body could do that runs code in the child: read the key, send it away, end others."""
    (tmp_path / "monitor.key").write_text("secret")
    seen = tmp_path / "child.py"
    with socket.create_server(("127.0.0.1", 0)) as server:
        seen.write_text(
            dedent(PREAMBLE)
            + f"sys.path.insert(0, {str(ROOT)!r})\n"
            + dedent(
                f"""
                import signal, socket
                from monitor.parser.confinement import confine
                version = confine()
                read(); read()
                def try_to(name, attempt):
                    try:
                        attempt()
                        return name
                    except PermissionError:
                        return "-"
                import xml.dom.minidom  # the program's own libraries can still be loaded
                done = [
                    str(version),
                    try_to("read", lambda: open({str(tmp_path / "monitor.key")!r}).close()),
                    try_to("list", lambda: os.listdir({str(ROOT)!r})),
                    try_to("write", lambda: open({str(tmp_path / "new")!r}, "w").close()),
                    try_to("delete", lambda: os.unlink({str(tmp_path / "monitor.key")!r})),
                    try_to("run", lambda: os.execv("/bin/true", ["true"])),
                    try_to("connect", lambda: socket.create_connection({server.getsockname()!r}).close()),
                    try_to("signal", lambda: os.kill(os.getppid(), 0)),
                ]
                say(json.dumps({{"refused": " ".join(done)}}).encode())
                """
            )
        )
        with ParserProcess(script=seen) as parser, pytest.raises(ParseError) as told:
            parser.parse(b"x", MAP)
    version, *done = str(told.value).split()
    if version == "0":
        pytest.skip("this kernel has no Landlock")
    by_kernel = ["-"] * 5 + ["connect" if int(version) < 4 else "-", "signal" if int(version) < 6 else "-"]
    assert done == by_kernel
    assert (tmp_path / "monitor.key").exists()


def test_no_data_folder_of_a_checkout_is_readable_for_a_child() -> None:
    readable = find_readable()
    assert ROOT / "monitor" in readable
    assert not any((ROOT / "data").is_relative_to(folder) for folder in readable)


@pytest.mark.parametrize(
    ("machine", "container", "limit"),
    [(8 << 30, 0, 1 << 30), (512 * MIB, 0, 256 * MIB), (8 << 30, 300 * MIB, 150 * MIB), (1 << 31, 1 << 40,
    1 << 30)],
)  # fmt: skip
def test_memory_is_half_of_a_small_machine(machine: int, container: int, limit: int) -> None:
    assert default_memory(machine, container) == limit
