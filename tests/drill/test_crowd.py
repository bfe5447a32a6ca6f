"""The clients of a drill: what each of them writes down, whatever answers or does not."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from clocks import HandClock
from seawall.clock import Clock, SystemClock
from seawall.drill import crowd
from seawall.drill.account import Sample
from seawall.drill.crowd import Crowd, Visit
from seawall.drill.website import running_origin
from seawall.limits import DRILL_CLIENT_TIMEOUT_S

_WANTED = 6
_PAGE = (
    b"HTTP/1.1 200 OK\r\nX-Drill-Release: r7\r\nx-drill-bots: 42 allow\r\ncontent-length: 4\r\n\r\n"
)


@asynccontextmanager
async def _answering(*parts: bytes) -> AsyncIterator[int]:
    """A server on a port that answers with these parts, each on its own; then it ends the line."""

    served: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            for part in parts:
                writer.write(part)
                await writer.drain()
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(asyncio.create_task(serve(reader, writer)))

    server = await asyncio.start_server(begin, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
    await asyncio.gather(*served)


async def _seen(
    port: int, visit: Visit, enough: Callable[[Crowd], bool], clock: Clock | None = None
) -> list[Sample]:
    clients = Crowd([("127.0.0.1", port)], [visit], clock or SystemClock(), rate_per_s=200.0)
    async with asyncio.timeout(20):
        await clients.run(lambda: enough(clients))
    return clients.samples


def _seen_of(visit: Visit, *parts: bytes) -> set[tuple[int, str, bool, str]]:
    async def ask() -> list[Sample]:
        async with _answering(*parts) as port:
            return await _seen(port, visit, lambda found: len(found.samples) >= _WANTED)

    samples = asyncio.run(ask())
    assert len(samples) >= _WANTED
    return {(each.status, each.release, each.expected, each.score) for each in samples}


def test_an_origin_is_asked_by_its_name_and_path() -> None:
    async def ask() -> list[Sample]:
        visit = Visit("alpha.test", "/alpha", b"origin answers /alpha")
        async with running_origin() as port:
            return await _seen(port, visit, lambda found: len(found.samples) >= _WANTED)

    samples = asyncio.run(ask())
    assert len(samples) >= _WANTED
    assert not any(sample.failed for sample in samples)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_an_answer_may_come_in_any_pieces(size: int) -> None:
    whole = _PAGE + b"page"
    parts = [whole[at : at + size] for at in range(0, len(whole), size)]
    assert _seen_of(Visit("a.test", contains=b"p"), *parts) == {(200, "r7", True, "42")}


def test_another_page_or_status_is_a_wrong_answer() -> None:
    assert _seen_of(Visit("a.test", contains=b"other"), _PAGE, b"page") == {
        (200, "r7", False, "42")
    }
    assert _seen_of(Visit("a.test", status=301), _PAGE, b"page") == {(200, "r7", False, "42")}


def test_a_redirect_without_a_body_is_an_answer() -> None:
    head = b"HTTP/1.1 301 Moved\r\nx-drill-release: r1\r\n\r\n"
    assert _seen_of(Visit("a.test", status=301), head) == {(301, "r1", True, "")}


@pytest.mark.parametrize("part", [b"", b"HTTP/1.1 200 OK\r\n", b"x" * 100_000, b"junk\r\n\r\nj"])
def test_what_is_no_answer_has_no_status(part: bytes) -> None:
    assert {status for status, *_ in _seen_of(Visit("a.test"), part)} == {0}


def _unanswered(enough: Callable[[Crowd], bool]) -> tuple[list[Sample], float]:
    """What clients of a server that takes connections and is silent saw, and the time after it."""
    clock = HandClock()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        samples = asyncio.run(_seen(port, Visit("a.test"), enough, clock))
    return samples, clock.monotonic_s()


def test_who_gets_no_answer_gives_up_in_time() -> None:
    begin_s = HandClock().monotonic_s()
    samples, end_s = _unanswered(lambda found: bool(found.samples))
    first_s = samples[0].at_s - begin_s
    assert DRILL_CLIENT_TIMEOUT_S <= first_s <= DRILL_CLIENT_TIMEOUT_S + 0.1
    assert {(each.status, each.expected) for each in samples} == {(0, False)}
    assert samples[-1].at_s == end_s


def test_a_port_that_nobody_listens_on_is_no_answer() -> None:
    async def ask() -> list[Sample]:
        async with running_origin() as port:
            pass
        return await _seen(port, Visit("a.test"), lambda found: len(found.samples) >= _WANTED)

    samples = asyncio.run(ask())
    assert {sample.status for sample in samples} == {0}


def test_no_more_are_asked_at_once_than_the_machine_bears(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowd, "DRILL_CLIENTS_MAX", 3)
    samples, _ = _unanswered(lambda found: bool(found.samples))
    not_asked, *gave_up = samples
    assert not_asked.failed
    assert [each.status for each in gave_up] == [0, 0, 0]
    assert not_asked.at_s + 1 < gave_up[0].at_s
