"""Going back from a release that skips its steps, before every node has it."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from api.test_restored_store import running
from api.world import World, live, until
from seawall.api.views import Applied, Refused
from seawall.release.signing import load_public_key
from seawall.testing.memory_node import MemoryNode

Story = Callable[[World, asyncio.Future[Applied | Refused]], Awaitable[None]]


def _run(tmp_path: Path, story: Story) -> None:
    """`story` while r2 is on its way by break-glass, on which r1 served, and the node is away."""

    async def tell(here: World) -> None:
        key = load_public_key(tmp_path / "data" / "control" / "signing.pub")
        node = MemoryNode(here.service, key)
        async with running(node):
            await here.applied(here.text())
            await until(lambda: not here.control.executor.fleet.rollouts, "r1 is good")
        glass = here.apply(here.text(timeout="2s"), break_glass=True, message="it must be")
        straight = asyncio.ensure_future(glass)
        await until(lambda: here.current == "r2", "r2 is on its way")
        await story(here, straight)

    live(tmp_path, tell, with_node=False)


def test_it_tells_what_serves_then(tmp_path: Path) -> None:
    async def story(here: World, straight: asyncio.Future[Applied | Refused]) -> None:
        back = await here.rollback()
        assert isinstance(back, Applied), back
        assert (back.withdrawn, here.current) == ("r2", "r1")
        assert back.release is not None
        assert back.release.id == "r1"
        assert back.notes == ("To go back further than r1, run `seawall rollback` again.",)
        assert isinstance(await straight, Refused)

    _run(tmp_path, story)


def test_whoever_asks_for_it_by_name_does_not_withdraw_it(tmp_path: Path) -> None:
    """As when two people go back to the same release at once."""

    async def story(here: World, straight: asyncio.Future[Applied | Refused]) -> None:
        again = await here.rollback("r2")
        assert isinstance(again, Applied), again
        assert (again.withdrawn, here.current) == ("", "r2")
        assert again.notes == ("r2 is already current: nothing to change.",)
        assert not straight.done()
        straight.cancel()

    _run(tmp_path, story)
