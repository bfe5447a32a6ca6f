"""One of several control processes leads, whoever dies or hangs; no other writes a row."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest

from postgres_server import PostgresServer
from release import made
from seawall import limits
from seawall.api.fleet import ElsewhereError, elsewhere
from seawall.clock import SystemClock
from seawall.errors import ConflictError, SeawallError
from seawall.fleet.leader import LEAD_LOCK, Election, Sole, election
from seawall.release.store import Store

DEADLINE_S = 30.0


class StoppableClock(SystemClock):
    """Whoever waits on it can be made to hang, as a stopped process does."""

    def __init__(self) -> None:
        self.goes_on = asyncio.Event()
        self.goes_on.set()

    async def sleep(self, duration_s: float) -> None:
        await super().sleep(duration_s)
        await self.goes_on.wait()


class Process:
    """What a control process has of the election."""

    def __init__(self, store: Store, part: Election, clock: StoppableClock) -> None:
        self.store = store
        self.part = part
        self.clock = clock


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    return postgres.create()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LEADER_BEAT_S", 0.05)
    monkeypatch.setattr(limits, "LEADER_SILENT_S", 1.0)


@contextlib.asynccontextmanager
async def process(url: str, name: str, said: list[str]) -> AsyncIterator[Process]:
    clock = StoppableClock()
    store = await asyncio.to_thread(Store, url, clock=clock)
    errors: list[BaseException] = []
    with store:
        async with election(
            url,
            store.database,
            f"{name}:1",
            clock=clock,
            log=lambda event, text: said.append(f"{name} {event}: {text}"),
            log_error=lambda _where, error: errors.append(error),
        ) as part:
            yield Process(store, part, clock)
    assert not errors, errors


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 - an election tells nobody of every change
            await asyncio.sleep(0.01)


def add(store: Store, text: str) -> str:
    return made.add(store, f"version: 1\n# {text}\n").id


def test_one_leads_and_the_other_says_who(url: str) -> None:
    async def story() -> None:
        said: list[str] = []
        async with process(url, "a", said) as a:
            await until(lambda: a.part.leading)
            async with process(url, "b", said) as b:
                await until(lambda: b.part.leader == "a:1")
                assert (a.part.leader, b.part.leading) == ("a:1", False)
                assert add(a.store, "a") == "r1"
                with pytest.raises(ElsewhereError, match="the one at a:1 leads") as caught:
                    add(b.store, "b")
                assert caught.value.leader == "a:1"
                assert b.store.count() == 1

    asyncio.run(story())


def test_a_leader_that_ends_is_replaced(url: str) -> None:
    async def story() -> None:
        said: list[str] = []
        async with process(url, "b", said) as b:
            await until(lambda: b.part.leading)
            async with process(url, "c", said) as c:
                await until(lambda: c.part.leader == "b:1")
                async with process(url, "a", said) as a:
                    assert not a.part.leading
            await asyncio.wait_for(b.part.changed(), DEADLINE_S)  # its own beginning
        async with process(url, "d", said) as d:
            await until(lambda: d.part.leading)
            assert d.part._epoch == 2
            assert add(d.store, "d") == "r1"

    asyncio.run(story())


def test_a_leader_that_hangs_is_replaced_and_cannot_write_when_it_wakes(url: str) -> None:
    async def story() -> None:
        said: list[str] = []
        async with process(url, "a", said) as a, process(url, "b", said) as b:
            await until(lambda: a.part.leading != b.part.leading)
            old, new = (a, b) if a.part.leading else (b, a)
            assert add(old.store, "old") == "r1"
            old.clock.goes_on.clear()
            await until(lambda: new.part.leading)
            assert any("leader-cut-off" in line for line in said)
            # It has not noticed yet, and writes: the epoch in the store refuses it.
            assert old.part.leading
            with pytest.raises(ConflictError, match="does not lead"):
                add(old.store, "too late")
            assert add(new.store, "new") == "r2"
            old.clock.goes_on.set()
            await until(lambda: not old.part.leading)
            await until(lambda: old.part.leader == new.part.leader)
            with pytest.raises(ConflictError):
                add(old.store, "still not")
            assert [record.id for record in new.store.list()] == ["r2", "r1"]

    asyncio.run(story())


def test_a_leader_that_hangs_inside_a_transaction_keeps_nobody_from_writing(url: str) -> None:
    async def story() -> None:
        said: list[str] = []
        async with process(url, "a", said) as a, process(url, "b", said) as b:
            await until(lambda: a.part.leading != b.part.leading)
            old, new = (a, b) if a.part.leading else (b, a)
            inside, leave = asyncio.Event(), asyncio.Event()
            loop = asyncio.get_running_loop()

            def hang() -> None:
                with old.store.database.write():
                    loop.call_soon_threadsafe(inside.set)
                    asyncio.run_coroutine_threadsafe(_wait(leave), loop).result(DEADLINE_S)

            hanging = asyncio.ensure_future(asyncio.to_thread(hang))
            await inside.wait()
            old.clock.goes_on.clear()

            def written() -> bool:
                return new.part.leading

            await until(written)
            assert await asyncio.to_thread(add, new.store, "new") == "r1"
            leave.set()
            with pytest.raises(SeawallError):
                await hanging
            old.clock.goes_on.set()

    asyncio.run(story())


async def _wait(event: asyncio.Event) -> None:
    await event.wait()


def test_an_epoch_that_a_failover_lost_and_gave_again_is_not_that_of_both(
    url: str, postgres: PostgresServer
) -> None:
    async def story() -> None:
        said: list[str] = []
        async with process(url, "a", said) as a:
            await until(lambda: a.part.leading)
            a.clock.goes_on.clear()
            with postgres.connect(url.rpartition("/")[2]) as lost:
                lost.execute("DELETE FROM meta WHERE key = 'leader'")
                async with process(url, "b", said) as b:
                    await until(lambda: b.part.leading)  # a's connection was silent for too long
                    epochs = [words for words in said if "leads, epoch 1" in words]
                    assert len(epochs) == 2, said
                    assert a.part.leading, "it does not know yet"
                    with pytest.raises(ElsewhereError):
                        add(a.store, "a")
                    assert add(b.store, "b") == "r1"
                    a.clock.goes_on.set()
                    await until(lambda: not a.part.leading)

    asyncio.run(story())


def test_a_database_that_goes_away_ends_the_lead_and_it_comes_back(
    url: str, postgres: PostgresServer
) -> None:
    async def story() -> None:
        said: list[str] = []
        async with process(url, "a", said) as a:
            await until(lambda: a.part.leading)
            await asyncio.to_thread(postgres.stop)
            try:
                await until(lambda: not a.part.leading)
                assert a.part.leader == ""
            finally:
                await asyncio.to_thread(postgres.start)
            await until(lambda: a.part.leading)
            assert await asyncio.to_thread(add, a.store, "again") == "r1"

    asyncio.run(story())


def test_a_claim_in_vain_makes_nobody_a_leader_and_is_told(
    url: str, postgres: PostgresServer
) -> None:
    database = url.rpartition("/")[2]

    async def story() -> None:
        said: list[str] = []
        async with contextlib.AsyncExitStack() as first:
            a = await first.enter_async_context(process(url, "a", said))
            await until(lambda: a.part.leading)
            with postgres.connect(database) as connection:
                command = f"ALTER DATABASE {database} SET default_transaction_read_only = on"
                connection.execute(command.encode())
            async with process(url, "b", said) as b:
                await until(lambda: b.part.leader == "a:1")
                await first.aclose()
                await until(lambda: "read-only" in b.part.trouble)
                with postgres.connect(database) as other:  # who claims holds the lock meanwhile
                    other.execute("SELECT pg_advisory_lock(%s)", (LEAD_LOCK,))
                    await until(lambda: b.part._held)
                    assert b.part.leader == ""
                    refusal = elsewhere(b.part)
                    assert refusal is not None
                    assert "unknown. PostgreSQL accepts no writes" in refusal.message
        assert sum("b lead-unknown" in words for words in said) == 1, said

    asyncio.run(story())


def test_a_store_that_nobody_shares_is_led_by_its_process() -> None:
    sole = Sole("a:1")
    assert (sole.leading, sole.leader) == (True, "a:1")

    async def story() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(sole.changed(), 0.01)

    asyncio.run(story())


def test_only_one_of_many_leads_at_any_moment(url: str) -> None:
    async def story() -> None:
        said: list[str] = []
        async with contextlib.AsyncExitStack() as stack:
            parts = [
                await stack.enter_async_context(process(url, str(number), said))
                for number in range(5)
            ]
            for _ in range(4):
                await until(lambda: any(p.part.leading for p in parts))
                leading = [p for p in parts if p.part.leading]
                assert len(leading) == 1
                leading[0].clock.goes_on.clear()
                waiting = [p for p in parts if p is not leading[0]]
                await until(lambda: any(p.part.leading for p in waiting))  # noqa: B023 - ends here
                written = []
                for each in parts:
                    with contextlib.suppress(ConflictError):
                        written.append(await asyncio.to_thread(add, each.store, "x"))
                assert len(written) == 1
                leading[0].clock.goes_on.set()
                await until(lambda: not leading[0].part.leading)  # noqa: B023 - ends here

    asyncio.run(story())
