"""A store in PostgreSQL, for several control processes: the same transactions as in SQLite.

A reader sees one consistent snapshot. A writer takes one advisory lock first, so that there is one
writer at a time over all processes and no transaction fails half-way because of another: what was
thought through for SQLite holds here unchanged. Times are bounded on both ends: a control process
that hangs inside a transaction loses it, and a database that hangs is an `UnreachableError`. It
knows PostgreSQL, no table and no schema. The password in the URL is never shown.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import QueuePool

from seawall import limits
from seawall.errors import SeawallError, UnreachableError, UsageError

SCHEMES: Final = ("postgresql://", "postgres://")
WRITER_LOCK: Final = 0x5EA_3A11_0001
"""The advisory lock of the one writer; any number that no other program of the database uses."""
_WRITER: Final = "seawall_writer"
_MS: Final = 1000
_NOT_NOW: Final = frozenset({"55P03", "40001", "40P01"})
"""SQLSTATEs: lock not available, serialization, deadlock."""
_REFUSAL: Final = "FATAL:"
"""Before PostgreSQL's reason for taking no connection."""
_FULL: Final = (
    "store-full",
    "The machine that holds the store {name} has no disk space or memory left.",
    "Make room there and try again: nothing was changed, and the edge serves on.",
)
_TOO_LONG: Final = (
    "store-unreachable",
    "PostgreSQL did not finish in time for the store {name}.",
    "Check the load of its machine and disk, and try again; the edge serves on.",
)
_AWAY: Final = (
    "store-unreachable",
    "PostgreSQL does not answer for the store {name}.",
    "Check that it runs and can be reached; nothing was changed, the edge serves on.",
)
_REFUSED: Final = (
    "store-unreachable",
    "PostgreSQL takes no connection to the store {name}: {reason}.",
    (
        "Check user, password and database in the URL, and its bound on connections; nothing was "
        "changed, the edge serves on."
    ),
)
_UNREACHABLE: Final[Mapping[str, tuple[str, str, str]]] = MappingProxyType(
    {
        "53100": _FULL,
        "53200": _FULL,
        "57014": _TOO_LONG,  # after `statement_timeout`
        "25P03": _TOO_LONG,  # idle in a transaction
        "25006": (
            "store-read-only",
            "PostgreSQL accepts no writes to the store {name}: it is read-only.",
            (
                "Check whether it is a standby or was switched to read-only, and use the one that "
                "accepts writes. Nothing was changed, and the edge serves on."
            ),
        ),
        "42501": (
            "store-unreachable",
            "PostgreSQL refuses this user a part of the store {name}: {reason}.",
            "The user must own the tables of the store; see `\\dt` of psql.",
        ),
    }
)
"""Code, message and remedy by SQLSTATE."""


class PostgresBackend:
    """How `Database` reaches PostgreSQL.

    Attributes:
        name: the URL without its password, as messages name it.
        engine: of SQLAlchemy.
        writer: the same, for transactions that change something.
    """

    def __init__(self, url: str, busy_timeout_s: float) -> None:
        """Connects to nothing yet.

        Raises:
            UsageError: not a URL of PostgreSQL, or the driver is not installed.
        """
        parsed = parse_url(url)
        self.name = parsed.set(drivername="postgresql").render_as_string(hide_password=True)
        self.engine = make_engine(parsed, busy_timeout_s)
        self.writer: Engine = self.engine.execution_options(**{_WRITER: True})

    def check(self, connection: Connection) -> None:
        """Nothing to look for: PostgreSQL checks what it reads."""

    def back_up(self, revision: str) -> str:
        """No copy is made from here; the migration is one transaction."""
        return f"Schema {revision} is as it was; keep backups with pg_dump."

    @contextmanager
    def plain_words(self) -> Iterator[None]:
        """Turn PostgreSQL's errors into ours."""
        try:
            yield
        except DBAPIError as error:
            raise translate(self.name, error.orig) from error
        except PoolTimeoutError as error:
            raise _busy(self.name, "no connection became free") from error


def parse_url(url: str) -> URL:
    """A URL for the driver that Seawall uses.

    Raises:
        UsageError: not a URL of PostgreSQL.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise _bad_url() from error
    if not url.startswith(SCHEMES) or not parsed.database:
        raise _bad_url()
    return parsed.set(drivername="postgresql+psycopg")


def make_engine(url: URL, busy_timeout_s: float) -> Engine:
    """An engine whose every wait is bounded.

    Raises:
        UsageError: the driver is not installed.
    """
    try:
        engine = create_engine(
            url,
            connect_args=_connect_arguments(busy_timeout_s),
            poolclass=QueuePool,
            pool_size=2,
            max_overflow=14,
            pool_timeout=busy_timeout_s,
            pool_pre_ping=True,
        )
    except ModuleNotFoundError as error:
        raise UsageError(
            "postgres-driver-missing",
            "The store is in PostgreSQL, but its driver psycopg is not installed.",
            remedy="Install it: pip install 'seawall[postgres]'.",
        ) from error

    from seawall.release.bounded import BoundedConnection  # noqa: PLC0415 - needs the driver

    @event.listens_for(engine, "do_connect")
    def _connect(_dialect: Any, _record: Any, words: Any, options: Any) -> Any:
        return BoundedConnection.connect(*words, **options)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        if connection.get_execution_options().get(_WRITER, False):
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITER_LOCK})")
        else:
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")

    return engine


def _connect_arguments(busy_timeout_s: float) -> dict[str, Any]:
    hang_ms = int(limits.STORE_HANG_TIMEOUT_S * _MS)
    return {
        "application_name": "seawall",
        "connect_timeout": limits.STORE_CONNECT_TIMEOUT_S,
        "keepalives_idle": limits.STORE_CONNECT_TIMEOUT_S,
        # The timeout below is looked at only when a probe is due, 75 s apart unless told.
        "keepalives_interval": limits.STORE_CONNECT_TIMEOUT_S,
        "tcp_user_timeout": hang_ms,
        "options": f"-c lock_timeout={max(1, int(busy_timeout_s * _MS))} "
        f"-c statement_timeout={hang_ms} "
        f"-c idle_in_transaction_session_timeout={hang_ms}",
    }


def translate(name: str, error: BaseException | None) -> SeawallError:
    """What an error of the driver means to a person."""
    state = getattr(error, "sqlstate", None) or ""
    detail = f"{state} {str(error)[:500]}".strip()
    if state in _NOT_NOW:
        return _busy(name, detail)
    if state.startswith("22") or type(error).__name__ == "DataError":
        return UsageError(
            "text-invalid",
            "PostgreSQL cannot keep one of the values, for example text with a NUL in it.",
            detail=detail,
        )
    code, words, remedy = _UNREACHABLE.get(state) or (_AWAY if state else _no_state(detail))
    reason = _first_line(str(error).rpartition(_REFUSAL)[2])
    return UnreachableError(
        code, words.format(name=name, reason=reason), remedy=remedy, detail=detail
    )


def _no_state(detail: str) -> tuple[str, str, str]:
    """Which it is when no connection was made: the driver has no SQLSTATE then."""
    return _REFUSED if _REFUSAL in detail else _AWAY


def _busy(name: str, detail: str) -> UnreachableError:
    return UnreachableError(
        "store-locked",
        f"The store {name} is locked by another process.",
        remedy="Try again. If it stays locked, pg_stat_activity shows who holds the lock.",
        detail=detail,
    )


def _first_line(words: str) -> str:
    return words.strip().partition("\n")[0]


def _bad_url() -> UsageError:
    return UsageError(
        "database-url-invalid",
        "The URL of the database is not of the form postgresql://USER@HOST:PORT/DATABASE.",
        remedy="Give one, or leave it out to use a SQLite file in the data directory.",
    )
