"""Whoever may only look at the edge takes neither control's memory nor its time for releases."""

import asyncio
import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest

from api.world import world
from seawall import limits
from seawall.api import observer
from seawall.api.app import build_app
from seawall.api.server import ApiServer
from seawall.api.shadow_desk import ShadowDesk
from seawall.api.views import CheckView
from seawall.api.work import Facts, ModelFacts
from seawall.api.workshop import Step, Workshop, ignore
from seawall.clock import SystemClock
from seawall.daemon.control_process import _THREADS
from seawall.exchange import exchange
from seawall.ids import RequestId
from seawall.sockets import listen_private
from seawall.tasks import beside
from seawall.telemetry import records
from seawall.telemetry.records import AccessRecord

BODY = b'{"sources": {"root": "/a", "files": [{"path": "/a", "text": ""}]}}'


@dataclass
class Slow:
    """A service that checks nothing until it is let."""

    under_way: int = 0
    most: int = 0
    come: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def check(self, _sources: object, *, full: bool | None) -> CheckView:
        assert full is False
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        if self.under_way >= limits.API_CHECKS_AT_ONCE_MAX:
            self.come.set()
        await self.go_on.wait()
        self.under_way -= 1
        return CheckView(ok=True, problems=())


def test_of_many_site_files_to_check_few_are_read_at_once(tmp_path: Path) -> None:
    path, asked = tmp_path / "api.sock", 3 * limits.API_CHECKS_AT_ONCE_MAX

    async def one() -> int:
        answer = await exchange(
            path, "POST", "/v1/check", timeout_s=30, size_bytes_max=10_000, body=BODY
        )
        return answer.status

    async def all_of_them() -> list[int]:
        return await asyncio.gather(*(one() for _ in range(asked)))

    async def story() -> None:
        slow, failures = Slow(), list[BaseException]()
        app = build_app(
            cast("Any", slow),
            needs_token=False,
            log_error=lambda _, error: failures.append(error),
        )
        with listen_private(path) as listener:
            running = asyncio.ensure_future(ApiServer(app).run_on(listener))
            async with beside(all_of_them()) as asking:
                async with asyncio.timeout(20):
                    await slow.come.wait()
                    # Answered after the others have come: nothing that is small waits for them.
                    answer = await exchange(
                        path, "GET", "/v1/openapi.json", timeout_s=20, size_bytes_max=10**6
                    )
                    assert answer.status == 200
                slow.go_on.set()
                assert await asking == [200] * asked
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
        assert failures == []
        assert slow.most == limits.API_CHECKS_AT_ONCE_MAX

    asyncio.run(story())


def test_a_release_waits_for_one_look_and_not_for_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []

    async def story() -> None:
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def ask(_: Workshop, request: Any, step: Step, coming: object) -> None:
            begun.set()
            await go_on.wait()
            order.append(request[0])

        monkeypatch.setattr(Workshop, "_ask", ask)
        workshop = Workshop(tmp_path, SystemClock(), log=lambda _, __: None)
        jobs = [asyncio.ensure_future(workshop._job("check")) for _ in range(20)]
        await begun.wait()
        jobs.append(asyncio.ensure_future(workshop._job("prepare", step=ignore)))
        go_on.set()
        await asyncio.gather(*jobs)

    asyncio.run(story())
    assert order.index("prepare") <= 2


@pytest.mark.parametrize("what", ["why", "shadow", "metrics"])
def test_however_many_look_at_much_the_store_is_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Three threads do all that blocks: each question took one, for a second or more."""
    begun, go_on = threading.Event(), threading.Event()

    def find(*_: object) -> AccessRecord:
        begun.set()
        assert go_on.wait(30)
        return AccessRecord(time="t", request_id="abc")

    monkeypatch.setattr(records, "find", find)
    monkeypatch.setattr(ShadowDesk, "_compared", find)
    monkeypatch.setattr(observer, "exposition", find)

    async def story() -> None:
        async with world(tmp_path) as here:
            await here.applied(here.text())
            asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS))
            service = here.service
            facts = await here.control.releaser.current_facts()
            assert facts is not None

            async def shadowed() -> Facts:
                return replace(facts, shadow=ModelFacts(id="1f"))

            monkeypatch.setattr(here.control.releaser, "current_facts", shadowed)
            ask = {
                "why": service.why,
                "shadow": lambda _: service.hands.shadows.report(),
                "metrics": lambda _: service.metrics(),
            }[what]
            asked = [asyncio.ensure_future(ask(RequestId("abc"))) for _ in range(2 * _THREADS)]
            try:
                await asyncio.to_thread(begun.wait, 20)
                async with asyncio.timeout(10):
                    assert (await service.health()).ok
            finally:
                go_on.set()
            await asyncio.gather(*asked)

    asyncio.run(story())
