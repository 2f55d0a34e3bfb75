"""Migrations: every past revision with rows in it comes to head, or the database stays as it was."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from filelock import FileLock
from sqlalchemy.engine import Engine

from monitor import subscribers
from monitor.core import tokens
from monitor.core.tokens import SMALLEST, Purpose
from monitor.errors import MigrationError
from monitor.keys import KeyFile
from monitor.storage import engine as db
from monitor.storage import migrate, people, schema
from monitor.subscribers import LinkState
from tests.conftest import ROOT
from tests.peers.postgres import Postgres

SCRIPTS = ROOT / "alembic"
_WALKED = list(ScriptDirectory(str(SCRIPTS)).walk_revisions())[::-1]
REVISIONS = [str(script.revision) for script in _WALKED]
REVISION_FILES = [script.path for script in _WALKED]

NEXT = f'''
import sqlalchemy as sa
from alembic import op

revision = "next"
down_revision = "{REVISIONS[-1]}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    recreate = "always" if op.get_bind().dialect.name == "sqlite" else "never"
    options = {{"sqlite_autoincrement": True}}
    with op.batch_alter_table("subscriber", recreate=recreate, table_kwargs=options) as batch:
        batch.add_column(sa.Column("hue", sa.Integer(), nullable=False, server_default="7"))
'''


Newest = Callable[[Engine], list[tuple[Any, ...]]]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """A database with nothing in it."""
    if request.param == "sqlite":
        engine = db.connect(f"sqlite:///{tmp_path / 'monitor.db'}")
        yield engine
        engine.dispose()
        return
    server: Postgres = request.getfixturevalue("postgres")
    name = f"empty_{secrets.token_hex(6)}"  # pytest numbers folders by worker, the server is one for all
    engine = db.connect(server.create(name))
    yield engine
    engine.dispose()
    server.drop(name)


@pytest.fixture(scope="session")
def pasts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of SQLite files of past revisions, one for all workers of a run."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "pasts"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def past(
    request: pytest.FixtureRequest, pasts: Path, tmp_path: Path, now: datetime, revision: str
) -> Iterator[Engine]:
    """A database of a past revision without rows. It is copied from one that is migrated once per run, from
    that of an earlier revision if there is one.
    """
    scripts = scripts_at(tmp_path / "then", revision)
    earlier = REVISIONS[: REVISIONS.index(revision)][::-1]
    if request.param == "sqlite":
        model = pasts / f"{revision}.db"
        with FileLock(pasts / "lock"):
            if not model.exists():
                part = tmp_path / "part.db"
                known = next((path for each in earlier if (path := pasts / f"{each}.db").exists()), None)
                if known is not None:
                    shutil.copyfile(known, part)
                engine = db.connect(f"sqlite:///{part}")
                migrate.upgrade(engine, folder=tmp_path / "copies", now=now, scripts=scripts)
                engine.dispose()
                part.rename(model)
        shutil.copyfile(model, tmp_path / "monitor.db")
        (tmp_path / "monitor.db").chmod(0o600)
        engine = db.connect(f"sqlite:///{tmp_path / 'monitor.db'}")
        yield engine
        engine.dispose()
        return
    server: Postgres = request.getfixturevalue("postgres")
    with server.lock():
        if not server.has(f"past_{revision}"):
            template = next((name for each in earlier if server.has(name := f"past_{each}")), "template0")
            part_name = f"part_{secrets.token_hex(6)}"
            engine = db.connect(server.create(part_name, template))
            migrate.upgrade(engine, folder=tmp_path, now=now, scripts=scripts, copies=False)
            engine.dispose()
            server.rename(part_name, f"past_{revision}")
    name = f"of_past_{secrets.token_hex(6)}"
    engine = db.connect(server.create(name, f"past_{revision}"))
    yield engine
    engine.dispose()
    server.drop(name)


@pytest.fixture(scope="module")
def newest(
    request: pytest.FixtureRequest, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Newest:
    """The schema of a fresh database of the same kind as another, in which alembic finds no difference."""
    known: dict[str, list[tuple[Any, ...]]] = {}

    def look(url: str, kind: str) -> None:
        engine = db.connect(url)
        assert differences(engine) == []
        known[kind] = whole_schema(engine)
        engine.dispose()

    def find(like: Engine) -> list[tuple[Any, ...]]:
        kind = like.dialect.name
        if kind not in known and kind == "sqlite":
            path = tmp_path_factory.mktemp("newest") / "monitor.db"
            shutil.copyfile(sqlite_template, path)
            look(f"sqlite:///{path}", kind)
        elif kind not in known:
            server: Postgres = request.getfixturevalue("postgres")
            name = f"newest_{secrets.token_hex(6)}"
            look(server.create(name, request.getfixturevalue("postgres_template")), kind)
            server.drop(name)
        return known[kind]

    return find


def scripts_at(folder: Path, revision: str, **more: str) -> Path:
    """The revisions up to this one, as the program had them then, and ``more`` by file name."""
    # with their times and what Python compiled of them: it need not do so again
    shutil.copytree(SCRIPTS, folder, ignore=shutil.ignore_patterns("versions"))
    (folder / "versions").mkdir()
    with suppress(FileNotFoundError):
        shutil.copytree(SCRIPTS / "versions" / "__pycache__", folder / "versions" / "__pycache__")
    for script in REVISION_FILES[: REVISIONS.index(revision) + 1] if revision != "base" else ():
        shutil.copy2(script, folder / "versions")
    for name, text in more.items():
        (folder / "versions" / f"{name}.py").write_text(text)
    return folder


def fill(engine: Engine, now: datetime) -> dict[str, list[dict[str, Any]]]:
    """Put a row into every table there is, by what the database says of its columns; return all rows."""
    reflected = sa.MetaData()
    with db.transaction(engine) as conn:
        reflected.reflect(conn)
        for table in reflected.sorted_tables:
            if table.name != "alembic_version":
                conn.execute(
                    table.insert().values({column.name: some(column, now) for column in table.columns})
                )
    return rows(engine)


def some(column: sa.Column[Any], now: datetime) -> Any:
    match column.type:
        case sa.Boolean():
            return True
        case sa.Float():
            return 0.25
        case sa.Integer():
            return 1  # also every id, so that foreign keys point to something
        case sa.DateTime():
            return now if column.type.timezone else now.replace(tzinfo=None)
        case sa.JSON():
            return ["a"]
        case sa.LargeBinary():
            return b"\x00\xff"
        case sa.String():
            return "text"
    raise AssertionError(f"no value for {column} of type {column.type}")


def rows(engine: Engine) -> dict[str, list[dict[str, Any]]]:
    """All rows, as the driver gives them: reflecting the tables would cost more than all the rest."""
    quote = engine.dialect.identifier_preparer.quote
    with db.reading(engine) as conn:
        return {
            name: [dict(row) for row in conn.exec_driver_sql(f"SELECT * FROM {quote(name)}").mappings()]
            for name in sa.inspect(conn).get_table_names()
            if name != "alembic_version"
        }


def differences(engine: Engine) -> list[Any]:
    with db.reading(engine) as conn:
        context = MigrationContext.configure(
            conn, opts={"compare_type": True, "compare_server_default": True}
        )
        return list(compare_metadata(context, schema.metadata))


WHOLE_SCHEMA = {
    "sqlite": "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name",
    "postgresql": """
        SELECT 'column', relname::text, attnum::text, attname::text, format_type(atttypid, atttypmod),
            attnotnull::text, attidentity::text, attgenerated::text, pg_get_expr(adbin, adrelid)
        FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S') AND attnum > 0
            AND NOT attisdropped
        UNION ALL
        SELECT 'index', tablename::text, indexname::text, indexdef, '', '', '', '', ''
        FROM pg_indexes WHERE schemaname = 'public'
        UNION ALL
        SELECT 'constraint', conrelid::regclass::text, conname::text, pg_get_constraintdef(oid), '', '', '',
            '', ''
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace
        ORDER BY 1, 2, 3, 4
    """,
}


def whole_schema(engine: Engine) -> list[tuple[Any, ...]]:
    """Everything that the database says of its tables, their indexes and constraints."""
    with db.reading(engine) as conn:
        found = [tuple(row) for row in conn.exec_driver_sql(WHOLE_SCHEMA[engine.dialect.name])]
    if engine.dialect.name == "sqlite":
        # a table that alembic copied has its constraints in any order
        return [(*rest, sorted(map(_one_line, (text or "").splitlines()))) for *rest, text in found]
    return found


def _one_line(line: str) -> str:
    return " ".join(line.split()).rstrip(",")


def schema_of(path: Path) -> str:
    with closing(sqlite3.connect(path)) as conn:
        return "\n".join(
            sorted(row[0] for row in conn.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL"))
        )


def assert_copied(copy: Path | None, before: dict[str, list[dict[str, Any]]], revision: str) -> None:
    """The copy is a SQLite file of that revision with the same rows, whatever the database was."""
    assert copy is not None
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    engine = db.connect(f"sqlite:///{copy}")
    assert migrate.load_revision(engine) == revision
    found = rows(engine)
    engine.dispose()
    assert found.keys() == before.keys()
    for table, was in before.items():
        assert [_comparable(row) for row in found[table]] == [_comparable(row) for row in was], table


def _comparable(row: dict[str, Any]) -> dict[str, Any]:
    """Times as SQLite keeps them, in microseconds, and lists as text; flags equal numbers anyway."""
    return {name: _kept(value) for name, value in row.items()}


def _kept(value: Any) -> Any:
    match value:
        case datetime():
            return (value - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        case list():
            return json.dumps(value)
    return value


@pytest.mark.parametrize("revision", REVISIONS)
def test_every_past_revision_comes_to_head_with_its_rows(
    past: Engine, newest: Newest, tmp_path: Path, now: datetime, revision: str
) -> None:
    before = fill(past, now)
    assert len(before) > 10
    assert all(len(each) == 1 for each in before.values())

    report = migrate.upgrade(past, folder=tmp_path, now=now)

    assert (report.before, report.after, migrate.load_revision(past)) == (
        revision,
        migrate.head(),
        migrate.head(),
    )
    if revision != migrate.head():
        assert_copied(report.copy, before, revision)
    after = rows(past)
    for table, was in before.items():
        assert len(after[table]) >= len(was), table
    assert whole_schema(past) == newest(past)


def test_a_fresh_database_is_what_the_tables_say(engine: Engine) -> None:
    assert differences(engine) == []


def test_sqlite_has_the_indexes_and_counters_that_a_comparison_does_not_see(
    sqlite_url: str, tmp_path: Path
) -> None:
    made = db.connect(f"sqlite:///{tmp_path / 'made.db'}")
    schema.metadata.create_all(made)
    made.dispose()

    def hidden(path: Path) -> set[str]:
        lines = (" ".join(line.split()) for line in schema_of(path).splitlines())
        return {line for line in lines if " WHERE " in line or "AUTOINCREMENT" in line}

    assert hidden(tmp_path / "monitor.db") == hidden(tmp_path / "made.db") != set()


def test_a_table_that_others_point_to_is_replaced_without_losing_their_rows(
    engine: Engine, tmp_path: Path, now: datetime
) -> None:
    before = fill(engine, now)
    scripts = scripts_at(tmp_path / "later", REVISIONS[-1], next=NEXT)

    report = migrate.upgrade(engine, folder=tmp_path, now=now, scripts=scripts)

    assert report.changed
    expected = before | {"subscriber": [before["subscriber"][0] | {"hue": 7}]}
    assert rows(engine) == expected
    with pytest.raises(sa.exc.IntegrityError), db.transaction(engine) as conn:
        conn.execute(sa.delete(schema.SubscriberRow))  # foreign keys are on again


def test_a_sqlite_file_is_copied_before_it_is_migrated(
    sqlite_engine: Engine, tmp_path: Path, now: datetime
) -> None:
    before = fill(sqlite_engine, now)
    scripts = scripts_at(tmp_path / "later", REVISIONS[-1], next=NEXT)

    report = migrate.upgrade(sqlite_engine, folder=tmp_path / "copies", now=now, scripts=scripts)

    assert report.copy == tmp_path / "copies" / f"monitor-{REVISIONS[-1]}-20260301T120000Z.db"
    assert stat.S_IMODE(report.copy.stat().st_mode) == 0o600
    assert [each.name for each in report.copy.parent.iterdir()] == [report.copy.name]
    copy = db.connect(f"sqlite:///{report.copy}")
    assert rows(copy) == before
    assert migrate.load_revision(copy) == REVISIONS[-1]
    copy.dispose()


@pytest.mark.postgres
def test_a_server_database_is_copied_unless_the_operator_does_it(
    postgres_engine: Engine, tmp_path: Path, now: datetime
) -> None:
    before = fill(postgres_engine, now)
    scripts = scripts_at(tmp_path / "later", REVISIONS[-1], next=NEXT)
    folder = tmp_path / "copies"
    with pytest.raises(MigrationError, match="copy_before_upgrade = false"):
        migrate.upgrade(postgres_engine, folder=folder, now=now, scripts=scripts, free=lambda _: 1_000_000)
    assert rows(postgres_engine) == before
    assert list(folder.iterdir()) == []
    broken = scripts_at(tmp_path / "broken", REVISIONS[-1], next=NEXT + "    raise RuntimeError('no')\n")
    with pytest.raises(MigrationError, match="is as it was: no"):
        migrate.upgrade(postgres_engine, folder=folder, now=now, scripts=broken)
    assert list(folder.iterdir()) == [], "copies of failed migrations do not fill the disk"
    report = migrate.upgrade(postgres_engine, folder=folder, now=now, scripts=scripts, copies=False)
    assert report.changed
    assert list(folder.iterdir()) == []


@pytest.mark.postgres
def test_the_copy_of_a_server_database_is_the_way_back(
    postgres_engine: Engine, tmp_path: Path, now: datetime
) -> None:
    before = fill(postgres_engine, now)
    scripts = scripts_at(tmp_path / "later", REVISIONS[-1], next=NEXT)
    copy = migrate.upgrade(postgres_engine, folder=tmp_path, now=now, scripts=scripts).copy
    assert_copied(copy, before, REVISIONS[-1])
    with pytest.raises(MigrationError, match=f"sqlite:///{copy}"):
        migrate.upgrade(postgres_engine, folder=tmp_path, now=now)
    older = db.connect(f"sqlite:///{copy}")
    assert not migrate.upgrade(older, folder=tmp_path, now=now).changed
    older.dispose()
    assert migrate.forget_copies(postgres_engine, tmp_path, now + timedelta(days=1)) == 1


def test_a_database_at_head_is_neither_copied_nor_touched(
    engine: Engine, tmp_path: Path, now: datetime
) -> None:
    report = migrate.upgrade(engine, folder=tmp_path / "copies", now=now, free=lambda _: 0)
    assert not report.changed
    assert not (tmp_path / "copies").exists()


def test_a_disk_too_small_for_the_copy_changes_nothing(
    sqlite_engine: Engine, tmp_path: Path, now: datetime
) -> None:
    before = fill(sqlite_engine, now)
    scripts = scripts_at(tmp_path / "later", REVISIONS[-1], next=NEXT)
    with pytest.raises(MigrationError, match="disk is too small"):
        migrate.upgrade(
            sqlite_engine, folder=tmp_path / "copies", now=now, scripts=scripts, free=lambda _: 1_000_000
        )
    assert rows(sqlite_engine) == before
    assert migrate.load_revision(sqlite_engine) == REVISIONS[-1]
    assert list((tmp_path / "copies").iterdir()) == []


@pytest.mark.parametrize(
    "failure",
    [
        "raise RuntimeError('it broke')",
        "op.execute('SELECT no_such_column FROM meta')",
        "op.drop_table('absent')",
    ],
)
def test_a_failed_migration_leaves_the_database_as_it_was(
    engine: Engine, newest: Newest, tmp_path: Path, now: datetime, failure: str
) -> None:
    before = fill(engine, now)
    half = (
        NEXT
        + f"    op.create_table('extra', sa.Column('x', sa.Integer()))\n    op.execute('DELETE FROM body')\n"
        f"    {failure}\n"
    )
    with pytest.raises(MigrationError) as caught:
        migrate.upgrade(
            engine, folder=tmp_path, now=now, scripts=scripts_at(tmp_path / "later", REVISIONS[-1], next=half)
        )
    assert "\n" not in str(caught.value)
    assert rows(engine) == before
    assert whole_schema(engine) == newest(engine)
    assert migrate.load_revision(engine) == REVISIONS[-1]


def test_a_migration_that_breaks_a_reference_is_taken_back(
    sqlite_engine: Engine, tmp_path: Path, now: datetime
) -> None:
    before = fill(sqlite_engine, now)
    broken = NEXT + "    op.execute('DELETE FROM subscriber')\n"
    with pytest.raises(MigrationError, match="would point to no row of subscriber"):
        migrate.upgrade(
            sqlite_engine,
            folder=tmp_path,
            now=now,
            scripts=scripts_at(tmp_path / "later", REVISIONS[-1], next=broken),
        )
    assert rows(sqlite_engine) == before


def test_a_database_from_the_future_is_refused_with_the_way_back(
    engine: Engine, tmp_path: Path, now: datetime
) -> None:
    before = fill(engine, now)
    scripts = scripts_at(tmp_path / "later", REVISIONS[-1], next=NEXT)
    copy = migrate.upgrade(engine, folder=tmp_path, now=now, scripts=scripts).copy
    changed = rows(engine)

    with pytest.raises(MigrationError, match="newer version") as caught:
        migrate.upgrade(engine, folder=tmp_path, now=now)
    assert rows(engine) == changed

    assert copy is not None
    assert str(copy) in str(caught.value)
    path = db.sqlite_path(engine)
    if path is None:
        return
    engine.dispose()
    shutil.copyfile(copy, path)
    assert not migrate.upgrade(engine, folder=tmp_path, now=now).changed
    assert rows(engine) == before


def developers(scripts: Path, database: Path) -> Config:
    """What a developer's alembic command would read, with other folders."""
    config = Config(str(ROOT / "alembic.ini"))
    config.set_main_option("script_location", str(scripts))
    config.set_main_option("sqlalchemy.url", f"sqlite:///{database}")
    return config


def test_a_developer_finds_the_revisions_complete(tmp_path: Path) -> None:
    config = developers(SCRIPTS, tmp_path / "scratch" / "scratch.db")
    command.upgrade(config, "head")
    command.check(config)


def test_a_generated_revision_runs_and_is_complete(tmp_path: Path, now: datetime) -> None:
    scripts = scripts_at(tmp_path / "generated", "base")
    command.revision(
        developers(scripts, tmp_path / "scratch.db"), message="all of it", autogenerate=True, rev_id="made"
    )
    engine = db.connect(f"sqlite:///{tmp_path / 'monitor.db'}")
    assert migrate.upgrade(engine, folder=tmp_path, now=now, scripts=scripts).after == "made"
    assert differences(engine) == []
    engine.dispose()


def test_two_processes_migrate_once(empty: Engine, tmp_path: Path) -> None:
    program = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from monitor.storage import migrate
from monitor.storage import engine as db
now = datetime(2026, 3, 1, tzinfo=UTC)
report = migrate.upgrade(db.connect(sys.argv[1]), folder=Path(sys.argv[2]), now=now)
print(report.changed)
"""
    url = empty.url.render_as_string(hide_password=False)
    start = [sys.executable, "-c", program, url, str(tmp_path)]
    processes = [
        subprocess.Popen(start, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    outputs = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert sorted(output.strip() for output, _ in outputs) == ["False", "True"]


def test_whoever_waits_too_long_for_the_lock_is_told_so(empty: Engine, tmp_path: Path, now: datetime) -> None:
    path = db.sqlite_path(empty)
    wait = timedelta(milliseconds=50)
    if path is not None:
        with FileLock(f"{path}.migrate"), pytest.raises(MigrationError, match="still migrates"):
            migrate.upgrade(empty, folder=tmp_path, now=now, wait=wait)
    else:
        with db.transaction(empty) as other:
            other.execute(sa.text(f"SELECT pg_advisory_xact_lock({migrate.ADVISORY_LOCK})"))
            with pytest.raises(MigrationError, match="locked by another program"):
                migrate.upgrade(empty, folder=tmp_path, now=now, wait=wait)
    assert migrate.upgrade(empty, folder=tmp_path, now=now).changed


MOST_BYTES_OF_THE_WHEEL = 2 << 20


def test_an_installed_wheel_migrates_from_its_own_folder(tmp_path: Path) -> None:
    def run(*words: str, **options: Any) -> str:
        return subprocess.run(
            words, check=True, capture_output=True, text=True, timeout=300, **options
        ).stdout.strip()

    python = sys.executable
    run(python, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path / "dist"), str(ROOT))
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    assert wheel.stat().st_size < MOST_BYTES_OF_THE_WHEEL
    site = tmp_path / "site"
    run(
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--target",
        str(site),
        str(wheel),
    )
    program = """
from datetime import UTC, datetime
from pathlib import Path
from monitor.storage import migrate
from monitor.storage import engine as db
now = datetime(2026, 3, 1, tzinfo=UTC)
migrate.upgrade(db.connect("sqlite:///data/monitor.db"), folder=Path("data"), now=now)
print(migrate.load_revision(db.connect("sqlite:///data/monitor.db")), migrate.scripts_folder(), sep="\\n")
"""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    output = run(python, "-c", program, cwd=elsewhere, env={"PYTHONPATH": str(site)})
    assert output.splitlines() == [migrate.head(), str(site / "monitor" / "alembic")]
    texts = """
import hashlib
from jinja2 import Environment
from monitor.config import example
from monitor.package_texts import open_templates, read_text, read_texts
from monitor.places.packaged_table import compute_version
for room in ("web", "messages"):
    loader = open_templates(room)
    for name in loader.list_templates():
        print(name, hashlib.sha256(loader.get_source(Environment(), name)[0].encode()).hexdigest())
patterns = {"messages": "*.po", "places": "*.csv", "web": "static/*", "demo": "files/*.kml"}
for room, pattern in patterns.items():
    for name, text in read_texts(room, pattern).items():
        assert read_text(room, name) == text
        print(name, hashlib.sha256(text.encode()).hexdigest())
print(compute_version())
print(hashlib.sha256(example().encode()).hexdigest())
"""
    packed = run(python, "-c", texts, cwd=elsewhere, env={"PYTHONPATH": str(site)})
    assert not (site / "monitor" / "web" / "templates").exists()
    assert not [*site.rglob("*.csv"), *site.rglob("*.po"), *site.rglob("*.css"), *site.rglob("config.*.toml")]
    assert packed == run(python, "-c", texts, cwd=ROOT)
    assert len(packed.splitlines()) > 60


def test_a_current_database_is_opened_without_alembic(tmp_path: Path, now: datetime) -> None:
    """It takes 6 MB that a service on a small machine needs for something else."""
    url = f"sqlite:///{tmp_path / 'monitor.db'}"
    engine = db.connect(url)
    migrate.upgrade(engine, folder=tmp_path, now=now)
    engine.dispose()
    program = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from monitor.storage import migrate
from monitor.storage import engine as db
folder = Path(sys.argv[1])
report = migrate.upgrade(db.connect(sys.argv[2]), folder=folder, now=datetime(2026, 3, 1, tzinfo=UTC))
print(report.before, report.after, "alembic" in sys.modules)
"""
    output = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path), url],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert output.split() == [REVISIONS[-1], REVISIONS[-1], "False"]


def test_the_newest_revision_is_alembics_and_one() -> None:
    assert [migrate.head()] == ScriptDirectory(str(SCRIPTS)).get_heads()


def test_two_newest_revisions_are_refused(sqlite_engine: Engine, now: datetime, tmp_path: Path) -> None:
    scripts = scripts_at(tmp_path / "two", REVISIONS[-1], one=NEXT, two=NEXT.replace('"next"', '"other"'))
    with pytest.raises(MigrationError, match="2 newest revisions"):
        migrate.upgrade(sqlite_engine, folder=tmp_path, now=now, scripts=scripts)


def test_everybody_gets_a_random_number_and_old_links_work(
    empty: Engine, keys: KeyFile, now: datetime, tmp_path: Path
) -> None:
    migrate.upgrade(empty, folder=tmp_path, now=now, scripts=scripts_at(tmp_path / "before", "0010"))
    reflected = sa.MetaData()
    with db.transaction(empty) as conn:
        reflected.reflect(conn, only=["subscriber"])
        table = reflected.tables["subscriber"]
        columns = [column for column in table.columns if column.name not in {"id", "address_hash"}]
        person = {column.name: some(column, now) for column in columns} | {"state": "active"}
        conn.execute(
            table.insert(),
            [person | {"id": id, "address_hash": str(id), "nonce": "n"} for id in range(1, 301)],
        )
    migrate.upgrade(empty, folder=tmp_path, now=now)
    with db.reading(empty) as conn:
        numbers = [one.number for one in people.load_living(conn)]
    assert len(set(numbers)) == 300
    assert all(SMALLEST <= number < SMALLEST + 2**60 for number in numbers)
    assert numbers not in (sorted(numbers), sorted(numbers, reverse=True))
    # each bit is set for about half of them: the chance that one is off by as much is 1 in 10**12
    offsets = [number - SMALLEST for number in numbers]
    assert all(80 < sum(offset >> bit & 1 for offset in offsets) < 220 for bit in range(60))
    for number in (7, numbers[6]):
        link = tokens.make(keys.token_key, Purpose.UNSUBSCRIBE, number, "n")
        assert subscribers.load_link(empty, keys, Purpose.UNSUBSCRIBE, link, now).found is LinkState.OPEN


def test_a_database_of_an_edited_first_revision_comes_to_head(
    empty: Engine, tmp_path: Path, now: datetime
) -> None:
    """As of 2026-11-24: at revision 0001, without what was written into that revision later."""
    migrate.upgrade(empty, folder=tmp_path, now=now, scripts=scripts_at(tmp_path / "first", "0001"))
    later = (
        "DROP TABLE returned_mail",
        "DROP TABLE confirmation",
        "ALTER TABLE subscriber DROP COLUMN receipts",
    )
    with db.transaction(empty) as conn:
        for statement in later:
            conn.exec_driver_sql(statement)
    migrate.upgrade(empty, folder=tmp_path, now=now)
    assert migrate.load_revision(empty) == migrate.head()
    # a column that SQLite adds for old rows keeps the default that they got
    left = [
        each for each in differences(empty) if not (isinstance(each, list) and "modify_default" in each[0])
    ]
    assert left == []
