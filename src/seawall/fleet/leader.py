"""Which of several control processes leads: the one that plans and writes; the others answer.

In PostgreSQL the leader holds an advisory lock on a connection of its own and shows on it every
moment that it lives. Whoever finds the lock free takes it and the next epoch; whoever finds its
holder silent for too long, because it hangs, cuts that connection off first. Each writing
transaction begins by comparing the epoch in the store with its own (`Fence`), so a leader that was
replaced while it was stopped cannot write one row more. A SQLite store has one control process,
held by a file lock (`daemon.control`), and that one leads.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, select

from seawall import limits
from seawall.api.fleet import ElsewhereError
from seawall.clock import Clock
from seawall.errors import SeawallError, UnreachableError
from seawall.release.database import Database
from seawall.release.postgres import WRITER_LOCK, translate
from seawall.release.tables import META
from seawall.release.upsert import upsert
from seawall.tasks import Background

LEAD_LOCK: Final = WRITER_LOCK + 1
_FACT: Final = "leader"
_LOW_BITS: Final = 0xFFFF_FFFF
_SILENT: Final = """
SELECT pg_terminate_backend(activity.pid)
FROM pg_locks AS held JOIN pg_stat_activity AS activity USING (pid)
WHERE held.locktype = 'advisory' AND held.granted AND held.objsubid = 1
  AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND held.classid::bigint = %s AND held.objid::bigint IN (%s, %s)
  AND activity.state IN ('idle', 'idle in transaction')
  AND clock_timestamp() - activity.state_change > make_interval(secs => %s)
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """Who leads, as the store says; epochs only grow."""

    epoch: int = 0
    address: str = ""


class Sole:
    """The only control process of its store: it leads."""

    def __init__(self, address: str) -> None:
        self.leader = address
        self.trouble = ""

    @property
    def leading(self) -> bool:
        """See `api.fleet.Lead`."""
        return True

    async def changed(self) -> None:
        """Wait for ever: nothing changes."""
        await asyncio.Event().wait()


class Election:
    """One of several control processes on one PostgreSQL.

    Args:
        url: of the database.
        database: the same, of the store; its writes are fenced from here on.
        address: HOST:PORT that nodes and people find this process at.
        log: told who leads.

    Attributes:
        trouble: see `api.fleet.Lead`.
    """

    def __init__(
        self,
        url: str,
        database: Database,
        address: str,
        clock: Clock,
        log: Callable[[str, str], None],
    ) -> None:
        self._clock = clock
        self._url = url
        self._database = database
        self._address = address
        self._log = log
        self._epoch: int | None = None
        self._seen = Claim()
        self._held = False
        self._over: Claim | None = None
        self._turned = asyncio.Event()
        self.trouble = ""
        database.fence = self._require_epoch

    @property
    def leading(self) -> bool:
        """See `api.fleet.Lead`."""
        return self._epoch is not None

    @property
    def leader(self) -> str:
        """See `api.fleet.Lead`."""
        if self._epoch is not None:
            return self._address
        return self._seen.address if self._led(self._seen) else ""

    async def changed(self) -> None:
        """Wait until this process begins or ceases to lead."""
        await self._turned.wait()
        self._turned.clear()

    async def run(self) -> None:
        """Take part until cancelled; the lock goes with the connection."""
        while True:
            try:
                async with await _connect(self._url) as connection:
                    await self._take_part(connection)
            except (TimeoutError, OSError, SeawallError) as error:
                self._fail(error)
            except Exception as error:
                if type(error).__module__.partition(".")[0] != "psycopg":
                    raise
                self._fail(error)
            finally:
                self._cease()
            self._held = False
            await self._clock.sleep(limits.LEADER_BEAT_S)

    async def _take_part(self, connection: Any) -> None:
        while True:
            if self._epoch is not None:
                await self._beat(connection)
            elif await self._won(connection):
                # Whoever the store names has lost the lock, so that claim is over.
                self._seen = self._over = await asyncio.to_thread(self._read)
                # Not under a time limit: a claim that was given up might still be written later.
                claim = await asyncio.to_thread(self._claim)
                self._epoch = claim.epoch
                self.trouble = ""
                self._turned.set()
                self._log("leads", f"{self._address} leads, epoch {claim.epoch}")
            else:
                self._seen = await asyncio.to_thread(self._read)
                self.trouble = "" if self._led(self._seen) else self.trouble
            await self._clock.sleep(limits.LEADER_BEAT_S)

    async def _beat(self, connection: Any) -> None:
        """Show that this leader lives, and look whether it still leads."""
        async with asyncio.timeout(limits.LEADER_SILENT_S / 2):
            found = await connection.execute("SELECT value FROM meta WHERE key = %s", (_FACT,))
            row = await found.fetchone()
        if not self._is_ours(_claim_of(row[0] if row else None)):
            raise ElsewhereError("")

    async def _won(self, connection: Any) -> bool:
        """Whether the lead is free to be claimed; cuts off whoever hangs on to it.

        The lock of the writer too: a leader that hung inside a transaction still holds that one.
        """
        async with asyncio.timeout(limits.LEADER_SILENT_S / 2):
            self._held = not await _one(connection, "SELECT pg_try_advisory_lock(%s)", LEAD_LOCK)
            low = (WRITER_LOCK & _LOW_BITS, LEAD_LOCK & _LOW_BITS)
            silent_s = limits.LEADER_SILENT_S
            cut = await connection.execute(_SILENT, (LEAD_LOCK >> 32, *low, silent_s))
            if await cut.fetchall():
                self._log("leader-cut-off", f"The leader was silent for {silent_s:g} s.")
            if self._held:
                return False
            # Taken and given back at once: the statement is a transaction of its own.
            return await _one(connection, "SELECT pg_try_advisory_xact_lock(%s)", WRITER_LOCK)

    def _claim(self) -> Claim:
        """Begin a new epoch, which ends every older one."""
        with self._database.write(fenced=False) as connection:
            claim = Claim(_claim_in(connection).epoch + 1, self._address)
            value = json.dumps({"epoch": claim.epoch, "address": claim.address})
            statement = upsert(connection, META).values(key=_FACT, value=value)
            connection.execute(
                statement.on_conflict_do_update(index_elements=[META.c.key], set_={"value": value})
            )
        return claim

    def _read(self) -> Claim:
        with self._database.read() as connection:
            return _claim_in(connection)

    def _led(self, claim: Claim) -> bool:
        """Whether the process of a claim leads: somebody who claims in vain holds the lock, too."""
        return self._held and claim != self._over

    def _fail(self, error: Exception) -> None:
        """Say once what keeps this process from knowing who leads."""
        if isinstance(error, ElsewhereError):
            return
        told = error if isinstance(error, SeawallError) else translate(self._database.name, error)
        if self.trouble != told.message:
            self.trouble = told.message
            self._log("lead-unknown", f"{type(error).__name__}: {error}"[:500])

    def _cease(self) -> None:
        if self._epoch is not None:
            self._epoch = None
            self._turned.set()
            self._log("leads-no-more", f"{self._address} no longer leads")

    def _is_ours(self, claim: Claim) -> bool:
        """Whether it is the claim that this process leads by.

        A database that lost its last writes in a failover gives an epoch again, to another process.
        """
        return self._epoch is not None and claim == Claim(self._epoch, self._address)

    def _require_epoch(self, connection: Connection) -> None:
        """The fence: refuse a transaction of a process that does not lead."""
        claim = _claim_in(connection)
        if not self._is_ours(claim):
            known = self._led(claim) or self._epoch is not None
            raise ElsewhereError(claim.address if known else "", self.trouble)


@contextlib.asynccontextmanager
async def election(
    url: str,
    database: Database,
    address: str,
    *,
    clock: Clock,
    log: Callable[[str, str], None],
    log_error: Callable[[str, BaseException], None],
) -> AsyncIterator[Election]:
    """Take part in the election until the block ends, then give up the lead at once."""
    taking_part = Election(url, database, address, clock, log)
    async with Background(log_error) as background:
        background.keep(taking_part.run, clock, name="election")
        yield taking_part


def _claim_in(connection: Connection) -> Claim:
    return _claim_of(connection.execute(select(META.c.value).where(META.c.key == _FACT)).scalar())


def _claim_of(value: str | None) -> Claim:
    if value is None:
        return Claim()
    try:
        found = json.loads(value)
        return Claim(int(found["epoch"]), str(found["address"]))
    except (ValueError, KeyError, TypeError) as error:
        raise UnreachableError(
            "leader-unreadable",
            "The record of the leader in the store is unreadable.",
            remedy="Delete the row `leader` of the table `meta` and restart control.",
        ) from error


async def _one(connection: Any, query: str, lock: int) -> bool:
    found = await connection.execute(query, (lock,))
    return bool((await found.fetchone())[0])


async def _connect(url: str) -> Any:
    import psycopg  # noqa: PLC0415 - only where the store is in PostgreSQL

    return await psycopg.AsyncConnection.connect(
        url,
        autocommit=True,
        application_name="seawall lead",
        connect_timeout=limits.STORE_CONNECT_TIMEOUT_S,
        tcp_user_timeout=int(limits.LEADER_SILENT_S * 1000),
        keepalives_idle=1,
    )
