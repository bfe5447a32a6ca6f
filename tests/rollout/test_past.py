"""A bake that lasts longer than windows are kept is still compared with the time before it."""

import asyncio
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from clocks import HandClock
from judge.windows import window
from release.made import released
from rollout.model import POLICY
from seawall import limits
from seawall.api.nodes import NodeBoard
from seawall.ids import Generation, NodeName, ReleaseId
from seawall.judge.verdict import Healthy, NotEnough, Unhealthy, Verdict
from seawall.release.store import Store
from seawall.rollout import execute
from seawall.rollout.assess import assess
from seawall.rollout.book import Book
from seawall.rollout.execute import Executor
from seawall.rollout.ports import NodeReport, Phase
from seawall.rollout.state import Assigned, Fleet, Plan, Rollout, Speed, Stage, Target

A = NodeName("a")


class World:
    """Control whose only node committed r2 just now, and had served r1."""

    def __init__(self, store: Store) -> None:
        self.clock = HandClock()
        self.book = Book(store.database, self.clock)
        self.board = NodeBoard(self.clock)
        first, second = released(store, 2)
        now_s = self.clock.now_s()
        rollout = Rollout(
            1,
            *(second.id, second.digest, Speed.CONFIG, POLICY, "ann", first.id),
            Target(first.id, first.digest, 1.0),
            Stage.COMMITTING,
            *(now_s, now_s, now_s),
            now_s + 60.0,
            committed=(A,),
            first_generation=Generation(1),
        )
        told = Assigned(A, Generation(1), second.id, second.digest, 1.0, at_s=now_s)
        self.book.write(
            Plan(
                Fleet(
                    generation=Generation(1),
                    rollouts=(rollout,),
                    assigned=MappingProxyType({A: told}),
                ),
                assignments=(told,),
            )
        )
        self.executor = self.control()

    def control(self) -> Executor:
        async def nothing(_: Fleet) -> None:
            pass

        def fail(_where: str, error: BaseException) -> None:
            raise error

        return Executor(
            *(self.book, self.board, self.clock),
            on_fleet=nothing,
            log=lambda *_: None,
            log_error=fail,
            judged=assess,
        )

    async def measures(self, release: str, errors: int = 0) -> Verdict | None:
        """Twelve seconds of it, and what is found then."""
        start_s = self.clock.now_s()
        found = [
            replace(window("stable", start_s + s, 100, errors, node=A), release=ReleaseId(release))
            for s in range(12)
        ]
        self.clock.time_s += 12.0
        self.board.take(NodeReport(A, Generation(1), None, None, Phase.BAKING, windows=(*found,)))
        await self.executor.step()
        return self.executor.findings.bake

    async def bakes(self) -> None:
        def baking(fleet: Fleet, _now_s: float) -> Plan:
            running = fleet.running
            assert running is not None
            following = replace(running, stage=Stage.BAKING)
            return Plan(replace(fleet, rollouts=(following,)))

        await self.executor.order(baking)


@pytest.fixture(autouse=True)
def _plans_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execute, "plan", lambda fleet, *_: Plan(fleet))


def test_harm_is_found_however_long_the_bake_has_lasted(tmp_path: Path) -> None:
    async def tell() -> None:
        with Store(tmp_path / "seawall.db", clock=HandClock()) as store:
            world = World(store)
            await world.executor.start()
            await world.measures("r1")
            assert isinstance(await world.measures("r2"), Healthy)
            await world.bakes()
            for _ in range(3):
                world.clock.time_s += limits.EVIDENCE_SPAN_S + 1.0
                assert isinstance(await world.measures("r2"), Healthy)
            world.clock.time_s += limits.EVIDENCE_SPAN_S + 1.0
            assert isinstance(await world.measures("r2", errors=60), Unhealthy)
            world.executor = world.control()
            await world.executor.start()
            found = await world.measures("r2", errors=60)
            assert isinstance(found, NotEnough), "another control process has not seen it"

    asyncio.run(tell())


def test_what_failed_before_is_counted_once_while_it_is_kept(tmp_path: Path) -> None:
    async def tell() -> None:
        with Store(tmp_path / "seawall.db", clock=HandClock()) as store:
            world = World(store)
            await world.executor.start()
            await world.measures("r1", errors=60)
            await world.bakes()
            await world.measures("r2", errors=60)
            kept = world.board.evidence()
            recalled = world.executor._past.recalled(world.executor.fleet, kept)
            assert sorted(map(id, recalled)) == sorted(map(id, kept))
            assert isinstance(world.executor.findings.bake, Healthy)

    asyncio.run(tell())
