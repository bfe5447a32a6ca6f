"""No client and no origin can make Envoy create statistics, and admin is private."""

import stat
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlencode

from compiler import build
from edge.serving import Serving, request, serving, standard_sites, wait_until
from envoy_harness import Origin, OriginRequest, ok
from seawall.model import Endpoint
from seawall.telemetry.stats import QUERY, parse

REQUESTS = 1_000
KNOWN_METHODS = (b"GET", b"POST", b"PUT", b"DELETE", b"PATCH", b"OPTIONS", b"PROPFIND", b"HEAD")


def test_names_of_statistics_do_not_grow_with_what_clients_and_origins_say(edge: Serving) -> None:
    ordinary = edge.origin.answer
    try:
        _visit(edge, range(0, REQUESTS, 25), _status)
        names = set(edge.envoy.stats())
        _visit(edge, range(REQUESTS), _status)
    finally:
        edge.origin.answer = ordinary
    new = set(edge.envoy.stats()) - names
    assert not {name for name in new if not name.endswith(".upstream_rq_504")}
    kept = ("5xx", ".upstream_rq_504")
    assert not any("upstream_rq_5" in name and not name.endswith(kept) for name in names)


def test_what_the_windows_need_is_kept(edge: Serving) -> None:
    edge.assert_serves()
    names = set(edge.envoy.stats())
    assert {
        "http.http.downstream_rq_total",
        "http.http.downstream_rq_5xx",
        "http.https.downstream_cx_active",
        "cluster.app.upstream_rq_total",
        "cluster.app.upstream_cx_connect_fail",
        "cluster.app.membership_healthy",
        "vhost.shop.route.shop.upstream_rq_5xx",
        "listener_manager.total_listeners_active",
        "server.live",
    } <= names


def test_a_site_with_an_origin_of_its_own_is_counted_there_and_not_twice() -> None:
    with Origin(lambda seen: ok(status="500 No" if b"bad" in seen.target else "200 OK")) as own:
        shop = build.site("shop", build.route("shop/all", action=build.forward("shop")))
        with serving(shop, more_origins=(build.origin("shop", own.port),)) as edge:
            for path, status in ((b"/", 200), (b"/bad", 500), (b"/bad", 500)):
                assert edge.get(path).status == status
            counted = "cluster.site/shop.upstream_rq_"
            wait_until(
                lambda: edge.envoy.stats(counted).get(f"{counted}completed") == 3,
                what="every request is counted",
            )
            names = edge.envoy.stats()
    assert (names[f"{counted}2xx"], names[f"{counted}5xx"]) == (1, 2)
    assert not any(name.startswith("vhost.shop") for name in names)


def test_an_origin_whose_name_never_resolved_is_told_from_one_that_is_not_there() -> None:
    lost = build.origin("lost", endpoints=(Endpoint("lost.invalid", 3000),))
    alone = build.site("alone", build.route("alone/all", action=build.forward("lost")))
    with serving(
        *standard_sites(), replace(alone, hosts=("a.test",)), more_origins=(lost,)
    ) as edge:
        query = f"/stats?{urlencode(QUERY)}"
        found = wait_until(
            lambda: [one for one in parse(edge.envoy.admin(query)).origins() if one[2] == 0],
            what="the name is looked up",
        )
    assert found == [("lost", 0, 0)]


def test_admin_is_a_unix_socket_for_its_owner_only(edge: Serving) -> None:
    mode = (edge.envoy.directory / "admin.sock").stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


def test_runtime_cannot_be_changed_through_admin(edge: Serving) -> None:
    answer = edge.envoy.admin("/runtime_modify?re2.max_program_size.error_level=1", method="POST")
    assert b"OK" not in answer


def _visit(edge: Serving, numbers: range, answer: Callable[[OriginRequest], bytes]) -> None:
    edge.origin.answer = answer
    client = edge.client()
    for number in numbers:
        host = b"shop.test" if number % 2 else b"host-%d.test" % number
        method = KNOWN_METHODS[number % len(KNOWN_METHODS)]
        path = b"/path-%d?status=%d" % (number, 200 + number // 2 % 400)
        lines = (b"user-agent: agent-%d" % number, b"content-type: application/grpc")
        client.send(request(path, *lines, host=host, method=method))
        client.response(to_head=method == b"HEAD")
        client.close()
        client = edge.client()
    client.close()
    wait_until(
        lambda: (
            edge.envoy.stats("http.http.downstream_rq_active")["http.http.downstream_rq_active"]
            == 0
        ),
        what="every request is counted",
    )


def _status(seen: OriginRequest) -> bytes:
    status = seen.target.rpartition(b"=")[2].decode()
    return ok(status=f"{status} Any", body=b"" if status in {"204", "304"} else b"ok")
