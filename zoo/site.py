"""The site under test: a small HTTP/1.1 server, the edge's origin, answering with `zoo.pages`."""

import asyncio
import contextlib
import email.utils
import threading
from collections.abc import Iterator
from http import HTTPStatus

from zoo.pages import Answer, answer

_HEAD_SIZE_BYTES_MAX = 96 * 1024
_BODY_SIZE_BYTES_MAX = 1 << 20


@contextlib.contextmanager
def running_site() -> Iterator[int]:
    """Serve on a free port of 127.0.0.1 in a thread of its own; gives the port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="zoo-site", daemon=True)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(_start(), loop).result(10)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        asyncio.run_coroutine_threadsafe(_stop(server), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _start() -> asyncio.Server:
    return await asyncio.start_server(_serve, "127.0.0.1", 0, limit=_HEAD_SIZE_BYTES_MAX)


async def _stop(server: asyncio.Server) -> None:
    server.close()
    running = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    await asyncio.sleep(0)  # the transports close in the next round
    await asyncio.sleep(0)


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    broken = (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError)
    try:
        with contextlib.suppress(*broken):
            while await _one(reader, writer):
                pass
        writer.close()
    except asyncio.CancelledError:
        writer.transport.abort()
        raise


async def _one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ", 2)
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(":") for line in head[1:])
    }
    body = await _body(reader, headers)
    if body is None:
        return False
    made = answer(method, target, body)
    if "if-none-match" in headers and headers["if-none-match"] == made.headers.get("etag"):
        made = Answer(304, made.kind, b"", made.headers)
    writer.write(_written(made, head_only=method == "HEAD"))
    await writer.drain()
    return headers.get("connection", "").lower() != "close"


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes | None:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        size = int(headers.get("content-length", "0"))
        return await reader.readexactly(size) if size <= _BODY_SIZE_BYTES_MAX else None
    body = b""
    while size := int((await reader.readline()).split(b";")[0], 16):
        body += await reader.readexactly(size)
        await reader.readline()
        if len(body) > _BODY_SIZE_BYTES_MAX:
            return None
    await reader.readline()
    return body


def _written(made: Answer, *, head_only: bool) -> bytes:
    lines = [
        f"HTTP/1.1 {made.status} {HTTPStatus(made.status).phrase}",
        f"date: {email.utils.formatdate(usegmt=True)}",
        f"content-type: {made.kind}",
        *(f"{name}: {value}" for name, value in made.headers.items()),
    ]
    if made.status not in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}:
        lines.append(f"content-length: {len(made.body)}")
    head = ("\r\n".join(lines) + "\r\n\r\n").encode()
    return head if head_only else head + made.body
