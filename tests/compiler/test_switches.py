"""Every kill switch, alone and together, leaves an edge that compiles and that Envoy takes.

5 December 2025: a kill switch was thrown on a kind of rule on which none had been thrown before. So
every feature is killed here for every site and for all, on an edge that uses it, beside others.
"""

from dataclasses import replace
from itertools import combinations, product
from pathlib import Path

import pytest
from hypothesis import HealthCheck as Slow
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.build import edge, forward, origin, route, site
from compiler.edges import edges
from compiler.served import served
from envoy_harness import free_port
from gate import made as gate
from seawall.bots.policy import DEFAULT_RULES
from seawall.compiler.check import check
from seawall.compiler.compile import compile_edge
from seawall.compiler.diff import diff
from seawall.gate.validate import Validator
from seawall.ids import ListName, SiteName
from seawall.model import (
    FEATURES,
    BotMode,
    BotPolicy,
    Compression,
    Edge,
    ErrorPage,
    Feature,
    FixedResponse,
    HeaderChanges,
    HealthCheck,
    IpList,
    OutlierEjection,
    PathPrefix,
    Retries,
    Site,
    Switch,
    apply_switches,
)
from seawall.model.switches import shared_with, still_on, with_switch, without_switch

SITES = ("shop", "blog")


def _site(name: str, own: str) -> Site:
    routes = (
        route(f"{name}/ws", PathPrefix("/ws"), forward(own, websocket=True)),
        route(f"{name}/api", PathPrefix("/api"), forward(own, retries=Retries(2, ("5xx",)))),
        route(f"{name}/grpc", PathPrefix("/grpc"), forward("both", grpc=True)),
        route(f"{name}/all", action=forward("both")),
    )
    return replace(
        site(name, *routes),
        compression=tuple(Compression),
        error_pages=(ErrorPage(500, 599, "text/html", "<p>{request_id}</p>"),),
        response_headers=HeaderChanges(set_if_absent=(("x-frame-options", "SAMEORIGIN"),)),
        deny=(ListName("bad"),),
        bots=BotPolicy(BotMode.ENFORCE, DEFAULT_RULES),
    )


def _rich() -> Edge:
    watched = {
        "health_check": HealthCheck("/healthz", "h", 5.0, 1.0, 2, 3, 200, 399),
        "outlier_ejection": OutlierEjection(5, 10.0, 30.0, 0.5),
    }
    return edge(
        *(_site(name, name) for name in SITES),
        origins=tuple(origin(name, **watched) for name in (*SITES, "both")),
        lists=(IpList(ListName("bad"), ("192.0.2.0/24",)),),
    )


def _switch(feature: Feature, where: str | None) -> Switch:
    return Switch(feature, SiteName(where) if where else None, 2e9, "a test", "ann")


EVERY = [
    _switch(feature, where)
    for feature, where in product(Feature, (None, *SITES))
    if where is None or FEATURES[feature].by_site
]
RICH = _rich()
PLAIN = compile_edge(RICH)


@pytest.fixture(scope="module")
def validator() -> Validator:
    return gate.validator()


def _taken_by_envoy(validator: Validator, switches: list[Switch], work_dir: Path) -> Edge:
    killed = apply_switches(RICH, switches)
    snapshot = compile_edge(killed)
    check(snapshot)
    gate.validate(validator, snapshot, work_dir).require_accepted()
    return killed


@pytest.mark.parametrize("switch", EVERY, ids=lambda s: s.words)
def test_every_switch_alone_changes_the_edge_and_is_taken_by_envoy(
    switch: Switch, validator: Validator, tmp_path: Path
) -> None:
    killed = _taken_by_envoy(validator, [switch], tmp_path)
    changes = diff(PLAIN, compile_edge(killed))
    assert changes
    assert not any(change.drains or change.restarts for change in changes), changes


def test_every_pair_of_features_and_all_at_once_are_taken_by_envoy(
    validator: Validator, tmp_path: Path
) -> None:
    pairs = combinations([switch for switch in EVERY if switch.site in (None, "shop")], 2)
    snapshots = {compile_edge(apply_switches(RICH, pair)).digest: pair for pair in pairs}
    assert len(snapshots) > 60
    for pair in list(snapshots.values())[::5]:
        _taken_by_envoy(validator, list(pair), tmp_path)
    _taken_by_envoy(validator, EVERY, tmp_path)


@settings(max_examples=60, deadline=None, suppress_health_check=[Slow.too_slow])
@given(edges(), st.lists(st.sampled_from(EVERY), max_size=6), st.data())
def test_any_edge_under_any_switches_compiles_and_order_does_not_matter(
    some: Edge, switches: list[Switch], data: st.DataObject
) -> None:
    names = [one.name for one in some.sites]
    drawn = [replace(s, site=data.draw(st.sampled_from(names))) if s.site else s for s in switches]
    killed = apply_switches(some, drawn)
    check(compile_edge(killed))
    turned = data.draw(st.permutations(drawn))
    assert compile_edge(apply_switches(some, turned)).digest == compile_edge(killed).digest
    assert apply_switches(killed, drawn) == killed
    assert {s.name for s in killed.sites} == set(names)
    assert killed.limits == some.limits


def test_a_switch_for_one_site_leaves_the_others_alone() -> None:
    for switch in EVERY:
        if switch.site != "shop":
            continue
        killed = apply_switches(RICH, [switch])
        assert killed.sites[1] == RICH.sites[1], switch
        assert killed.origins[1] == RICH.origins[1], switch
    assert shared_with(RICH, Feature.HEALTH_CHECKS, SiteName("shop")) == ("blog",)
    assert shared_with(RICH, Feature.RETRIES, SiteName("shop")) == ()


def test_a_switch_for_a_site_that_is_gone_does_nothing() -> None:
    gone = [_switch(feature, "gone") for feature in Feature if FEATURES[feature].by_site]
    assert apply_switches(RICH, gone) == RICH


def test_switches_are_replaced_ended_and_run_out_by_feature_and_site() -> None:
    first, other = _switch(Feature.RETRIES, None), _switch(Feature.RETRIES, "shop")
    later = replace(first, until_s=3e9)
    assert with_switch(with_switch((), first), later) == (later,)
    both = with_switch((later,), other)
    assert without_switch(both, Feature.RETRIES, SiteName("shop")) == (later,)
    assert still_on(both, 2.5e9) == (later,)
    assert still_on(both, 3e9) == ()


def test_killed_access_records_leave_no_trace_of_an_error_and_open_the_file_again() -> None:
    answers = site("shop", route("shop/all", action=FixedResponse(503, "no")))
    plain = edge(answers, origins=(), http=(free_port(),))
    with served(apply_switches(plain, [_switch(Feature.ACCESS_RECORDS, None)])) as running:
        assert running.get("/").status == 503
        path = running.envoy.directory / "access.ndjson"
        assert not path.exists() or not path.read_text()
    with served(plain) as running:
        assert running.get("/").status == 503
        assert running.records(1)


def test_every_feature_says_what_it_does_and_what_it_opens() -> None:
    assert set(FEATURES) == set(Feature)
    for about in FEATURES.values():
        assert about.without.endswith(".")
        assert not about.opens or about.opens.endswith(".")
