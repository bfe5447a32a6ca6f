"""Clients of a private fleet: open connections, ask, and write down what each of them saw.

Each request takes a connection of its own, as a crowd of visitors does, so that the kernel's share
of new connections is a share of requests. The rate is kept however slow answers are (an open
loop): a fleet that fails does not thereby get less to do. Nothing here judges.
"""

import asyncio
import errno
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from seawall.clock import Clock
from seawall.drill.account import Sample
from seawall.limits import DRILL_CLIENT_TIMEOUT_S, DRILL_CLIENTS_MAX, DRILL_POLL_S

RELEASE_HEADER: Final = b"x-drill-release"
"""Every answer of a fleet in a drill names the release that gave it."""
SCORE_HEADER: Final = b"x-drill-bots"
"""And what the bot filter decided of the request, when it looked."""
_HEAD_SIZE_BYTES_MAX: Final = 64 * 1024
_AGENT: Final = "user-agent: seawall-drill/1.0"
_STATUS: Final = re.compile(rb"HTTP/1\.1 (\d{3})")
_END: Final = b"\r\n\r\n"


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


@dataclass(slots=True, eq=False)
class _Asked:
    """One request on its way.

    Attributes:
        due_s: when its client gives up, monotonic seconds.
        answer: as much as has come.
        ignore: ends the watch over its socket, if there is one; takes the number of the file.
    """

    node: int
    visit: Visit
    line: socket.socket
    due_s: float
    answer: bytes = b""
    ignore: Callable[[int], object] | None = None


class Crowd:
    """Asks every node in turn, `rate_per_s` times a second in all.

    Works on bare sockets: with a stream and a task for each request, clients would use more of the
    machine than what they ask.

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
        self._running: dict[_Asked, None] = {}  # oldest first, so these give up first
        self.samples: list[Sample] = []

    async def run(self, until: Callable[[], bool]) -> None:
        """Go on until `until()`; returns when the last answer has come."""
        number, due_s = 0, self._clock.monotonic_s()
        try:
            while not until():
                due_s += self._pause_s
                await self._clock.sleep(max(0.0, due_s - self._clock.monotonic_s()))
                self._give_up()
                node = number % len(self._addresses)
                visit = self._visits[(number // len(self._addresses)) % len(self._visits)]
                number += 1
                self._visit(node, visit)
            while self._running:
                await self._clock.sleep(DRILL_POLL_S)
                self._give_up()
        finally:
            for asked in tuple(self._running):
                self._close(asked)

    def _visit(self, node: int, visit: Visit) -> None:
        now_s = self._clock.monotonic_s()
        if len(self._running) >= DRILL_CLIENTS_MAX:  # not asked is not served
            self.samples.append(Sample(now_s, node, 0, ""))
            return
        line = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        asked = _Asked(node, visit, line, now_s + DRILL_CLIENT_TIMEOUT_S)
        self._running[asked] = None
        if line.connect_ex(self._addresses[node]) in {0, errno.EINPROGRESS}:
            self._ask(asked)
        else:
            self._end(asked)

    def _ask(self, asked: _Asked) -> None:
        """Send the request, now or when the connection is there."""
        visit = asked.visit
        lines = (f"GET {visit.path} HTTP/1.1", f"host: {visit.host}", _AGENT, "connection: close")
        try:
            asked.line.send("\r\n".join((*lines, "", "")).encode("ascii"))
        except BlockingIOError:
            if asked.ignore is None:
                loop = asyncio.get_running_loop()
                loop.add_writer(asked.line.fileno(), self._ask, asked)
                asked.ignore = loop.remove_writer
        except OSError:
            self._end(asked)
        else:
            self._unwatch(asked)
            loop = asyncio.get_running_loop()
            loop.add_reader(asked.line.fileno(), self._read, asked)
            asked.ignore = loop.remove_reader

    def _read(self, asked: _Asked) -> None:
        """Take what has come; the first part of a body will do, a redirect has none."""
        try:
            more = asked.line.recv(_HEAD_SIZE_BYTES_MAX)
        except BlockingIOError:
            return
        except OSError:
            self._end(asked)
            return
        asked.answer += more
        head, end, body = asked.answer.partition(_END)
        if end and (body or not more):
            self._end(asked, head, body)
        elif not more or len(asked.answer) > _HEAD_SIZE_BYTES_MAX:
            self._end(asked)

    def _give_up(self) -> None:
        """Nobody waits for ever."""
        now_s = self._clock.monotonic_s()
        while self._running and (oldest := next(iter(self._running))).due_s <= now_s:
            self._end(oldest)

    def _end(self, asked: _Asked, head: bytes = b"", body: bytes = b"") -> None:
        """Write down what its client saw: nothing, without a head."""
        self._close(asked)
        found = _STATUS.match(head)
        status = int(found[1]) if found else 0
        right = status == asked.visit.status and asked.visit.contains in body
        release, score = _header(head, RELEASE_HEADER), _header(head, SCORE_HEADER)
        now_s = self._clock.monotonic_s()
        sample = Sample(now_s, asked.node, status, release, right, score.partition(" ")[0])
        self.samples.append(sample)

    def _close(self, asked: _Asked) -> None:
        self._unwatch(asked)
        asked.line.close()
        del self._running[asked]

    def _unwatch(self, asked: _Asked) -> None:
        if asked.ignore is not None:
            asked.ignore(asked.line.fileno())
            asked.ignore = None


def _header(head: bytes, name: bytes) -> str:
    found = re.search(rb"(?i)\r\n" + name + rb": *([^\r]*)", head)
    return found[1].decode("ascii", "replace") if found else ""
