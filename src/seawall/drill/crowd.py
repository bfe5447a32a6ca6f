"""Clients of a private fleet: open connections, ask, and write down what each of them saw.

Each request takes a connection of its own, as a crowd of visitors does, so that the kernel's share
of new connections is a share of requests. The rate is kept however slow answers are (an open
loop): a fleet that fails does not thereby get less to do. Nothing here judges.
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from seawall.clock import Clock
from seawall.drill.account import Sample
from seawall.limits import DRILL_CLIENT_TIMEOUT_S, DRILL_CLIENTS_MAX

RELEASE_HEADER: Final = b"x-drill-release"
"""Every answer of a fleet in a drill names the release that gave it."""
SCORE_HEADER: Final = b"x-drill-bots"
"""And what the bot filter decided of the request, when it looked."""
_HEAD_SIZE_BYTES_MAX: Final = 64 * 1024
_AGENT: Final = "user-agent: seawall-drill/1.0"
_STATUS: Final = re.compile(rb"HTTP/1\.1 (\d{3})")


@dataclass(frozen=True, slots=True)
class Visit:
    """One kind of request.

    Attributes:
        contains: what a right body holds; a redirect or another status is judged by `status`.
        status: what a right answer has.
    """

    host: str
    path: str = "/"
    contains: bytes = b""
    status: int = 200


class Crowd:
    """Asks every node in turn, `rate_per_s` times a second in all.

    Args:
        addresses: of the nodes.
        visits: asked in turn.
        clock: of the machine.
        rate_per_s: of the whole crowd.
    """

    def __init__(
        self,
        addresses: Sequence[tuple[str, int]],
        visits: Sequence[Visit],
        clock: Clock,
        *,
        rate_per_s: float,
    ) -> None:
        self._addresses = addresses
        self._visits = visits
        self._clock = clock
        self._pause_s = 1 / rate_per_s
        self._running = 0
        self.samples: list[Sample] = []

    async def run(self, until: Callable[[], bool]) -> None:
        """Go on until `until()`; returns when the last answer has come."""
        number, due_s = 0, self._clock.monotonic_s()
        async with asyncio.TaskGroup() as tasks:
            while not until():
                due_s += self._pause_s
                wait_s = due_s - self._clock.monotonic_s()
                await self._clock.sleep(max(0.0, wait_s))
                node = number % len(self._addresses)
                visit = self._visits[(number // len(self._addresses)) % len(self._visits)]
                number += 1
                if self._running >= DRILL_CLIENTS_MAX:  # not asked is not served
                    self.samples.append(Sample(self._clock.monotonic_s(), node, 0, ""))
                    continue
                self._running += 1
                tasks.create_task(self._visit(node, visit))

    async def _visit(self, node: int, visit: Visit) -> None:
        try:
            async with asyncio.timeout(DRILL_CLIENT_TIMEOUT_S):
                status, release, score, body = await _ask(self._addresses[node], visit)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            status, release, score, body = 0, "", "", b""
        finally:
            self._running -= 1
        right = status == visit.status and visit.contains in body
        now_s = self._clock.monotonic_s()
        self.samples.append(Sample(now_s, node, status, release, right, score))


async def _ask(address: tuple[str, int], visit: Visit) -> tuple[int, str, str, bytes]:
    """Status, release, score and body."""
    reader, writer = await asyncio.open_connection(*address, limit=_HEAD_SIZE_BYTES_MAX)
    try:
        lines = (f"GET {visit.path} HTTP/1.1", f"host: {visit.host}", _AGENT, "connection: close")
        writer.write("\r\n".join((*lines, "", "")).encode("ascii"))
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.read(_HEAD_SIZE_BYTES_MAX)
    finally:
        writer.close()
    found = _STATUS.match(head)
    score = _header(head, SCORE_HEADER).partition(" ")[0]
    return int(found[1]) if found else 0, _header(head, RELEASE_HEADER), score, body


def _header(head: bytes, name: bytes) -> str:
    found = re.search(rb"(?i)\r\n" + name + rb": *([^\r]*)", head)
    return found[1].decode("ascii", "replace") if found else ""
