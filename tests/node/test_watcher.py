"""The watcher of a trial, with everything it looks at made up."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from seawall.clock import SystemClock
from seawall.ids import Digest, Generation, ReleaseId
from seawall.node import moves, watcher
from seawall.node.state import Served
from seawall.node.steering import Arm
from seawall.node.watcher import Watcher
from seawall.rollout.ports import Probes

SERVED = Served(ReleaseId("r2"), Digest("2" * 64), Generation(2))


class Trials:
    """A candidate that is well, or one that is no more, of which nobody was told yet."""

    baseline = False
    ending = ""

    def __init__(self, *, well: bool = True) -> None:
        self._well = well
        self.died = asyncio.Event()
        self._candidate = SimpleNamespace(slot=SimpleNamespace(directory=Path("candidate")))

    def keeper(self, arm: Arm) -> Any:
        return self._candidate if arm is Arm.CANDIDATE else None

    async def answers(self, _: Arm) -> bool:
        if not self._well:
            asyncio.get_running_loop().call_soon(self.died.set)
        return self._well

    def loads(self, _: Arm) -> bool:
        return False

    def usage(self, _: Arm) -> None:
        return None


class BusyMachine(Trials):
    """For three looks nobody answers in time, stable neither; then both do."""

    def __init__(self) -> None:
        super().__init__()
        self.over = asyncio.Event()
        self._looks = 0

    async def answers(self, arm: Arm) -> bool:
        self._looks += arm is Arm.CANDIDATE
        if self._looks > 5:
            self.over.set()
        return self._looks > 3


class Instruments:
    async def measure(self, _: object) -> None:
        await asyncio.Event().wait()

    def step(self, *_: object) -> None:
        pass


class Prober:
    """Every question is answered at once, well or none as stable does."""

    complete = True

    def __init__(self, *, well: bool = True) -> None:
        self._well = well
        self.warmed: list[Path] = []
        self.met_clients = False

    async def warm(self, *slots: Path) -> None:
        self.warmed += slots

    async def round(self, count: int) -> Probes:
        return Probes(asked=count) if self._well else Probes(count, count, "Connection refused")

    def step(self) -> None:
        pass

    def opened(self) -> None:
        self.met_clients = True


@contextmanager
def _watching(
    trials: Trials, prober: Prober
) -> Iterator[tuple[Watcher, asyncio.Queue[moves.Event]]]:
    told: asyncio.Queue[moves.Event] = asyncio.Queue()
    parts = [cast("Any", part) for part in (trials, Instruments(), prober)]
    made = Watcher(*parts, SystemClock(), told.put_nowait)
    made.step(moves.Watch(SERVED, Generation(2), 0))
    running = asyncio.ensure_future(made.run())
    yield made, told
    running.cancel()


def test_a_step_that_begins_is_asked_for_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher, "TRIAL_WATCH_INTERVAL_S", 3_600.0)

    async def story() -> list[Generation]:
        found: list[Generation] = []
        with _watching(Trials(), Prober()) as (made, told):
            for generation in (3, 4):
                async with asyncio.timeout(30):
                    event = await told.get()
                assert isinstance(event, moves.Probed)
                found.append(event.generation)
                made.step(moves.Watch(SERVED, Generation(generation), 10))
        return found

    assert asyncio.run(story()) == [2, 3]


@pytest.mark.parametrize("share", [0, 10])
def test_questions_of_the_taste_end_with_it(share: int) -> None:
    prober = Prober()

    async def story() -> None:
        with _watching(Trials(), prober) as (made, _):
            made.step(moves.Watch(SERVED, Generation(3), share))

    asyncio.run(story())
    assert prober.met_clients is bool(share)


@pytest.mark.parametrize("baseline", [True, False])
def test_only_who_is_compared_with_a_baseline_is_warmed_before(*, baseline: bool) -> None:
    """Without one, the questions that are compared are the first that the candidate meets."""
    trials, prober = Trials(), Prober()
    trials.baseline = baseline
    baseline_slot = SimpleNamespace(slot=SimpleNamespace(directory=Path("baseline")))
    arms = {Arm.CANDIDATE: trials._candidate, **({Arm.BASELINE: baseline_slot} if baseline else {})}
    trials.keeper = arms.get  # type: ignore[method-assign]  # - as many as there are

    async def story() -> None:
        with _watching(trials, prober) as (_, told):
            async with asyncio.timeout(30):
                await told.get()

    asyncio.run(story())
    assert prober.warmed == ([Path("candidate"), Path("baseline")] if baseline else [])


@pytest.mark.parametrize("well", [True, False])
def test_answers_that_are_missing_because_the_candidate_died_are_told_as_its_death(
    *, well: bool
) -> None:
    """The kernel closes its sockets before anybody can know that it ended."""

    async def story() -> moves.Event:
        with _watching(Trials(well=well), Prober(well=False)) as (_, told):
            while True:
                async with asyncio.timeout(30):
                    event = await told.get()
                if isinstance(event, moves.Probed | moves.Died):
                    return event

    event = asyncio.run(story())
    assert isinstance(event, moves.Probed if well else moves.Died)


def test_a_candidate_that_is_late_where_stable_is_late_too_does_not_hang(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watcher, "TRIAL_WATCH_INTERVAL_S", 0.001)

    async def story() -> list[moves.Event]:
        trials = BusyMachine()
        with _watching(trials, Prober()) as (_, told):
            async with asyncio.timeout(30):
                await trials.over.wait()
        return [told.get_nowait() for _ in range(told.qsize())]

    assert not [event for event in asyncio.run(story()) if isinstance(event, moves.Unanswered)]


def test_a_candidate_that_is_late_alone_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher, "TRIAL_WATCH_INTERVAL_S", 0.001)

    class Trial(Trials):
        async def answers(self, arm: Arm) -> bool:
            return arm is Arm.STABLE

    async def story() -> moves.Event:
        with _watching(Trial(), Prober()) as (_, told):
            async with asyncio.timeout(30):
                while (
                    not isinstance(event := await told.get(), moves.Unanswered) or event.count < 2
                ):
                    pass
        return event

    assert asyncio.run(story()) == moves.Unanswered(2)


def test_a_candidate_that_loads_a_release_does_not_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher, "TRIAL_WATCH_INTERVAL_S", 0.001)

    class Trial(Trials):
        looks = 0

        async def answers(self, arm: Arm) -> bool:
            self.looks += arm is Arm.CANDIDATE
            return arm is Arm.STABLE

        def loads(self, arm: Arm) -> bool:
            return arm is Arm.CANDIDATE and self.looks <= 5

    async def story() -> tuple[int, moves.Event]:
        trials = Trial()
        with _watching(trials, Prober()) as (_, told):
            async with asyncio.timeout(30):
                while not isinstance(event := await told.get(), moves.Unanswered):
                    pass
        return trials.looks, event

    assert asyncio.run(story()) == (6, moves.Unanswered(1))
