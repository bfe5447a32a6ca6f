"""The small HTTP client against ends that answer nonsense."""

import asyncio
import ssl

import pytest

from seawall.exchange import Address, Answer, Line


def asked(answer: bytes) -> Answer:
    """What the client makes of these bytes, sent by whoever it asks."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async def story() -> Answer:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        line = Line(Address("127.0.0.1", server.sockets[0].getsockname()[1]))
        async with server:
            return await line.ask("GET", "/", timeout_s=10, size_bytes_max=10_000_000)

    return asyncio.run(story())


@pytest.mark.parametrize(
    ("address", "host"),
    [
        (Address("mirror.test", 80), "mirror.test"),
        (Address("mirror.test", 8080), "mirror.test:8080"),
        (Address("mirror.test", 443), "mirror.test:443"),
        (Address("mirror.test", 443, ssl.create_default_context()), "mirror.test"),
        (Address("mirror.test", 80, ssl.create_default_context()), "mirror.test:80"),
        (Address("2001:db8::80", 80), "[2001:db8::80]"),
        (Address("2001:db8::1", 7443), "[2001:db8::1]:7443"),
    ],
)
def test_the_host_of_a_request_is_the_authority_of_its_url(address: Address, host: str) -> None:
    assert address.authority == host


def test_who_waits_on_a_line_that_was_ended_leaves_no_connection_behind() -> None:
    async def story() -> bytes:
        heard, gone = asyncio.Event(), asyncio.Future[bytes]()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked = await reader.readuntil(b"\r\n\r\n")
            heard.set()
            if asked.startswith(b"GET /slow"):
                await reader.read()
            else:
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                gone.set_result(await reader.read())
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        line = Line(Address("127.0.0.1", server.sockets[0].getsockname()[1]))
        async with server:
            slow = asyncio.ensure_future(
                line.ask("GET", "/slow", timeout_s=60, size_bytes_max=10_000)
            )
            await heard.wait()
            waits = asyncio.ensure_future(
                line.ask("GET", "/quick", timeout_s=60, size_bytes_max=10_000)
            )
            slow.cancel()
            line.end()
            assert (await waits).body == b"ok"
            async with asyncio.timeout(60):
                return await gone

    assert asyncio.run(story()) == b""


def chunked(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + body


def test_chunks_are_joined() -> None:
    assert asked(chunked(b"5\r\nhello\r\n7;x=y\r\n, world\r\n0\r\n\r\n")).body == b"hello, world"


def test_chunks_may_be_small_while_they_are_few() -> None:
    assert asked(chunked(b"1\r\nx\r\n" * 900 + b"0\r\n\r\n")).body == b"x" * 900
    with pytest.raises(ValueError, match="the chunks of the response are too small"):
        asked(chunked(b"1\r\nx\r\n" * 1_100 + b"0\r\n\r\n"))


def test_chunks_may_be_many_while_they_are_of_a_usual_size() -> None:
    piece = b"200\r\n" + b"x" * 0x200 + b"\r\n"
    assert len(asked(chunked(piece * 5_000 + b"0\r\n\r\n")).body) == 5_000 * 0x200


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"-6\r\nhello", id="a chunk that leads back to its own beginning"),
        pytest.param(b"5\r\nhello\r\n-11\r\n", id="a chunk that leads back to the one before"),
        pytest.param(b"five\r\nhello\r\n0\r\n\r\n", id="a size that is no number"),
        pytest.param(b"5\r\nhel", id="cut off in a chunk"),
        pytest.param(b"5\r\nhello\r\n", id="cut off before the last chunk"),
    ],
)
def test_chunks_that_cannot_be_are_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"HTTP response|cut short|invalid literal"):
        asked(chunked(body))
