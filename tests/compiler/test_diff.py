"""The words of `diff`: each change is told as a person would, and nothing secret is shown."""

from dataclasses import replace

import pytest

from compiler.build import certificate, edge, forward, origin, route, site
from seawall import limits
from seawall.compiler.compile import compile_edge
from seawall.compiler.contents import contents
from seawall.compiler.diff import Action, Change, diff
from seawall.model import (
    AccessLogPolicy,
    BalanceBy,
    BotMode,
    Compression,
    Edge,
    Endpoint,
    ErrorPage,
    FixedResponse,
    HeaderChanges,
    HealthCheck,
    Hsts,
    Listener,
    LoadBalancing,
    PathExact,
    PathPrefix,
    Redirect,
    Retries,
    Rewrite,
    RouteClass,
    RouteMatch,
    StringMatch,
    StringMatchKind,
    Timeouts,
    TlsVersion,
    TrustedProxies,
    UpstreamProtocol,
)
from tls_material import TlsAuthority


def _diff(old: Edge, new: Edge) -> tuple[Change, ...]:
    return diff(compile_edge(old), compile_edge(new))


def _texts(old: Edge, new: Edge) -> list[str]:
    return [change.text for change in _diff(old, new)]


def _api(**changes: object) -> Edge:
    api = route("shop/api", PathPrefix("/api"), forward(**changes))
    return edge(site("shop", api, route()))


def test_no_change_is_an_empty_diff() -> None:
    assert _diff(edge(), edge()) == ()


def test_a_timeout_is_told_with_both_values() -> None:
    changed = _diff(_api(), _api(timeouts=Timeouts(30.0, 300.0, 0.0)))
    assert [c.text for c in changed] == ["route /api of shop: timeout 15 s -> 30 s"]
    assert changed[0].subject == "route shop/api"
    assert not changed[0].drains
    assert not changed[0].restarts


def test_body_limits_and_actions_of_a_route_are_told() -> None:
    assert _texts(_api(), _api(body_size_bytes_max=1024)) == [
        "route /api of shop: largest body none -> 1,024 bytes"
    ]
    old = edge(site("shop", route("shop/a", PathExact("/a"), FixedResponse(200, "x"))))
    new = edge(site("shop", route("shop/a", PathExact("/a"), Redirect(301, path="/b"))))
    assert "route =/a of shop: action answer 200 -> redirect to /b" in _texts(old, new)
    deeper = Redirect(301, path="/b", fragment="50%")
    newer = edge(site("shop", route("shop/a", PathExact("/a"), deeper)))
    assert _texts(new, newer) == ["route =/a of shop: action redirect to /b -> redirect to /b#50%"]


@pytest.mark.parametrize(
    ("balancing", "said"),
    [
        (LoadBalancing(BalanceBy.HASH_CLIENT_IP), "by client address"),
        (LoadBalancing(BalanceBy.HASH_HEADER, "x-user"), "by header x-user"),
        (LoadBalancing(BalanceBy.HASH_COOKIE, "sid"), "by cookie sid, else by seawall-endpoint"),
    ],
)
def test_websockets_and_stickiness_are_told_in_words(balancing: LoadBalancing, said: str) -> None:
    before = edge(site("shop", route()))
    sticky = origin(load_balancing=balancing)
    after = edge(site("shop", route(action=forward(websocket=True))), origins=(sticky,))
    assert [text for text in _texts(before, after) if text.startswith("route")] == [
        "route / of shop: WebSocket off -> on",
        f"route / of shop: stickiness none -> {said}",
    ]


def test_a_redirect_to_https_is_told_apart_from_the_routes(authority: TlsAuthority) -> None:
    before = _secure(authority, "shop")
    trusting = replace(before, trusted_proxies=TrustedProxies(("10.0.0.0/8",)))

    def redirecting(one: Edge) -> Edge:
        return replace(one, sites=tuple(replace(s, redirect_to_https=True) for s in one.sites))

    told = "redirect of shop to https: added, redirect to https"
    assert told in _texts(trusting, redirecting(trusting))


def test_the_class_of_a_route_is_told() -> None:
    api = edge(site("shop", route("shop/all", route_class=RouteClass.API)))
    assert _texts(edge(), api) == ["route / of shop: class page -> api"]


def test_endpoints_are_told_one_by_one() -> None:
    old = edge(origins=(origin("app", 3000, 3001),))
    endpoints = (Endpoint("127.0.0.1", 3000, 2), Endpoint("10.0.0.2", 3000, backup=True))
    new = edge(origins=(replace(old.origins[0], endpoints=endpoints),))
    assert _texts(old, new) == [
        "origin app: endpoint 10.0.0.2:3000 added weight 1 as backup",
        "origin app: endpoint 127.0.0.1:3000 weight 1 -> weight 2",
        "origin app: endpoint 127.0.0.1:3001 removed",
    ]


def test_settings_of_an_origin_have_names() -> None:
    new = edge(origins=(origin("app", connect_timeout_s=5.0, idle_timeout_s=120.0),))
    texts = _texts(edge(), new)
    assert "origin app: connect timeout 2 s -> 5 s" in texts
    assert "origin app: idle timeout 1 min -> 2 min" in texts
    assert _texts(edge(), edge(origins=(origin("app", protocol=UpstreamProtocol.HTTP2),))) == [
        "origin app: protocol http1 -> http2"
    ]


def test_a_health_check_is_told_in_words() -> None:
    check = HealthCheck("/healthz", "a.test", 5.0, 2.0, 2, 3, 200, 299)
    none = edge()
    one = edge(origins=(origin("app", health_check=check),))
    more = edge(origins=(origin("app", health_check=replace(check, status_max=399)),))
    assert _texts(none, one) == [
        "origin app: health check none -> on",
        "origin app: health check expects none -> 200-299",
    ]
    assert _texts(one, more) == ["origin app: health check expects 200-299 -> 200-399"]


def test_what_is_retried_besides_for_some_methods_is_told() -> None:
    unseen = Retries(1, ("connect-failure", "refused-stream", "reset-before-request"))
    old, new = _api(retries=unseen), _api(retries=Retries(1, ("5xx",)))
    methods = "DELETE, GET, HEAD, OPTIONS, PUT"
    assert _texts(old, new) == [
        f"route /api of shop: retries of {methods} also on none -> 5xx",
    ]


def test_what_follows_from_a_rewrite_or_a_retry_is_told_by_its_cause() -> None:
    assert _texts(_api(), _api(rewrite=Rewrite(prefix="/z"))) == [
        "route /api of shop: path rewrite none -> /z"
    ]
    inner = _api(rewrite=Rewrite(prefix="/z"), host_rewrite="inner.test")
    assert _texts(_api(rewrite=Rewrite(prefix="/z")), inner) == [
        "route /api of shop: Host sent to the origin none -> inner.test"
    ]
    said = HeaderChanges(set=(("x-forwarded-host", "www.test"),))
    own = replace(inner, sites=(replace(inner.sites[0], request_headers=said),))
    assert _texts(inner, own) == [
        "site shop: request header x-forwarded-host is now changed by the edge",
        "route /api of shop: client's Host sent to the origin yes -> no",
    ]
    two = (origin("app", 3000, 3001),)
    once, never = (
        replace(_api(retries=retries), origins=two)
        for retries in (Retries(1, ("connect-failure",)), Retries(0, ()))
    )
    assert _texts(once, never) == [
        "route /api of shop: retries at another endpoint yes -> no",
        "route /api of shop: retries on connect-failure -> none",
        "route /api of shop: retry attempts 1 -> 0",
    ]


def test_sites_and_routes_come_and_go() -> None:
    shop, blog = site("shop"), site("blog")
    assert _texts(edge(shop), edge(shop, blog)) == ["site blog: added, hosts blog.test"]
    assert _texts(edge(shop, blog), edge(shop)) == ["site blog: removed"]
    with_y = site("shop", route("shop/y", PathPrefix("/y")), route("shop/all"))
    more = site("shop", route("shop/x", PathPrefix("/x")), *with_y.routes)
    assert _texts(edge(with_y), edge(more)) == ["route /x of shop: added, forward to app"]
    assert _diff(edge(more), edge(with_y))[0].action is Action.REMOVED
    other = site("shop", *reversed(more.routes))
    assert _texts(edge(more), edge(other)) == ["site shop: order of the routes changed"]


def test_hosts_headers_pages_and_compression_of_a_site_are_told() -> None:
    new = site(
        "shop",
        hosts=("shop.test", "www.shop.test"),
        response_headers=HeaderChanges(set=(("x-a", "1"),)),
        error_pages=(ErrorPage(500, 599, "text/html", "sorry"),),
        compression=(Compression.GZIP,),
    )
    assert _texts(edge(), edge(new)) == [
        "site shop: host www.shop.test added",
        "site shop: compression none -> gzip",
        "site shop: response header x-a is now changed by the edge",
        "site shop: error pages changed",
    ]


def test_header_values_and_bodies_are_never_shown() -> None:
    old = site("shop", request_headers=HeaderChanges(set=(("authorization", "Bearer hunter1"),)))
    new = site(
        "shop",
        route("shop/a", PathExact("/a"), FixedResponse(200, "hunter3")),
        request_headers=HeaderChanges(set=(("authorization", "Bearer hunter2"),)),
        error_pages=(ErrorPage(500, 599, "text/html", "hunter4"),),
    )
    changes = _diff(edge(old), edge(new))
    assert changes
    assert "hunter" not in repr(changes)
    assert "site shop: request header authorization: what the edge does with it changed" in [
        c.text for c in changes
    ]


@pytest.fixture(scope="module")
def authority() -> TlsAuthority:
    return TlsAuthority()


def _secure(authority: TlsAuthority, *names: str, **changes: object) -> Edge:
    certificates = tuple(certificate(n, *authority.issue(f"{n}.test"), f"{n}.test") for n in names)
    sites = tuple(site(n, certificate=n, **changes) for n in names)
    return edge(*sites, https=(8443,), certificates=certificates)


def test_a_renewed_certificate_shows_serials_and_drains_nobody(authority: TlsAuthority) -> None:
    old, new = _secure(authority, "shop"), _secure(authority, "shop")
    (change,) = _diff(old, new)
    assert change.text.startswith("certificate shop: renewed, serial ")
    assert " -> " in change.text
    assert not change.drains
    assert "BEGIN" not in repr(change)
    same_chain = replace(old.certificates[0], key_pem=new.certificates[0].key_pem)
    (change,) = _diff(old, replace(old, certificates=(same_chain,)))
    assert "chain or key changed" in change.text


def test_a_new_certificate_slot_adds_a_chain_and_drains_nobody(authority: TlsAuthority) -> None:
    shop = _secure(authority, "shop")
    both = _secure(authority, "shop", "blog")
    both = replace(both, certificates=(*shop.certificates, both.certificates[1]))
    changes = _diff(shop, both)
    assert any("chain 'tls blog' added" in change.text for change in changes)
    assert not any(change.drains for change in changes)
    assert any(change.drains for change in _diff(both, shop))


def test_hsts_is_told_as_a_header(authority: TlsAuthority) -> None:
    old = _secure(authority, "shop")
    new = replace(old, sites=(replace(old.sites[0], hsts=Hsts(1, False, False)),))  # noqa: FBT003 - a test value
    assert _texts(old, new) == [
        "site shop: response header strict-transport-security is now changed by the edge"
    ]


def test_what_touches_a_filter_chain_is_marked_as_draining() -> None:
    (change,) = _diff(edge(), edge(access_log=AccessLogPolicy(1.0, ("referer",))))
    assert change.drains
    assert change.subject == "listener http 127.0.0.1:8080"
    assert "access_log" in change.text


def test_trusting_a_proxy_adds_a_chain_and_drains_nobody() -> None:
    (change,) = _diff(edge(), edge(trusted_proxies=TrustedProxies(("10.0.0.0/8",))))
    assert change.text == ("listener http 127.0.0.1:8080: trusted_proxies.cidrs none -> 10.0.0.0/8")
    assert not change.drains


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            TrustedProxies(("10.0.0.0/8",)),
            TrustedProxies(("10.0.0.0/8", "2001:db8::/32")),
            ["cidrs 10.0.0.0/8 -> 10.0.0.0/8, 2001:db8::/32"],
        ),
        (
            TrustedProxies(("10.0.0.0/8",)),
            TrustedProxies(("10.0.0.0/8",), hops=1),
            ["hops 0 -> 1"],
        ),
        (
            TrustedProxies(("10.0.0.0/8",), hops=1),
            TrustedProxies(("192.0.2.0/24",), hops=2),
            ["cidrs 10.0.0.0/8 -> 192.0.2.0/24", "hops 1 -> 2"],
        ),
        (
            TrustedProxies(("10.0.0.0/8",), hops=1),
            TrustedProxies(),
            ["cidrs 10.0.0.0/8 -> none", "hops 1 -> 0"],
        ),
        (
            TrustedProxies(("10.0.0.0/8",)),
            TrustedProxies(("::ffff:10.0.0.0/104", "10.0.0.0/8")),
            ["cidrs are written differently"],
        ),
    ],
)
def test_trusted_proxies_are_told_once_by_their_keys(
    authority: TlsAuthority, old: TrustedProxies, new: TrustedProxies, said: list[str]
) -> None:
    plain = _secure(authority, "shop", "blog")
    changes = _diff(replace(plain, trusted_proxies=old), replace(plain, trusted_proxies=new))
    secure = [one for one in changes if one.subject.startswith("listener https")]
    assert [one.text for one in secure] == [
        f"listener https 127.0.0.1:8443: trusted_proxies.{text}" for text in said
    ]
    assert all(one.drains for one in secure)


def test_a_tls_version_drains(authority: TlsAuthority) -> None:
    old = _secure(authority, "shop")
    assert all(c.drains for c in _diff(old, replace(old, tls_version_min=TlsVersion.TLS_1_3)))


def test_a_new_listener_drains_nobody_and_a_removed_one_does() -> None:
    one, two = edge(http=(8080,)), edge(http=(8080, Listener("::1", 8081)))
    (added,) = _diff(one, two)
    assert added.text == "listener http [::1]:8081: added"
    assert not added.drains
    (removed,) = _diff(two, one)
    assert removed.drains


def test_the_proxy_protocol_of_a_listener_is_told(authority: TlsAuthority) -> None:
    plain = _secure(authority, "shop")
    ports = (Listener("127.0.0.1", 8443, proxy_protocol=True),)
    asking = replace(plain, listen=replace(plain.listen, https=ports))
    (change,) = _diff(plain, asking)
    assert change.text == "listener https 127.0.0.1:8443: PROXY protocol off -> on"
    assert change.drains
    assert [one.text for one in _diff(asking, plain)] == [
        "listener https 127.0.0.1:8443: PROXY protocol on -> off"
    ]


def test_the_sample_of_the_access_log_is_a_runtime_change() -> None:
    (change,) = _diff(edge(), edge(access_log=AccessLogPolicy(0.1)))
    assert change.text == "edge: share of ordinary requests in the access log 100 % -> 10 %"
    assert not change.drains


def test_what_needs_a_new_process_comes_first_and_says_so() -> None:
    bigger = replace(edge().limits, connections_max=5, header_timeout_s=3.0)
    changes = _diff(edge(), edge(site("shop"), site("blog"), limits=bigger))
    assert changes[0].restarts
    assert any(c.drains for c in changes)
    assert changes[-1].text == "site blog: added, hosts blog.test"


def test_a_first_release_lists_the_big_things() -> None:
    texts = [change.text for change in diff(None, compile_edge(edge()))]
    assert texts == [
        "origin app: added, endpoints 127.0.0.1:3000",
        "listener http 127.0.0.1:8080: added",
        "site shop: added, hosts shop.test",
    ]


def test_a_large_diff_is_counted_by_kind() -> None:
    many = edge(*(site(f"s{i}") for i in range(limits.DIFF_CHANGES_MAX + 7)))
    changes = _diff(edge(), many)
    assert len(changes) == limits.DIFF_CHANGES_MAX + 1
    assert changes[-1].text == "and 8 more changes: 7 x site added, 1 x site removed"


def test_a_second_certificate_is_told_once_and_changes_no_other_site() -> None:
    authority = TlsAuthority()
    shown = [certificate(n, *authority.issue(f"{n}.test"), f"{n}.test") for n in ("shop", "blog")]
    shops = [site(f"shop{number}", certificate="shop") for number in range(3)]
    blog = site("blog", certificate="blog")
    old = edge(*shops, https=(8443,), certificates=tuple(shown[:1]))
    new = edge(*shops, blog, https=(8443,), certificates=tuple(shown))
    refused = "edge: https: requests on the connection of another certificate are refused with 421"
    told = [change for change in _diff(old, new) if change.subject == "edge"]
    assert [(change.text, change.drains) for change in told] == [(refused, False)]
    assert not any("shop" in change.subject for change in _diff(old, new) if change.drains)
    assert "are served" in "\n".join(_texts(new, old))
    before, after = contents(compile_edge(old)), contents(compile_edge(new))
    assert {**before.sites, "blog": after.sites["blog"]} == after.sites
    assert {**before.routes, "blog/all": after.routes["blog/all"]} == after.routes


def test_where_requests_are_counted_is_told_in_words() -> None:
    shared = edge(site("shop", route(action=forward("app"))), origins=(origin("app"),))
    own = edge(site("shop", route(action=forward("shop"))), origins=(origin("shop"),))
    texts = _texts(shared, own)
    assert "route / of shop: requests counted at the route -> origin" in texts
    assert not [text for text in texts if "stat_prefix" in text]


def test_a_site_that_tells_no_paths_apart_pays_for_no_guard_of_paths() -> None:
    plain, telling = site("shop"), site("shop", route("shop/x", PathExact("/x")), route("shop/all"))
    guard = "guard of shop against paths in disguise (`/..;/`)"
    assert f"{guard}: added, answer 400" in _texts(edge(plain), edge(telling))
    assert f"{guard}: removed" in _texts(edge(telling), edge(plain))
    enforcing = replace(plain, bots=replace(plain.bots, mode=BotMode.ENFORCE))
    assert f"{guard}: added, answer 400" in _texts(edge(plain), edge(enforcing))


def _matched(**conditions: object) -> Edge:
    match = RouteMatch(PathPrefix("/api"), **conditions)  # type: ignore[arg-type]  # - passed on
    return edge(site("shop", route("shop/api", match=match), route()))


def test_conditions_of_a_route_are_told_without_the_values_of_headers() -> None:
    def header(value: str) -> tuple[StringMatch, ...]:
        return (StringMatch("x-key", StringMatchKind.EXACT, value),)

    def query(value: str) -> tuple[StringMatch, ...]:
        return (StringMatch("token", StringMatchKind.PREFIX, value),)

    assert _texts(_matched(), _matched(methods=("GET", "POST"))) == [
        "route /api of shop: methods any -> GET, POST"
    ]
    assert _texts(_matched(methods=("GET",)), _matched()) == [
        "route /api of shop: methods GET -> any"
    ]
    assert _texts(_matched(headers=header("s3cret")), _matched(headers=header("0ther"))) == [
        "route /api of shop: condition on header x-key changed"
    ]
    assert _texts(_matched(), _matched(query=query("s3cret"))) == [
        "route /api of shop: condition on query parameter token added"
    ]
    assert _texts(_matched(query=query("s3cret")), _matched()) == [
        "route /api of shop: condition on query parameter token removed"
    ]


def test_what_changed_of_a_redirect_is_told() -> None:
    def redirecting(status: int, *, strip_query: bool = False) -> Edge:
        action = Redirect(status, path="/new", strip_query=strip_query)
        return edge(site("shop", route("shop/old", PathExact("/old"), action), route()))

    assert _texts(redirecting(302), redirecting(301)) == ["route =/old of shop: status 302 -> 301"]
    assert _texts(redirecting(302), redirecting(302, strip_query=True)) == [
        "route =/old of shop: query kept -> dropped"
    ]


def test_routes_of_one_path_are_told_apart_by_their_names() -> None:
    def two(timeout_s: float) -> Edge:
        slow = forward(timeouts=Timeouts(timeout_s, 300.0, 0.0))
        post = route("shop/post", match=RouteMatch(PathPrefix("/api"), methods=("POST",)))
        return edge(site("shop", post, route("shop/rest", PathPrefix("/api"), slow), route()))

    assert _texts(two(15.0), two(30.0)) == ["route /api (rest) of shop: timeout 15 s -> 30 s"]


def test_a_bound_of_the_edge_is_told_once_for_all_chains_by_its_key(
    authority: TlsAuthority,
) -> None:
    usual = _secure(authority, "shop", "blog")
    bounds = replace(usual.limits, idle_timeout_s=60.0, headers_max=90, heap_size_bytes_max=2**29)
    texts = [t for t in _texts(usual, replace(usual, limits=bounds)) if "8443" in t or "edge" in t]
    assert texts == [
        "edge: limits.max_heap in bytes 1073741824 -> 536870912",
        "listener https 127.0.0.1:8443: limits.idle_timeout 5 min -> 1 min",
        "listener https 127.0.0.1:8443: limits.max_headers 100 -> 90",
    ]
