"""Two hundred releases in a row under load: nothing is dropped and no request fails."""

import asyncio
from pathlib import Path

from helpers import free_port
from node.streams import dripping, echo, open_drip, open_upgrade, origin
from node.support import (
    Connection,
    Node,
    cluster,
    listener,
    make_node,
    routes,
    running,
    to_cluster,
    whole,
)
from seawall.compiler.snapshot import Snapshot

RELEASES = 200
CLIENTS = 3


def snapshot(number: int, port: int, upstream: int) -> Snapshot:
    """Each release changes routes; every fourth one replaces the cluster by another."""
    name = f"origin-{number // 4}"
    paths = [{**to_cluster(name), "match": {"prefix": f"/only-in-{number}"}}, to_cluster(name)]
    return whole(
        cluster(name, upstream),
        cluster("changing", upstream, connect_timeout=f"{1 + number % 7}s"),
        listener(port),
        routes(paths),
    )


async def load(port: int, done: asyncio.Event) -> int:
    """Requests one after another, on kept and on new connections; how many were answered."""
    client, count = await Connection.open(port), 0
    while not done.is_set():
        assert await client.get() == b"ok"
        count += 1
        if count % 50 == 0:
            await client.close()
            client = await Connection.open(port)
        await asyncio.sleep(0.005)
    await client.close()
    return count


async def release_all(node: Node, port: int, upstream: int) -> None:
    for number in range(1, RELEASES):
        await node.serve(snapshot(number, port, upstream))


def test_two_hundred_releases_drop_nothing(tmp_path: Path) -> None:
    port = free_port()

    async def story() -> None:
        async with origin() as upstream, running(make_node(tmp_path)) as node:
            await node.serve(snapshot(0, port, upstream))
            upgraded, events = await open_upgrade(port), await open_drip(port)
            download = await open_drip(port)
            done = asyncio.Event()
            async with asyncio.TaskGroup() as tasks:
                loads = [tasks.create_task(load(port, done)) for _ in range(CLIENTS)]
                try:
                    await release_all(node, port, upstream)
                finally:
                    done.set()
            assert sum(task.result() for task in loads) > RELEASES
            await echo(upgraded, b"two hundred releases later")
            await dripping(events)
            await dripping(download)
            assert node.agent.keeper.restarts == 0
            for client in (upgraded, events, download):
                await client.close()

    asyncio.run(story())
