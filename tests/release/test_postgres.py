"""The store in PostgreSQL in trouble: away, locked, hung, foreign, raced. Nothing is lost."""

import contextlib
import multiprocessing
import os
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.synchronize import Event
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, create_engine, inspect, text

from clocks import HandClock
from helpers import wait_until
from postgres_server import PASSWORD, USER, PostgresServer
from release import made
from seawall import limits
from seawall.errors import ConflictError, RefusedError, UnreachableError, UsageError
from seawall.ids import NodeName, ReleaseId
from seawall.release import migrations
from seawall.release.migrations import Schema, upgrade
from seawall.release.postgres import WRITER_LOCK, make_engine, parse_url
from seawall.release.store import Store
from seawall.release.tables import METADATA

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["seawall.release.store"])
LOCAL = NodeName("local")


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    return postgres.create()


@pytest.fixture
def where(url: str) -> str:
    return url


def _open(url: str, *, busy_timeout_s: float = 5.0, schema: Schema | None = None) -> Store:
    return Store(
        url,
        clock=HandClock(),
        busy_timeout_s=busy_timeout_s,
        schema=schema or migrations.PACKAGED,
    )


@contextlib.contextmanager
def _lock_held(postgres: PostgresServer, url: str) -> Iterator[None]:
    with postgres.connect(url.rpartition("/")[2]) as other:
        other.execute("SELECT pg_advisory_lock(%s)", (WRITER_LOCK,))
        yield


def test_a_locked_store_is_said_to_be_locked_and_can_be_read(
    store: Store, postgres: PostgresServer, url: str
) -> None:
    made.add(store)
    with _lock_held(postgres, url), _open(url, busy_timeout_s=0.05) as waiting:
        with pytest.raises(UnreachableError, match="locked by another process") as caught:
            made.add(waiting, "other: 1\n")
        assert "Try again" in caught.value.remedy
        assert waiting.get(ReleaseId("r1")).id == "r1"
    assert made.add(store, "other: 1\n").id == "r2"


def test_a_reader_sees_one_moment_whatever_a_writer_does_meanwhile(store: Store) -> None:
    made.add(store)
    with store._database.read() as connection:
        before = connection.execute(text("SELECT count(*) FROM releases")).scalar_one()
        made.add(store, "other: 1\n")
        assert connection.execute(text("SELECT count(*) FROM releases")).scalar_one() == before
    assert store.count() == 2


def test_a_reader_cannot_write(store: Store) -> None:
    with pytest.raises(UnreachableError), store._database.read() as connection:
        connection.execute(text("DELETE FROM releases"))


def test_a_database_that_was_made_read_only_is_said_so(
    store: Store, postgres: PostgresServer, url: str
) -> None:
    name = url.rpartition("/")[2]
    with postgres.connect(name) as other:
        other.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on".encode())
    store.close()  # settings are of new connections
    with _open(url) as again:
        again.meta.get("anything")
        with pytest.raises(UnreachableError, match="it is read-only") as failed:
            again.meta.set("key", "value")
        assert failed.value.code == "store-read-only"


def test_a_statement_that_takes_too_long_is_not_said_to_wait_for_a_lock(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _open(url).close()
    monkeypatch.setattr(limits, "STORE_HANG_TIMEOUT_S", 0.5)
    with (
        _open(url) as slow,
        pytest.raises(UnreachableError, match="did not finish in time") as caught,
        slow._database.read() as connection,
    ):
        connection.execute(text("SELECT pg_sleep(10)"))
    assert caught.value.code == "store-unreachable"


def test_a_table_that_this_user_may_not_read_is_named(
    store: Store, postgres: PostgresServer, url: str
) -> None:
    made.add(store)
    name = url.rpartition("/")[2]
    with postgres.connect(name) as other:
        other.execute(f"CREATE ROLE of_{name} LOGIN".encode())
        other.execute(f"GRANT SELECT ON alembic_version TO of_{name}".encode())
    with (
        _open(url.replace(f"{USER}:", f"of_{name}:")) as refused,
        pytest.raises(UnreachableError, match="permission denied for table releases"),
    ):
        refused.count()


def test_a_transaction_that_hangs_is_cut_off_and_others_write_on(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _open(url, busy_timeout_s=20) as other:
        made.add(other)
        # Short, but long enough to open the store on a machine that is busy with other tests.
        monkeypatch.setattr(limits, "STORE_HANG_TIMEOUT_S", 2.0)
        hung = _open(url)
        began, added = threading.Event(), threading.Event()

        def hang() -> None:
            with hung._database.write() as connection:
                connection.execute(text("DELETE FROM releases"))
                began.set()
                assert added.wait(30)
                connection.execute(text("SELECT 1"))

        with ThreadPoolExecutor(1) as pool:
            hanging = pool.submit(hang)
            assert began.wait(30)
            assert made.add(other, "other: 1\n").id == "r2"
            added.set()
            assert isinstance(hanging.exception(30), UnreachableError)
        assert hung.count() == 2
        hung.close()


def test_a_transaction_under_way_when_the_store_is_closed_leaves_no_connection(
    url: str, postgres: PostgresServer
) -> None:
    opened = _open(url)
    began, closed = threading.Event(), threading.Event()

    def read() -> object:
        with opened._database.read() as connection:
            began.set()
            assert closed.wait(30)
            return connection.execute(text("SELECT 1")).scalar_one()

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read)
        assert began.wait(30)
        opened.close()
        closed.set()
        assert reading.result(30) == 1
    name = url.rpartition("/")[2]
    left = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
    with postgres.connect("postgres") as other:
        wait_until(
            lambda: other.execute(left, (name,)).fetchone() == (0,), what="all connections ended"
        )


def test_a_database_that_is_cut_off_without_a_word_is_given_up_in_time(url: str) -> None:
    engine = make_engine(parse_url(url), 5.0)
    with (
        contextlib.closing(engine.raw_connection()) as connection,
        socket.socket(fileno=os.dup(connection.driver_connection.fileno())) as line,
    ):
        option = [socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_USER_TIMEOUT]
        idle_s, between_s, user_ms = (line.getsockopt(socket.IPPROTO_TCP, o) for o in option)
    engine.dispose()
    assert user_ms == limits.STORE_HANG_TIMEOUT_S * 1000
    # The kernel looks at that timeout only when a probe is due.
    assert idle_s + between_s <= limits.STORE_HANG_TIMEOUT_S


def test_a_database_that_takes_everything_and_answers_nothing_is_given_up(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(seconds: float) -> object:
        with store._database.read() as connection:
            pause = text("SELECT 1 FROM pg_sleep(:seconds)")
            return connection.execute(pause, {"seconds": seconds}).scalar_one()

    with monkeypatch.context() as short:
        short.setattr(limits, "STORE_SILENT_TIMEOUT_S", 0.3)
        with pytest.raises(UnreachableError, match="does not answer") as caught:
            ask(10)
    assert "has not answered for" in caught.value.detail
    assert ask(0.3) == 1, "on a new connection"


def test_a_change_whose_end_is_unknown_is_not_said_to_have_changed_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = psycopg.Connection.commit

    def saved_unheard(connection: "psycopg.Connection[Any]") -> None:
        save(connection)
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    with monkeypatch.context() as cut:
        cut.setattr(psycopg.Connection, "commit", saved_unheard)
        with pytest.raises(UnreachableError, match="it may have been saved, or not") as caught:
            store.meta.set("a", "b")
    assert caught.value.code == "store-unreachable"
    assert "nothing was changed" not in str(caught.value)
    assert store.meta.get("a") == "b"


def test_a_database_that_goes_away_and_comes_back_is_used_again(
    store: Store, postgres: PostgresServer
) -> None:
    made.add(store)
    postgres.stop()
    try:
        with pytest.raises(UnreachableError, match="does not answer") as caught:
            store.count()
        assert PASSWORD not in str(caught.value) + caught.value.detail
        assert "***" in caught.value.message
    finally:
        postgres.start()
    assert store.count() == 1
    assert made.add(store, "other: 1\n").id == "r2"


@pytest.mark.parametrize(
    "url_",
    ["postgresql://", "postgresql://h:x/y", "mysql://h/d", "postgres://user@host:1/", "http://x/y"],
)
def test_a_url_that_cannot_be_one_is_refused_with_words(url_: str) -> None:
    with pytest.raises(UsageError, match=r"postgresql://USER@HOST:PORT/DATABASE"):
        _open(url_)


def test_the_short_scheme_is_taken_too(url: str) -> None:
    with _open(url.replace("postgresql://", "postgres://")) as opened:
        assert opened.count() == 0


def test_a_database_that_does_not_exist_is_said_so_without_the_password(url: str) -> None:
    with pytest.raises(UnreachableError, match=r"_not. does not exist") as caught:
        _open(url + "_not")
    shown = f"{caught.value} {caught.value.detail} {caught.value!r}"
    assert PASSWORD not in shown
    assert "Check" in caught.value.remedy


def test_a_foreign_database_is_refused(postgres: PostgresServer, url: str) -> None:
    with postgres.connect(url.rpartition("/")[2]) as other:
        other.execute("CREATE TABLE photos (name TEXT)")
    with pytest.raises(RefusedError, match="not a Seawall store"):
        _open(url)


def test_a_newer_store_is_refused(store: Store, postgres: PostgresServer, url: str) -> None:
    with postgres.connect(url.rpartition("/")[2]) as other:
        other.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(RefusedError, match="has schema 9999; this Seawall knows up to"):
        _open(url)


def test_the_migrations_end_where_the_tables_are(url: str) -> None:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        upgrade(connection)
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []
    engine.dispose()
    with _open(url) as opened:
        assert made.add(opened).id == "r1"


def test_a_migration_that_fails_changes_nothing(store: Store, url: str) -> None:
    record = made.add(store)

    def fail(connection: Connection) -> None:
        connection.execute(text("DROP TABLE audit"))
        connection.execute(text("CREATE NONSENSE"))

    schema = Schema((*migrations.REVISIONS, "9000"), fail)
    with pytest.raises(RefusedError, match="it is unchanged"):
        _open(url, schema=schema)
    with _open(url) as again:
        assert again.get(record.id) == record
        assert again.audit.entries()


def test_a_migration_that_ends_well_is_kept(store: Store, url: str) -> None:
    record = made.add(store)

    def change(connection: Connection) -> None:
        connection.execute(text("CREATE TABLE extra (x TEXT)"))
        connection.execute(text("UPDATE alembic_version SET version_num = '9000'"))

    with _open(url, schema=Schema((*migrations.REVISIONS, "9000"), change)) as migrated:
        assert migrated.get(record.id) == record
        with migrated._database.read() as connection:
            assert "extra" in inspect(connection).get_table_names()


def test_a_fence_refuses_every_write_and_no_read(store: Store) -> None:
    made.add(store)

    def closed(_connection: Connection) -> None:
        raise ConflictError("not-the-leader", "Another control process leads.")

    store._database.fence = closed
    with pytest.raises(ConflictError, match="leads"):
        made.add(store, "other: 1\n")
    assert store.count() == 1
    store._database.fence = None
    assert made.add(store, "other: 1\n").id == "r2"


def _race(url: str, start: Event, answers: "multiprocessing.Queue[int]") -> None:
    start.wait(60)
    won = 0
    with _open(url, busy_timeout_s=60) as store:
        for _ in range(10):
            record = made.add(store, f"from: {os.getpid()}\n")
            current = store.assignment(LOCAL)
            before = current.release if current else None
            try:
                store.assign(LOCAL, record.id, before, actor=str(os.getpid()), bake_s=1)
                won += 1
            except ConflictError:
                continue
    answers.put(won)


def test_processes_share_one_store(url: str) -> None:
    start = FORKS.Event()
    answers: multiprocessing.Queue[int] = FORKS.Queue()
    processes = [FORKS.Process(target=_race, args=(url, start, answers)) for _ in range(3)]
    for process in processes:
        process.start()
    start.set()
    won = sum(answers.get(timeout=120) for _ in processes)
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    with _open(url) as store:
        assert [r.id for r in store.list()] == [f"r{number}" for number in range(30, 0, -1)]
        current = store.assignment(LOCAL)
        assert current is not None
        assert current.generation == won


def _add_for_ever(url: str, ready: Event) -> None:
    with _open(url) as store:
        number = 0
        while True:
            made.add(store, f"version: {number}\n", padding=os.urandom(100_000))
            number += 1
            if number == 3:
                ready.set()


def test_a_killed_writer_leaves_whole_releases_and_no_lock(url: str) -> None:
    ready = FORKS.Event()
    process = FORKS.Process(target=_add_for_ever, args=(url, ready))
    process.start()
    assert ready.wait(60)
    process.kill()
    process.join(60)
    with _open(url) as store:
        records = store.list()
        assert len(records) >= 3
        assert all(store.bundle_bytes(record.digest) for record in records)
        assert made.add(store, "after: 1\n").id == f"r{len(records) + 1}"
