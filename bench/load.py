"""Load: a fixed number of requests, over kept connections, from the best generator installed.

h2load drives HTTP/1.1 and HTTP/2; wrk drives HTTP/1.1 for a fixed time; without either a small
asyncio client drives HTTP/1.1. Only completed requests count, and a failed one ends the run: a
figure over errors would compare nothing.
"""

import asyncio
import re
import shutil
import subprocess
import time
from dataclasses import dataclass

CONNECTIONS = 16
HTTP2_STREAMS = 8
HOST = "bench.test"
PATH = "/1k"
BROWSER = "browser"
"""HTTP/1.1 with the headers that a browser sends, which the bot filter reads."""
BROWSER_HEADERS = (
    'sec-ch-ua: "Not;A=Brand";v="8", "Chromium";v="150", "Google Chrome";v="150"',
    "sec-ch-ua-mobile: ?0",
    'sec-ch-ua-platform: "Linux"',
    "upgrade-insecure-requests: 1",
    (
        "user-agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/150.0.0.0 Safari/537.36"
    ),
    "accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
    "sec-fetch-site: same-origin",
    "sec-fetch-mode: navigate",
    "sec-fetch-user: ?1",
    "sec-fetch-dest: document",
    "accept-language: en-US,en;q=0.9",
    "cookie: basket=1",
)


@dataclass(frozen=True)
class Load:
    """What one run did."""

    requests: int
    seconds: float


def generator(protocol: str) -> str | None:
    """The program that will be used for `h1`, `browser` or `h2`; None when there is none."""
    if shutil.which("h2load"):
        return "h2load"
    if protocol == "h2":
        return None
    return "wrk" if shutil.which("wrk") else "python"


def load(protocol: str, port: int, requests: int) -> Load:
    """Send about `requests` requests to 127.0.0.1."""
    name = generator(protocol)
    headers = _headers(protocol)
    start_s = time.monotonic()
    if name == "h2load":
        done = _h2load(protocol, port, requests, headers)
    elif name == "wrk":
        done = _wrk(port, headers)
    else:
        done = asyncio.run(_python(port, requests, headers, CONNECTIONS))
    return Load(done, time.monotonic() - start_s)


def one_by_one(protocol: str, port: int, requests: int) -> None:
    """Send `requests` requests of HTTP/1.1 over one connection, each when the last was answered.

    So a proxy is woken equally often for each, however busy the machine is.
    """
    asyncio.run(_python(port, requests, _headers(protocol), connections=1))


def _headers(protocol: str) -> tuple[str, ...]:
    return BROWSER_HEADERS if protocol == BROWSER else ()


def _h2load(protocol: str, port: int, requests: int, headers: tuple[str, ...]) -> int:
    scheme, arguments = ("https", []) if protocol == "h2" else ("http", ["--h1"])
    streams = str(HTTP2_STREAMS) if protocol == "h2" else "1"
    arguments += [part for header in headers for part in ("-H", header)]
    output = _run(
        *("h2load", "-n", str(requests), "-c", str(CONNECTIONS), "-t", "1", "-m", streams),
        *(*arguments, f"--connect-to=127.0.0.1:{port}", f"{scheme}://{HOST}:{port}{PATH}"),
    )
    found = re.search(r"status codes: (\d+) 2xx", output)
    done = int(found[1]) if found else 0
    if done != requests:
        raise SystemExit(f"h2load: {done} of {requests} requests were answered 2xx\n{output}")
    return done


def _wrk(port: int, headers: tuple[str, ...]) -> int:
    output = _run(
        *("wrk", "-t", "1", "-c", str(CONNECTIONS), "-d", "3s", "-H", f"host: {HOST}"),
        *(part for header in headers for part in ("-H", header)),
        f"http://127.0.0.1:{port}{PATH}",
    )
    if "Non-2xx" in output or "Socket errors" in output:
        raise SystemExit(f"wrk saw errors\n{output}")
    found = re.search(r"(\d+) requests in", output)
    return int(found[1]) if found else 0


async def _python(port: int, requests: int, headers: tuple[str, ...], connections: int) -> int:
    lines = (f"GET {PATH} HTTP/1.1", f"Host: {HOST}", *headers)
    head = ("\r\n".join(lines) + "\r\n\r\n").encode()
    each = max(1, requests // connections)

    async def one() -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            for _ in range(each):
                writer.write(head)
                answer = await reader.readuntil(b"\r\n\r\n")
                if b" 200 " not in answer.split(b"\r\n", 1)[0]:
                    raise SystemExit(f"not a 200: {answer!r}")
                length = re.search(rb"(?i)content-length: *(\d+)", answer)
                await reader.readexactly(int(length[1]) if length else 0)
        finally:
            writer.close()
        return each

    return sum(await asyncio.gather(*(one() for _ in range(connections))))


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    return done.stdout + done.stderr
