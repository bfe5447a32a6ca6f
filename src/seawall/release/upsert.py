"""INSERT ... ON CONFLICT, in the dialect of the connection: the one statement that differs."""

from typing import TYPE_CHECKING, Union

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import sqlite

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

Upsert = Union[sqlite.Insert, "postgresql.Insert"]


def upsert(connection: Connection, table: Table) -> Upsert:
    """An insert that has `on_conflict_do_nothing` and `on_conflict_do_update`."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - 2 MiB that SQLite needs not

        return postgresql.insert(table)
    return sqlite.insert(table)
