"""Captures in git repositories and web archives, unpacked into a folder."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, NamedTuple
from zipfile import BadZipFile, ZipFile

from monitor.errors import UsageError
from monitor.history.captured_file import Attribution, CapturedFile, describe_file

_LARGEST = 200 << 20  # bytes of one captured file
_OWN = "map-monitor"  # the start of the software field in archives of `monitor export --warc`
_PATIENCE = 600  # seconds for one git command


def is_repository(path: Path) -> bool:
    """Whether a folder is a git repository, with a working tree or without one."""
    return (path / ".git").exists() or ((path / "HEAD").is_file() and (path / "objects").is_dir())


def is_archive(path: Path) -> bool:
    """Whether a file is a web archive, by its name."""
    return path.name.lower().endswith((".warc", ".warc.gz", ".wacz"))


def read_repository(repository: Path, name: str, said: Attribution, folder: Path) -> list[CapturedFile]:
    """Read the versions of a file in a repository's history, each at the time of its commit.

    No code of the repository is run: no hook, no filter, no program that its configuration names.
    """
    if "\n" in name:
        raise UsageError("the name of a file in a repository has one line")
    log = _run_git(repository, "log", "--format=%H %ct", "--no-renames", "--first-parent", "HEAD", "--", name)
    commits = [row.split(" ") for row in log.decode("ascii", "replace").splitlines() if row]
    if not commits:
        raise UsageError(f"no commit of {repository} has the file {name}")
    by = said.captured_by or f"the git repository {repository.resolve().name.removesuffix('.git')}"
    found = []
    contents = _read_blobs(repository, name, [commit for commit, _ in commits])
    for (commit, seconds), content in zip(commits, contents, strict=True):
        if content is None:
            continue  # the commit deleted it
        found.append(
            describe_file(
                _keep(folder, content, Path(name).suffix),
                at=datetime.fromtimestamp(int(seconds), UTC),
                name=Path(name).name,
                dated_by="commit",
                said=replace(said, captured_by=by, note=said.note or f"commit {commit}"),
            )
        )
    return found


def read_archive(path: Path, said: Attribution, folder: Path) -> list[CapturedFile]:
    """Read the answers with status 200 in a WARC or WACZ file, each at its WARC-Date. Revisit records are
    repeated identical answers. The file may contain only one URL, or ``said.url`` selects one; in an archive
    that this program exported, all URLs belong to one list.
    """
    reader = _ArchiveReader(path, said.url)
    found, urls = [], set()
    for answer in reader.read_answers():
        found.append(_describe(answer, said, folder))
        urls.add(answer.url)
    if not found:
        raise UsageError(f"{path} has no answer with status 200" + (f" of {said.url}" if said.url else ""))
    if len(urls) > 1 and not reader.own:
        named = ", ".join(sorted(urls)[:3])
        raise UsageError(f"{path} has answers of {len(urls)} addresses ({named}): choose one with --url")
    return found


class _Answer(NamedTuple):
    """An answer in an archive; ``operator`` is who captured it, as the archive says, "" if it does not."""

    url: str
    content: bytes
    at: datetime
    operator: str


class _ArchiveReader:
    """Reads one web archive, once. ``own``: this program exported it."""

    def __init__(self, path: Path, url: str) -> None:
        self._path, self._url = path, url
        self._operators: dict[str, str] = {}  # by the id of their warcinfo record
        self._contents: dict[str, bytes] = {}  # by digest, for the records that repeat one
        self.own = False

    def read_answers(self) -> Iterator[_Answer]:
        """Read the wanted answers in their order. Raises UsageError."""
        try:
            from warcio.archiveiterator import ArchiveIterator
            from warcio.exceptions import ArchiveLoadFailed
        except ImportError:
            reason = "web archives need the package warcio: pip install 'map-monitor[warc]'"
            raise UsageError(reason) from None

        try:
            for stream in _open_warcs(self._path):
                for record in ArchiveIterator(stream):
                    if record.rec_type == "warcinfo":
                        self._note_info(record)
                    elif self._is_wanted(record):
                        yield self._read_answer(record)
        except (ArchiveLoadFailed, BadZipFile, EOFError, OSError, ValueError) as error:
            raise UsageError(f"{self._path} cannot be read as a web archive: {error}") from None

    def _note_info(self, record: Any) -> None:
        info = _read_info(record)
        self.own = self.own or info.get("software", "").startswith(_OWN)
        self._operators[_header(record, "WARC-Record-ID")] = _find_operator(info)

    def _is_wanted(self, record: Any) -> bool:
        url = _header(record, "WARC-Target-URI")
        if record.rec_type not in ("response", "resource", "revisit"):
            return False
        if not (_fits(url, self._url) or (self.own and not self._url)):
            return False
        return record.http_headers is None or record.http_headers.get_statuscode() in ("200", "304")

    def _read_answer(self, record: Any) -> _Answer:
        url, digest = _header(record, "WARC-Target-URI"), _header(record, "WARC-Payload-Digest")
        content = _read_payload(record) if record.rec_type != "revisit" else self._contents.get(digest)
        if content is None:
            raise UsageError(f"{self._path}: a record of {url} repeats one that is not in the archive")
        self._contents[digest] = content
        operator = self._operators.get(_header(record, "WARC-Warcinfo-ID"))
        return _Answer(url, content, _read_date(record), operator or next(iter(self._operators.values()), ""))


def _describe(answer: _Answer, said: Attribution, folder: Path) -> CapturedFile:
    name = answer.url.rpartition("/")[2].partition("?")[0] or "index"
    url = answer.url if _fits(answer.url, "") else ""
    return describe_file(
        _keep(folder, answer.content, Path(name).suffix),
        at=answer.at,
        name=name[:200],
        dated_by="archive",
        said=replace(said, captured_by=said.captured_by or answer.operator, url=url),
    )


def _header(record: Any, name: str) -> str:
    return record.rec_headers.get_header(name) or ""


_GIT = ("git", "-c", "core.fsmonitor=false", "-c", "safe.directory=*", "-C")


def _run_git(repository: Path, *arguments: str) -> bytes:
    command = [*_GIT, str(repository), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_PATIENCE, check=False)  # noqa: S603
    except FileNotFoundError:
        raise UsageError("the history of a repository needs the program git") from None
    except subprocess.TimeoutExpired:
        raise UsageError(f"git did not answer in {_PATIENCE} seconds") from None
    if done.returncode:
        reason = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise UsageError(f"git cannot read {repository}: {reason[0] if reason else 'it failed'}")
    return done.stdout


def _read_blobs(repository: Path, name: str, commits: Iterable[str]) -> Iterator[bytes | None]:
    """Read a file in each of these commits, by one process; yields None where it is missing."""
    command = [*_GIT, str(repository), "cat-file", "--batch"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as git:  # noqa: S603
        assert git.stdin is not None
        assert git.stdout is not None
        for commit in commits:
            git.stdin.write(f"{commit}:{name}\n".encode())
            git.stdin.flush()
            answer = git.stdout.readline().split()
            if answer[-1:] == [b"missing"]:
                yield None
                continue
            if answer[1:2] != [b"blob"]:
                raise UsageError(f"{name} is not a file in commit {commit[:12]}")
            if int(answer[2]) > _LARGEST:
                git.kill()
                raise UsageError(f"{name} is larger than {_LARGEST >> 20} MiB in commit {commit[:12]}")
            yield git.stdout.read(int(answer[2]))
            git.stdout.read(1)


def _open_warcs(path: Path) -> Iterator[IO[bytes]]:
    if path.name.lower().endswith(".wacz"):
        with ZipFile(path) as archive:
            for name in sorted(archive.namelist()):
                if name.startswith("archive/") and name.endswith((".warc", ".warc.gz")):
                    with archive.open(name) as stream:
                        yield stream
        return
    with path.open("rb") as file:
        yield file


def _fits(url: str, wanted: str) -> bool:
    """Whether a web address is the wanted one, or any is."""
    return url.startswith(("http://", "https://")) and wanted in ("", url)


def _read_payload(record: Any) -> bytes:
    content: bytes = record.content_stream().read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise UsageError(f"a record of the archive is larger than {_LARGEST >> 20} MiB")
    return content


def _read_info(record: Any) -> dict[str, str]:
    """The fields of a warcinfo record, their names in lower case."""
    text = record.content_stream().read(1 << 16).decode("utf-8", "replace")
    rows = (row.partition(":") for row in io.StringIO(text))
    return {name.strip().lower(): value.strip() for name, _, value in rows if value.strip()}


def _find_operator(info: Mapping[str, str]) -> str:
    """The operator of an archive, as it says itself; "" if it does not."""
    return next((info[name] for name in ("operator", "ispartof", "software") if name in info), "")


def _read_date(record: Any) -> datetime:
    return datetime.fromisoformat(_header(record, "WARC-Date")).astimezone(UTC)


def _keep(folder: Path, content: bytes, suffix: str) -> Path:
    path = folder / f"{sha256(content).hexdigest()}{suffix if suffix.isascii() else ''}"
    if not path.exists():
        path.write_bytes(content)
    return path
