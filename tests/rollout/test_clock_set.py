"""Somebody sets the clock while a release is on its way: nothing happens for the sake of it."""

import asyncio
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from clocks import HandClock
from release.made import released
from rollout.model import POLICY
from seawall import limits
from seawall.api.nodes import NodeBoard
from seawall.fleet import intake
from seawall.ids import Generation, NodeName, ReleaseId
from seawall.release.store import Store
from seawall.rollout import execute, orders
from seawall.rollout.book import Book
from seawall.rollout.execute import Executor
from seawall.rollout.ports import NodeReport, Phase
from seawall.rollout.state import (
    Assigned,
    Basis,
    Findings,
    Fleet,
    Freeze,
    Hold,
    Inventory,
    Pass,
    Pause,
    Plan,
    Rollout,
    Speed,
    Stage,
)
from seawall.telemetry.window import Window

A = NodeName("a")
HOUR_S = 3_600.0
YEAR_S = 365 * 86_400.0
SETTINGS = [-HOUR_S, HOUR_S, YEAR_S, -1_700_000_000.0]


class SetClock(HandClock):
    """One that somebody sets; what is monotonic goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.set_s = 0.0

    def now_s(self) -> float:
        return self.time_s + self.set_s


class World:
    """One control process after another on a store, and a node that says little."""

    def __init__(self, store: Store) -> None:
        self.clock = SetClock()
        self.book = Book(store.database, self.clock)
        self.said: list[str] = []
        self.asked: list[float] = []
        self.board = NodeBoard(self.clock)
        self.executor = self.control()

    def control(self) -> Executor:
        async def nothing(_: Fleet) -> None:
            pass

        def judged(_fleet: Fleet, _seen: Inventory, _windows: object, now_s: float) -> Findings:
            self.asked.append(now_s)
            return Findings()

        def fail(_where: str, error: BaseException) -> None:
            raise error

        return Executor(
            *(self.book, self.board, self.clock),
            on_fleet=nothing,
            log=lambda code, text: self.said.append(f"{code}: {text}"),
            log_error=fail,
            judged=judged,
        )

    def hears(self) -> None:
        self.board.take(NodeReport(A, Generation(1), None, None, Phase.GOOD))

    @property
    def running(self) -> Rollout:
        found = self.executor.fleet.running
        assert found is not None
        return found

    def ages(self) -> dict[str, float]:
        """How long ago everything of the fleet was, to the second; what lies ahead is negative."""
        fleet, running, now_s = self.executor.fleet, self.running, self.clock.now_s()
        assert running.paused is not None
        assert running.held is not None
        assert fleet.frozen is not None
        times = {
            "queued": running.queued_s,
            "started": running.started_s,
            "step": running.step_started_s,
            "deadline": running.deadline_s,
            "paused": running.paused.since_s,
            "held": running.held.since_s,
            "frozen": fleet.frozen.since_s,
            "passed": running.passed[0].at_s,
            "told": fleet.assigned[A].at_s,
        }
        return {name: round(now_s - at_s) for name, at_s in times.items()}


@pytest.fixture(autouse=True)
def _plans_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execute, "plan", lambda fleet, *_: Plan(fleet))


def canary(store: Store, world: World) -> None:
    """A store with a paused, held rollout in a canary that began 10 s ago, on a frozen fleet."""
    now_s = world.clock.now_s()
    record = released(store, 1)[0]
    rollout = Rollout(
        1,
        *(record.id, record.digest, Speed.CONFIG, POLICY, "ann", None, None, Stage.CANARY),
        queued_s=now_s - 40,
        started_s=now_s - 30,
        step_started_s=now_s - 10,
        deadline_s=now_s + 90,
        step=1,
        passed=(Pass(0, 0, Basis.TASTED, "", now_s - 12),),
        members=(A,),
        first_generation=Generation(1),
        step_generation=Generation(1),
        paused=Pause("ann", now_s - 4),
        held=Hold("bob", "looks", now_s - 3),
    )
    told = Assigned(A, Generation(1), record.id, record.digest, 1.0, at_s=now_s - 10)
    fleet = Fleet(
        generation=Generation(1),
        frozen=Freeze("ann", "looks", now_s - 5),
        rollouts=(rollout,),
        assigned=MappingProxyType({A: told}),
    )
    world.book.write(Plan(fleet, assignments=(told,)))


@pytest.mark.parametrize("by_s", SETTINGS)
@pytest.mark.parametrize("ordered", [False, True])
def test_steps_deadlines_and_waits_move_with_a_clock_that_is_set(
    tmp_path: Path, by_s: float, *, ordered: bool
) -> None:
    async def tell() -> None:
        with Store(tmp_path / "seawall.db", clock=HandClock()) as store:
            world = World(store)
            canary(store, world)
            await world.executor.start()
            before = world.ages()
            world.clock.set_s = by_s
            world.hears()
            if ordered:
                await world.executor.order(lambda fleet, _now_s: Plan(fleet))
            else:
                await world.executor.step()
            assert world.ages() == before
            world.executor = world.control()
            await world.executor.start()
            assert world.ages() == before, "the store has it"
            told = [text for text in world.said if text.startswith("rollout-clock-set")]
            assert len(told) == 1, world.said
            assert ("ahead" if by_s > 0 else "back") in told[0]

    asyncio.run(tell())


def test_a_clock_that_was_set_back_while_control_was_away_holds_nothing_up(tmp_path: Path) -> None:
    async def tell() -> None:
        with Store(tmp_path / "seawall.db", clock=HandClock()) as store:
            world = World(store)
            canary(store, world)
            world.clock.set_s = -HOUR_S
            world.executor = world.control()
            await world.executor.start()
            world.hears()
            await world.executor.step()
            assert world.ages()["step"] == 0, "the step begins anew"
            assert world.ages()["deadline"] == -100

    asyncio.run(tell())


def test_waits_that_end_one_after_the_other_are_no_clock_that_was_set(tmp_path: Path) -> None:
    async def tell() -> None:
        with Store(tmp_path / "seawall.db", clock=HandClock()) as store:
            world = World(store)
            canary(store, world)
            await world.executor.start()
            world.clock.time_s += 60.0
            for lift in (orders.unfreeze, orders.resume, orders.resume):
                await world.executor.order(
                    lambda fleet, now_s, lift=lift: lift(fleet, "ann", now_s)
                )
                world.hears()
                await world.executor.step()
            age_s = world.clock.now_s() - world.running.step_started_s
            assert age_s == 5.0, "it had lasted for so long when the first of them began"
            assert not [text for text in world.said if "clock" in text]

    asyncio.run(tell())


def test_a_clock_that_is_a_little_off_and_one_of_another_leader_change_nothing(
    tmp_path: Path,
) -> None:
    async def tell() -> None:
        with Store(tmp_path / "seawall.db", clock=HandClock()) as store:
            world = World(store)
            canary(store, world)
            await world.executor.start()
            step_s = world.running.step_started_s
            world.clock.set_s = limits.CLOCK_SET_S_MIN - 0.1
            await world.executor.step()
            assert world.running.step_started_s == step_s
            world.clock.set_s += 60.0
            await world.executor.refresh()
            await world.executor.step()
            assert world.running.step_started_s == step_s, "the leader's clock was not set"

    asyncio.run(tell())


def window(start_s: float) -> Window:
    return Window(
        *(A, "stable", ReleaseId("r1"), Generation(1)), start_s, 1.0, MappingProxyType({})
    )


@pytest.mark.parametrize("by_s", SETTINGS)
def test_windows_are_as_old_as_before_and_new_ones_are_heard(by_s: float) -> None:
    clock = SetClock()
    board, report = NodeBoard(clock), NodeReport(A, Generation(1), None, None, Phase.GOOD)
    began_s = clock.now_s() - 20
    board.take(replace(report, windows=(window(began_s),)))
    clock.set_s = by_s
    stale, fresh = window(began_s + 10), window(began_s + by_s + 12)
    board.take(replace(report, windows=(stale, fresh)))
    assert [w.start_s - clock.now_s() + 20 for w in board.evidence()] == [0, 12]
    assert next(w.start_s - clock.now_s() + 20 for w in board.windows()) == 0


def test_a_node_whose_clock_was_set_back_is_heard_at_once() -> None:
    sent_s = 1_700_000_000.0
    report = NodeReport(A, Generation(1), None, None, Phase.GOOD)
    before = intake.clean(replace(report, windows=(window(sent_s - 2),)), A, (), {}, sent_s=sent_s)
    twice = intake.clean(
        replace(report, windows=(window(sent_s - 2),)), A, (), before.heard, sent_s=sent_s
    )
    assert twice.report.windows == ()
    sent_s -= HOUR_S
    after = intake.clean(
        replace(report, windows=(window(sent_s - 2),)), A, (), before.heard, sent_s=sent_s
    )
    assert len(after.report.windows) == 1, after.words
