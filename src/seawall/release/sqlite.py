"""A store in one SQLite file: opened safely (WAL, private, checked), and its errors in plain words.

It knows SQLite and files, no table and no schema. A writer takes the write lock at once, so that
it never fails half-way for want of it.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from seawall import limits
from seawall.errors import RefusedError, SeawallError, UnreachableError
from seawall.release.reserve import Reserve

_PRIMARY_CODE: Final = 0xFF
_FOR_WANT_OF_SPACE: Final = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
"""The second: a file beside the store cannot be made."""
_WRITER: Final = "seawall_writer"
_DISK_REMEDY: Final = (
    "Free some space and try again: nothing was changed, and the edge serves on meanwhile."
)


class SqliteBackend:
    """How `Database` reaches a SQLite file.

    Attributes:
        name: the file, as messages name it.
        engine: of SQLAlchemy.
        writer: the same, for transactions that change something.
    """

    def __init__(self, path: Path, busy_timeout_s: float) -> None:
        """Make the file when it is missing.

        Raises:
            UnreachableError: it cannot be made or opened.
        """
        self._path = path
        self._reserve = Reserve(path)
        self.name = str(path)
        _prepare_file(path)
        self.engine = _engine(path, busy_timeout_s)
        self.writer: Engine = self.engine.execution_options(**{_WRITER: True})

    def check(self, connection: Connection) -> None:
        """Look for damage.

        Raises:
            RefusedError: the file is damaged.
        """
        found = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar_one()
        if found != "ok":
            raise _corrupt(self._path, str(found))

    def back_up(self, revision: str) -> str:
        """Copy the file before it is migrated from schema `revision`; says where the copy is."""
        backup = self._path.with_name(f"{self._path.name}.schema-{revision}")
        _copy(self._path, backup)
        return f"A copy is in {backup}."

    @contextmanager
    def plain_words(self) -> Iterator[None]:
        """Turn SQLite's errors into ours."""
        try:
            yield
        except DBAPIError as error:
            raise self._told(error.orig) from error
        except sqlite3.Error as error:
            raise self._told(error) from error
        except OSError as error:
            raise UnreachableError(
                "store-unreachable",
                f"Cannot use the store {self._path}: {error.strerror}.",
                remedy=_DISK_REMEDY,
            ) from error

    def _told(self, error: BaseException | None) -> SeawallError:
        code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE
        if code in _FOR_WANT_OF_SPACE and self._reserve.give():
            return UnreachableError(
                "store-full",
                f"The disk (or its quota) that holds the store {self._path} is full.",
                remedy="Try again: Seawall has released its reserve space. Nothing was changed, "
                "and the edge serves on. Free more space soon.",
                detail=str(error),
            )
        return _translate(self._path, error)


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


def _copy(path: Path, backup: Path) -> None:
    """A consistent copy, whole or absent; the write-ahead log is included."""
    unfinished = backup.with_name(f"{backup.name}.unfinished")
    _remove(unfinished)
    try:
        os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with (
            closing(sqlite3.connect(path)) as source,
            closing(sqlite3.connect(unfinished)) as target,
        ):
            source.backup(target)
        unfinished.replace(backup)
    except BaseException:
        # The copy was too large for the disk: with its half on it nothing else could write.
        _remove(unfinished)
        raise


def _remove(unfinished: Path) -> None:
    """With its journal, which SQLite would play back into the next file of that name."""
    for suffix in ("", "-journal"):
        unfinished.with_name(f"{unfinished.name}{suffix}").unlink(missing_ok=True)


def _translate(path: Path, error: BaseException | None) -> SeawallError:
    code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE
    detail = f"{getattr(error, 'sqlite_errorname', '')} {error}".strip()
    match code:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return UnreachableError(
                "store-locked",
                f"The store {path} is locked by another process.",
                remedy="Try again. If it stays locked, look for a second Seawall or a backup "
                "program that holds the file.",
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
                remedy="Check for disk errors and free space. Nothing was changed.",
                detail=detail,
            )


def _corrupt(path: Path, detail: str) -> RefusedError:
    return RefusedError(
        "store-corrupt",
        f"The store {path} is damaged.",
        remedy="The nodes serve on from their own disks. Stop Seawall, move the file aside, and "
        "put a backup in its place; without one, start Seawall and apply the site file "
        "again.",
        detail=detail,
    )
