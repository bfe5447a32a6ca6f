"""The ADS server against clients that are not Envoy."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import grpc.aio
import pytest
from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryRequest, DeltaDiscoveryResponse

from node.support import edge, until
from seawall.clock import SystemClock
from seawall.compiler.snapshot import TypeUrl
from seawall.errors import ConflictError
from seawall.node.ads import METHOD, SERVICE, AdsServer
from seawall.sockets import short_path


def open_stream(channel: grpc.aio.Channel) -> grpc.aio.StreamStreamCall:
    return channel.stream_stream(f"/{SERVICE}/{METHOD}")()


def subscribe(node_id: str, type_url: TypeUrl) -> bytes:
    message = DeltaDiscoveryRequest(type_url=type_url.value, resource_names_subscribe=["*"])
    message.node.id = node_id
    return bytes(message.SerializeToString())


@asynccontextmanager
async def connected(path: Path) -> AsyncIterator[tuple[AdsServer, grpc.aio.Channel]]:
    """A server that has an edge for `local/a`, and a way to it."""
    ads = AdsServer(path, SystemClock())
    ads.link("local/a").aim(edge(1, "one"))
    await ads.start()
    with short_path(path) as address:
        async with grpc.aio.insecure_channel(f"unix:{address}") as channel:
            yield ads, channel
    await ads.stop()


async def ask_clusters(channel: grpc.aio.Channel) -> DeltaDiscoveryResponse:
    stream = open_stream(channel)
    await stream.write(subscribe("local/a", TypeUrl.CLUSTER))
    async with asyncio.timeout(10):
        answer = DeltaDiscoveryResponse.FromString(await stream.read())
    stream.cancel()
    return answer


@pytest.mark.parametrize(
    "name",
    [
        # So is every name beyond ASCII to a process in the locale C; gRPC takes UTF-8 only.
        pytest.param(os.fsdecode(b"d\xe4t\xe4"), id="no text"),
        # As of a build server, which escapes the names of branches. gRPC undoes it.
        pytest.param("feature%2Fedge", id="escaped"),
    ],
)
def test_the_data_directory_may_have_any_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name / "xds.sock"
    path.parent.mkdir()

    async def story() -> None:
        async with connected(path) as (_, channel):
            answer = await ask_clusters(channel)
        assert [resource.name for resource in answer.resources] == ["origin"]

    asyncio.run(story())


def test_a_socket_file_that_was_taken_away_comes_back_and_open_streams_stay(tmp_path: Path) -> None:
    path = tmp_path / "xds.sock"

    async def story() -> None:
        ads = AdsServer(path, SystemClock())
        ads.link("local/a").aim(edge(1, "one"))
        await ads.start()
        async with grpc.aio.insecure_channel(f"unix:{path}") as before:
            stream = open_stream(before)
            await stream.write(subscribe("local/a", TypeUrl.CLUSTER))
            await stream.read()
            path.unlink()
            await until(path.exists, what="the socket is there again")
            assert path.stat().st_mode & 0o077 == 0
            ads.link("local/b").aim(edge(1, "one"))
            async with grpc.aio.insecure_channel(f"unix:{path}") as after:
                other = open_stream(after)
                await other.write(subscribe("local/b", TypeUrl.CLUSTER))
                async with asyncio.timeout(10):
                    await other.read()
            assert not stream.done()
        await ads.stop()

    asyncio.run(story())


@pytest.mark.parametrize(
    "garbage", [b"\xff\xff\xff\xff", b"", b"\x0a", b"\x00" * 1000], ids=["tag", "empty", "cut", "0"]
)
def test_a_malformed_request_ends_its_stream_and_not_the_server(
    tmp_path: Path, garbage: bytes
) -> None:
    async def story() -> None:
        async with connected(tmp_path / "xds.sock") as (_, channel):
            stream = open_stream(channel)
            await stream.write(garbage)
            async with asyncio.timeout(10):
                assert await stream.code() is grpc.StatusCode.INVALID_ARGUMENT
            answer = await ask_clusters(channel)
            assert [resource.name for resource in answer.resources] == ["origin"]

    asyncio.run(story())


def test_garbage_in_the_middle_of_a_stream_ends_it(tmp_path: Path) -> None:
    async def story() -> None:
        async with connected(tmp_path / "xds.sock") as (ads, channel):
            stream = open_stream(channel)
            await stream.write(subscribe("local/a", TypeUrl.CLUSTER))
            async with asyncio.timeout(10):
                await stream.read()
                await stream.write(b"\xff\xff\xff\xff")
                while await stream.read() is not grpc.aio.EOF:
                    pass
            assert ads.malformed_requests == 1
            assert not ads.link("local/a").session.connected
            assert (await ask_clusters(channel)).resources

    asyncio.run(story())


def test_a_newer_stream_of_the_same_envoy_replaces_the_older(tmp_path: Path) -> None:
    async def story() -> None:
        async with connected(tmp_path / "xds.sock") as (_, channel):
            old = open_stream(channel)
            await old.write(subscribe("local/a", TypeUrl.CLUSTER))
            async with asyncio.timeout(10):
                await old.read()
                assert (await ask_clusters(channel)).resources
            old.cancel()

    asyncio.run(story())


def test_the_socket_is_private_and_belongs_to_one_server(tmp_path: Path) -> None:
    async def story() -> None:
        path = tmp_path / "xds.sock"
        ads = AdsServer(path, SystemClock())
        await ads.start()
        assert path.stat().st_mode & 0o777 == 0o600
        with pytest.raises(ConflictError):
            await AdsServer(path, SystemClock()).start()
        await ads.stop()

    asyncio.run(story())


def test_a_socket_left_by_a_dead_server_is_taken_over_under_a_very_long_path(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        directory = tmp_path / ("deep" * 30)
        directory.mkdir()
        path = directory / "xds.sock"
        for _ in range(2):
            ads = AdsServer(path, SystemClock())
            await ads.start()
            await ads.stop()
        path.unlink(missing_ok=True)
        path.touch()
        with pytest.raises(ConflictError, match="not a socket"):
            await ads.start()

    asyncio.run(story())
