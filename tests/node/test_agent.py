import asyncio
from pathlib import Path

from helpers import free_port
from node.support import edge, get, make_node, running


def test_a_first_release_is_served_and_becomes_last_known_good(tmp_path: Path) -> None:
    port = free_port()

    async def story() -> None:
        async with running(make_node(tmp_path)) as node:
            release = await node.serve(edge(port, "one"))
            response = await get(port)
            assert response == b"one"
            report = await node.reported(lambda r: r.listeners and r.envoy and r.envoy.live)
            assert report.last_known_good == (release,)
            assert report.listeners == (f"127.0.0.1:{port}",)

    asyncio.run(story())
