"""The store's file in trouble: locked, full, damaged, foreign, newer, raced. Nothing is lost."""

import multiprocessing
import os
import resource
import shutil
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect

from clocks import HandClock
from release import made
from seawall.errors import ConflictError, RefusedError, UnreachableError
from seawall.ids import NodeName, ReleaseId
from seawall.release import migrations
from seawall.release.envelope import open_envelope
from seawall.release.migrations import Schema, upgrade
from seawall.release.store import Store
from seawall.release.tables import METADATA
from small_disk import small_disk

MIGRATIONS = Path(migrations.__file__).parent
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["seawall.release.store"])
LOCAL = NodeName("local")


def _open(path: Path, *, busy_timeout_s: float = 5.0, schema: Schema | None = None) -> Store:
    return Store(
        path,
        clock=HandClock(),
        busy_timeout_s=busy_timeout_s,
        schema=schema or migrations.PACKAGED,
    )


def test_the_file_and_its_log_are_private(store: Store, path: Path) -> None:
    made.add(store)
    modes = {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in path.parent.iterdir()}
    assert modes == {"seawall.db": 0o600, "seawall.db-shm": 0o600, "seawall.db-wal": 0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_file_that_others_may_read_is_made_private(store: Store, path: Path) -> None:
    store.close()
    path.chmod(0o644)
    with _open(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_every_commit_is_flushed_in_wal_mode(store: Store) -> None:
    with store._database.read() as connection:
        pragma = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert pragma == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 5000,
    }


def test_opening_a_current_store_does_not_load_alembic(store: Store, path: Path) -> None:
    store.close()
    program = (
        "import sys; from pathlib import Path; from seawall.clock import SystemClock;"
        "from seawall.release.store import Store;"
        "Store(Path(sys.argv[1]), clock=SystemClock()).close();"
        "print('alembic' in sys.modules)"
    )
    for target in (path, path.with_name("new.db")):
        ran = subprocess.run(
            [sys.executable, "-c", program, target], capture_output=True, check=True, text=True
        )
        assert ran.stdout.strip() == "False"


def test_a_locked_store_is_said_to_be_locked(store: Store, path: Path) -> None:
    made.add(store)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with _open(path, busy_timeout_s=0.05) as waiting:
            with pytest.raises(UnreachableError, match="locked by another process") as caught:
                made.add(waiting, "other: 1\n")
            assert "Try again" in caught.value.remedy
            assert waiting.get(ReleaseId("r1")).id == "r1"
    assert made.add(store, "other: 1\n").id == "r2"


def test_a_full_disk_loses_nothing(store: Store) -> None:
    made.add(store)
    with store._database.read() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    store._database._engine.dispose()
    with store._database.read() as connection:
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages + 2}")
    with pytest.raises(UnreachableError, match="is full") as caught:
        made.add(store, "big: 1\n", padding=os.urandom(500_000))
    assert "othing was changed" in caught.value.remedy
    assert [record.id for record in store.list()] == ["r1"]
    store._database._engine.dispose()
    assert made.add(store, "big: 1\n", padding=os.urandom(500_000)).id == "r2"


def _add_under_file_limit(path: Path, answers: "multiprocessing.Queue[str]") -> None:
    with _open(path) as store:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
        try:
            made.add(store, "big: 1\n", padding=os.urandom(2_000_000))
        except UnreachableError as error:
            answers.put(error.code)
        answers.put(",".join(record.id for record in store.list()))


def test_a_file_that_may_not_grow_is_a_clear_error_and_the_store_goes_on(
    store: Store, path: Path
) -> None:
    made.add(store)
    answers: multiprocessing.Queue[str] = FORKS.Queue()
    process = FORKS.Process(target=_add_under_file_limit, args=(path, answers))
    process.start()
    assert answers.get(timeout=60) in {"store-full", "store-unreachable"}
    assert answers.get(timeout=60) == "r1"
    process.join(60)
    assert process.exitcode == 0
    assert made.add(store, "small: 1\n").id == "r2"


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b"SQLite format 3\0" * 300])
def test_a_file_that_is_no_database_is_said_to_be_damaged(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(RefusedError, match="is damaged") as caught:
        _open(path)
    assert "put a backup in its place" in caught.value.remedy
    assert path.read_bytes() == content


def test_a_damaged_page_is_found_on_opening(store: Store, path: Path) -> None:
    for number in range(30):
        made.add(store, f"version: {number}\n", padding=os.urandom(5000))
    store.close()
    content = bytearray(path.read_bytes())
    content[4096 * 2 : 4096 * 4] = os.urandom(4096 * 2)
    path.write_bytes(content)
    with pytest.raises(RefusedError, match="is damaged"):
        _open(path)


def test_a_truncated_store_is_found_on_opening(store: Store, path: Path) -> None:
    made.add(store, padding=os.urandom(100_000))
    store.close()
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(RefusedError, match="is damaged"):
        _open(path)


def test_damage_inside_a_bundle_is_refused_on_reading(store: Store, path: Path) -> None:
    record = made.add(store, padding=os.urandom(50_000))
    store.close()
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE bundles SET compressed = zeroblob(length(compressed))")
    with _open(path) as again:
        with pytest.raises(RefusedError, match="damaged"):
            again.bundle_bytes(record.digest)
        with pytest.raises(RefusedError):
            open_envelope(again.envelope(record.digest), made.key().public)


def test_a_foreign_database_is_refused(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("CREATE TABLE photos (name TEXT)")
    with pytest.raises(RefusedError, match="not a Seawall store"):
        _open(path)


def test_a_store_out_of_reach_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UnreachableError, match="Cannot open the store"):
        _open(tmp_path / "file" / "seawall.db")
    (tmp_path / "directory.db").mkdir()
    with pytest.raises(UnreachableError):
        _open(tmp_path / "directory.db")


def test_a_newer_store_is_refused_and_left_alone(store: Store, path: Path) -> None:
    store.close()
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(RefusedError, match="has schema 9999; this Seawall knows up to"):
        _open(path)
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["seawall.db"]


def _next_schema(tmp_path: Path, body: str) -> Schema:
    directory = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, directory, ignore=shutil.ignore_patterns("__pycache__"))
    (directory / "versions" / "v9000_next.py").write_text(
        f"from alembic import op\nrevision = '9000'\ndown_revision = "
        f"{migrations.REVISIONS[-1]!r}\n\ndef upgrade():\n    {body}\n"
    )
    return Schema((*migrations.REVISIONS, "9000"), lambda c: upgrade(c, directory))


def test_an_older_store_is_copied_then_migrated(store: Store, path: Path, tmp_path: Path) -> None:
    record = made.add(store)
    schema = _next_schema(tmp_path, "op.execute('CREATE TABLE extra (x TEXT)')")
    # The copy holds what only the write-ahead log holds yet: `store` is still open.
    with _open(path, schema=schema) as migrated:
        assert migrated.get(record.id) == record
        with migrated._database.read() as connection:
            assert "extra" in inspect(connection).get_table_names()
    with pytest.raises(RefusedError, match="has schema 9000"):
        _open(path)
    backup = path.with_name(f"seawall.db.schema-{migrations.REVISIONS[-1]}")
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    with _open(backup) as old:
        assert old.get(record.id) == record


def test_a_migration_that_fails_changes_nothing(store: Store, path: Path, tmp_path: Path) -> None:
    record = made.add(store)
    store.close()
    body = "op.execute('DROP TABLE audit'); op.execute('CREATE NONSENSE')"
    with pytest.raises(RefusedError, match="it is unchanged") as caught:
        _open(path, schema=_next_schema(tmp_path, body))
    assert "A copy is in" in caught.value.remedy
    with _open(path) as again:
        assert again.get(record.id) == record
        assert again.audit.entries()


def test_a_copy_for_which_there_is_no_room_does_not_fill_the_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        path = disk.path / "seawall.db"
        with _open(path) as store:
            made.add(store)
        with closing(sqlite3.connect(path)) as other:
            other.execute("PRAGMA journal_mode = DELETE")
            other.execute("CREATE TABLE large AS SELECT zeroblob(64 << 20) AS content")
        with pytest.raises(UnreachableError) as caught:
            _open(path, schema=_next_schema(tmp_path, "pass"))
        assert caught.value.code == "store-full"
        assert shutil.disk_usage(disk.path).free > 16 << 20
        assert not list(disk.path.glob("*.unfinished*"))


def test_the_migrations_end_where_the_tables_are() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    scripts = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert tuple(reversed(scripts)) == migrations.REVISIONS
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        upgrade(connection)
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
        migrated = _definitions(connection.connection.driver_connection)
    engine.dispose()
    fresh = create_engine("sqlite://")
    with fresh.begin() as connection:
        METADATA.create_all(connection)
        assert _definitions(connection.connection.driver_connection) == migrated
    fresh.dispose()


def _definitions(connection: sqlite3.Connection | None) -> dict[str, str]:
    assert connection is not None
    rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    return {name: " ".join(sql.split()) for name, sql in rows if name != "alembic_version"}


def _race(path: Path, start: Event, answers: "multiprocessing.Queue[tuple[str, int]]") -> None:
    start.wait(60)
    won = 0
    with _open(path, busy_timeout_s=60) as store:
        for _ in range(20):
            record = made.add(store, f"from: {os.getpid()}\n")
            current = store.assignment(LOCAL)
            try:
                store.assign(
                    LOCAL,
                    record.id,
                    current.release if current else None,
                    actor=str(os.getpid()),
                    bake_s=1,
                )
                won += 1
            except ConflictError:
                continue
    answers.put((str(os.getpid()), won))


def test_processes_share_one_store(path: Path) -> None:
    start = FORKS.Event()
    answers: multiprocessing.Queue[tuple[str, int]] = FORKS.Queue()
    processes = [FORKS.Process(target=_race, args=(path, start, answers)) for _ in range(3)]
    for process in processes:
        process.start()
    start.set()
    won = sum(answers.get(timeout=120)[1] for _ in processes)
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    with _open(path) as store:
        ids = [record.id for record in store.list()]
        assert ids == [f"r{number}" for number in range(60, 0, -1)]
        current = store.assignment(LOCAL)
        assert current is not None
        assert current.generation == won
        assigned = [e for e in store.audit.entries() if e.action == "assigned"]
        assert len(assigned) == won
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def _add_for_ever(path: Path, ready: Event) -> None:
    with _open(path) as store:
        number = 0
        while True:
            made.add(store, f"version: {number}\n", padding=os.urandom(100_000))
            number += 1
            if number == 3:
                ready.set()


def test_a_killed_writer_leaves_whole_releases(path: Path) -> None:
    ready = FORKS.Event()
    process = FORKS.Process(target=_add_for_ever, args=(path, ready))
    process.start()
    assert ready.wait(60)
    process.kill()
    process.join(60)
    with _open(path) as store:
        records = store.list()
        assert len(records) >= 3
        for record in records:
            open_envelope(store.envelope(record.digest), made.key().public)
