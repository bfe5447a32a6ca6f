"""What a release is asked before it meets clients: above all the way of what changed."""

from collections.abc import Iterable
from typing import Any

import pytest
from envoy.config.route.v3.route_pb2 import RouteConfiguration
from google.protobuf import json_format

from node.support import cluster, whole
from seawall.compiler.snapshot import Resource, Snapshot, TypeUrl
from seawall.ids import ReleaseId, SiteName
from seawall.limits import GOLDEN_AROUND_MAX, GOLDEN_IMPLICIT_MAX, GOLDEN_TOUCHED_MAX
from seawall.model.rollout import Golden
from seawall.node.questions import Question, questions
from seawall.node.stamp import stamp

OLD, NEW = ReleaseId("r9"), ReleaseId("r10")


def forward(name: str, origin: str, **match: Any) -> dict[str, Any]:
    return {"name": name, "match": match or {"prefix": "/"}, "route": {"cluster": origin}}


def method(regex: str) -> dict[str, Any]:
    return {"name": ":method", "string_match": {"safe_regex": {"regex": regex}}}


def host(name: str, rules: Iterable[dict[str, Any]], domain: str = "") -> dict[str, Any]:
    return {"name": name, "domains": [domain or f"{name}.test"], "routes": list(rules)}


def table(hosts: Iterable[dict[str, Any]], name: str = "http") -> Resource:
    body = json_format.ParseDict({"name": name, "virtual_hosts": [*hosts]}, RouteConfiguration())
    return Resource(TypeUrl.ROUTES, name, body.SerializeToString(deterministic=True), "edge")


def shops(count: int, *more: Resource) -> Snapshot:
    return whole(
        table(host(f"s{i:03}", [forward(f"s{i:03}/all", "o")]) for i in range(count)), *more
    )


def ways(new: Snapshot, old: Snapshot, golden: tuple[Golden, ...] = ()) -> list[Question]:
    asked = questions(stamp(new, NEW), golden, stamp(old, OLD))
    return [question for question in asked if question.route]


def one_site(*rules: dict[str, Any], port: int = 1) -> Snapshot:
    return whole(cluster("o", port), cluster("p", 2), table([host("shop", rules)]))


ALL = forward("shop/all", "o")


def test_what_did_not_change_is_not_tried() -> None:
    assert ways(one_site(ALL), one_site(ALL)) == []


def test_a_new_route_of_a_site_that_serves_is_tried() -> None:
    api = forward("shop/api", "p", path_separated_prefix="/api")
    (asked,) = ways(one_site(api, ALL), one_site(ALL))
    wanted = Golden(SiteName("shop"), "shop.test", "/api", method="HEAD")
    assert asked == Question(wanted, implicit=True, route="shop/api", added=True)
    assert "HEAD http://shop.test/api of shop, for the route shop/api" in str(asked)


def test_a_route_that_leads_elsewhere_is_tried() -> None:
    (asked,) = ways(one_site(forward("shop/all", "p")), one_site(ALL))
    assert (asked.route, asked.added) == ("shop/all", False)


def test_every_route_to_an_origin_that_changed_is_tried() -> None:
    rules = [forward("shop/a", "o", path="/a"), forward("shop/b", "p", path="/b"), ALL]
    asked = ways(one_site(*rules, port=7), one_site(*rules))
    assert [question.route for question in asked] == ["shop/a", "shop/all"]


def test_where_a_site_has_written_requests_the_way_of_a_change_is_tried_all_the_same() -> None:
    golden = (Golden(SiteName("shop"), "shop.test", "/", status=(200,)),)
    (asked,) = ways(one_site(forward("shop/all", "p")), one_site(ALL), golden)
    assert asked.route == "shop/all"


@pytest.mark.parametrize(
    ("match", "wanted"),
    [
        ({"prefix": "/x", "headers": [method("GET|POST")]}, "GET"),
        ({"prefix": "/x", "headers": [method("HEAD|GET")]}, "HEAD"),
        ({"prefix": "/x", "headers": [{"name": "x-beta", "present_match": True}]}, "HEAD"),
        ({"prefix": "/x", "headers": [method("POST|PUT")]}, None),
        ({"safe_regex": {"regex": "/x[0-9]"}}, None),
        ({"prefix": "/a b"}, None),
        ({"prefix": "/é"}, None),
        ({"prefix": "/" + "x" * 5_000}, None),
    ],
    ids=str,
)
def test_only_what_changes_nothing_is_asked(match: dict[str, Any], wanted: str | None) -> None:
    asked = ways(one_site({**forward("shop/x", "p"), "match": match}, ALL), one_site(ALL))
    assert [question.golden.method for question in asked] == ([wanted] if wanted else [])


def test_answers_of_the_edge_itself_and_guards_have_no_way_to_try() -> None:
    said = {"name": "shop/said", "match": {"prefix": "/said"}, "direct_response": {"status": 200}}
    guard = forward("shop/_bots", "p", prefix="/.well-known/")
    assert ways(one_site(said, guard, ALL), one_site(ALL)) == []


MISSING = {"direct_response": {"status": 404}}
REGEX = {"safe_regex": {"regex": "/.*"}}


@pytest.mark.parametrize(
    ("rules", "led"),
    [
        ([forward("shop/all", "p")], True),
        ([forward("shop/start", "p", path="/"), ALL], True),
        (
            [{"name": "shop/no", "match": {"prefix": "/no"}, **MISSING}, forward("shop/all", "p")],
            True,
        ),
        ([ALL], False),
        (
            [{"name": "shop/gone", "match": {"path": "/"}, **MISSING}, forward("shop/all", "p")],
            False,
        ),
        ([{"name": "shop/gone", "match": REGEX, **MISSING}, forward("shop/all", "p")], False),
        ([forward("shop/api", "p", prefix="/api")], False),
    ],
)
def test_a_start_that_an_origin_answers_is_led_anew_where_its_site_changes(
    rules: list[dict[str, Any]], *, led: bool
) -> None:
    asked = questions(stamp(one_site(*rules), NEW), (), stamp(one_site(ALL), OLD))
    [start] = [one for one in asked if not one.route]
    assert start.led_anew is led


def test_a_site_that_nobody_is_served_yet_is_asked_for_its_start_alone() -> None:
    new = whole(table([host("shop", [ALL]), host("new", [forward("new/all", "p")], "*.new.test")]))
    old = whole(table([host("shop", [ALL])]))
    assert ways(new, old) == []
    starts = questions(stamp(new, NEW), (), stamp(old, OLD))
    assert [(one.golden.host, one.golden.path) for one in starts] == [
        ("golden.new.test", "/"),
        ("shop.test", "/"),
    ]


def test_what_serves_over_tls_is_not_asked_without() -> None:
    def both(origin: str) -> Snapshot:
        hosts = [host("shop", [forward("shop/all", origin)])]
        return whole(table(hosts), table(hosts, "https"))

    (asked,) = ways(both("p"), both("o"))
    assert asked.golden.https
    (start,) = (one for one in questions(both("p"), (), both("o")) if not one.route)
    assert start.golden.https


@pytest.mark.parametrize("common", [True, False])
def test_where_only_routes_of_few_sites_differ_few_others_are_asked(*, common: bool) -> None:
    count = GOLDEN_AROUND_MAX + 20
    rules = [
        host(f"s{i:03}", [forward(f"s{i:03}/all", "o", prefix=f"/{'x' * (i == count - 1)}")])
        for i in range(count)
    ]
    new = whole(cluster("o", 1), cluster("p", 2 if common else 3), table(rules))
    asked = questions(new, (), shops(count, cluster("o", 1), cluster("p", 2)))
    starts = [one.golden.site for one in asked if not one.route]
    assert starts[0] == f"s{count - 1:03}"
    assert len(starts) == (GOLDEN_AROUND_MAX + 1 if common else count)


def test_the_start_of_a_changed_site_is_asked_though_there_are_many_before_it() -> None:
    count = 2 * GOLDEN_IMPLICIT_MAX
    last = f"s{count - 1:03}"
    rules = [
        host(f"s{i:03}", [forward(f"s{i:03}/all", "p" if i == count - 1 else "o")])
        for i in range(count)
    ]
    asked = questions(whole(cluster("p", 1), table(rules)), (), shops(count))
    starts = [one.golden.site for one in asked if not one.route]
    assert len(starts) == GOLDEN_IMPLICIT_MAX
    assert starts[:2] == [last, "s000"]


def test_of_too_many_changes_each_origin_is_tried_first() -> None:
    count = GOLDEN_TOUCHED_MAX + 5
    rules = [forward(f"shop/{i}", "o", path=f"/{i}") for i in range(count)]
    lone = forward("shop/lone", "p", path="/lone")
    new = one_site(*rules, lone, port=9)
    old = whole(cluster("o", 1), cluster("p", 3), table([host("shop", [*rules, lone])]))
    asked = [question.route for question in ways(new, old)]
    assert len(asked) == GOLDEN_TOUCHED_MAX
    assert asked[:3] == ["shop/0", "shop/lone", "shop/1"]
