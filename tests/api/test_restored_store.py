"""A store that was restored from a backup gives the numbers again that came after the backup.

Nodes still have the first content of these numbers, and a generation that is ahead.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from api.world import ANN, World, last, until, world
from seawall import limits
from seawall.api.hand_requests import DeedRequest
from seawall.api.views import Refused
from seawall.errors import UnreachableError
from seawall.ids import Digest, Generation, NodeName
from seawall.release.signing import load_public_key
from seawall.rollout.ports import Assignment, NodeReport
from seawall.testing.memory_node import MemoryNode


class Way:
    """A node's way to whichever control process runs."""

    def __init__(self) -> None:
        self.here: World | None = None
        self.newest = ""

    async def assignment(
        self, node: NodeName, known: Generation, wait_s: float
    ) -> Assignment | None:
        return await self._there.service.assignment(node, known, min(wait_s, 1.0))

    async def bundle(self, digest: Digest) -> bytes:
        return await self._there.service.bundle(digest)

    async def report(self, report: NodeReport) -> None:
        await self._there.service.report(report)

    @property
    def _there(self) -> World:
        if self.here is None:
            raise UnreachableError("away", "Control is away.")
        return self.here


@asynccontextmanager
async def running(node: MemoryNode) -> AsyncIterator[None]:
    task = asyncio.ensure_future(node.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def lived(home: Path, way: Way) -> MemoryNode:
    """r1, a backup, and r2 after it; both are good on the node that is returned."""
    async with world(home, with_node=False) as here:
        way.here = here
        key = load_public_key(home / "control" / "signing.pub")
        node = MemoryNode(way, key)
        async with running(node):
            await here.applied(here.text())
            await until(lambda: not here.control.executor.fleet.rollouts, "r1 is good")
            await asyncio.to_thread(shutil.copytree, home, home.with_name("backup"))
            way.newest = here.text(timeout="20s")
            await here.applied(way.newest)
            await until(lambda: not here.control.executor.fleet.rollouts, "r2 is good")
            assert node.serving == "r2"
        way.here = None
    return node


def test_a_number_that_is_given_again_is_not_good_because_its_first_content_was(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        way = Way()
        node = await lived(tmp_path / "data", way)
        first = node.digest
        async with world(tmp_path / "backup", with_node=False) as here:
            way.here, executor = here, here.control.executor
            async with running(node):
                await until(lambda: executor.fleet.frozen, "releases are frozen")
                assert (node.serving, node.digest) == ("r2", first)
                await here.service.hands.unfreeze(DeedRequest(), ANN)
                await until(lambda: node.serving == "r1", "it is told what the store says")
                node.bakes = False
                await here.applied(here.text(timeout="30s"))
                assert node.serving == "r2"
                assert node.digest != first
                await executor.refresh()
                assert "r2" not in [good.release for good in executor.fleet.good]
                [baking] = executor.fleet.rollouts
                assert baking.stage == "baking"
                node.baked()
                await node.say()
                await until(lambda: not executor.fleet.rollouts, "r2 is good")
                assert executor.fleet.good[0].digest == node.digest
            way.here = None

    asyncio.run(story())


def test_a_node_that_has_the_first_content_of_its_number_is_told_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "ROLLOUT_NODE_PATIENCE_S", 0.1)

    async def story() -> None:
        way = Way()
        node = await lived(tmp_path / "data", way)
        async with world(tmp_path / "backup", with_node=False) as here:
            way.here, executor = here, here.control.executor
            alone = asyncio.ensure_future(
                here.apply(here.text(timeout="30s"), break_glass="nobody is here")
            )
            await until(lambda: here.current == "r2", "it is the target")
            told = executor.fleet.assigned[node.name]
            # It was given the same numbers: of the release, and of the assignment.
            node.generation = told.generation
            assert (node.serving, told.release) == ("r2", "r2")
            assert node.digest != told.digest
            async with running(node):
                await until(lambda: node.digest == told.digest, "it has what it was told")
            alone.cancel()
            await asyncio.gather(alone, return_exceptions=True)
            way.here = None

    asyncio.run(story())


def test_a_restored_store_moves_no_node_and_is_told_what_serves(tmp_path: Path) -> None:
    async def story() -> None:
        way = Way()
        home = tmp_path / "data"
        node = await lived(home, way)
        kept = node.digest
        home.rename(tmp_path / "lost")
        (tmp_path / "backup").rename(home)  # what is compiled names its directory
        async with world(home, with_node=False) as here:
            way.here, executor = here, here.control.executor
            async with running(node):
                await until(lambda: executor.fleet.frozen, "releases are frozen")
                frozen = executor.fleet.frozen
                assert frozen is not None
                assert "older than the releases on" in frozen.reason
                refused = await here.refused(here.text(timeout="30s"))
                assert (refused.code, refused.serving) == ("frozen", "r2")
                for named in (None, "r1"):
                    refused = await last(here.service.rollback(named, caller=ANN))
                    assert isinstance(refused, Refused), refused
                    assert refused.code == "store-behind"
                    assert "which this store has lost" in refused.message
                assert node.digest == kept
                await here.applied(way.newest, break_glass="it serves already")
                await until(lambda: executor.fleet.frozen is None, "nothing is kept any more")
                assert node.digest == kept
            way.here = None

    asyncio.run(story())
