"""Fixtures that every room's tests share: input, time, keys, and a fresh migrated database on SQLite or
PostgreSQL.
"""

from __future__ import annotations

import gc
import logging
import os
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import none
from sqlalchemy.engine import Engine
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

from monitor import app
from monitor.app import components
from monitor.app.watching import open_parser
from monitor.channels import OperatorAddress
from monitor.config import Settings
from monitor.keys import KeyFile
from monitor.parser import ParserLimits, ParserProcess
from monitor.storage import engine as db
from monitor.storage import migrate
from tests.canaries import Canaries
from tests.peers.compiled import share_compiled_statements
from tests.peers.connections import close_kept, keep_connections
from tests.peers.postgres import Postgres
from tests.peers.resolver import resolve_here

if TYPE_CHECKING:
    from playwright.sync_api import Browser

settings.register_profile(
    "suite",
    deadline=None,  # no test asserts an absolute time, nor fails because the machine was slow
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=True,  # the same examples in every run; the long runs look for others
)
settings.register_profile("torture", settings.get_profile("suite"), derandomize=False, print_blob=True)
settings.load_profile("torture" if os.environ.get("MONITOR_TORTURE") else "suite")

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
_POSTGRES_FOLDER = "MONITOR_TEST_POSTGRES"
_TEMPLATE = "monitor_template"
MEMORY = Path("/dev/shm")
ENOUGH = 2 << 30  # bytes; temporary files take a tenth of it, PostgreSQL a quarter
TOGETHER = (
    "tests/demo/",
    "tests/outbox/test_earlier_deliveries.py",
    "tests/places/test_finder_costs.py",
    "tests/subscribers/test_browser.py",
    "tests/subscribers/test_push_browser.py",
    "tests/web/test_agencies_by_county.py",
    "tests/web/test_brief.py",
    "tests/web/test_browser.py",
    "tests/web/test_maps.py",
    "tests/web/test_numbers.py",
)
"""Folders and files whose tests share what is dear to make: a browser, a story, a long list, a migration.
pytest-xdist's own groups are silently none with pytest 9.2.
"""


def own(chats: Mapping[str, str]) -> tuple[OperatorAddress, ...]:
    """The operator's own addresses, given by place."""
    return tuple(OperatorAddress(place, chat) for place, chat in chats.items())


def pytest_configure(config: pytest.Config) -> None:
    """Name the folders of this run, before pytest-xdist starts workers that inherit the names.

    Temporary files go to memory where there is plenty: nothing in a test outlives a power cut, and each
    commit waits for the disk; a PostgreSQL database is copied there for a quarter of the processor time.
    PostgreSQL's folder is not below pytest's own temporary folder: that is closed to the user under whom the
    server runs when the tests run as root. No name server is asked.
    """
    socket.getaddrinfo = resolve_here
    # httpx's client asks for it with each lock that it takes, and Python looks through all folders again
    sys.modules.setdefault("sniffio", None)  # type: ignore[arg-type]
    share_compiled_statements()
    keep_connections()
    if not hasattr(config, "workerinput"):
        # Python would compile the program and the tests again in each worker and in each of the hundreds of
        # processes
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        sys.dont_write_bytecode = False
        if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ENOUGH:
            os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))
        folder = os.environ.get("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
        os.environ[_POSTGRES_FOLDER] = str(Path(folder) / f"monitor-pg-{secrets.token_hex(4)}")


def pytest_unconfigure(config: pytest.Config) -> None:
    """The process that named the folder stops the server in it, after the last worker."""
    if not hasattr(config, "workerinput"):
        Postgres(Path(os.environ.pop(_POSTGRES_FOLDER))).stop()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever uses the shared folder is marked so, without saying it twice."""
    for item in items:
        if "shared" in getattr(item, "fixturenames", ()):
            item.add_marker("shared")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how far tests without a natural end went (property "bound"), also those of other processes."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "bound":
                terminalreporter.write_line(f"{report.nodeid}: {value}")


@pytest.hookimpl(optionalhook=True)  # without pytest-xdist nobody asks
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: a third of the time tests wait, for the disk, a process or a
    browser.
    """
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """One test at a time to whichever worker is free, but each of `TOGETHER` whole, and first, for they take
    longest.
    """
    return Together(config, log)


class Together(LoadScopeScheduling):
    def _split_scope(self, nodeid: str) -> str:
        return next((each for each in TOGETHER if nodeid.startswith(each)), nodeid)

    def mark_test_complete(self, node: WorkerController, item_index: int, duration: float = 0) -> None:
        """Forget what a worker is done with: after each test all that it was ever given is counted."""
        super().mark_test_complete(node, item_index, duration)
        scope = self._split_scope(self.registered_collections[node][item_index])
        if all(self.assigned_work[node][scope].values()):
            del self.assigned_work[node][scope]


def pytest_collection_finish() -> None:
    """What was imported and collected is there to stay: the garbage collector need not look through it again
    and again. It also looks less often at what tests make, which saves a fifteenth of the processor time.
    Hypothesis makes its random numbers before: it asks the collector who holds them, which does not look at
    what is frozen.
    """
    given(none())(lambda _: None)()
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real input beside the project; tests that need it are skipped where it is not."""
    if not SHARED.is_dir():
        pytest.skip("../shared is not here")
    return SHARED


@pytest.fixture(autouse=True)
def no_canary_in_the_log() -> Iterator[None]:
    """In the whole suite no log line holds an address or a token, at any level."""
    canaries = Canaries()
    logging.getLogger().addHandler(canaries)
    yield
    logging.getLogger().removeHandler(canaries)
    assert canaries.found == []


@pytest.fixture(scope="session")
def parsers() -> Iterator[dict[ParserLimits, ParserProcess]]:
    """The parsers of this worker by their limits; see `kept_parser`."""
    found: dict[ParserLimits, ParserProcess] = {}
    yield found
    for parser in found.values():
        parser.close()


@pytest.fixture
def kept_parser(monkeypatch: pytest.MonkeyPatch, parsers: dict[ParserLimits, ParserProcess]) -> None:
    """The commands that a test calls in this process share the parser's child processes, as those of a
    service do. Otherwise each command starts a child, which takes longer than what it then reads.
    """

    def open_kept(settings: Settings) -> AbstractContextManager[ParserProcess]:
        made = open_parser(settings)  # starts nothing before it is asked
        return nullcontext(parsers.setdefault(made._limits, made))

    for module in (app, components):
        monkeypatch.setattr(module, "open_parser", open_kept)


@pytest.fixture(scope="session")
def use_browser() -> Iterator[Callable[[], AbstractContextManager[Browser]]]:
    """The browser of this worker: starting one takes longer than most visits."""
    from tests.peers.browser import chromium  # here: most folders need none of it

    with chromium() as use:
        yield use


@pytest.fixture
def browser(use_browser: Callable[[], AbstractContextManager[Browser]]) -> Iterator[Browser]:
    """A headless Chromium."""
    with use_browser() as browser:
        yield browser


@pytest.fixture
def now() -> datetime:
    """A fixed moment."""
    return NOW


@pytest.fixture(scope="session")
def keys() -> KeyFile:
    """A key that is the same in every run."""
    return KeyFile.of_master(bytes(range(32)))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The server of this run; started when the first test asks for it."""
    server = Postgres(Path(os.environ[_POSTGRES_FOLDER]))
    server.start()
    yield server
    close_kept()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy from, made once per worker."""
    path = tmp_path_factory.mktemp("template") / "monitor.db"
    _migrated(f"sqlite:///{path}", path.parent)
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a migrated database to copy from, made once per run."""
    with postgres.lock():
        if not postgres.has(_TEMPLATE):
            try:
                _migrated(postgres.create(_TEMPLATE), tmp_path_factory.mktemp("template"))
            except BaseException:
                postgres.drop(_TEMPLATE)
                raise
    return _TEMPLATE


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The URL of a fresh migrated SQLite database, for tests that start a process of their own."""
    path = tmp_path / "monitor.db"
    shutil.copyfile(sqlite_template, path)
    path.chmod(0o600)
    return f"sqlite:///{path}"


@pytest.fixture(scope="session")
def postgres_spare() -> list[str]:
    """Names of databases that a test of this worker is done with and that are as fresh as new."""
    return []


@pytest.fixture
def postgres_url(postgres: Postgres, postgres_template: str, postgres_spare: list[str]) -> Iterator[str]:
    """The URL of a fresh migrated PostgreSQL database."""
    if postgres_spare:
        name = postgres_spare.pop()
    else:
        name = f"test_{secrets.token_hex(8)}"
        postgres.create(name, template=postgres_template)
    yield postgres.url(name)
    if postgres.emptied(name, like=postgres_template):
        postgres_spare.append(name)
    else:
        postgres.drop(name)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a fresh migrated database: every test that takes it runs on both."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """A fresh migrated database: every test that takes it runs on SQLite and on PostgreSQL."""
    engine = db.connect(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def sqlite_engine(sqlite_url: str) -> Iterator[Engine]:
    """A fresh migrated SQLite database, for what does not depend on the kind."""
    engine = db.connect(sqlite_url)
    yield engine
    engine.dispose()


@pytest.fixture
def postgres_engine(postgres_url: str) -> Iterator[Engine]:
    """A fresh migrated PostgreSQL database; tests that take it are marked ``postgres``."""
    engine = db.connect(postgres_url)
    yield engine
    engine.dispose()


@pytest.fixture
def opened() -> Iterator[Callable[..., Engine]]:
    """Connects to a database like `db.connect`, and closes every connection at the end of the test."""
    with ExitStack() as closing:

        def connect(url: str, **options: Any) -> Engine:
            made = db.connect(url, **options)
            closing.callback(made.dispose)
            return made

        yield connect


def _migrated(url: str, folder: Path) -> None:
    engine = db.connect(url)
    migrate.upgrade(engine, folder=folder, now=NOW)
    # The last connection to a SQLite file folds its log into it; a template must have no clients.
    engine.dispose()
