"""Policies say the same in Envoy's Lua and in Python, for whatever rules and requests."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot_policies import LuaPolicy, facts_of_requests, policies
from seawall.bots.expression import quote
from seawall.bots.expression_names import Facts
from seawall.bots.expression_parse import Fault, parse
from seawall.bots.families import ClientFamily
from seawall.bots.features import INDEX
from seawall.bots.kinds import KINDS
from seawall.bots.policy import DEFAULT_RULES, decide, policy_text, wants_score
from seawall.ids import SiteName
from seawall.model import (
    BotPolicy,
    BotRule,
    RouteClass,
)

LUA = LuaPolicy()


@settings(max_examples=400, deadline=None)
@given(policy=policies, requests=st.lists(facts_of_requests, min_size=1, max_size=8))
def test_a_policy_decides_the_same_in_lua_and_in_python(
    policy: BotPolicy, requests: list[Facts]
) -> None:
    for facts in requests:
        text = policy_text(policy, SiteName("shop"), RouteClass(facts.route_class))
        compiled, reason = LUA.compile(text)
        assert compiled is not None, reason
        assert LUA.wants_score(compiled, facts) == wants_score(policy, facts)
        expected = decide(policy, facts)
        action, rule, detail = LUA.decide(compiled, facts)
        assert (action, rule) == (expected.do.value, expected.rule)
        if expected.level:
            assert detail.level == expected.level
            assert detail.page == (facts.kind == "page")
        if expected.would:
            assert detail.would == expected.would.value


@settings(max_examples=300, deadline=None)
@given(text=st.text(max_size=60))
def test_no_text_leaves_its_literal(text: str) -> None:
    try:
        literal = quote(text)
    except UnicodeEncodeError:
        return
    assert "\n" not in literal
    assert literal.count('"') == 2
    value = LUA.runtime.execute(f"return #({literal})")
    assert value == len(text.encode())
    if "\x00" not in text:
        assert LUA.runtime.execute(f"return {literal}") == text


@settings(max_examples=500, deadline=None)
@given(text=st.text(max_size=80))
def test_any_text_is_a_condition_or_a_fault_with_a_column(text: str) -> None:
    found = parse(text)
    if isinstance(found, Fault):
        assert 1 <= found.column <= len(text) + 1
        assert found.what
        assert found.remedy
    else:
        assert "\n" not in found.lua()


@settings(max_examples=300, deadline=None)
@given(facts=facts_of_requests)
def test_the_kind_of_a_request_is_the_same_in_lua_and_in_python(facts: Facts) -> None:
    kind = LUA.module.kind(LUA.table(facts), facts.route_class)
    assert kind == facts.kind
    assert kind in KINDS


def test_places_and_families_in_lua_are_those_of_the_schema() -> None:
    assert dict(LUA.module.PLACES) == {n: INDEX[n] + 1 for n in LUA.module.PLACES}
    families = {f.name.lower().replace("_", "-"): f.value for f in ClientFamily}
    assert dict(LUA.module.FAMILIES) == {n: families[n] for n in LUA.module.FAMILIES}


@pytest.mark.parametrize("rule", DEFAULT_RULES, ids=lambda rule: rule.name)
def test_default_rules_are_conditions(rule: BotRule) -> None:
    assert not isinstance(parse(rule.when), Fault)
