"""The nodes' port against those who take all they can get, slowly."""

import asyncio
import asyncio.sslproto
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fleet.test_gateway import ask, run, tell
from fleet.town import DIGEST, Town, report
from seawall import limits
from seawall.exchange import Line
from seawall.fleet.ca import SERVER_NAME
from seawall.fleet.shapes import PROTOCOL_HEADER
from seawall.fleet.tls import bound_handshakes, unverified_context
from seawall.ids import Digest
from seawall.tasks import beside


@contextlib.asynccontextmanager
async def held(here: Town, name: str, request: str, times: int) -> AsyncIterator[None]:
    """Requests of a node that are begun, and go no further until the block ends."""
    [address] = here.identity(name).addresses()
    head = f"{request}\r\nhost: x\r\n{PROTOCOL_HEADER}: 1\r\n"
    writers = []
    for _ in range(times):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", here.port, ssl=address.tls, server_hostname=SERVER_NAME, limit=1024
        )
        writers.append(writer)
        writer.write(head.encode())
        if request.startswith("GET"):
            writer.write(b"\r\n")
            await reader.readuntil(b"\r\n\r\n")  # its answer begins, and is not read any further
        else:
            writer.write(f"content-length: {limits.NODE_REPORT_SIZE_BYTES_MAX}\r\n\r\n".encode())
            await writer.drain()
    try:
        yield
    finally:
        for writer in writers:
            writer.transport.abort()


def test_strangers_who_begin_handshakes_and_wait_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    most, strangers = 4, 20
    monkeypatch.setattr(asyncio.sslproto, "SSLProtocol", asyncio.sslproto.SSLProtocol)
    bound_handshakes(most)

    async def story(here: Town) -> None:
        waiting = [await asyncio.open_connection("127.0.0.1", here.port) for _ in range(strangers)]
        async with asyncio.timeout(20):
            for reader, _ in waiting[: strangers - most]:
                with contextlib.suppress(ConnectionError):
                    assert await reader.read() == b""
        assert not any(reader.at_eof() for reader, _ in waiting[strangers - most :])
        assert (await tell(here, report("edge-1"))).status == 200
        for _, writer in waiting:
            writer.close()

    run(tmp_path, story)


def test_no_more_is_read_of_a_body_than_was_announced(tmp_path: Path) -> None:
    piece = b"10000\r\n%b\r\n" % bytes(0x10000)

    async def story(here: Town) -> None:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", here.port, ssl=unverified_context()
        )
        writer.write(
            b"POST /v1/join HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n"
            b"transfer-encoding: chunked\r\n\r\n"  # which counts where both are given
        )

        async def send() -> None:
            while True:
                writer.write(piece)
                await writer.drain()

        async with asyncio.timeout(limits.API_BODY_TIMEOUT_S / 2), beside(send()):
            assert (await reader.readline()).split()[1] == b"400"
        writer.transport.abort()

    run(tmp_path, story)


def test_a_node_that_reads_slowly_keeps_no_other_from_its_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = 6
    monkeypatch.setattr(limits, "BUNDLE_DOWNLOADS_MAX", places)

    async def story(here: Town) -> None:
        await here.join("edge-2")
        here.hand.bundles[DIGEST] = bytes(40 * limits.MIB)
        small = Digest("ef" * 32)
        here.hand.bundles[small] = b"small"
        async with held(here, "edge-1", f"GET /v1/node/bundles/{DIGEST} HTTP/1.1", places):
            target = f"/v1/node/bundles/{small}"
            assert (await ask(here, "GET", target, name="edge-1")).status == 503
            assert (await ask(here, "GET", target, name="edge-2")).body == b"small"

    run(tmp_path, story)


def test_a_node_that_sends_slowly_keeps_no_other_from_reporting(tmp_path: Path) -> None:
    async def story(here: Town) -> None:
        await here.join("edge-2")
        fill = limits.REPORT_BYTES_IN_FLIGHT_MAX // limits.NODE_REPORT_SIZE_BYTES_MAX
        async with held(here, "edge-1", "POST /v1/node/report HTTP/1.1", fill):
            async with asyncio.timeout(20):
                while (await tell(here, report("edge-1"))).status != 503:
                    here.clock.ahead_s += 10  # the bound of one node's reports is not what is tried
            control = here.control("edge-2")
            await control.report(report("edge-2"))

    run(tmp_path, story)


def test_strangers_who_stay_keep_no_machine_from_joining(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = 3
    monkeypatch.setattr(limits, "NODE_STRANGERS_MAX", places)
    monkeypatch.setattr(limits, "NODE_STRANGER_STAY_S", 0.0)

    async def stay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Never idle for long enough to be closed."""
        with contextlib.suppress(ConnectionError):
            while not reader.at_eof():
                writer.write(b"GET /v1/ca HTTP/1.1\r\nhost: x\r\n\r\n")
                await reader.read(2**16)

    async def story(here: Town) -> None:
        tls = unverified_context()
        held = [
            await asyncio.open_connection("127.0.0.1", here.port, ssl=tls) for _ in range(places)
        ]
        async with contextlib.AsyncExitStack() as stack:
            for reader, writer in held:
                await stack.enter_async_context(beside(stay(reader, writer)))
            await here.join("edge-2")
        for _, writer in held:
            writer.transport.abort()

    run(tmp_path, story)


def test_a_machine_that_was_removed_does_not_hold_the_place_of_its_successor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = 2
    monkeypatch.setattr(limits, "NODE_CONNECTIONS_EACH_MAX", places)

    async def story(here: Town) -> None:
        async with held(here, "edge-1", "POST /v1/join HTTP/1.1", places):
            token = await here.token("edge-1")
            await here.join("edge-1", token=token, where="successor")
            [address] = here.identity("successor").addresses()
            line = Line(address)
            answer = await line.ask("GET", "/v1/ca", timeout_s=5, size_bytes_max=10**6)
            assert answer.status == 200
            line.close()

    run(tmp_path, story)
