"""The store's database, SQLite or PostgreSQL: transactions, and a schema migrated forward.

It decides which of the two a store is in, when it is migrated, and what makes it not ours. What
each database needs to be opened safely, and what its errors mean, stands in `sqlite` and
`postgres`. It knows no table but the one that names the schema.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final, Protocol

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    MetaData,
    String,
    Table,
    insert,
    inspect,
    select,
)

from seawall import limits
from seawall.errors import RefusedError, SeawallError, UnreachableError
from seawall.release.migrations import PACKAGED, Schema
from seawall.release.postgres import SCHEMES, PostgresBackend
from seawall.release.sqlite import SqliteBackend
from seawall.release.tables import METADATA

Fence = Callable[[Connection], None]
"""Run inside every writing transaction before anything else; raises to refuse it."""
_AWAY: Final = "store-unreachable"
_VERSION: Final = Table(
    "alembic_version", MetaData(), Column("version_num", String(32), primary_key=True)
)


class Backend(Protocol):
    """What `Database` needs of the database below it."""

    name: str
    engine: Engine
    writer: Engine

    def check(self, connection: Connection) -> None:
        """Look for damage; raises `RefusedError`."""
        ...

    def back_up(self, revision: str) -> str:
        """Keep what is about to be migrated; says where it is."""
        ...

    def plain_words(self) -> AbstractContextManager[None]:
        """Turn the driver's errors into ours."""
        ...


def backend_of(where: Path | str, busy_timeout_s: float) -> Backend:
    """SQLite for a path, PostgreSQL for its URL.

    Raises:
        UsageError: a URL of something else, or a driver that is not installed.
        UnreachableError: the file cannot be made.
    """
    if isinstance(where, str) and (where.startswith(SCHEMES) or "://" in where):
        return PostgresBackend(where, busy_timeout_s)
    return SqliteBackend(Path(where), busy_timeout_s)


class Database:
    """Transactions on the store; safe for threads and for several processes.

    Attributes:
        fence: refuses the writes of a process that may not write any more.
    """

    def __init__(
        self,
        where: Path | str,
        *,
        busy_timeout_s: float = limits.STORE_BUSY_TIMEOUT_S,
        schema: Schema = PACKAGED,
    ) -> None:
        """Open, check, and bring to the newest schema; what is missing is created.

        Args:
            where: a SQLite file, or the URL of a PostgreSQL database.
            busy_timeout_s: how long to wait for another writer.
            schema: the schemas this program knows.

        Raises:
            RefusedError: corrupt, not ours, or of a newer schema.
            UnreachableError: locked, unreadable, away, or the disk is full.
            UsageError: a URL that cannot be one, or without its driver.
        """
        self._backend = backend_of(where, busy_timeout_s)
        self._engine = self._backend.engine
        self._lock = threading.Lock()
        self._under_way = 0
        self._closed = False
        self.fence: Fence | None = None
        try:
            with self.read() as connection:
                self._backend.check(connection)
                current = _revision(connection, self.name) == schema.revisions[-1]
            if not current:
                # Looked at again under the write lock: another process may be doing the same.
                with self.write() as connection:
                    _bring_up_to_date(connection, self._backend, schema)
        except BaseException:
            self.close()
            raise

    @property
    def name(self) -> str:
        """The file, or the URL without its password."""
        return self._backend.name

    def close(self) -> None:
        """Close every connection; the last one of SQLite folds its log into the file.

        A transaction that another thread still has under way ends as it would, and the last one
        to end closes: nobody waits for it here.
        """
        with self._lock:
            self._closed = True
            idle = not self._under_way
        if idle:
            self._engine.dispose()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent view; waits for nobody."""
        with self._counted(), self._backend.plain_words(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def write(self, *, fenced: bool = True) -> Iterator[Connection]:
        """All or nothing, durable at the end; one writer at a time over all processes."""
        writer, saving = self._backend.writer, False
        try:
            with self._counted(), self._backend.plain_words(), writer.begin() as connection:
                if self.fence is not None and fenced:
                    self.fence(connection)
                yield connection
                saving = True
        except UnreachableError as error:
            if saving and error.code == _AWAY:
                raise _unsure(self.name, error) from error
            raise

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """`dispose` closes the pool that the engine has now, and only what is back in it."""
        with self._lock:
            self._under_way += 1
        try:
            yield
        finally:
            with self._lock:
                self._under_way -= 1
                last = self._closed and not self._under_way
            if last:
                self._engine.dispose()


def _revision(connection: Connection, name: str) -> str | None:
    """The schema of the database; None for one without tables."""
    tables = inspect(connection).get_table_names()
    if tables and _VERSION.name not in tables:
        raise _foreign(name)
    if not tables:
        return None
    return str(connection.execute(select(_VERSION.c.version_num)).scalar())


def _bring_up_to_date(connection: Connection, backend: Backend, schema: Schema) -> None:
    found = _revision(connection, backend.name)
    if found is None:
        METADATA.create_all(connection)
        _VERSION.create(connection)
        connection.execute(insert(_VERSION).values(version_num=schema.revisions[-1]))
        return
    if found == schema.revisions[-1]:
        return
    if found not in schema.revisions:
        raise RefusedError(
            "store-newer",
            f"The store {backend.name} has schema {found}; this Seawall knows up to "
            f"{schema.revisions[-1]}.",
            remedy="A newer Seawall has used it. Run that version, or restore the copy from before "
            "the migration (for a SQLite store it is in the same directory).",
        )
    copied = backend.back_up(found)
    try:
        schema.upgrade(connection)
    except SeawallError:
        raise
    except Exception as error:
        raise RefusedError(
            "store-migration-failed",
            f"The store {backend.name} could not be migrated from schema {found} to "
            f"{schema.revisions[-1]}; it is unchanged.",
            remedy=f"Run the previous Seawall version and report this. {copied}",
            detail=str(error),
        ) from error


def _unsure(name: str, error: UnreachableError) -> UnreachableError:
    """The database went away before it said whether the change is kept."""
    return UnreachableError(
        error.code,
        f"The store {name} stopped answering while a change was being saved: it may have been "
        "saved, or not.",
        remedy="When the store answers again, see `seawall status` and `seawall audit` before you "
        "repeat the change. The edge serves on.",
        detail=error.detail,
    )


def _foreign(name: str) -> RefusedError:
    return RefusedError(
        "store-foreign",
        f"{name} is a database, but not a Seawall store.",
        remedy="Give Seawall a database or a data directory of its own.",
    )
