"""Clients on a deny list are turned away, and only where a site says so; by real traffic."""

import json
import random
from dataclasses import replace
from typing import Any

import pytest

from compiler.build import edge, route, site
from compiler.served import served
from envoy_harness import free_port
from seawall import limits
from seawall.compiler.check import check
from seawall.compiler.compile import compile_edge
from seawall.compiler.contents import contents
from seawall.compiler.diff import diff
from seawall.errors import RefusedError
from seawall.ids import ListName, SiteName
from seawall.model import (
    Edge,
    Feature,
    FixedResponse,
    IpList,
    Site,
    Switch,
    TrustedProxies,
    apply_switches,
)
from seawall.telemetry.flags import denied
from seawall.telemetry.records import parse_record
from seawall.telemetry.rehearsal import DENY
from seawall.telemetry.rehearse import rehearse, rules_of

BAD, WORSE, EMPTY = ListName("bad"), ListName("worse"), ListName("not-pushed-yet")
HERE = IpList(BAD, ("127.0.0.0/8",))
ELSEWHERE = IpList(WORSE, ("192.0.2.0/24", "2001:db8::/32"))


def _site(name: str, *deny: ListName) -> Site:
    answer = route(f"{name}/all", action=FixedResponse(200, "hello"))
    return replace(site(name, answer), deny=deny)


def _edge(*lists: IpList, **changes: Any) -> Edge:
    return edge(
        _site("shop", BAD),
        _site("blog", BAD),
        _site("open"),
        _site("other", WORSE),
        _site("waits", EMPTY),
        origins=(),
        http=(free_port(),),
        lists=lists or (HERE, ELSEWHERE, IpList(EMPTY)),
        **changes,
    )


def test_only_sites_that_name_the_list_turn_its_clients_away() -> None:
    with served(_edge()) as running:
        answers = {
            name: running.get("/", f"{name}.test").status
            for name in ("shop", "blog", "open", "other", "waits", "unknown")
        }
        turned_away = running.record_of(running.get("/", "shop.test"))
    assert answers == {
        "shop": 403, "blog": 403, "open": 200, "other": 200, "waits": 200, "unknown": 421,
    }  # fmt: skip
    words = denied(turned_away["details"])
    assert words is not None
    assert "address list bad," in words.words
    record = parse_record(json.dumps(turned_away).encode())
    assert record is not None
    shop = SiteName("shop")
    [found] = rehearse([record], {}, {shop: rules_of(_edge())[shop]})
    assert [(rule.rule, rule.do) for rule in found.rules] == [(BAD, DENY)], "as a rehearsal says"


def test_the_address_behind_a_trusted_proxy_counts() -> None:
    trusted = TrustedProxies(cidrs=("127.0.0.0/8",))
    lists = (IpList(BAD, ("198.51.100.7/32",)), ELSEWHERE, IpList(EMPTY))
    with served(_edge(*lists, trusted_proxies=trusted)) as running:
        statuses = [
            running.get("/", headers=(f"x-forwarded-for: {client}",)).status
            for client in ("198.51.100.7", "198.51.100.8")
        ]
    assert statuses == [403, 200]


def test_a_proxy_may_tell_an_ipv4_client_in_ipv6_form() -> None:
    trusted = TrustedProxies(cidrs=("127.0.0.0/8",))
    lists = (IpList(BAD, ("198.51.100.0/29", "203.0.113.9/32")), ELSEWHERE, IpList(EMPTY))
    edge_of = _edge(*lists, trusted_proxies=trusted)
    clients = {
        "::ffff:198.51.100.7": 403,
        "::ffff:c633:6407": 403,
        "::ffff:203.0.113.9": 403,
        "::ffff:198.51.100.8": 200,
        "::198.51.100.7": 200,
        "64:ff9b::198.51.100.7": 200,
    }
    with served(edge_of) as running:
        found = {
            client: running.get("/", headers=(f"x-forwarded-for: {client}",)).status
            for client in clients
        }
    assert found == clients
    told = sorted(contents(compile_edge(edge_of)).networks)
    assert len(told) == 4, "nobody is told of a network twice"


def test_a_killed_deny_list_lets_everybody_in_again() -> None:
    switch = Switch(Feature.DENY_LISTS, SiteName("shop"), 0.0, "a provider is on it", "ann")
    with served(apply_switches(_edge(), [switch])) as running:
        assert running.get("/", "shop.test").status == 200
        assert running.get("/", "blog.test").status == 403


def test_a_large_list_is_taken_by_envoy_and_told_in_numbers() -> None:
    chance = random.Random(7)
    numbers = chance.sample(range(1 << 24), 20_000)
    networks = tuple(f"{n >> 16}.{n >> 8 & 255}.{n & 255}.0/24" for n in sorted(numbers))
    small = _edge()
    large = replace(small, lists=(IpList(BAD, (*networks, "::1/128")), ELSEWHERE))
    with served(large) as running:
        assert running.get("/", "shop.test").status in (200, 403)
    before, after = compile_edge(small), compile_edge(large)
    check(after)
    assert len(contents(after).networks) == 20_001 + 2
    texts = [change.text for change in diff(before, after)]
    assert texts == ["list bad: 1 -> 20,001 networks (+20,001, -1)"]
    assert not any(change.drains for change in diff(before, after))


def test_a_site_that_begins_to_deny_says_so_and_drains_nobody() -> None:
    before = _edge()
    after = replace(
        before,
        sites=tuple(replace(s, deny=(BAD,)) if s.name == "open" else s for s in before.sites),
    )
    changes = diff(compile_edge(before), compile_edge(after))
    assert [c.text for c in changes] == ["site open: turns away none -> bad"]
    assert not any(change.drains for change in changes)


def test_too_many_copies_of_lists_are_refused() -> None:
    networks = tuple(f"10.{n >> 8 & 255}.{n & 255}.0/24" for n in range(60_000))
    big = IpList(BAD, networks[: limits.LIST_ENTRIES_MAX])
    names = [ListName(f"l{n}") for n in range(20)]
    sites = [_site(f"s{n}", BAD, name) for n, name in enumerate(names)]
    lists = (big, *(IpList(name, ("192.0.2.0/24",)) for name in names))
    with pytest.raises(RefusedError, match="networks in total"):
        compile_edge(edge(*sites, origins=(), lists=lists))
