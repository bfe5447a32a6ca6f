"""Counts of the bot service: over a real socket of its own process, and in its log."""

import asyncio
import json
import os
import sys
from pathlib import Path

import httpx
from structlog.testing import capture_logs

import warm_command
from helpers import wait_until
from seawall.challenge.reply import Event, Outcome
from seawall.daemon.bot_counts import PATH, Tally
from seawall.verify.service import Counts


def test_the_service_tells_its_counts_and_counts_what_it_is_asked(tmp_path: Path) -> None:
    for folder in ("node", "logs"):
        (tmp_path / folder).mkdir()
    read, write = os.pipe()
    service = warm_command.Popen(
        (
            *(sys.executable, "-P", "-m", "seawall.daemon.bots"),
            *("--data-dir", str(tmp_path), "--parent-fd", str(read)),
        ),
        pass_fds=(read,),
    )
    os.close(read)
    try:
        socket = tmp_path / "node" / "bots.sock"
        wait_until(socket.exists, what="the bot service listens")
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(socket))) as client:
            before = client.get(f"http://seawall{PATH}").json()
            assert client.post("http://seawall/internal/signature").text == "unknown - no-question"
            asked = {f"x-seawall-sig-{part}": "x" for part in ("method", "scheme", "authority")}
            asked["x-seawall-sig-path"] = "/"
            client.post("http://seawall/internal/signature", headers=asked)
            after = client.get(f"http://seawall{PATH}").json()
            assert client.post(f"http://seawall{PATH}").status_code == 405
        assert before["challenges"] == {"asked": 0, "passed": 0, "failed": 0}
        assert set(before["verify"].values()) == {0}
        assert after["verify"]["signatures_unknown"] == 1
    finally:
        os.close(write)
        assert service.wait(30) == 0


class Minutes:
    """A clock whose minutes pass when a test says so."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self._asleep, self._over = asyncio.Event(), asyncio.Event()

    def now_s(self) -> float:
        return 0.0

    def monotonic_s(self) -> float:
        return 0.0

    async def sleep(self, duration_s: float) -> None:
        self.slept.append(duration_s)
        self._asleep.set()
        await self._over.wait()
        self._over.clear()

    async def one(self) -> None:
        """Let one pass, and what is done after it be done."""
        await self._asleep.wait()
        self._asleep.clear()
        self._over.set()
        await self._asleep.wait()


def test_only_a_change_is_written_and_at_most_once_a_minute() -> None:
    async def written() -> None:
        clock, claims = Minutes(), [0]
        tally = Tally(lambda: Counts(claims=claims[0]), clock)
        task = asyncio.ensure_future(tally.run())
        with capture_logs() as lines:
            await clock.one()
            assert lines == []
            tally.add(Outcome(Event.PASSED, "shop.test", "", "work", 3))
            claims[0] = 7
            await clock.one()
            await clock.one()
        task.cancel()
        assert set(clock.slept) == {60.0}
        (line,) = lines
        assert line["event"] == "counts"
        assert line["challenges"] == {"asked": 0, "passed": 1, "failed": 0}
        assert line["verify"]["claims"] == 7
        assert json.loads(json.dumps(tally.counts())) == tally.counts()

    asyncio.run(written())
