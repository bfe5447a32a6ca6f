"""One SQLite file: opened safely, migrated forward, and every failure said in plain words.

It decides how the file is opened (WAL, private, checked), how a transaction begins (a writer takes
the write lock at once, so that it never fails half-way for want of it), and what SQLite's errors
mean to a person. It knows no table but the one that names the schema.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, inspect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from seawall import limits
from seawall.errors import RefusedError, SeawallError, UnreachableError
from seawall.release.migrations import PACKAGED, Schema
from seawall.release.tables import METADATA

_PRIMARY_CODE: Final = 0xFF
_WRITER: Final = "seawall_writer"
_DISK_REMEDY: Final = (
    "Free some space and try again: nothing was changed, and the edge serves on meanwhile."
)


class Database:
    """Transactions on the store's file; safe for threads and for several processes."""

    def __init__(
        self,
        path: Path,
        *,
        busy_timeout_s: float = limits.STORE_BUSY_TIMEOUT_S,
        schema: Schema = PACKAGED,
    ) -> None:
        """Open, check, and bring to the newest schema; a missing file is created.

        Raises:
            RefusedError: corrupt, not ours, or of a newer schema.
            UnreachableError: locked, unreadable, or the disk is full.
        """
        self._path = path
        _prepare_file(path)
        self._engine = _engine(path, busy_timeout_s)
        self._writer = self._engine.execution_options(**{_WRITER: True})
        try:
            with self.read() as connection:
                _check(connection, path)
                current = _revision(connection, path) == schema.revisions[-1]
            if not current:
                # Looked at again under the write lock: another process may be doing the same.
                with self.write() as connection:
                    _bring_up_to_date(connection, path, schema)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close every connection; the last one folds the write-ahead log into the file."""
        self._engine.dispose()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent view; waits for nobody."""
        with _plain_words(self._path), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """All or nothing, durable at the end; one writer at a time over all processes."""
        with _plain_words(self._path), self._writer.begin() as connection:
            yield connection


def _prepare_file(path: Path) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # SQLite gives the write-ahead log the mode of the database file.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
    except OSError as error:
        raise UnreachableError(
            "store-unreachable",
            f"Cannot open the store {path}: {error.strerror}.",
            remedy="Check the data directory's owner and mode, and that the disk is not full.",
        ) from error


def _engine(path: Path, busy_timeout_s: float) -> Engine:
    engine = create_engine(
        "sqlite+pysqlite://",
        creator=lambda: sqlite3.connect(path, timeout=busy_timeout_s, check_same_thread=False),
        poolclass=QueuePool,
        pool_size=2,
        max_overflow=14,
        pool_timeout=busy_timeout_s,
    )

    @event.listens_for(engine, "connect")
    def _configure(dbapi_connection: Any, _record: object) -> None:
        # Transactions begin where we say (below), not where the driver guesses.
        dbapi_connection.isolation_level = None
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "trusted_schema=OFF",
            f"journal_size_limit={limits.STORE_JOURNAL_SIZE_BYTES_MAX}",
        ):
            dbapi_connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writer = connection.get_execution_options().get(_WRITER, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writer else "BEGIN")

    return engine


def _check(connection: Connection, path: Path) -> None:
    found = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar_one()
    if found != "ok":
        raise _corrupt(path, str(found))


def _revision(connection: Connection, path: Path) -> str | None:
    """The schema of the file; None for a file without tables."""
    tables = inspect(connection).get_table_names()
    if tables and "alembic_version" not in tables:
        raise _foreign(path)
    if not tables:
        return None
    return str(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar())


def _bring_up_to_date(connection: Connection, path: Path, schema: Schema) -> None:
    found = _revision(connection, path)
    if found is None:
        METADATA.create_all(connection)
        connection.exec_driver_sql(
            "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"
        )
        connection.exec_driver_sql(
            "INSERT INTO alembic_version VALUES (?)", (schema.revisions[-1],)
        )
        return
    if found == schema.revisions[-1]:
        return
    if found not in schema.revisions:
        raise RefusedError(
            "store-newer",
            f"The store {path} has schema {found}; this Seawall knows up to "
            f"{schema.revisions[-1]}.",
            remedy="It was used by a newer Seawall: run that one, or restore the copy that the "
            "newer one made before it migrated (beside the store).",
        )
    backup = path.with_name(f"{path.name}.schema-{found}")
    _copy(path, backup)
    try:
        schema.upgrade(connection)
    except SeawallError:
        raise
    except Exception as error:
        raise RefusedError(
            "store-migration-failed",
            f"The store {path} could not be brought from schema {found} to "
            f"{schema.revisions[-1]}; it is unchanged.",
            remedy=f"Run the previous Seawall version and report this. A copy is in {backup}.",
            detail=str(error),
        ) from error


def _copy(path: Path, backup: Path) -> None:
    """A consistent copy, whole or absent; the write-ahead log is included."""
    unfinished = backup.with_name(f"{backup.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(unfinished)) as target:
        source.backup(target)
    unfinished.replace(backup)


@contextmanager
def _plain_words(path: Path) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise _translate(path, error.orig) from error
    except sqlite3.Error as error:
        raise _translate(path, error) from error
    except OSError as error:
        raise UnreachableError(
            "store-unreachable",
            f"Cannot use the store {path}: {error.strerror}.",
            remedy=_DISK_REMEDY,
        ) from error


def _translate(path: Path, error: BaseException | None) -> SeawallError:
    code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE
    detail = f"{getattr(error, 'sqlite_errorname', '')} {error}".strip()
    match code:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return UnreachableError(
                "store-locked",
                f"The store {path} is locked by another process.",
                remedy="Try again. If it stays so, look for a second Seawall or a backup program "
                "that holds the file.",
                detail=detail,
            )
        case sqlite3.SQLITE_FULL:
            return UnreachableError(
                "store-full",
                f"The disk (or its quota) that holds the store {path} is full.",
                remedy=_DISK_REMEDY,
                detail=detail,
            )
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return _corrupt(path, detail)
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return UnreachableError(
                "store-unreachable",
                f"The store {path} cannot be opened for writing.",
                remedy="Check the owner and mode of the file and its directory.",
                detail=detail,
            )
        case _:
            return UnreachableError(
                "store-unreachable",
                f"Reading or writing the store {path} failed.",
                remedy="Look for disk errors and free space; nothing was changed.",
                detail=detail,
            )


def _corrupt(path: Path, detail: str) -> RefusedError:
    return RefusedError(
        "store-corrupt",
        f"The store {path} is damaged.",
        remedy="The nodes serve on from their own disks. Stop Seawall, move the file aside, and "
        "put a backup in its place; without one, start anew and apply the site file again.",
        detail=detail,
    )


def _foreign(path: Path) -> RefusedError:
    return RefusedError(
        "store-foreign",
        f"{path} is a database, but not a store of Seawall.",
        remedy="Point --data-dir to another directory, or move that file away.",
    )
