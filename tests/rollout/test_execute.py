"""The executor on a real store: it writes what the planner says, and nothing that lint refuses."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from clocks import HandClock
from release.made import released
from rollout.model import POLICY
from seawall import limits
from seawall.api.nodes import NodeBoard
from seawall.api.rollouts import Rollouts
from seawall.clock import SystemClock
from seawall.errors import ConflictError, InternalError, UnreachableError
from seawall.ids import Generation, NodeName
from seawall.release.store import Store
from seawall.rollout import execute, orders
from seawall.rollout.book import Book
from seawall.rollout.execute import Executor
from seawall.rollout.ports import NodeReport, Phase
from seawall.rollout.state import Findings, Fleet, Inventory, Plan, Speed, Stage

A = NodeName("a")
Story = Callable[[Store, "Process"], Awaitable[None]]


class Process:
    """One control process: its own board and executor on a store that others use too."""

    def __init__(self, store: Store) -> None:
        self.board = NodeBoard(HandClock())
        self.errors: list[BaseException] = []
        self.book = Book(store.database, HandClock())
        self.executor = Executor(
            self.book,
            self.board,
            HandClock(),
            on_fleet=_nothing,
            log=lambda _code, _text: None,
            log_error=lambda _where, error: self.errors.append(error),
        )

    def hears(self, generation: int = 0, **values: object) -> None:
        report = NodeReport(A, Generation(generation), None, None, Phase.GOOD)
        self.board.take(replace(report, **values))  # type: ignore[arg-type]  # - of a test


async def _nothing(_: Fleet) -> None:
    pass


def run(tmp_path: Path, story: Story) -> None:
    async def main() -> None:
        with Store(tmp_path / "seawall.db", clock=HandClock()) as store:
            process = Process(store)
            await process.executor.start()
            await story(store, process)

    asyncio.run(main())


def first(store: Store) -> execute.Make:
    record = released(store, 1)[0]

    def make(fleet: Fleet, now_s: float) -> Plan:
        order = orders.Order(record.id, record.digest, POLICY, Speed.CONFIG, "ann", None)
        return orders.start(fleet, order, 1, now_s)

    return make


def test_an_order_is_written_and_the_next_step_offers_it_to_the_node(tmp_path: Path) -> None:
    async def story(store: Store, process: Process) -> None:
        process.hears()
        await process.executor.order(first(store))
        await process.executor.step()
        offered = await process.board.poll(A, Generation(0), 0.0)
        assert offered is not None
        assert (offered.release, offered.generation) == ("r1", 1)
        assert process.book.load().assigned[A].generation == 1

    run(tmp_path, story)


def test_a_leader_that_slept_cannot_write_what_it_planned_before(tmp_path: Path) -> None:
    async def story(store: Store, process: Process) -> None:
        process.hears()
        await process.executor.order(first(store))
        awake = Process(store)
        awake.hears()
        await awake.executor.start()
        stale = process.executor.fleet
        await awake.executor.step()
        version = awake.executor.fleet.version
        with pytest.raises(ConflictError):
            process.book.write(orders.abort(stale, "old", "", 1.0))
        assert awake.book.load().version == version
        await process.executor.step()
        assert process.executor.fleet.target == awake.executor.fleet.target, "it reads again"

    run(tmp_path, story)


def test_two_orders_at_once_are_one_after_the_other(tmp_path: Path) -> None:
    async def story(store: Store, process: Process) -> None:
        other = Process(store)
        await other.executor.start()
        make = first(store)
        found = await asyncio.gather(
            process.executor.order(make), other.executor.order(make), return_exceptions=True
        )
        refused = [one for one in found if isinstance(one, ConflictError)]
        assert len(refused) == 1, found
        assert refused[0].code == "release-in-progress"
        assert len(process.book.load().rollouts) == 1

    run(tmp_path, story)


def test_a_plan_that_breaks_an_invariant_is_not_written_and_the_rollout_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = execute.plan

    def lying(fleet: Fleet, inventory: Inventory, findings: Findings, now_s: float) -> Plan:
        good = honest(fleet, inventory, findings, now_s)
        running = good.fleet.running
        if running is None or fleet.running is None:
            return good
        skipped = replace(running, stage=Stage.COMMITTING, straight=None, members=(A,))
        return replace(good, fleet=replace(good.fleet, rollouts=(skipped,)))

    async def story(store: Store, process: Process) -> None:
        process.hears()
        await process.executor.order(first(store))
        await process.executor.step()
        monkeypatch.setattr(execute, "plan", lying)
        for _ in range(3):
            await process.executor.step()
        running = process.book.load().running
        assert running is not None
        assert running.held is not None
        assert "without having passed" in running.held.reason
        assert running.straight is not None, "the bad plan was not written"
        assert [type(error) for error in process.errors] == [InternalError], "said once"

    run(tmp_path, story)


def test_a_plan_rests_since_the_last_one_and_not_since_the_first_report_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pause_s = 3_600.0
    monkeypatch.setattr(limits, "ROLLOUT_IDLE_PAUSE_S", pause_s)

    async def story(store: Store, process: Process) -> None:
        clock = HandClock()
        looks: asyncio.Queue[None] = asyncio.Queue()

        class HeardLater(NodeBoard):
            async def changed(self, _wait_s: float) -> bool:
                clock.time_s += pause_s
                return True

        def judged(*_: object) -> Findings:
            looks.put_nowait(None)
            return Findings()

        executor = Executor(
            Book(store.database, clock),
            HeardLater(clock),
            clock,
            on_fleet=_nothing,
            log=lambda _code, _text: None,
            log_error=lambda _where, error: process.errors.append(error),
            judged=judged,
        )
        running = asyncio.ensure_future(executor.run())
        async with asyncio.timeout(30):
            for _ in range(2):
                await looks.get()
        running.cancel()
        await asyncio.wait((running,))

    run(tmp_path, story)


def test_trouble_with_the_store_is_a_notice_until_it_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(_store: Store, process: Process) -> None:
        told: list[str] = []
        full = UnreachableError("store-full", "The disk is full.", remedy="Free some space.")
        steps = iter([full, full, None])
        done = asyncio.Event()

        class Heard(NodeBoard):
            async def changed(self, _wait_s: float) -> bool:
                return True

        executor = Executor(
            process.book,
            Heard(HandClock()),
            SystemClock(),
            on_fleet=_nothing,
            log=lambda code, _text: told.append(code),
            log_error=lambda _where, error: process.errors.append(error),
        )
        rollouts = Rollouts(executor, process.book, process.board.inventory)
        seen: list[str] = []

        async def step() -> None:
            found = rollouts.notice()
            seen.append("" if found is None else f"{found.text} {found.remedy}")
            error = next(steps, None)
            if error is not None:
                raise error
            if len(seen) > 3:
                done.set()

        monkeypatch.setattr(executor, "step", step)
        running = asyncio.ensure_future(executor.run())
        async with asyncio.timeout(30):
            await done.wait()
        running.cancel()
        await asyncio.wait((running,))
        words = "Rollouts make no progress: The disk is full. Seawall keeps retrying."
        assert seen[:4] == ["", f"{words} Free some space.", f"{words} Free some space.", ""]
        assert told == ["rollout-step-failed"]

    run(tmp_path, story)
