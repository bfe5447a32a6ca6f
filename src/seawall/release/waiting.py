"""What was pushed into feeds and is no release yet: kept until it is one, or is refused.

A push can come while another release is on its way. Whoever pushed has been told that it waits, so
it must outlive this control process, and be known to the next one that leads. Of one feed only the
newest push is kept.
"""

import json
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Row, delete, func, insert, select

from seawall import limits
from seawall.errors import RefusedError
from seawall.ids import ListName
from seawall.release.database import Database
from seawall.release.tables import WAITING_FEEDS

_NOT_KEPT: Final = 0


@dataclass(frozen=True, slots=True)
class WaitingFeed:
    """One push.

    Attributes:
        at_s: when it was pushed, Unix seconds.
        force: what it may pass.
        number: of the push, given by the store; larger ones came later. 0 before it is kept.
    """

    name: ListName
    content: bytes = field(repr=False)
    author: str
    message: str
    at_s: float
    force: tuple[str, ...] = ()
    number: int = _NOT_KEPT


class WaitingFeeds:
    """The pushes that wait."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, feed: WaitingFeed) -> int:
        """Keep a push instead of an older one into the same feed; returns its number.

        Raises:
            RefusedError: too many feeds wait.
            UnreachableError: the store cannot be written.
        """
        with self._database.write() as connection:
            connection.execute(delete(WAITING_FEEDS).where(WAITING_FEEDS.c.name == feed.name))
            others = select(func.count()).select_from(WAITING_FEEDS)
            if connection.execute(others).scalar_one() >= limits.FEEDS_WAITING_MAX:
                raise RefusedError(
                    "too-many-waiting",
                    f"Pushes into {limits.FEEDS_WAITING_MAX} feeds are already waiting.",
                    remedy="`seawall feed list` shows what they wait for.",
                )
            added = connection.execute(
                insert(WAITING_FEEDS).values(
                    name=feed.name,
                    content=feed.content,
                    author=feed.author,
                    message=feed.message,
                    force=json.dumps(feed.force),
                    at_s=feed.at_s,
                )
            )
            return int(added.inserted_primary_key[0]) if added.inserted_primary_key else _NOT_KEPT

    def drop(self, name: ListName, number: int) -> None:
        """Forget a push, unless a newer one has taken its place.

        Raises:
            UnreachableError: the store cannot be written.
        """
        with self._database.write() as connection:
            connection.execute(
                delete(WAITING_FEEDS).where(
                    WAITING_FEEDS.c.name == name, WAITING_FEEDS.c.number == number
                )
            )

    def all(self) -> tuple[WaitingFeed, ...]:
        """Every push that waits, oldest first.

        Raises:
            UnreachableError: the store cannot be read.
        """
        query = select(WAITING_FEEDS).order_by(WAITING_FEEDS.c.number)
        with self._database.read() as connection:
            return tuple(_read(row) for row in connection.execute(query))


def _read(row: Row[tuple[object, ...]]) -> WaitingFeed:
    return WaitingFeed(
        name=ListName(row.name),
        content=bytes(row.content),
        author=row.author,
        message=row.message,
        at_s=row.at_s,
        force=tuple(str(each) for each in json.loads(row.force)),
        number=row.number,
    )
