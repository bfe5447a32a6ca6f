"""What a release is asked: bounded, harmless, and spread over everything there is."""

from datetime import UTC, datetime

import pytest

from compiler import build
from gate import made
from seawall import limits
from seawall.compiler.compile import compile_edge
from seawall.gate.probes import (
    Probe,
    Source,
    choose,
    golden_probes,
    made_probes,
    recent_probes,
)
from seawall.ids import SiteName
from seawall.model import Golden, PathExact, PathRegex
from seawall.telemetry.records import AccessRecord

NOW_S = 1_800_000_000.0


def record(path: str = "/a", *, age_s: float = 1, **changes: object) -> AccessRecord:
    stamp = datetime.fromtimestamp(NOW_S - age_s, UTC).isoformat()
    plain = {"time": stamp, "route": "s/r", "method": "GET", "host": "s.test", "status": 200}
    return AccessRecord(**{**plain, "path": path, **changes})  # type: ignore[arg-type]  # - passed on


def test_a_recent_request_keeps_nothing_that_is_private() -> None:
    written = record(
        "/a?token=1",
        user_agent="curl/8",
        client="192.0.2.7",
        tls="TLSv1.3",
        req_headers={"cookie": "sid=1"},
    )
    assert recent_probes([written], NOW_S) == [
        Probe(
            source=Source.RECENT,
            https=True,
            host="s.test",
            method="GET",
            path="/a",
            headers=(("user-agent", "curl/8"),),
            client="192.0.2.7",
        )
    ]


@pytest.mark.parametrize(
    "written",
    [
        record(method="POST"),
        record(method="CONNECT"),
        record(age_s=limits.TASTER_SAMPLE_AGE_S + 1),
        record(age_s=-60),
        record(time="yesterday"),
        record(status=101),
        record(status=0),
        record(status=None),
        record(host=""),
        record(host="a b"),
        record(""),
        record("*"),
        record("/a b"),
        record("/a\r\nx: y"),
        record("/é"),
        record("/" + "a" * limits.PATH_LENGTH_CHARS_MAX),
    ],
)
def test_what_cannot_be_replayed_safely_is_left_out(written: AccessRecord) -> None:
    assert recent_probes([written], NOW_S) == []


def test_the_sample_is_bounded_and_spread_over_routes() -> None:
    busy = [record(f"/busy{n}", route="s/busy") for n in range(500)]
    quiet = [record("/quiet", route="s/quiet")]
    chosen = recent_probes([*busy, *quiet], NOW_S)
    assert len(chosen) == limits.TASTER_SAMPLES_MAX
    assert "/quiet" in {probe.path for probe in chosen}


def test_one_request_is_made_up_for_each_route_and_changed_ones_come_first() -> None:
    snapshot = made.snapshot(3, 4)
    first, others = made_probes(snapshot, frozenset({"s2/r3"}))
    rest = list(others)
    assert [(probe.host, probe.path) for probe in first] == [("s2.test", "/p3")]
    assert {(p.host, p.path) for p in (*first, *rest)} >= {
        (f"s{site}.test", f"/p{route}") for site in range(3) for route in range(4)
    }
    assert not set(first) & set(rest)
    assert {probe.host for probe in rest[:3]} == {"s0.test", "s1.test", "s2.test"}
    first, others = made_probes(snapshot, frozenset(), frozenset({"s1"}))
    assert {(p.host, p.path) for p in first} >= {("s1.test", f"/p{route}") for route in range(4)}
    assert "s1.test" not in {probe.host for probe in others}


def test_hosts_of_wildcards_are_made_up_too() -> None:
    site = build.site(
        "shop",
        build.route("shop/x", PathRegex("/x[0-9]")),
        build.route("shop/y", PathExact("/y")),
        hosts=("*.shop.test",),
    )
    other = build.site("rest", hosts=("*",))
    _, probes = made_probes(compile_edge(build.edge(site, other)), frozenset())
    assert {(p.host, p.path) for p in probes} >= {
        ("seawall-taste.shop.test", "/y"),
        ("localhost", "/"),
    }


def test_golden_requests_are_always_asked_and_others_fill_the_rest() -> None:
    golden = tuple(
        golden_probes(
            Golden(SiteName("s0"), "s0.test", f"/{n}") for n in range(limits.TASTER_PROBES_MAX + 5)
        )
    )
    recent = recent_probes([record("/p1")], NOW_S)
    snapshot = made.snapshot()
    full = choose(golden, recent, snapshot, frozenset())
    assert full.all[: len(golden)] == golden
    assert len(full.all) == len(golden) + len(recent)
    asked = choose(golden[:1], recent, snapshot, frozenset()).all
    assert [probe.source for probe in asked[:3]] == [Source.GOLDEN, Source.RECENT, Source.MADE]
    assert len({(p.https, p.host, p.method, p.path) for p in asked}) == len(asked)
    crowd = choose(golden[:1], recent, made.snapshot(200, 5), frozenset())
    assert len(crowd.all) == limits.TASTER_PROBES_MAX
    assert crowd.whole


def test_what_was_changed_has_room_or_it_is_said_that_it_had_none() -> None:
    snapshot, sites = made.snapshot(60, 5), frozenset(f"s{site}" for site in range(60))
    few = choose((), (), snapshot, frozenset(), sites)
    assert len(few.all) == limits.TASTER_PROBES_MAX
    assert few.all == few.first
    assert not few.whole


def test_a_narrow_change_is_asked_another_part_of_the_rest_at_each_turn() -> None:
    found = choose((), (), made.snapshot(100, 5), frozenset(), frozenset({"s7"}))
    assert found.whole
    turns = [found.narrow(turn) for turn in range(1_000, 1_005)]
    assert all(asked[: len(found.first)] == found.first for asked in turns)
    assert all(len(asked) <= len(found.first) + limits.TASTER_AROUND_MAX for asked in turns)
    assert {probe for asked in turns for probe in asked} == {*found.first, *found.around}
    assert set(found.all) < {*found.first, *found.around}
    nothing = choose((), (), made.snapshot(1, 1), frozenset(), frozenset({"s0"}))
    assert nothing.narrow(3) == nothing.all
