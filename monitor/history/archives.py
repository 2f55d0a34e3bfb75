"""Captures in git repositories and web archives, unpacked into a folder."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import IO, Any
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
    try:
        from warcio.archiveiterator import ArchiveIterator
        from warcio.exceptions import ArchiveLoadFailed
    except ImportError:
        raise UsageError("web archives need the package warcio: pip install 'map-monitor[warc]'") from None

    found: list[CapturedFile] = []
    by = said.captured_by
    own = False
    operators: dict[str, str] = {}
    seen: dict[str, bytes] = {}
    urls: set[str] = set()
    try:
        for stream in _open_warcs(path):
            for record in ArchiveIterator(stream):
                if record.rec_type == "warcinfo":
                    info = _read_info(record)
                    own = own or info.get("software", "").startswith(_OWN)
                    operators[record.rec_headers.get_header("WARC-Record-ID") or ""] = _find_operator(info)
                url = record.rec_headers.get_header("WARC-Target-URI") or ""
                if record.rec_type not in ("response", "resource", "revisit") or not (
                    _is_wanted(url, said.url) or (own and not said.url)
                ):
                    continue
                if record.http_headers is not None and record.http_headers.get_statuscode() not in (
                    "200",
                    "304",
                ):
                    continue
                digest = record.rec_headers.get_header("WARC-Payload-Digest") or ""
                content = _read_payload(record) if record.rec_type != "revisit" else seen.get(digest)
                if content is None:
                    raise UsageError(f"{path}: a record of {url} repeats one that is not in the archive")
                seen[digest] = content
                urls.add(url)
                name = url.rpartition("/")[2].partition("?")[0] or "index"
                made_by = operators.get(record.rec_headers.get_header("WARC-Warcinfo-ID") or "")
                first_info = next(iter(operators.values()), "")
                found.append(
                    describe_file(
                        _keep(folder, content, Path(name).suffix),
                        at=_read_date(record),
                        name=name[:200],
                        dated_by="archive",
                        said=replace(
                            said,
                            captured_by=by or made_by or first_info,
                            url=url if _is_wanted(url, "") else "",
                        ),
                    )
                )
    except (ArchiveLoadFailed, BadZipFile, EOFError, OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read as a web archive: {error}") from None
    if not found:
        raise UsageError(f"{path} has no answer with status 200" + (f" of {said.url}" if said.url else ""))
    if len(urls) > 1 and not own:
        named = ", ".join(sorted(urls)[:3])
        raise UsageError(f"{path} has answers of {len(urls)} addresses ({named}): choose one with --url")
    return found


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


def _is_wanted(url: str, wanted: str) -> bool:
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
    text = record.rec_headers.get_header("WARC-Date") or ""
    return datetime.fromisoformat(text).astimezone(UTC)


def _keep(folder: Path, content: bytes, suffix: str) -> Path:
    path = folder / f"{sha256(content).hexdigest()}{suffix if suffix.isascii() else ''}"
    if not path.exists():
        path.write_bytes(content)
    return path
