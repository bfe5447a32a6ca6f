"""The origin of a soak, a program: 200 for everything, 500 below `/boom`, `/stream` never ends."""

import asyncio
import contextlib
import sys
from typing import Final

from tools.soak.plan import FAILING_PREFIX

STREAM_PATH: Final = "/stream"
_TICK_S: Final = 0.5
_BACKLOG: Final = 512
_STREAM: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)


async def serve(port: int) -> None:
    """Answer on 127.0.0.1 for ever."""
    server = await asyncio.start_server(_connection, "127.0.0.1", port, backlog=_BACKLOG)
    await server.serve_forever()


async def _connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ", 2)[1]
            if path.startswith(STREAM_PATH.encode()):
                writer.write(_STREAM)
                while True:
                    writer.write(b"5\r\ntick\n\r\n")
                    await writer.drain()
                    await asyncio.sleep(_TICK_S)
            status = b"500 No" if path.startswith(FAILING_PREFIX.encode()) else b"200 OK"
            body = b"origin " + path
            writer.write(b"HTTP/1.1 %s\r\ncontent-length: %d\r\n\r\n" % (status, len(body)) + body)
    writer.close()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(int(sys.argv[1])))
