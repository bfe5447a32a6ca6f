"""Control whose store takes no write, as on a full disk, in the middle of a release."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from api.world import ANN, World, last, live, measuring, sources, until, world
from seawall import limits
from seawall.api.hand_requests import DeedRequest
from seawall.api.views import Applied, ApplyEvent, Progress, Refused
from seawall.errors import ConflictError, SeawallError, UnreachableError
from seawall.ids import Digest, Generation, NodeName, ReleaseId
from seawall.release.store import Store
from seawall.rollout.book import Book
from seawall.rollout.execute import Executor
from seawall.rollout.ports import NodeReport, Phase
from seawall.telemetry.window import Window

_SLOW = "rollout: {steps: [{share: 10%, soak: 10m, deadline: 10m}]}\n"
_FULL = UnreachableError("store-full", "The disk is full.", remedy="Free some space.")
_LOST = ConflictError("not-leading", "Another control process leads.")


@asynccontextmanager
async def _busy_edge(tmp_path: Path) -> AsyncIterator[World]:
    """One with so many requests that a step waits for evidence."""
    async with (
        world(tmp_path / "data", trials=True) as here,
        measuring(here, here.node, requests=50.0),
    ):
        yield here


async def _in_canary(here: World) -> asyncio.Future[Applied | Refused]:
    """Bring out a release that waits in its canary; how it ends."""
    await here.applied(here.text())
    slow = sources(here.text(timeout="2s", extra=_SLOW))
    following = asyncio.ensure_future(last(here.service.apply(slow, caller=ANN)))
    await until(lambda: here.step == 1, "the canary")
    return following


async def _fails() -> None:
    raise _FULL


def test_a_node_in_a_trial_is_not_answered_by_control_that_could_not_end_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "ROLLOUT_STUCK_S", 0.5)
    monkeypatch.setattr(limits, "APPLY_WAITS_S", 0.1)

    async def tell() -> None:
        async with _busy_edge(tmp_path) as here:
            await here.applied(here.text())
            told: list[ApplyEvent] = []

            async def follow() -> None:
                slow = sources(here.text(timeout="2s", extra=_SLOW))
                async for event in here.service.apply(slow, caller=ANN):
                    told.append(event)  # noqa: PERF401 - looked at meanwhile

            following = asyncio.ensure_future(follow())
            await until(lambda: here.step == 1, "the canary")
            executor, node = here.control.executor, NodeName(here.node.name)
            known = executor.fleet.generation
            with monkeypatch.context() as broken:
                broken.setattr(executor, "step", _fails)
                await until(lambda: executor.stuck_s > limits.ROLLOUT_STUCK_S, "it is stuck")
                with pytest.raises(UnreachableError, match="Rollouts have made no progress"):
                    await here.service.assignment(node, known, 0.0)
                assert await here.service.assignment(NodeName("other"), known, 0.0) is None
                words = "makes no progress and keeps retrying: The disk is full."
                await until(
                    lambda: any(isinstance(e, Progress) and words in e.text for e in told),
                    "whoever follows is told",
                )
            await until(lambda: executor.stuck_s < limits.ROLLOUT_STUCK_S, "it goes on")
            assert await here.service.assignment(node, known, 0.0) is None
            following.cancel()
            await asyncio.wait((following,))

    asyncio.run(tell())


def test_a_node_in_a_trial_is_not_answered_when_nobody_could_write_that_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step that has nothing to write goes well also on a store that takes nothing."""
    monkeypatch.setattr(limits, "ROLLOUT_STUCK_S", 0.5)

    def read_only(*_: object, **__: object) -> None:
        raise _FULL

    async def tell() -> None:
        async with _busy_edge(tmp_path) as here:
            following = await _in_canary(here)
            executor, node = here.control.executor, NodeName(here.node.name)
            known = executor.fleet.generation
            with monkeypatch.context() as broken:
                broken.setattr(Book, "write", read_only)
                with pytest.raises(UnreachableError, match="The disk is full"):
                    await here.service.hands.abort(DeedRequest(), ANN)
                await until(lambda: executor.stuck_s > limits.ROLLOUT_STUCK_S, "it is stuck")
                with pytest.raises(UnreachableError, match="Rollouts have made no progress"):
                    await here.service.assignment(node, known, 0.0)
                assert executor.trouble is _FULL
            await until(lambda: executor.trouble is None, "it goes on")
            assert await here.service.assignment(node, known, 0.0) is None
            await here.service.hands.abort(DeedRequest(), ANN)
            await following

    asyncio.run(tell())


def test_a_node_in_a_trial_is_not_answered_by_control_that_stands_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def tell() -> None:
        async with _busy_edge(tmp_path) as here:
            following = await _in_canary(here)
            executor, node = here.control.executor, NodeName(here.node.name)
            known = executor.fleet.generation
            with monkeypatch.context() as elsewhere:
                elsewhere.setattr(Executor, "leads", False)
                with pytest.raises(UnreachableError, match="does not lead"):
                    await here.service.assignment(node, known, 0.0)
                told = await here.service.assignment(node, Generation(known - 1), 0.0)
                assert told is not None, "what is new is told by whoever knows it"
                assert await here.service.assignment(NodeName("other"), known, 0.0) is None
            assert await here.service.assignment(node, known, 0.0) is None
            following.cancel()
            await asyncio.wait((following,))

    asyncio.run(tell())


@pytest.mark.parametrize(("error", "taken"), [(_FULL, 1), (_LOST, 0)])
def test_a_report_is_taken_once_or_refused_though_the_store_takes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: SeawallError, taken: int
) -> None:
    node, release, digest = NodeName("edge"), ReleaseId("r1"), Digest("a" * 64)
    window = Window(node, "stable", release, Generation(1), time.time() - 2, 1.0, {})
    report = NodeReport(node, Generation(1), release, digest, Phase.GOOD)

    def fails(*_: object) -> None:
        raise error

    async def tell(here: World) -> None:
        good = NodeReport(
            *(node, Generation(1), release, digest, Phase.GOOD),
            last_known_good=(release,),
            good_digests=(digest,),
            windows=(window,),
        )
        with monkeypatch.context() as broken:
            broken.setattr(Store, "set_last_known_good", fails)
            if taken:
                await here.service.report(good)
            else:
                with pytest.raises(ConflictError):
                    await here.service.report(good)
        assert len(here.control.board.evidence()) == taken
        await here.service.report(report)

    live(tmp_path, tell, with_node=False)
