"""The node without Envoy says what a real one says, also to whoever leads after a failure."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from seawall.errors import NotFoundError, UnreachableError
from seawall.ids import Digest, Generation, NodeName, ReleaseId
from seawall.release.signing import load_or_create_key
from seawall.rollout.ports import Assignment, NodeReport, Phase
from seawall.testing.memory_node import MemoryNode


class DyingControl:
    """Assigns a release that it does not have, and dies before it hears what became of it."""

    def __init__(self) -> None:
        self.heard: list[NodeReport] = []
        self.again = asyncio.Event()
        self.dead = False

    async def assignment(
        self, node: NodeName, known: Generation, wait_s: float
    ) -> Assignment | None:
        del node, wait_s
        if known:
            self.again.set()
            await asyncio.Event().wait()
        return Assignment(Generation(1), ReleaseId("r1"), Digest("0" * 64), bake_s=1.0)

    async def bundle(self, digest: Digest) -> bytes:
        self.dead = True
        raise NotFoundError("no-bundle", f"There is no bundle {digest}.")

    async def report(self, report: NodeReport) -> None:
        if self.dead:
            self.dead = False
            raise UnreachableError("down", "Control is down.")
        self.heard.append(report)


@contextlib.asynccontextmanager
async def following(control: DyingControl, home: Path) -> AsyncIterator[None]:
    key = load_or_create_key(home / "signing.key", home / "signing.pub")
    task = asyncio.create_task(MemoryNode(control, key.public).run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_a_refusal_that_nobody_heard_is_said_again(tmp_path: Path) -> None:
    control = DyingControl()

    async def scene() -> None:
        async with following(control, tmp_path), asyncio.timeout(10):
            await control.again.wait()

    asyncio.run(scene())
    last = control.heard[-1]
    assert (last.phase, last.generation, last.release) == (Phase.REJECTED, 1, None)
    assert "There is no bundle" in last.message
