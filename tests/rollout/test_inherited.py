"""A control process that takes over in a step has not seen what was measured in it."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from clocks import HandClock
from rollout.model import Model
from rollout.test_assess import windows
from rollout.test_lint import in_step
from seawall.rollout.book import Deed
from seawall.rollout.execute import Executor
from seawall.rollout.inherited import begun_again
from seawall.rollout.state import Event, Fleet, Hold, Inventory, Plan, Rollout, Stage
from seawall.telemetry.window import Window


class Kept:
    """A store in memory."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.said: list[Event] = []

    def version(self) -> int:
        return self.fleet.version

    def load(self) -> Fleet:
        return self.fleet

    def write(self, made: Plan, *, deeds: Sequence[Deed] = ()) -> Fleet:  # noqa: ARG002 - as it is
        self.said += made.events
        self.fleet = replace(made.fleet, version=self.fleet.version + 1)
        return self.fleet


class Board:
    """Nodes that do what they are told, and what they measured lately."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.windows: list[Window] = []
        self.looked = asyncio.Event()

    def inventory(self) -> Inventory:
        return self.model.inventory()

    def evidence(self) -> Sequence[Window]:
        return self.windows

    def offer(self, fleet: Fleet) -> None:
        pass

    async def changed(self, wait_s: float) -> bool:  # noqa: ARG002 - nothing comes
        self.looked.set()
        await asyncio.Event().wait()
        return False


async def nothing(_: Fleet) -> None:
    pass


def fail(_where: str, error: BaseException) -> None:
    raise error


def running(fleet: Fleet) -> Rollout:
    found = fleet.running
    assert found is not None
    return found


@pytest.mark.parametrize("taken_over", [True, False])
def test_a_step_that_another_process_began_lasts_until_this_one_has_seen_enough(
    *, taken_over: bool
) -> None:
    async def tell() -> None:
        model = in_step(3)
        for node in model.nodes.values():
            node.hear(model.fleet.assigned[node.name])
            node.live()
            node.live()
        step = running(model.fleet)
        clock = HandClock()
        clock.time_s = step.step_started_s + step.policy.steps[2].deadline_s - 3
        kept, board = Kept(model.fleet), Board(model)
        executor = Executor(
            *(kept, board, clock),
            on_fleet=nothing,
            log=lambda _code, _text: None,
            log_error=fail,
        )
        await executor.start()
        if taken_over:
            carrying_out = asyncio.ensure_future(executor.run())
            async with asyncio.timeout(30):
                await board.looked.wait()
            carrying_out.cancel()
            await asyncio.wait((carrying_out,))
        board.windows = windows(
            step.step_generation, rate=40, share=0.5, start_s=clock.time_s, seconds=4
        )
        clock.time_s += 4
        await executor.step()
        codes = [event.code for event in kept.said]
        if taken_over:
            assert codes == ["step-again"]
            assert (running(kept.fleet).stage, running(kept.fleet).step) == (Stage.CANARY, 3)
        else:
            assert codes[0] == "passed", kept.said
        assert running(kept.fleet).deadline_s == step.deadline_s

    asyncio.run(tell())


def test_only_a_step_of_a_canary_begins_again() -> None:
    model = in_step(3)
    step, now_s = running(model.fleet), model.now_s + 50
    for other in (Stage.TASTING, Stage.COMMITTING, Stage.BAKING):
        fleet = replace(model.fleet, rollouts=(replace(step, stage=other),))
        assert begun_again(fleet, now_s) is None
    assert begun_again(Fleet(), now_s) is None
    assert begun_again(model.fleet, step.step_started_s) is None
    held = replace(step, held=Hold("no-traffic", "nobody comes", now_s - 9))
    again = begun_again(replace(model.fleet, rollouts=(held,)), now_s)
    assert again is not None
    assert running(again.fleet) == replace(held, step_started_s=now_s)
    assert "step 3 of 3 (50 %) begins again" in again.events[0].text
