"""Routes by real traffic: what matches, what the origin gets, what the client sees."""

from collections.abc import Iterator

import pytest

from compiler.build import edge, forward, origin, route, site
from compiler.served import Served, served
from envoy_harness import Origin, free_port
from seawall.model import (
    BotMode,
    BotPolicy,
    FixedResponse,
    HeaderChanges,
    PathExact,
    PathPrefix,
    PathRegex,
    Redirect,
    Rewrite,
    Route,
    RouteMatch,
    Site,
    StringMatch,
    StringMatchKind,
)
from seawall.site.rules.header_overwritten import OVERWRITTEN

Kind = StringMatchKind


def _matching_site() -> Site:
    def answer(name: str, match: RouteMatch) -> object:
        return route(f"shop/{name}", match=match, action=FixedResponse(200, name))

    root = PathPrefix("/")
    conditions = [
        answer("parameter", RouteMatch(PathRegex(".*(;|%3[Bb]).*"))),  # of docs/hardening.md
        answer("exact", RouteMatch(PathExact("/exact"))),
        answer("regex", RouteMatch(PathRegex("/item/[0-9]+"))),
        answer("method", RouteMatch(PathPrefix("/m"), methods=("POST", "PUT"))),
        answer("slash", RouteMatch(PathPrefix("/dir/"))),
        answer("h-exact", RouteMatch(root, headers=(StringMatch("x-v", Kind.EXACT, "2"),))),
        answer("h-prefix", RouteMatch(root, headers=(StringMatch("x-v", Kind.PREFIX, "p-"),))),
        answer("h-suffix", RouteMatch(root, headers=(StringMatch("x-v", Kind.SUFFIX, "-s"),))),
        answer("h-has", RouteMatch(root, headers=(StringMatch("x-v", Kind.CONTAINS, "mid"),))),
        answer("h-regex", RouteMatch(root, headers=(StringMatch("x-v", Kind.REGEX, "r[0-9]"),))),
        answer("q-exact", RouteMatch(root, query=(StringMatch("debug", Kind.EXACT, "yes"),))),
        answer("q-there", RouteMatch(root, query=(StringMatch("trace", Kind.PRESENT),))),
        answer("prefix", RouteMatch(PathPrefix("/api"))),
        answer("absent", RouteMatch(root, headers=(StringMatch("x-v", Kind.ABSENT),))),
        answer("present", RouteMatch(root, headers=(StringMatch("x-v", Kind.PRESENT),))),
    ]
    return site("shop", *conditions)  # type: ignore[arg-type] - each is a Route


@pytest.fixture(scope="module")
def matching() -> Iterator[Served]:
    with served(edge(_matching_site(), http=(free_port(),))) as running:
        yield running


@pytest.mark.parametrize(
    ("target", "headers", "expected"),
    [
        ("/exact", (), "exact"),
        ("/exact?x=1", (), "exact"),
        ("/exact/", (), "absent"),
        ("/exact;x", (), "parameter"),
        ("/exact%3bx=1", (), "parameter"),
        ("/a;v=1/exact", (), "parameter"),
        ("/exact?x=;", (), "exact"),
        ("/item/42", (), "regex"),
        ("/item/42/x", (), "absent"),
        ("/dir/x", (), "slash"),
        ("/dir", (), "absent"),
        ("/", ("x-v: 2",), "h-exact"),
        ("/", ("x-v: p-1",), "h-prefix"),
        ("/", ("x-v: 1-s",), "h-suffix"),
        ("/", ("x-v: a-mid-b",), "h-has"),
        ("/", ("x-v: r7",), "h-regex"),
        ("/", ("x-v: other",), "present"),
        ("/?debug=yes", (), "q-exact"),
        ("/?debug=no", (), "absent"),
        ("/?debug=yes&debug=no", (), "q-exact"),
        ("/?debug=no&debug=yes", (), "absent"),
        ("/?debug=%79es", (), "absent"),
        ("/", ("x-v: 0", "x-v: 2"), "h-exact"),
        ("/", ("x-v: 2", "x-v: 0"), "h-exact"),
        ("/?trace", (), "q-there"),
        ("/api", (), "prefix"),
        ("/api/x", (), "prefix"),
        ("/api?x=1", (), "prefix"),
        ("/apis", (), "absent"),
    ],
)
def test_the_first_route_that_holds_decides(
    matching: Served, target: str, headers: tuple[str, ...], expected: str
) -> None:
    assert matching.get(target, headers=headers).body.decode() == expected


def test_routes_match_by_method(matching: Served) -> None:
    post = matching.get("/m", method="POST", headers=("content-length: 0",))
    assert post.body == b"method"
    assert matching.get("/m").body == b"absent"


@pytest.fixture(scope="module")
def app() -> Iterator[Origin]:
    with Origin() as running:
        yield running


@pytest.fixture(scope="module")
def rewriting(app: Origin) -> Iterator[Served]:
    def rewritten(name: str, path: object, rewrite: Rewrite) -> object:
        return route(f"shop/{name}", path, forward(rewrite=rewrite))  # type: ignore[arg-type] - a path

    routes = [
        rewritten("root", PathPrefix("/v1"), Rewrite(prefix="/")),
        rewritten("sub", PathPrefix("/v2"), Rewrite(prefix="/new")),
        rewritten("slashed", PathPrefix("/v3/"), Rewrite(prefix="/new")),
        rewritten("exact", PathExact("/one"), Rewrite(prefix="/other")),
        rewritten(
            "regex",
            PathRegex("/item/[0-9]+"),
            Rewrite(regex="^/item/([0-9]+)$", substitution="/i/\\1"),
        ),
        route("shop/host", PathPrefix("/host"), forward(host_rewrite="inner.test")),
        *(
            route(
                f"shop/own-{how}",
                PathPrefix(f"/own-{how}"),
                forward(host_rewrite="inner.test"),
                request_headers=changes,
            )
            for how, changes in (
                ("set", HeaderChanges(set=(("x-forwarded-host", "www.test"),))),
                ("remove", HeaderChanges(remove=("x-forwarded-host",))),
            )
        ),
        rewritten("deep", PathPrefix("/"), Rewrite(prefix="/deep")),
    ]
    shop = site("shop", *routes)  # type: ignore[arg-type] - each is a Route
    with served(edge(shop, http=(free_port(),), origins=(origin("app", app.port),))) as running:
        yield running


@pytest.mark.parametrize(
    ("target", "received"),
    [
        ("/v1", "/"),
        ("/v1/", "/"),
        ("/v1/x?q=1", "/x?q=1"),
        ("/v2", "/new"),
        ("/v2/x", "/new/x"),
        ("/v3/x", "/new/x"),
        ("/one?q=1", "/other?q=1"),
        ("/item/42?q=1", "/i/42?q=1"),
        ("/other/x", "/deep/other/x"),
    ],
)
def test_rewrites_reach_the_origin_and_the_record_keeps_what_was_asked(
    rewriting: Served, app: Origin, target: str, received: str
) -> None:
    response = rewriting.get(target)
    assert app.requests[-1].target.decode() == received
    assert rewriting.record_of(response)["path"] == target.partition("?")[0]


def test_the_host_can_be_rewritten_and_the_record_keeps_what_was_asked(
    rewriting: Served, app: Origin
) -> None:
    response = rewriting.get("/host", "SHOP.test:80")
    assert app.requests[-1].values("host") == [b"inner.test"]
    record = rewriting.record_of(response)
    assert (record["host"], record["path"]) == ("SHOP.test:80", "/host")
    rewriting.get("/v1")
    assert app.requests[-1].values("host") == [b"shop.test"]


@pytest.mark.parametrize(
    ("path", "told"),
    [("/host", [b"shop.test"]), ("/v1", []), ("/own-set", [b"www.test"]), ("/own-remove", [])],
)
def test_an_origin_that_is_sent_another_host_is_told_the_one_that_was_asked(
    rewriting: Served, app: Origin, path: str, told: list[bytes]
) -> None:
    rewriting.get(path, headers=("x-forwarded-host: outside.test",))
    assert app.requests[-1].values("x-forwarded-host") == told


@pytest.fixture(scope="module")
def redirecting() -> Iterator[Served]:
    shop = site(
        "shop",
        route("shop/a", PathExact("/old"), Redirect(301, path="/new")),
        route("shop/b", PathPrefix("/docs"), Redirect(302, prefix="/guide")),
        route("shop/c", PathPrefix("/base"), Redirect(307, prefix="/")),
        route("shop/d", PathPrefix("/host"), Redirect(308, scheme="https", host="www.test")),
        route("shop/e", PathPrefix("/q"), Redirect(303, path="/clean", strip_query=True)),
        route("shop/f", PathPrefix("/port"), Redirect(302, port=8443, scheme="https")),
        route("shop/i", PathExact("/frag"), Redirect(302, path="/new", fragment="a/b?100%")),
        route("shop/j", PathExact("/fragq"), Redirect(302, path="/new?b=2", fragment="x")),
        route("shop/k", PathExact("/frags"), Redirect(302, host="a.test", fragment="x")),
        route("shop/g", PathExact("/pong"), FixedResponse(418, "{}", "application/json")),
        route("shop/h", PathExact("/none"), FixedResponse(204)),
    )
    with served(edge(shop, http=(free_port(),))) as running:
        yield running


@pytest.mark.parametrize(
    ("target", "status", "location"),
    [
        ("/old?a=1", 301, "http://shop.test/new?a=1"),
        ("/docs/x?a=1", 302, "http://shop.test/guide/x?a=1"),
        ("/base/x", 307, "http://shop.test/x"),
        ("/host/x", 308, "https://www.test/host/x"),
        ("/q?a=1", 303, "http://shop.test/clean"),
        ("/port", 302, "https://shop.test:8443/port"),
        ("/frag?a=1", 302, "http://shop.test/new?a=1#a/b?100%"),
        ("/fragq?a=1", 302, "http://shop.test/new?b=2#x"),
        ("/frags?a=1", 302, "http://a.test/frags?a=1#x"),
    ],
)
def test_redirects_say_where_to(
    redirecting: Served, target: str, status: int, location: str
) -> None:
    response = redirecting.get(target)
    assert (response.status, response.header("location")) == (status, location)
    assert redirecting.record_of(response)["path"] == target.partition("?")[0]


def test_fixed_responses_are_sent_as_written(redirecting: Served) -> None:
    response = redirecting.get("/pong", headers=("accept: text/html",))
    assert (response.status, response.body) == (418, b"{}")
    assert response.header("content-type") == "application/json"
    assert redirecting.get("/none").status == 204


@pytest.mark.parametrize("mode", BotMode)
def test_what_a_route_sets_replaces_what_its_site_says_whatever_is_done_with_bots(
    app: Origin, mode: BotMode
) -> None:
    app.answer = lambda _: b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\ncache-control: a\r\n\r\n"
    one = "content-security-policy", "cache-control", "set-cookie"
    shop = site(
        "shop",
        route(
            "shop/own",
            PathPrefix("/own"),
            request_headers=HeaderChanges(set=(("accept-language", "route"),)),
            response_headers=HeaderChanges(set=tuple((name, "route") for name in one)),
        ),
        route(),
        request_headers=HeaderChanges(add=(("accept-language", "site"),)),
        response_headers=HeaderChanges(
            add=(("cache-control", "site"), ("set-cookie", "site")),
            set_if_absent=(("content-security-policy", "site"),),
        ),
        bots=BotPolicy(mode=mode),
    )
    with served(edge(shop, http=(free_port(),), origins=(origin("app", app.port),))) as running:
        answers = {path: running.get(path).headers for path in ("/own", "/other")}
    own = [pair for pair in answers["/own"] if pair[0] in one]
    assert sorted(own) == sorted((name, "route") for name in one)
    assert app.requests[-2].values("accept-language") == [b"route"]
    other = [pair for pair in answers["/other"] if pair[0] in one]
    assert sorted(other) == [
        ("cache-control", "a,site"),
        ("content-security-policy", "site"),
        ("set-cookie", "site"),
    ]


def test_headers_are_set_added_removed_and_defaulted(app: Origin) -> None:
    app.answer = lambda _: (
        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx-gone: 1\r\nx-there: origin\r\nx-set: 0\r\n\r\n"
    )
    shop = site(
        "shop",
        route(
            "shop/own",
            PathPrefix("/own"),
            request_headers=HeaderChanges(set=(("x-set", "route"),)),
            response_headers=HeaderChanges(set=(("x-set", "route 100%"),)),
        ),
        route(),
        request_headers=HeaderChanges(
            set=(("x-set", "site"),), add=(("x-more", "edge"),), remove=("x-gone",)
        ),
        response_headers=HeaderChanges(
            set=(("x-set", "site"),),
            add=(("x-there", "edge"),),
            remove=("x-gone",),
            set_if_absent=(("x-absent", "edge"), ("x-set-there", "edge")),
        ),
    )
    with served(edge(shop, http=(free_port(),), origins=(origin("app", app.port),))) as running:
        response = running.get("/", headers=("x-gone: 1", "x-more: client", "x-set: client"))
        request = app.requests[-1]
        assert "x-gone" not in request.names
        assert request.values("x-set") == [b"site"]
        assert request.values("x-more") == [b"client", b"edge"]
        assert response.header("x-gone") is None
        assert response.header("x-set") == "site"
        assert [v for k, v in response.headers if k == "x-there"] == ["origin", "edge"]
        assert response.header("x-absent") == "edge"
        own = running.get("/own")
        assert own.header("x-set") == "route 100%"
        assert app.requests[-1].values("x-set") == [b"route"]
    app.answer = lambda _: b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


def test_the_origin_learns_who_asked_and_nothing_of_envoy(app: Origin) -> None:
    with served(edge(http=(free_port(),), origins=(origin("app", app.port),))) as running:
        response = running.get(
            "/", headers=("x-forwarded-for: 6.6.6.6", "x-forwarded-proto: https", "x-envoy-a: 1")
        )
    request = app.requests[-1]
    assert request.values("x-forwarded-proto") == [b"http"]
    assert request.values("x-forwarded-for")[0].startswith(b"6.6.6.6,")
    assert request.values("x-request-id") == [(response.header("x-request-id") or "").encode()]
    assert not [name for name in request.names if name.startswith("x-envoy")]
    assert not [name for name, _ in response.headers if name.startswith("x-envoy")]


ANSWERS = (
    "server", "date", "via", "x-request-id", "content-type", "location", "set-cookie", "vary",
    "age", "etag", "alt-svc", "strict-transport-security", "retry-after", "cache-control", "x-own",
)  # fmt: skip
REQUESTS = (
    "x-request-id", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "via", "user-agent",
    "cookie", "date", "server", "authorization", "accept-encoding", "content-type", "referer",
    "traceparent", "range", "x-own",
)  # fmt: skip


def test_each_header_that_may_be_changed_is_and_the_rest_is_refused(app: Origin) -> None:
    there = "".join(f"{name}: origin\r\n" for name in ANSWERS)
    app.answer = lambda _: f"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n{there}\r\n".encode()

    def changed(side: str, name: str) -> list[Route]:
        ways = {
            "set": HeaderChanges(set=((name, "mine"),)),
            "remove": HeaderChanges(remove=(name,)),
        }
        return [
            route(
                f"shop/{side}-{name}-{how}",
                PathExact(f"/{side}/{name}/{how}"),
                request_headers=change if side == "request" else HeaderChanges(),
                response_headers=change if side == "response" else HeaderChanges(),
            )
            for how, change in ways.items()
        ]

    both = [each for name in ANSWERS for each in changed("response", name)]
    both += [each for name in REQUESTS for each in changed("request", name)]
    shop = edge(site("shop", *both), http=(free_port(),), origins=(origin("app", app.port),))
    without_effect = set()
    with served(shop) as running:
        for name in ANSWERS:
            for how, wanted in (("set", ["mine"]), ("remove", [])):
                answer = running.get(f"/response/{name}/{how}")
                if [value for key, value in answer.headers if key == name] != wanted:
                    without_effect.add(f"{how} {name}")
        for name in REQUESTS:
            for how, sent in (("set", [b"mine"]), ("remove", [])):
                running.get(f"/request/{name}/{how}", headers=(f"{name}: client",))
                assert app.requests[-1].values(name) == sent, (name, how)
    assert without_effect == {
        f"{how} {name}" for name, (hows, _) in OVERWRITTEN.items() for how in hows if how != "add"
    }
