"""A shadow in a real Envoy: it scores what the model scores, decides nothing, and harms nobody."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from compiler import build
from edge.bot_records import faults, harsh_model, packed, verdict
from edge.serving import Serving, serving, wait_until
from gate.test_bot_load import golden_broken, leaf_broken, tree_broken
from seawall.compiler import bots as compiled_bots
from seawall.model import BotAction, BotDo, BotMode, BotModel, BotPolicy, BotRule, Site
from step_models import step_model

FEATURE = "agent-length"
MODEL = step_model(feature=FEATURE)
NEXT = step_model(40.0, name="next", feature=FEATURE)
SPEND = BotPolicy(
    mode=BotMode.ENFORCE,
    rules=(
        BotRule("low", "score <= 20", BotAction(BotDo.BLOCK)),
        BotRule("high", "score >= 28", BotAction(BotDo.PAYMENT)),
    ),
)


def site(policy: BotPolicy = SPEND) -> Site:
    return build.site("shop", build.route("shop/all"), certificate="shop", bots=policy)


def agent(length: int) -> bytes:
    return b"user-agent: " + b"a" * length


def ask(edge: Serving, length: int, path: bytes = b"/") -> tuple[int, Any]:
    answer = edge.get(path, agent(length))
    return answer.status, verdict(edge, answer.header("x-request-id"))


def counted(edge: Serving, name: str) -> int:
    return sum(edge.envoy.stats(rf"^http\..*\.lua\.bots_shadow_{name}$").values())


@contextlib.contextmanager
def spoilt(spoil: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is compiled inside has another text from the shadow on."""
    text = compiled_bots.script_text

    def changed(script: Any) -> str:
        whole = text(script)
        begin = whole.index('["shadow"]={')
        return whole[:begin] + spoil(whole[begin:])

    monkeypatch.setattr(compiled_bots, "script_text", changed)
    compiled_bots._switch.cache_clear()
    try:
        yield
    finally:
        compiled_bots._switch.cache_clear()


def test_the_model_decides_and_the_shadow_is_recorded() -> None:
    with serving(site(), bot_model=packed(MODEL), bot_shadow=packed(NEXT)) as edge:
        statuses = set()
        for length in (1, 2, 4, 8, 16, 32, 64, 128, 256):
            status, seen = ask(edge, length)
            assert seen.score == MODEL.score(seen.codes)
            assert seen.shadow_score == NEXT.score(seen.codes) == min(99, seen.score + 40)
            assert packed(MODEL).digest.startswith(seen.model)
            assert packed(NEXT).digest.startswith(seen.shadow)
            wanted = 403 if seen.score <= 20 else 402 if seen.score >= 28 else 200
            assert status == wanted, "the model decides, whatever the shadow says"
            statuses.add(status)
        assert statuses == {200, 402, 403}
        assert faults(edge) == 0

        def told() -> bool:
            ask(edge, 20)
            return counted(edge, "disagree") > 0 and counted(edge, "agree") > 0

        wait_until(told, what="the counts of the filter")
        assert counted(edge, "errors") == 0


@pytest.mark.parametrize("spoil", [golden_broken, leaf_broken, tree_broken])
def test_a_shadow_that_fails_as_envoy_loads_it_is_absent_counted_and_takes_nothing_along(
    spoil: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        spoilt(spoil, monkeypatch),
        serving(site(), bot_model=packed(MODEL), bot_shadow=packed(NEXT)) as edge,
    ):
        status, seen = ask(edge, 2)
        assert status == 403
        assert seen.score == MODEL.score(seen.codes)
        assert (seen.shadow_score, packed(NEXT).digest[:8]) == (None, seen.shadow)

        def told() -> bool:
            ask(edge, 2)
            return counted(edge, "errors") > 0

        wait_until(told, what="the count of the shadow's faults")
        assert faults(edge) == 0
        assert counted(edge, "agree") + counted(edge, "disagree") == 0


def test_a_shadow_that_fails_on_a_request_leaves_the_request_and_the_score_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = compiled_bots.script_text
    made = "local whole, scorer = pcall(model.new, spec)"
    fault = f"{made}\n  scorer.score = function() error('on purpose') end"
    monkeypatch.setattr(
        compiled_bots, "script_text", lambda script: text(script).replace(made, fault)
    )
    compiled_bots._switch.cache_clear()
    try:
        with serving(site(), bot_model=packed(MODEL), bot_shadow=packed(NEXT)) as edge:
            status, seen = ask(edge, 2)
            assert (status, seen.shadow_score) == (403, None)
            assert seen.score == MODEL.score(seen.codes)
            assert faults(edge) == 0
    finally:
        compiled_bots._switch.cache_clear()


def test_a_request_that_is_not_scored_is_not_scored_by_the_shadow() -> None:
    rules = (BotRule("closed", 'path == "/closed"', BotAction(BotDo.BLOCK)),)
    policy = BotPolicy(mode=BotMode.ENFORCE, rules=rules)
    with serving(site(policy), bot_model=packed(MODEL), bot_shadow=packed(NEXT)) as edge:
        _, seen = ask(edge, 20)
        assert (seen.score, seen.shadow_score) == (None, None)
        assert seen.shadow


@pytest.mark.parametrize("shadow", [None, harsh_model()])
def test_the_harshest_shadow_refuses_nobody_and_none_leaves_no_word(
    shadow: BotModel | None,
) -> None:
    with serving(site(), bot_model=packed(MODEL), bot_shadow=shadow) as edge:
        status, seen = ask(edge, 1_000)
        assert status == 402
        assert (seen.shadow_score, bool(seen.shadow)) == ((1, True) if shadow else (None, False))
        assert faults(edge) == 0
