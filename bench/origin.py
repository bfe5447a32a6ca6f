"""The origin: 1 KiB at /1k over HTTP/1.1 keep-alive; nginx where installed, else asyncio."""

import asyncio
import contextlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.process import accepts, free_port, running, wait_until

BODY = b"x" * 1024
_NGINX = """
daemon off; worker_processes 1; pid {directory}/origin.pid; error_log /dev/null;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 600s;
  client_body_temp_path {directory}/o1; proxy_temp_path {directory}/o2;
  fastcgi_temp_path {directory}/o3; uwsgi_temp_path {directory}/o4; scgi_temp_path {directory}/o5;
  server {{ listen 127.0.0.1:{port}; location / {{ return 200 "{body}"; }} }}
}}
"""


@contextlib.contextmanager
def origin(directory: Path) -> Iterator[int]:
    """Run an origin; its port."""
    port = free_port()
    if shutil.which("nginx"):
        config = directory / "origin.conf"
        config.write_text(_NGINX.format(directory=directory, port=port, body=BODY.decode()))
        command: list[str | Path] = ["nginx", "-c", config, "-e", "/dev/null"]
    else:
        command = [sys.executable, "-m", "bench.origin", str(port)]
    with running(
        command, Path.cwd() if command[0] == sys.executable else directory, log_dir=directory
    ):
        wait_until(lambda: accepts(port), "the origin listens")
        yield port


async def _serve(port: int) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(answer)
        writer.close()

    server = await asyncio.start_server(connection, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
