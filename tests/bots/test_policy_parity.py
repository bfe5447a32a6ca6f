"""Policies say the same in Envoy's Lua and in Python, for whatever rules and requests."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot_policies import LuaPolicy
from seawall.bots.expression import quote
from seawall.bots.expression_names import NAMES, Facts, Name, Type
from seawall.bots.expression_parse import Fault, parse
from seawall.bots.families import ClientFamily
from seawall.bots.features import FEATURES, INDEX
from seawall.bots.kinds import KINDS
from seawall.bots.policy import DEFAULT_RULES, decide, policy_text
from seawall.ids import SiteName
from seawall.model import (
    BOT_WINDOWS_S,
    BotAction,
    BotCategory,
    BotChallenge,
    BotDo,
    BotMode,
    BotPolicy,
    BotRule,
    RouteClass,
)

LUA = LuaPolicy()
PATHS = (
    "/",
    "/a",
    "/login",
    "/robots.txt",
    "/.well-known/acme-challenge/x",
    "/.well-known/seawall/challenge/solve",
    "/.well-known/security.txt",
    "/repo.git/info/refs",
    "/sitemap.xml",
    "/ä%41'\"]]",
)
WORDS = ("", "a", "/", "googlebot", "é", '"', "' or true --", "]]", "\x00", "GET", "a" * 150)

paths = st.sampled_from(PATHS) | st.text(st.characters(exclude_categories=["Cs"]), max_size=20).map(
    lambda t: "/" + t.replace("?", "")
)
texts = st.sampled_from(WORDS)
counts = st.none() | st.integers(0, 1000)
codes = st.just(()) | st.lists(
    st.integers(0, 12), min_size=len(FEATURES), max_size=len(FEATURES)
).map(tuple)
facts_of_requests = st.builds(
    Facts,
    path=paths,
    method=st.sampled_from(("GET", "POST", "HEAD", "OPTIONS", "PUT")),
    host=texts,
    route_class=st.sampled_from([c.value for c in RouteClass]),
    protocol=st.sampled_from(("", "HTTP/1.1", "HTTP/2")),
    score=st.none() | st.integers(1, 99),
    codes=codes,
    verified=st.sampled_from(("", "googlebot")),
    impostor=st.sampled_from(("", "bingbot")),
    claims=st.sampled_from(("", "googlebot", "gptbot")),
    category=st.sampled_from(("", "none", *(c.value for c in BotCategory))),
    cleared=st.integers(0, 3),
    requests=st.tuples(counts, counts, counts),
)


def _literal(name: Name, draw: Any) -> str:
    if name.type is Type.TEXT or (name.words and draw(st.booleans())):
        words = [word for word, _ in name.words] or [w for w in WORDS if w and w != "\x00"]
        word = draw(st.sampled_from(words))
        return f"'{word}'" if '"' in word and "'" not in word else f'"{word.replace(chr(34), "")}"'
    return str(draw(st.integers(name.least, min(name.most, 120))))


@st.composite
def conditions(draw: Any, depth: int = 0) -> str:
    """Text of a condition without faults."""
    if depth < 3 and draw(st.integers(0, 2)) == 0:
        left, right = draw(conditions(depth + 1)), draw(conditions(depth + 1))
        joined = draw(st.sampled_from([" and ", " or "]))
        return draw(st.sampled_from(["({})", "not ({})"])).format(left + joined + right)
    name = NAMES[draw(st.sampled_from(sorted(NAMES)))]
    if name.type is Type.FLAG:
        return name.text
    literal = _literal(name, draw)
    forms = ["{n} == {v}", "{n} != {v}", "{n} in [{v}]", "{n} not in [{v}, {v}]"]
    if name.text != "cleared":
        forms += ["{n} is absent", "{n} is not absent"]
    if name.type is Type.TEXT:
        forms += ["{n}.startswith({v})", "{n}.endswith({v})", "{v} in {n}", "{n}"]
    elif not literal.startswith(("'", '"')):
        forms += ["{n} < {v}", "{v} <= {n}", "{v} < {n} <= {v}", "{n} >= {v}", "{n} > score"]
    return draw(st.sampled_from(forms)).format(n=name.text, v=literal)


rates = st.builds(
    BotAction,
    st.just(BotDo.RATE),
    requests=st.integers(0, 1000),
    per_s=st.sampled_from(BOT_WINDOWS_S),
)
actions = rates | st.builds(
    BotAction,
    st.sampled_from([do for do in BotDo if do is not BotDo.RATE]),
    level=st.integers(0, 3),
)
rules = st.lists(st.tuples(conditions(), actions), max_size=6).map(
    lambda pairs: tuple(BotRule(f"r{i}", when, act) for i, (when, act) in enumerate(pairs))
)
policies = st.builds(
    BotPolicy,
    mode=st.sampled_from(BotMode),
    rules=rules,
    categories=st.dictionaries(st.sampled_from(BotCategory), actions, max_size=4).map(
        lambda d: tuple(d.items())
    ),
    challenge=st.builds(BotChallenge, level=st.integers(1, 3)),
)


@settings(max_examples=400, deadline=None)
@given(policy=policies, requests=st.lists(facts_of_requests, min_size=1, max_size=8))
def test_a_policy_decides_the_same_in_lua_and_in_python(
    policy: BotPolicy, requests: list[Facts]
) -> None:
    for facts in requests:
        text = policy_text(policy, SiteName("shop"), RouteClass(facts.route_class))
        compiled, reason = LUA.compile(text)
        assert compiled is not None, reason
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
