"""The admin client against scripted sockets, and against a real Envoy."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from envoy_harness import EnvoyProcess, running_envoy
from seawall.errors import UnreachableError
from seawall.sockets import short_path
from seawall.telemetry import admin as admin_module
from seawall.telemetry.admin import ADMIN_LATE, AdminClient, ServerInfo

T = TypeVar("T")


def exchange(path: Path, answer: bytes | None, ask: Callable[[AdminClient], Awaitable[T]]) -> T:
    """What `ask` gets from a server that says `answer` to anything; None means silence."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if answer is None:
            await reader.read()
        else:
            writer.write(answer)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        closed.set()

    closed = asyncio.Event()

    async def run() -> T:
        with short_path(path) as address:
            server = await asyncio.start_unix_server(serve, address)
        async with server:
            try:
                return await ask(AdminClient(path, timeout_s=0.2 if answer is None else 10))
            finally:
                await closed.wait()

    return asyncio.run(run())


def test_a_chunked_answer_is_joined(tmp_path: Path) -> None:
    body = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1;x=y\r\nd\r\n0\r\n\r\n"
    )
    assert exchange(tmp_path / "a.sock", body, lambda a: a.get("/x")) == b"abcd"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n",
        None,
    ],
)
def test_a_broken_or_missing_answer_is_unreachable(tmp_path: Path, answer: bytes | None) -> None:
    with pytest.raises(UnreachableError) as caught:
        exchange(tmp_path / "a.sock", answer, lambda a: a.get("/stats"))
    assert caught.value.code == ("envoy-admin-unreachable" if answer is not None else ADMIN_LATE)


def test_an_answer_over_the_bound_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin_module, "ADMIN_RESPONSE_SIZE_BYTES_MAX", 1000)
    answer = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 2000
    with pytest.raises(UnreachableError):
        exchange(tmp_path / "a.sock", answer, lambda a: a.get("/stats"))


def test_nobody_listening_is_unreachable(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError):
        asyncio.run(AdminClient(tmp_path / "none.sock").ready())


def test_a_refusal_keeps_envoys_words_for_the_log(tmp_path: Path) -> None:
    answer = b"HTTP/1.1 405 No\r\n\r\nMethod GET not allowed"
    with pytest.raises(UnreachableError) as caught:
        exchange(tmp_path / "a.sock", answer, lambda a: a.get("/reopen_logs"))
    assert caught.value.code == "envoy-admin-refused"
    assert "not allowed" in caught.value.detail


def test_an_answer_that_is_not_the_promised_json_is_garbled(tmp_path: Path) -> None:
    for body in (b"[]", b"{"):
        with pytest.raises(UnreachableError) as caught:
            exchange(
                tmp_path / "a.sock", b"HTTP/1.1 200 OK\r\n\r\n" + body, lambda a: a.server_info()
            )
        assert caught.value.code == "envoy-admin-garbled"


def test_an_envoy_that_the_clock_puts_in_the_future_has_no_age(tmp_path: Path) -> None:
    body = b'{"state": "LIVE", "uptime_current_epoch": "-3578s"}'
    answer = b"HTTP/1.1 200 OK\r\n\r\n" + body
    assert exchange(tmp_path / "a.sock", answer, lambda a: a.server_info()).uptime_s == 0


def test_a_path_longer_than_a_socket_address_works(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 90) / ("e" * 90)
    deep.mkdir(parents=True)
    answer = b"HTTP/1.1 200 OK\r\n\r\nok"
    assert exchange(deep / "admin.sock", answer, lambda a: a.get("/x")) == b"ok"


@pytest.fixture(scope="module")
def envoy() -> Iterator[EnvoyProcess]:
    with running_envoy({"node": {"id": "n1", "cluster": "c"}}) as process:
        yield process


def test_a_real_envoy_says_who_it_is(envoy: EnvoyProcess) -> None:
    client = AdminClient(envoy.directory / "admin.sock")

    async def ask() -> tuple[ServerInfo, bool, int]:
        return await client.server_info(), await client.ready(), await client.heap_size_bytes()

    info, ready, heap_size_bytes = asyncio.run(ask())
    assert (info.version, info.state, info.node_id) == ("1.40.0", "LIVE", "n1")
    assert ready
    assert heap_size_bytes > 1_000_000


def test_a_real_envoy_filters_its_statistics(envoy: EnvoyProcess) -> None:
    client = AdminClient(envoy.directory / "admin.sock")
    assert asyncio.run(client.stats_text(stats_filter="^server.live$")) == b"server.live: 1\n"


def test_a_real_envoy_takes_orders() -> None:
    with running_envoy({}) as process:
        client = AdminClient(process.directory / "admin.sock")

        async def order() -> bool:
            await client.reopen_logs()
            await client.drain_listeners()
            await client.fail_health_checks()
            return await client.ready()

        assert not asyncio.run(order())
