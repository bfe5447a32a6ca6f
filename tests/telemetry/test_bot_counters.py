"""What the bot filter counts in a real Envoy, as windows and metrics have it."""

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from bot_models import random_content
from compiler import build
from edge.serving import Serving, request, serving
from envoy_harness import wait_until
from seawall.clock import SystemClock
from seawall.compiler import bots as compiled_bots
from seawall.ids import Generation, NodeName, ReleaseId
from seawall.model import BotAction, BotDo, BotMode, BotModel, BotPolicy, BotRule, Site
from seawall.telemetry.admin import AdminClient
from seawall.telemetry.collector import Collector
from seawall.telemetry.measures import MEASURES
from seawall.telemetry.prometheus import EdgeFacts, NodeFacts, Totals, exposition
from seawall.telemetry.window import Window

CONTENT = random_content(3)
MODEL = BotModel(hashlib.sha256(CONTENT).hexdigest(), CONTENT)
DOES = {
    "block": BotAction(BotDo.BLOCK),
    "challenge": BotAction(BotDo.CHALLENGE),
    "payment": BotAction(BotDo.PAYMENT),
    "rate": BotAction(BotDo.RATE, requests=2, per_s=600),
}
NAMES = frozenset(measure.name for measure in MEASURES if measure.name.startswith("bots_"))


def _site() -> Site:
    rules = [BotRule(name, f'path == "/{name}"', action) for name, action in DOES.items()]
    rules.append(BotRule("low", 'path == "/never" and has_score', BotAction(BotDo.BLOCK)))
    return build.site(
        "shop",
        build.route("shop/all"),
        certificate="shop",
        bots=BotPolicy(mode=BotMode.ENFORCE, rules=tuple(rules)),
    )


class Counting:
    """An edge whose windows are read."""

    def __init__(self, edge: Serving) -> None:
        directory = edge.envoy.directory
        self.edge = edge
        self.collector = Collector(
            AdminClient(directory / "admin.sock"),
            directory / "access.ndjson",
            SystemClock(),
            NodeName("here"),
        )
        self.seen = dict.fromkeys(NAMES, 0.0)

    def begin(self) -> None:
        asyncio.run(self._commit(1))

    def window(self) -> Window:
        """The next window, added up in `seen`."""
        window = asyncio.run(self._commit(1))
        assert window is not None
        assert window.edge.keys() >= NAMES, "what was not counted is zero, and is said"
        for name in NAMES:
            self.seen[name] += window.edge[name]
        return window

    def until(self, done: Callable[[], bool], *paths: bytes) -> None:
        """Ask until the filter has handed its counts on, which it does with a later request."""

        def counted() -> bool:
            for path in paths or (b"/x",):
                self.edge.get(path)
            self.window()
            return done()

        wait_until(counted, what="the counts of the filter")

    async def _commit(self, number: int) -> Window | None:
        return await self.collector.commit(ReleaseId(f"r{number}"), Generation(number))


@contextlib.contextmanager
def _counting(model: BotModel | None = MODEL) -> Iterator[Counting]:
    with serving(_site(), bot_model=model) as edge:
        found = Counting(edge)
        found.begin()
        yield found


def test_every_verdict_is_counted_under_its_documented_name() -> None:
    with _counting() as counting:
        edge = counting.edge
        assert edge.get(b"/block", tls=True).status == 403
        assert edge.get(b"/payment").status == 402
        assert edge.get(b"/rate").status == 200
        assert edge.get(b"/rate").status == 429
        assert edge.get(b"/challenge").status in (200, 403)
        client = edge.client()
        client.send(request(b"/scored"))
        assert client.response().status == 200
        client.close()
        wanted = {
            "bots_blocked", "bots_payment", "bots_limited", "bots_challenged", "bots_scored",
        }  # fmt: skip
        counting.until(lambda: all(counting.seen[name] >= 1 for name in wanted), b"/x")
        assert (counting.seen["bots_blocked"], counting.seen["bots_payment"]) == (1, 1)
        assert (counting.seen["bots_limited"], counting.seen["bots_errors"]) == (1, 0)


def test_without_a_model_everything_is_unscored() -> None:
    with _counting(model=None) as counting:
        counting.until(lambda: counting.seen["bots_unscored"] >= 3)
        assert counting.seen["bots_scored"] == 0


def test_a_fault_of_the_filter_is_counted_and_lets_the_request_pass(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = compiled_bots.script_text
    fault = "\nlocal whole = envoy_on_request\nfunction envoy_on_request(handle)\n"
    fault += (
        '  if handle:headers():get("x-fault") then error("on purpose") end\n  whole(handle)\nend\n'
    )
    monkeypatch.setattr(compiled_bots, "script_text", lambda script: text(script) + fault)
    compiled_bots._switch.cache_clear()
    try:
        with _counting() as counting:
            answer = counting.edge.get(b"/block", b"x-fault: 1")
            assert answer.status == 200
            counting.window()
            assert counting.seen["bots_errors"] == 1
            assert counting.edge.get(b"/block").status == 403
    finally:
        compiled_bots._switch.cache_clear()


def test_a_fault_of_the_half_for_answers_is_counted_and_lets_the_answer_pass(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = compiled_bots.answers_text() + '\nfunction envoy_on_response() error("on purpose") end\n'
    monkeypatch.setattr(compiled_bots, "answers_text", lambda: text)
    with _counting() as counting:
        assert counting.edge.get(b"/block").status == 403
        assert counting.edge.get(b"/scored").status == 200
        counting.window()
        assert counting.seen["bots_errors"] == 1


def test_they_are_metrics_too() -> None:
    window = Window(
        NodeName("here"), "stable", ReleaseId("r1"), Generation(1), 0.0, 10.0,
        edge=dict.fromkeys(NAMES, 2.0),
    )  # fmt: skip
    totals = Totals()
    totals.add(window)
    totals.add(replace(window, edge={"requests": 1.0}))
    here = NodeFacts("here", 1, connected=True, notices=0)
    text = exposition(totals.samples(EdgeFacts(nodes=(here,)))).decode()
    for name in NAMES:
        assert f'seawall_edge_{name}_total{{node="here",slot="stable"}} 2.0' in text
