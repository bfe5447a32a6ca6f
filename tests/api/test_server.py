"""How a server of the API ends, and what its connections are like."""

import asyncio
import socket
from pathlib import Path

import pytest
from starlette.applications import Starlette

from seawall.api import server
from seawall.exchange import exchange
from seawall.fleet.port import listen_tcp
from seawall.sockets import listen_private


def test_a_server_ends_when_it_is_told_and_not_at_its_next_tick(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_TICK_S", 3_600.0)
    path = tmp_path / "api.sock"

    async def story() -> None:
        with listen_private(path) as listener:
            running = asyncio.ensure_future(server.ApiServer(Starlette()).run_on(listener))
            status, _ = await exchange(path, "GET", "/", timeout_s=20, size_bytes_max=10_000)
            assert status == 404
            running.cancel()
            async with asyncio.timeout(20):
                await asyncio.wait((running,))

    asyncio.run(story())


def test_the_body_of_an_answer_does_not_wait_until_its_head_is_acknowledged() -> None:
    with (
        listen_tcp("127.0.0.1:0", "api") as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
