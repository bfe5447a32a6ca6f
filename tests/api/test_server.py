"""How a server of the API ends, and what its connections are like."""

import asyncio
import socket
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from seawall import limits
from seawall.api import server
from seawall.api.app import build_app
from seawall.api.client import Client
from seawall.errors import UnreachableError
from seawall.exchange import exchange
from seawall.fleet.port import listen_tcp
from seawall.sockets import listen_private

if TYPE_CHECKING:
    from seawall.api.service import Service


def test_a_server_ends_when_it_is_told_and_not_at_its_next_tick(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_TICK_S", 3_600.0)
    path = tmp_path / "api.sock"

    async def story() -> None:
        with listen_private(path) as listener:
            running = asyncio.ensure_future(server.ApiServer(Starlette()).run_on(listener))
            answer = await exchange(path, "GET", "/", timeout_s=20, size_bytes_max=10_000)
            assert answer.status == 404
            running.cancel()
            async with asyncio.timeout(20):
                await asyncio.wait((running,))

    asyncio.run(story())


def test_who_asks_too_often_keeps_nobody_from_an_order(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def node(_request: Request) -> Response:
        return Response()

    async def order(_request: Request) -> Response:
        begun.set()
        await may_end.wait()
        return Response("done")

    app = Starlette(
        routes=[
            Route("/v1/rollback", order, methods=["POST"]),
            Route("/v1/node/report", node, methods=["GET"]),
        ]
    )

    async def ask(method: str, target: str) -> int:
        return (await exchange(path, method, target, timeout_s=20, size_bytes_max=10_000)).status

    async def story() -> None:
        bounded = server.ApiServer(app, connections_max=1, orders_max=2)
        with listen_private(path) as listener:
            running = asyncio.ensure_future(bounded.run_on(listener))
            assert await ask("GET", "/v1/status") == 503
            with pytest.raises(UnreachableError, match="too many connections") as refused:
                await asyncio.to_thread(lambda: Client.for_data_dir(tmp_path).status())
            assert refused.value.code == "too-many-connections"
            assert await ask("GET", "/v1/node/report") == 200
            first = asyncio.ensure_future(ask("POST", "/v1/rollback"))
            await begun.wait()
            begun.clear()
            second = asyncio.ensure_future(ask("POST", "/v1/rollback"))
            await begun.wait()
            assert await ask("POST", "/v1/rollback") == 503
            may_end.set()
            assert await asyncio.gather(first, second) == [200, 200]
            running.cancel()
            await asyncio.wait((running,))

    asyncio.run(story())


def test_the_body_of_an_answer_does_not_wait_until_its_head_is_acknowledged() -> None:
    with (
        listen_tcp("127.0.0.1:0", "api") as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_request_that_the_end_of_control_cuts_off_is_told_that_control_is_stopping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "API_SHUTDOWN_TIMEOUT_S", 0)
    asked, errors = asyncio.Event(), list[BaseException]()

    class Hanging:
        async def status(self) -> object:
            asked.set()
            return await asyncio.Event().wait()

    served = build_app(
        cast("Service", Hanging()),
        needs_token=False,
        log_error=lambda _where, error: errors.append(error),
    )
    path = tmp_path / "control.sock"

    async def story() -> None:
        with listen_private(path) as listener:
            running = asyncio.ensure_future(server.ApiServer(served).run_on(listener))
            asking = asyncio.create_task(asyncio.to_thread(status_of, tmp_path))
            async with asyncio.timeout(20):
                await asked.wait()
                running.cancel()
                with pytest.raises(UnreachableError, match="The control process is stopping"):
                    await asking
                await asyncio.wait((running,))

    asyncio.run(story())
    assert not errors


def status_of(data_dir: Path) -> object:
    with Client.for_data_dir(data_dir) as client:
        return client.status()
