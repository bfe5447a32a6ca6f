"""A site file becomes an edge: defaults, includes, places, and nothing when there is an error."""

import pytest

from seawall import limits
from seawall.compiler.compile import compile_edge
from seawall.compiler.snapshot import TypeUrl
from seawall.model import (
    BalanceBy,
    Compression,
    FixedResponse,
    Forward,
    HeaderChanges,
    PathExact,
    PathPrefix,
    PathRegex,
    Redirect,
    Rewrite,
    Route,
    RouteClass,
    Site,
    StringMatch,
    StringMatchKind,
    Timeouts,
    UpstreamProtocol,
)
from seawall.site.load import LoadCache, Loaded, load
from seawall.site.problem import Severity
from site_text import HEAD, certificate_files, ids, load_text, sources

SHOP = HEAD + "sites:\n  shop:\n    hosts: [shop.example.com]\n    origin: http://127.0.0.1:3000\n"


def site_of(loaded: Loaded) -> Site:
    assert loaded.edge is not None, [str(p) for p in loaded.problems]
    return loaded.edge.sites[0]


def route_of(written: str, name: str = "r") -> Route:
    site = site_of(load_text(SHOP + f"    routes:\n      - {written}\n"))
    return next(route for route in site.routes if route.id == f"shop/{name}")


def forward_of(written: str) -> Forward:
    action = route_of(written).action
    assert isinstance(action, Forward)
    return action


def test_the_file_of_the_examiners_loads() -> None:
    text = (
        "version: 1\nlisten: {http: 127.0.0.1:18080}\nsites:\n"
        '  demo: {hosts: ["*"], origin: "http://127.0.0.1:8000"}\n'
    )
    loaded = load_text(text)
    assert loaded.problems == ()
    site = site_of(loaded)
    assert site.hosts == ("*",)
    (route,) = site.routes
    assert route.id == "demo/default"
    assert route.match.path == PathPrefix("/")
    assert isinstance(route.action, Forward)
    assert route.action.origin == "demo"


def test_defaults_are_safe() -> None:
    loaded = load_text(SHOP)
    site = site_of(loaded)
    action = site.routes[0].action
    assert isinstance(action, Forward)
    assert action.timeouts == Timeouts(answer_s=15, idle_s=300, per_try_s=0, total_s=0)
    assert action.retries.on == ("connect-failure", "refused-stream", "reset-before-request")
    assert action.retries.attempts == 1
    assert action.body_size_bytes_max == 10 * limits.MIB
    assert site.compression == (Compression.BROTLI, Compression.GZIP, Compression.ZSTD)
    assert site.response_headers.set_if_absent == (
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "SAMEORIGIN"),
    )
    assert site.hsts is None
    assert not site.redirect_to_https
    assert loaded.edge is not None
    (origin,) = loaded.edge.origins
    assert origin.health_check is None
    assert origin.outlier_ejection is not None
    assert origin.outlier_ejection.ejected_share_max == 0.5
    assert origin.load_balancing.by is BalanceBy.LEAST_REQUEST
    assert origin.protocol is UpstreamProtocol.HTTP1
    assert loaded.edge.limits.http2_streams_max == 100
    assert loaded.edge.trusted_proxies.cidrs == ()


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("{name: r, path: /a}", PathExact("/a")),
        ("{name: r, prefix: /a}", PathPrefix("/a")),
        ('{name: r, regex: "/a[0-9]"}', PathRegex("/a[0-9]")),
        ("{name: r, methods: GET}", PathPrefix("/")),
    ],
)
def test_paths_of_routes(written: str, path: object) -> None:
    assert route_of(written).match.path == path


def test_conditions_of_routes() -> None:
    match = route_of(
        "{name: r, methods: [GET, POST], headers: {X-V: '2', x-a: {present: false}}, "
        "query: {q: {contains: x}, p: {present: true}}}"
    ).match
    assert match.methods == ("GET", "POST")
    assert match.headers == (
        StringMatch("x-v", StringMatchKind.EXACT, "2"),
        StringMatch("x-a", StringMatchKind.ABSENT),
    )
    assert match.query == (
        StringMatch("q", StringMatchKind.CONTAINS, "x"),
        StringMatch("p", StringMatchKind.PRESENT),
    )


def test_answers_of_routes() -> None:
    assert route_of("{name: r, path: /a, redirect: {to: /b, status: 301}}").action == Redirect(
        301, path="/b"
    )
    assert route_of(
        "{name: r, path: /a, redirect: https://b.example:8443/c?d=e}"
    ).action == Redirect(302, scheme="https", host="b.example", port=8443, path="/c?d=e")
    assert route_of("{name: r, path: /a, redirect: 'http://[::1]:81/c'}").action == Redirect(
        302, scheme="http", host="[::1]", port=81, path="/c"
    )
    assert route_of("{name: r, path: /a, redirect: '/b?c#d/e'}").action == Redirect(
        302, path="/b?c", fragment="d/e"
    )
    assert route_of("{name: r, prefix: /a, redirect: {prefix: /b}}").action == Redirect(
        302, prefix="/b"
    )
    assert route_of("{name: r, path: /a, respond: {status: 204}}").action == FixedResponse(204)


def test_streams_have_no_time_bound_unless_one_is_written() -> None:
    assert forward_of("{name: r, prefix: /ws, websocket: true}").timeouts.answer_s == 0
    assert (
        forward_of("{name: r, prefix: /ws, websocket: true, timeout: 1h}").timeouts.answer_s == 3600
    )
    assert forward_of("{name: r, prefix: /x, timeout: 0s}").timeouts.answer_s == 0


def test_rewrites_and_bodies() -> None:
    assert forward_of("{name: r, prefix: /v1, rewrite: {prefix: /}}").rewrite == Rewrite(prefix="/")
    assert forward_of("{name: r, path: /a, rewrite: {regex: '(a)', to: '\\1'}}").rewrite == Rewrite(
        regex="(a)", substitution="\\1"
    )
    assert forward_of("{name: r, prefix: /u, max_body: unlimited}").body_size_bytes_max == 0
    assert forward_of("{name: r, prefix: /u, retries: false}").retries.attempts == 0


def test_a_route_takes_class_and_times_of_its_site() -> None:
    text = SHOP.replace("origin:", "class: api\n    timeout: 7s\n    origin:")
    site = site_of(load_text(text + "    routes: [{name: r, prefix: /a}]\n"))
    assert [route.route_class for route in site.routes] == [RouteClass.API] * 2
    assert {r.action.timeouts.answer_s for r in site.routes if isinstance(r.action, Forward)} == {7}


def test_origins_written_inside_are_called_after_their_place() -> None:
    loaded = load_text(SHOP + '    routes: [{name: r, prefix: /a, origin: "http://127.0.0.1:9"}]\n')
    assert loaded.edge is not None
    assert {origin.name for origin in loaded.edge.origins} == {"shop", "shop/r"}


def test_header_changes_of_a_site_overrule_the_security_headers() -> None:
    text = SHOP + (
        "    headers: {response: {set: {X-Frame-Options: DENY}, remove: [referrer-policy]}}\n"
        "    security_headers: {referrer_policy: no-referrer}\n"
    )
    assert site_of(load_text(text)).response_headers == HeaderChanges(
        set=(("x-frame-options", "DENY"),),
        remove=("referrer-policy",),
        set_if_absent=(("x-content-type-options", "nosniff"),),
    )
    off = site_of(load_text(SHOP + "    security_headers: false\n"))
    assert off.response_headers == HeaderChanges()


def test_narrow_error_pages_come_first() -> None:
    files = {"a.html": b"any {request_id}", "b.html": b"not found"}
    loaded = load_text(SHOP + "    error_pages: {4xx: a.html, 404: b.html}\n", files)
    pages = site_of(loaded).error_pages
    assert [(p.status_min, p.status_max, p.body) for p in pages] == [
        (404, 404, "not found"),
        (400, 499, "any {request_id}"),
    ]
    assert [file.path for file in loaded.referenced] == ["/site/a.html", "/site/b.html"]


def test_certificates_by_name_and_by_files() -> None:
    head = "version: 1\nlisten: {https: 127.0.0.1:8443}\n"
    files = certificate_files()
    by_name = load_text(
        head + "certificates: {main: {cert: certs/shop.pem, key: certs/shop.key}}\n"
        "sites: {shop: {hosts: [shop.example.com], origin: 'http://127.0.0.1:1', "
        "tls: {certificate: main}}}\n",
        files,
    )
    by_files = load_text(
        head + "sites: {shop: {hosts: [shop.example.com], origin: 'http://127.0.0.1:1', "
        "tls: {cert: certs/shop.pem, key: certs/shop.key}}}\n",
        files,
    )
    for loaded, name in ((by_name, "main"), (by_files, "site/shop")):
        assert site_of(loaded).certificate == name
        assert loaded.edge is not None
        (certificate,) = loaded.edge.certificates
        assert certificate.dns_names == ("shop.example.com",)
        assert certificate.chain_pem == files["certs/shop.pem"]
        assert certificate.key_pem.reveal() == files["certs/shop.key"]
        assert f"certificate {name}" in loaded.locations


def test_includes_are_joined_and_paths_are_relative_to_their_file() -> None:
    root = HEAD + "includes: [a.yaml, b.yaml]\norigins: {app: {endpoints: 'http://127.0.0.1:1'}}\n"
    one = "sites: {a: {hosts: [a.example], origin: app, error_pages: {404: x.html}}}\n"
    two = "version: 1\nsites: {b: {hosts: [b.example], origin: app}}\n"
    loaded = load_text(root, {"x.html": b"x"}, a=one, b=two)
    assert loaded.problems == ()
    assert loaded.edge is not None
    assert [site.name for site in loaded.edge.sites] == ["a", "b"]
    assert str(loaded.locations["site b"]) == "/site/b.yaml:2:9"


def test_a_name_defined_in_two_files_names_both_places() -> None:
    root = (
        HEAD
        + "includes: [a.yaml]\nsites: {a: {hosts: [a.example], origin: 'http://127.0.0.1:1'}}\n"
    )
    loaded = load_text(root, a="sites: {a: {hosts: [b.example], origin: 'http://127.0.0.1:1'}}\n")
    (problem,) = loaded.problems
    assert problem.id == "duplicate-name"
    assert str(problem.location) == "/site/a.yaml:1:9"
    assert "/site/seawall.yaml:4:9" in problem.why


def test_an_included_file_holds_named_parts_only() -> None:
    loaded = load_text(HEAD + "includes: [a.yaml]\n" + SHOP[len(HEAD) :], a="listen: {}\n")
    assert ids(loaded) == {"unknown-key"}


def test_a_missing_include_is_an_error_and_an_empty_folder_a_warning() -> None:
    (error,) = load_text(SHOP + "includes: [sites.yaml]\n").problems
    assert (error.id, error.severity) == ("include-missing", Severity.ERROR)
    (warning,) = load_text(SHOP + "includes: ['sites/*.yaml']\n").problems
    assert (warning.id, warning.severity) == ("include-missing", Severity.WARNING)
    (itself,) = load_text(SHOP + "includes: [seawall.yaml]\n").problems
    assert (itself.id, itself.severity) == ("include-missing", Severity.ERROR)
    assert "itself" in itself.what


def test_places_are_known_for_every_subject() -> None:
    loaded = load_text(SHOP + "    routes: [{name: r, prefix: /a}]\n")
    assert {subject: str(place) for subject, place in loaded.locations.items()} == {
        "listener http 127.0.0.1:8080": "/site/seawall.yaml:2:16",
        "origin shop": "/site/seawall.yaml:6:5",
        "site shop": "/site/seawall.yaml:4:3",
        "route shop/r": "/site/seawall.yaml:7:14",
        "route shop/default": "/site/seawall.yaml:6:13",
    }


def test_the_place_of_a_listener_is_known_by_the_name_that_envoy_is_told() -> None:
    loaded = load_text(SHOP.replace("127.0.0.1:8080", "['[::1]:80', '[::]:81', ':82']"))
    assert loaded.edge is not None
    told = {one.owner for one in compile_edge(loaded.edge).of_type(TypeUrl.LISTENER)}
    assert told == {one for one in loaded.locations if one.startswith("listener ")}


def test_all_problems_are_shown_at_once_and_errors_first() -> None:
    text = HEAD + (
        "origins: {spare: {endpoints: 'http://127.0.0.1:1'}}\n"
        "sites:\n"
        "  a: {hosts: [a.example], origin: nobody, timeot: 5s}\n"
        "  b: {hosts: [b.example, b.example], origin: nobody}\n"
        "  c: {hosts: ['c d'], routes: [{name: X, prefix: a}]}\n"
    )
    loaded = load_text(text)
    assert loaded.edge is None
    assert ids(loaded) == {
        "unknown-key",
        "unknown-origin",
        "duplicate-host",
        "invalid-host",
        "bad-name",
        "bad-path",
        "missing-origin",
        "unused-definition",
    }
    severities = [problem.severity for problem in loaded.problems]
    assert severities == sorted(severities, key=lambda s: s is not Severity.ERROR)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (SHOP + "    timeot: 5s\n", "Did you mean `timeout`?"),
        (SHOP + "    retries: {attempt: 5}\n", "Did you mean `attempts`?"),
        (SHOP + "    routes: [{name: a, prefix: /a, redirct: /b}]\n", "Did you mean `redirect`?"),
        (SHOP + "    hsts: {max-age: 5d}\n", "Did you mean `max_age`?"),
        (SHOP + "    class: pages\n", "Did you mean `page`?"),
        (
            SHOP.replace("origin: http", "origin: {endpoint: x}\n    timeout: 5s #"),
            "Did you mean `endpoints`?",
        ),
        (SHOP.replace("listen", "lissten"), "Did you mean `listen`?"),
        (
            SHOP.replace("http://127.0.0.1:3000", "sop")
            + "origins: {shop2: {endpoints: 'http://a'}}\n",
            "`shop2`?",
        ),
    ],
)
def test_a_typo_is_met_with_the_word_that_was_meant(text: str, hint: str) -> None:
    assert any(hint in problem.remedy for problem in load_text(text).problems)


def test_a_word_for_a_switch_is_met_with_true_or_false() -> None:
    (problem,) = load_text(SHOP + "    redirect_to_https: yes\n").problems
    assert "Write `true`." in problem.remedy


@pytest.mark.parametrize(
    ("written", "keys"),
    [
        ("routes: [{name: a, path: /a, respond: hi}]", "`status`, `body`, `content_type`"),
        ("routes: [{name: a, prefix: /a, rewrite: /b}]", "`prefix`, `regex`, `to`"),
    ],
)
def test_what_is_no_mapping_is_told_with_the_keys_of_one(written: str, keys: str) -> None:
    (problem,) = load_text(f"{SHOP}    {written}\n").problems
    assert problem.id == "wrong-type"
    assert problem.remedy == f"Write a mapping; its keys are {keys}."


def test_one_route_and_one_rule_may_stand_without_brackets() -> None:
    rule = "{name: one, when: score < 2, do: block}"
    alone = f"    routes: {{name: r, prefix: /a}}\n    bots: {{mode: enforce, rules: {rule}}}\n"
    listed = (
        f"    routes: [{{name: r, prefix: /a}}]\n    bots: {{mode: enforce, rules: [{rule}]}}\n"
    )
    assert site_of(load_text(SHOP + alone)) == site_of(load_text(SHOP + listed))


@pytest.mark.parametrize("written", ["routes: x", "routes: [x]"])
def test_an_entry_that_is_no_mapping_is_called_by_its_list(written: str) -> None:
    (problem,) = load_text(f"{SHOP}    {written}\n").problems
    assert problem.what == "An entry of `routes` is no mapping of keys to values."


HTTPS = "version: 1\nlisten: {https: 127.0.0.1:8443}\ntls: {development_ca: true}\n"


def test_one_wrong_value_is_one_problem() -> None:
    for written in ("hsts: {max_agee: 5d}", "hsts: 5", "retries: 3", "origin: 5", "tls: yes"):
        text = HTTPS + f"sites:\n  shop:\n    hosts: [a.example]\n    {written}\n"
        found = [p for p in load_text(text).problems if p.id != "empty-site"]
        assert len(found) == 1, [str(p) for p in found]


def test_a_cached_load_equals_a_fresh_one() -> None:
    cache = LoadCache()
    texts = [SHOP, SHOP + "    timeout: 5s\n", SHOP + "    timeout: 5\n", SHOP]
    for text in texts:
        cached = load(sources(text), cache=cache, read=certificate_files().__getitem__, now_s=0)
        again = load(sources(text), cache=cache, read=certificate_files().__getitem__, now_s=0)
        fresh = load(sources(text), read=certificate_files().__getitem__, now_s=0)
        assert cached == again == fresh


def test_unused_origins_and_certificates_are_left_out() -> None:
    loaded = load_text(SHOP + "origins: {spare: {endpoints: 'http://127.0.0.1:1'}}\n")
    assert ids(loaded) == {"unused-definition"}
    assert loaded.edge is not None
    assert [origin.name for origin in loaded.edge.origins] == ["shop"]


def test_a_secret_of_the_site_file_is_never_shown() -> None:
    files = dict(certificate_files())
    files["certs/other.key"] = (
        b"-----BEGIN PRIVATE KEY-----\nSECRETSECRET\n-----END PRIVATE KEY-----\n"
    )
    text = (
        "version: 1\nlisten: {https: 127.0.0.1:8443}\nsites: {shop: {hosts: [shop.example.com], "
        "origin: 'http://127.0.0.1:1', tls: {cert: certs/shop.pem, key: certs/other.key}}}\n"
    )
    loaded = load_text(text, files)
    assert ids(loaded) == {"bad-certificate"}
    assert "SECRET" not in repr(loaded)
