"""Whoever reaches the API's port without a token keeps nobody with a token from reading."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, cast

import pytest

from seawall import limits
from seawall.api.app import build_app
from seawall.api.asked import Caller
from seawall.api.server import ApiServer
from seawall.api.status_views import HealthView
from seawall.api.strangers import stranger_protocol
from seawall.exchange import Address, Line
from seawall.fleet.port import listen_tcp

if TYPE_CHECKING:
    from seawall.api.service import Service

_TOKEN = {"authorization": "Bearer right"}
_Held = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Desk:
    """As much of the service as is asked here."""

    async def authenticate(self, token: str) -> Caller | None:
        return Caller("ann", frozenset({"read"})) if token == "right" else None

    async def health(self) -> HealthView:
        return HealthView(ok=True, version="0")

    status = health


@contextlib.asynccontextmanager
async def listening(connections_max: int) -> AsyncIterator[Address]:
    protocol = stranger_protocol()
    app = build_app(cast("Service", Desk()), needs_token=True, log_error=lambda *_: None)
    server = ApiServer(
        app,
        protocol=protocol,
        connections_max=connections_max,
        orders_max=1,
        counted=lambda: len(protocol.known),
    )
    with listen_tcp("127.0.0.1:0", "api") as listener:
        running = asyncio.ensure_future(server.run_on(listener))
        try:
            yield Address("127.0.0.1", listener.getsockname()[1])
        finally:
            running.cancel()
            await asyncio.wait((running,))
    assert not protocol.strangers
    assert not protocol.known


async def ask(line: Line, headers: dict[str, str]) -> int:
    answer = await line.ask(
        "GET", "/v1/status", timeout_s=20, size_bytes_max=10_000, headers=headers
    )
    return answer.status


async def silent(address: Address) -> _Held:
    """A connection on which nothing is said, which the server has."""
    return await asyncio.open_connection(address.host, address.port)


def test_strangers_keep_no_token_away_and_make_room_for_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "API_STRANGERS_MAX", 3)

    async def story() -> None:
        async with listening(connections_max=2) as address:
            held = [await silent(address) for _ in range(3)]
            line = Line(address)
            assert await ask(line, _TOKEN) == 200
            with contextlib.suppress(OSError):
                assert await held[0][0].read() == b"", "it made room"
            held.append(await silent(address))
            assert await ask(line, _TOKEN) == 200, "on the connection that is known"
            for _, writer in held:
                writer.close()
            line.close()

    asyncio.run(story())


def test_those_with_tokens_are_counted_by_themselves() -> None:
    async def story() -> None:
        async with listening(connections_max=2) as address:
            lines = [Line(address) for _ in range(4)]
            assert await ask(lines[3], {}) == 401
            assert [await ask(line, _TOKEN) for line in lines[:3]] == [200, 200, 503]
            for line in lines:
                line.close()

    asyncio.run(story())


def test_whoever_was_told_to_show_a_token_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "API_STRANGER_IDLE_S", 0)

    async def story() -> None:
        async with listening(connections_max=2) as address:
            reader, writer = await silent(address)
            writer.write(b"GET /v1/status HTTP/1.1\r\nhost: control\r\n\r\n")
            async with asyncio.timeout(20):
                answer = await reader.read()
            assert answer.startswith(b"HTTP/1.1 401")
            writer.close()

    asyncio.run(story())
