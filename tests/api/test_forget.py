"""A node that was removed is gone from everything that control shows, assigns and counts on."""

import asyncio
from pathlib import Path

from api.world import until, world
from seawall.api.roster import LOCAL
from seawall.clock import SystemClock
from seawall.rollout.book import Book


def test_nothing_is_left_of_a_removed_node_and_it_may_come_back(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path, with_node=False) as here:
            executor, service = here.control.executor, here.service
            running = asyncio.ensure_future(here.node.run())
            await here.applied(here.text())
            await until(lambda: executor.fleet.good and not executor.fleet.rollouts, "r1 is good")
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

            assert await service.forget(LOCAL)
            assert LOCAL not in executor.fleet.assigned
            assert here.control.board.inventory().nodes == {}
            assert executor.fleet.good == ()
            view = await service.status()
            assert view.nodes == ()
            assert not [notice for notice in view.notices if notice.code == "node-silent"]
            assert not await service.forget(LOCAL), "it is forgotten already"

            # One that joins again keeps what is on its disk, and that counts again.
            await here.node.say()
            await until(lambda: LOCAL in executor.fleet.assigned, "it is told again")
            fleet = await asyncio.to_thread(Book(service.store.database, SystemClock()).load)
            assert [good.release for good in fleet.good] == ["r1"]

    asyncio.run(story())
