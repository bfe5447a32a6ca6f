"""Published ranges kept fresh by control: a real process, a real https server, real releases."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from api.jobs_world import ended, job, notices, runner
from api.world import ANN, World, sources
from clocks import AheadClock
from daemon.ranges_job import OPERATOR
from helpers import free_port
from seawall import limits
from seawall.api.hand_requests import DeedRequest
from seawall.api.job_views import JobView
from seawall.api.views import Applied
from seawall.clock import SystemClock
from seawall.daemon.control_process import running
from seawall.release.signing import load_public_key
from seawall.testing.memory_node import MemoryNode
from seawall.verify.ranges import header
from verify.key_server import KeyServer, serving

TESTS = Path(__file__).parents[1]
DAY = 86_400
SITE = """\
version: 1
listen: {{http: 127.0.0.1:{port}}}
bots: {{ranges: {{every: 24h}}}}
lists: {{gptbot: {{}}}}
sites:
  shop: {{hosts: [shop.example.com], origin: "http://127.0.0.1:9"}}
"""


@dataclass
class Operator:
    """Whoever publishes `gptbot`."""

    server: KeyServer
    told: Path
    authority: str
    at: World
    clock: AheadClock

    def publishes(self, *prefixes: str, status: str = "200 OK") -> None:
        found = [{"ipv4Prefix": prefix} for prefix in prefixes]
        self.server.status, self.server.body = status, json.dumps({"prefixes": found}).encode()

    async def run(self) -> JobView:
        """The job, after a run of now."""
        told = {"local": self.server.local, "authority": self.authority}
        self.told.write_text(json.dumps({**told, "ahead_s": self.clock.ahead_s}))
        before = (await job(self.at, "ranges")).ended_s
        await runner(self.at).order("ranges", "ann")
        return await ended(self.at, before, "ranges")

    async def held(self) -> bytes:
        return ((await self.at.service.hands.feed("gptbot")).text or "").encode()


@asynccontextmanager
async def operator(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Operator]:
    """A control process with its socket, a node without Envoy, and an operator of bots."""
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    monkeypatch.setenv(OPERATOR, str(folder / "operator.json"))
    data_dir = folder / "data"
    data_dir.mkdir()
    server, clock = KeyServer(), AheadClock()
    async with serving(server, folder) as client, running(data_dir, None, SystemClock()) as control:
        control.carry_out()
        runs = control.service.hands.jobs
        runs.program, runs._clock = "daemon.ranges_job", clock
        key = load_public_key(data_dir / "control" / "signing.pub")
        node = MemoryNode(control.service, key)
        going = asyncio.ensure_future(node.run())
        at = World(control, node, data_dir, free_port())
        try:
            done = await at.apply(sources(SITE.format(port=at.port)))
            assert isinstance(done, Applied), done
            await runs.poll()
            yield Operator(server, folder / "operator.json", _authority(client), at, clock)
        finally:
            control.close_polls()
            going.cancel()
            await asyncio.gather(going, return_exceptions=True)


def _authority(client: Callable[[], ssl.SSLContext]) -> str:
    (der,) = client().get_ca_certs(binary_form=True)
    return ssl.DER_cert_to_PEM_cert(der)


@pytest.mark.timeout(400)  # many releases, one after another
def test_lists_are_fetched_released_kept_and_told_when_they_get_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with operator(tmp_path, monkeypatch) as one:
            one.publishes(status="500 Oops")
            found = await one.run()
            assert (found.outcome, found.code) == ("failed", "bot-ranges-kept")
            assert "gptbot were never fetched" in found.reason
            assert await one.held() == b""

            one.publishes("20.15.240.64/28")
            found = await one.run()
            assert (found.outcome, found.failures) == ("released", 0), found
            assert found.reason == "1 list was fetched. New releases: gptbot."
            first = await one.held()
            assert first.endswith(b"20.15.240.64/28\n")
            assert header(first) is not None
            newest = (await one.at.service.releases(limit=1)).releases[0]
            assert (newest.author, newest.kind) == ("ranges", "feed")
            assert newest.message == "Published ranges gptbot"
            (feed,) = (await one.at.service.hands.feeds()).feeds
            assert (feed.entries, feed.fetched_s) == (1, header(first)[1])  # type: ignore[index]  # - told above
            metrics = (await one.at.service.metrics()).decode()
            assert 'seawall_bot_ranges_fetched_timestamp_seconds{list="gptbot"}' in metrics

            assert (await one.run()).outcome == "unchanged"
            one.publishes("20.15.240.64/28", "20.15.241.0/28")
            assert (await one.run()).outcome == "released"
            grown = await one.held()
            assert grown.count(b"/28") == 2

            for prefixes, status, words in (
                ((), "200 OK", "it is empty"),
                (("20.15.240.64/30",), "200 OK", "addresses are gone"),
                (("20.15.240.64/28",), "503 Busy", "it answers 503"),
            ):
                one.publishes(*prefixes, status=status)
                found = await one.run()
                assert found.outcome == "failed"
                assert words in found.reason
                assert await one.held() == grown
            assert "they stay in use" in found.reason
            assert found.failures == 3
            assert words in (await notices(one.at))["job-failed"]
            assert "bot-ranges-stale" not in await notices(one.at)

            one.clock.ahead_s += 15 * DAY
            monkeypatch.setattr(one.at.service._parts.observer, "_clock", one.clock)
            found = await one.run()
            assert "no longer expose impostors" in found.reason
            assert "gptbot (15 days)" in (await notices(one.at))["bot-ranges-stale"]
            assert await one.held() == grown

            one.publishes("20.15.240.64/28", "20.15.241.0/28")
            assert (await one.run()).outcome == "released"
            assert "bot-ranges-stale" not in await notices(one.at)
            assert (await job(one.at, "ranges")).failures == 0

    asyncio.run(scenario())


@pytest.mark.timeout(300)
def test_a_release_in_the_way_is_waited_for_and_a_freeze_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with operator(tmp_path, monkeypatch) as one:
            releaser = one.at.service._parts.releaser
            monkeypatch.setattr(limits, "SWITCH_TURN_WAIT_S", 0.0)
            one.publishes("20.15.240.64/28")
            refused: list[str] = []
            free = releaser.in_the_way

            def busy(kind: Any) -> str:
                if not refused:
                    refused.append("once")
                    return "somebody applies a site file"
                return free(kind)

            monkeypatch.setattr(releaser, "in_the_way", busy)
            found = await one.run()
            assert (found.outcome, refused) == ("released", ["once"])
            hands = one.at.service.hands
            await hands.freeze(DeedRequest(reason="a test"), ANN)
            found = await one.run()
            assert (found.outcome, found.code) == ("failed", "frozen")
            assert found.reason == "Releases are frozen by ann: a test."
            await hands.unfreeze(DeedRequest(), ANN)

    asyncio.run(scenario())
