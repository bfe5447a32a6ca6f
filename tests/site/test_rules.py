"""The rules at their edges: what they must find, and what they must leave alone."""

import pytest

from seawall import limits
from seawall.compiler.names import CLUSTER_BOTS
from seawall.node.bootstrap import ADS_CLUSTER
from seawall.site.certificates import covers
from site_text import HEAD, certificate_files, ids, load_text

SHOP = HEAD + "sites:\n  shop:\n    hosts: [shop.example.com]\n    origin: http://127.0.0.1:3000\n"
HTTPS = "version: 1\nlisten: {http: 127.0.0.1:8080, https: 127.0.0.1:8443}\n"


def routes(*written: str) -> set[str]:
    lines = "".join(f"      - {{name: r{index}, {text}}}\n" for index, text in enumerate(written))
    return ids(load_text(SHOP + "    routes:\n" + lines))


def origin(written: str) -> set[str]:
    return ids(load_text(SHOP.replace("http://127.0.0.1:3000", "{" + written + "}")))


@pytest.mark.parametrize(
    "written",
    [
        ("prefix: /a", "prefix: /a"),
        ("prefix: /a", "prefix: /a/b"),
        ("prefix: /a", "path: /a"),
        ("prefix: /a", "path: /a/b"),
        ("prefix: /a/", "path: /a/b"),
        ("prefix: /", "regex: '/x[0-9]'"),
        ("regex: '/x[0-9]'", "regex: '/x[0-9]'"),
        ("regex: '/x[0-9]+'", "path: /x12"),
        ("path: /a", "path: /a, methods: GET"),
        ("path: /a, methods: [GET, POST]", "path: /a, methods: GET"),
        ("path: /a, headers: {x: '1'}", "path: /a, headers: {y: '2', x: '1'}"),
        ("path: /a, query: {q: {present: true}}", "path: /a, query: {q: {present: true}}"),
        ("prefix: /a", "regex: '/a/[0-9]+'"),
        ("prefix: /a/", "regex: '^/a/b?'"),
        ("prefix: /a", "regex: '/a/b.php', methods: GET"),
        ("prefix: /", "regex: '/(a|b)'"),
    ],
)
def test_a_route_behind_a_broader_one_is_unreachable(written: tuple[str, str]) -> None:
    assert routes(*written) == {"unreachable-route"}


@pytest.mark.parametrize("path", ["/a/*", "/*.php", "/a/:id", "/a/:id/b", "/a$"])
@pytest.mark.parametrize("key", ["path", "prefix"])
def test_a_path_that_looks_like_a_pattern_is_told(key: str, path: str) -> None:
    assert routes(f"{key}: '{path}'") == {"path-is-no-pattern"}


@pytest.mark.parametrize("path", ["/a/b:c", "/a:b/c", "/:", "/$a/b", "/a/:1", "/a/~b"])
def test_a_path_of_odd_letters_is_fine(path: str) -> None:
    assert routes(f"path: '{path}'") == set()


@pytest.mark.parametrize(
    "written",
    [
        ("prefix: /a", "prefix: /ab"),
        ("prefix: /a/b", "prefix: /a"),
        ("prefix: /a/", "path: /a"),
        ("prefix: /a/", "prefix: /a"),
        ("path: /a", "prefix: /a"),
        ("path: /a, methods: GET", "path: /a"),
        ("path: /a, methods: GET", "path: /a, methods: [GET, POST]"),
        ("path: /a, headers: {x: '1'}", "path: /a, headers: {x: '2'}"),
        ("path: /a, query: {q: '1'}", "path: /a"),
        ("regex: '/x[0-9]+'", "path: /x"),
        ("prefix: /x", "regex: '/x.*'"),
        ("prefix: /x", "regex: '/xy[0-9]'"),
        ("prefix: /x", "regex: '/x/?y'"),
        ("prefix: /x", "regex: '/x/*y'"),
        ("prefix: /x", "regex: '/x/{0,2}y'"),
        ("prefix: /x", "regex: '/x/a|/y/b'"),
        ("prefix: /x", "regex: '(?i)/x/a'"),
        ("prefix: /x", "regex: '/(x/a)?b'"),
        ("prefix: /x, methods: GET", "regex: '/x/a'"),
    ],
)
def test_a_route_behind_a_narrower_one_is_fine(written: tuple[str, str]) -> None:
    assert routes(*written) == set()


@pytest.mark.parametrize(
    "written",
    [
        "path: /a//b",
        "prefix: /a/../b",
        "path: /%41",
        "path: '/a|b'",
        "prefix: /a%2Fb",
        "path: '/a\\b'",
        "regex: '\\.php$'",
        "regex: 'item/[0-9]+'",
        "regex: '(?i)items?/.*'",
        "path: /a, query: {q: a b}",
        "path: /a, query: {q: {prefix: ä}}",
        "path: /a, query: {'q&r': '1'}",
    ],
)
def test_a_route_for_a_path_that_no_request_has_is_told(written: str) -> None:
    assert routes(written) == {"route-matches-nothing"}


@pytest.mark.parametrize(
    ("key", "path", "regex"),
    [
        ("path", "/a.b/{id}", "/a[.]b/[^/]+"),
        ("prefix", "/{user}/b/{id}", "/[^/]+/b/[^/]+(/.*)?"),
    ],
)
def test_a_path_with_named_parts_is_told_as_an_expression(key: str, path: str, regex: str) -> None:
    route = f"    routes:\n      - {{name: a, {key}: '{path}'}}\n"
    (problem,) = load_text(SHOP + route).problems
    assert problem.id == "route-matches-nothing"
    assert problem.remedy == f"Write `regex: '{regex}'`."
    assert routes(f"regex: '{regex}'") == set()


@pytest.mark.parametrize(
    "written",
    [
        "path: /a%20b",
        "prefix: /.well-known/",
        "path: /a;v=1",
        "regex: '/.*[.]php'",
        "regex: '.*[.]php'",
        "regex: '(a|/b)'",
        "regex: '[^a]b'",
        "regex: '^/a$'",
        "regex: '[!-0]a'",
        "regex: 'a?/b'",
        "regex: '(?i)/item'",
        "path: /a, query: {q: 'a%20b+c=[d]'}",
        "path: /a, query: {q: {regex: 'a b'}}",
    ],
)
def test_a_route_for_a_path_that_a_request_may_have_is_fine(written: str) -> None:
    assert routes(written) == set()


def test_a_wildcard_host_may_stand_beside_an_exact_one_but_not_twice() -> None:
    other = "  other: {{hosts: ['{}'], origin: 'http://127.0.0.1:1'}}\n"
    assert ids(load_text(SHOP + other.format("*.example.com"))) == set()
    twice = other.format("*.b.example") + other.replace("other", "more").format("*.B.example")
    assert ids(load_text(SHOP + twice)) == {"duplicate-host"}


def test_ten_thousand_and_one_routes_are_refused() -> None:
    site = "  s{}:\n    hosts: [s{}.example.com]\n    routes:\n"
    route = "      - {{name: r{}, path: /p{}, respond: {{status: 200}}}}\n"
    text = HEAD + "sites:\n"
    for number in range(11):
        count = 1000 if number < 10 else 1
        text += site.format(number, number)
        text += "".join(route.format(index, index) for index in range(count))
    (problem,) = load_text(text).problems
    assert problem.id == "too-many"
    assert "10,001 routes" in problem.what


def test_too_many_routes_of_one_site_are_refused() -> None:
    lines = [f"path: /p{n}" for n in range(limits.ROUTES_PER_SITE_MAX + 1)]
    assert routes(*lines) == {"too-many"}


def test_too_many_sites_are_refused_without_looking_at_each() -> None:
    sites = "".join(f"  s{n}: {{zzz: 1}}\n" for n in range(limits.SITES_MAX + 1))
    (problem,) = load_text(HEAD + "sites:\n" + sites).problems
    assert problem.id == "too-many"
    assert "2,001 sites" in problem.what


def test_the_name_of_the_catch_all_is_taken_only_when_there_is_one() -> None:
    written = "    routes: [{name: default, prefix: /a}]\n"
    assert ids(load_text(SHOP + written)) == {"duplicate-name"}
    without = SHOP.replace("    origin: http://127.0.0.1:3000\n", "")
    written = '    routes: [{name: default, prefix: /a, origin: "http://127.0.0.1:1"}]\n'
    assert ids(load_text(without + written)) == set()


def test_an_inline_origin_cannot_take_the_name_of_another() -> None:
    text = SHOP + "origins: {shop: {endpoints: 'http://127.0.0.1:1'}}\n"
    assert "duplicate-name" in ids(load_text(text))


@pytest.mark.parametrize(
    ("listen", "found"),
    [
        ("{http: [127.0.0.1:80, 127.0.0.1:80]}", {"listener-taken-twice"}),
        ("{http: [':80', 127.0.0.1:80]}", {"listener-taken-twice"}),
        ("{http: ['[::]:80', '[::1]:80']}", {"listener-taken-twice"}),
        ("{http: [127.0.0.1:80, 127.0.0.2:80]}", set()),
        ("{http: [':80', '[::]:80']}", set()),
        ("{}", {"no-listener"}),
    ],
)
def test_listeners(listen: str, found: set[str]) -> None:
    assert ids(load_text(SHOP.replace("{http: 127.0.0.1:8080}", listen))) == found


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("cidrs: [0.0.0.0/0]", {"trusted-proxies-everyone"}),
        ("cidrs: ['::/0']", {"trusted-proxies-everyone"}),
        ("hops: 2", {"trusted-proxies-everyone"}),
        ("cidrs: [10.0.0.0/8], hops: 2", set()),
        ("cidrs: 10.1.2.3", set()),
    ],
)
def test_trusted_proxies(written: str, found: set[str]) -> None:
    assert ids(load_text(SHOP + f"trusted_proxies: {{{written}}}\n")) == found


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("endpoints: ['http://a', 'https://b']", {"origin-scheme-mixed"}),
        ("endpoints: 'http://a', backup: 'https://b'", {"origin-scheme-mixed"}),
        ("endpoints: 'https://a', tls: {verify: false}", {"origin-verify-off"}),
        ("endpoints: 'https://10.0.0.1'", {"origin-tls"}),
        ("endpoints: ['https://a', 'https://b']", {"origin-tls"}),
        ("endpoints: ['https://a', 'https://b'], tls: {sni: a}", set()),
        ("endpoints: 'https://10.0.0.1', tls: {sni: a.example}", set()),
        ("endpoints: 'https://a', tls: {sni: '*.a'}", {"invalid-host"}),
        ("endpoints: 'https://a', tls: {sni: 10.0.0.1}", {"origin-tls"}),
        ("endpoints: 'https://10.0.0.1', tls: {sni: 10.0.0.1}", set()),
        ("endpoints: 'https://[fd00::1]', tls: {sni: '[fd00::1]'}", set()),
        ("endpoints: 'http://a', tls: {sni: a}", {"origin-tls"}),
        ("endpoints: 'http://a', protocol: auto", {"origin-tls"}),
        ("endpoints: 'https://a', protocol: auto", set()),
        ("endpoints: ['http://a', 'http://A:80/']", {"duplicate-endpoint"}),
        ("endpoints: 'http://a', backup: 'http://a'", {"duplicate-endpoint"}),
        ("endpoints: []", {"wrong-type"}),
        (
            "endpoints: 'http://a', load_balancing: {hash: {header: a, cookie: b}}",
            {"contradictory-keys"},
        ),
        ("endpoints: 'http://a', load_balancing: {}", {"contradictory-keys"}),
        ("endpoints: 'http://a', load_balancing: {hash: client_ip}", set()),
        ("endpoints: 'http://a', health_check: {path: /, interval: 1s}", set()),
        ("endpoints: ['http://[::1]', 'http://[0:0::1]:80']", {"duplicate-endpoint"}),
    ],
)
def test_origins(written: str, found: set[str]) -> None:
    assert origin(written) == found


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("regex: '('", {"bad-regex"}),
        ("regex: '(?=a)'", {"bad-regex"}),
        ("regex: '/[^\\x{100}]'", {"bad-regex"}),
        ("regex: '/(a{500}){500}'", {"bad-regex"}),
        ("regex: '/" + "a" * 1100 + "'", {"bad-regex"}),
        ("regex: '/a|/b'", set()),
        ("path: /a, headers: {x: {regex: '['}}", {"bad-regex"}),
        ("path: /a, query: {x: {regex: '['}}", {"bad-regex"}),
        ("path: /a, rewrite: {regex: '[', to: x}", {"bad-regex"}),
        ("path: /a, rewrite: {regex: '(a)', to: '\\2'}", {"bad-rewrite"}),
        ("path: /a, rewrite: {regex: '(a)', to: '\\x'}", {"bad-rewrite"}),
        ("path: /a, rewrite: {regex: '(a)', to: '\\1\\\\'}", set()),
        ("regex: '/(a)', rewrite: {regex: '/(a)', to: '/b/$1'}", {"bad-rewrite"}),
        ("regex: '/(a)', rewrite: {regex: '/(a)', to: '/b/${1}'}", {"bad-rewrite"}),
        ("regex: '/(a)', rewrite: {regex: '/a', to: '/b/$1'}", set()),
        ("regex: '/(a)', redirect: '/b/\\1'", {"bad-rewrite"}),
        ("regex: '/(a)', redirect: 'https://b.example/$1'", {"bad-rewrite"}),
        ("path: /a, redirect: '/b?price=$1'", set()),
        ("path: /a, methods: []", {"route-matches-nothing"}),
        ("path: /a, methods: [TRACE, M-SEARCH]", {"route-matches-nothing"}),
        ("path: /a, methods: [TRACE, PURGE]", set()),
        ("path: /a, rewrite: {prefix: /b}", {"bad-rewrite"}),
        ("path: /a, redirect: {prefix: /b}", {"bad-rewrite"}),
        ("prefix: /a, rewrite: {prefix: /b, regex: x, to: y}", {"contradictory-keys"}),
        ("prefix: /a, rewrite: {regex: x}", {"contradictory-keys"}),
        ("prefix: /a, redirect: /b, respond: {status: 200}", {"contradictory-keys"}),
        ("prefix: /a, redirect: /b, timeout: 5s", {"contradictory-keys"}),
        ("path: /a, headers: {x: {exact: a, prefix: b}}", {"contradictory-keys"}),
        ("path: /a, redirect: //b.example", {"bad-path"}),
        ("path: /a, redirect: {status: 301}", {"missing-key"}),
        ("path: /a, redirect: {}", {"missing-key"}),
        ("path: /a, redirect: {to: b, status: 301, strip_query: true}", {"bad-path"}),
        ("path: /a, redirect: b", {"bad-path"}),
        ("path: /a, redirect: 'javascript:alert(1)'", {"bad-path"}),
        ("path: /a, redirect: 'https://b.example:99999/'", {"bad-path"}),
        ("path: /a, redirect: 'https://u@b.example/'", {"bad-path"}),
        ("path: /a, host_rewrite: '*.b.example'", {"invalid-host"}),
        ("path: /a, redirect: /a", {"redirect-loop"}),
        ("prefix: /a, redirect: /a/b", {"redirect-loop"}),
        ("prefix: /a, redirect: {prefix: /a/b}", {"redirect-loop"}),
        ("prefix: /a, redirect: 'http://other.example/a'", set()),
        ("regex: '/a/.*', redirect: /a/b", {"redirect-loop"}),
        ("regex: '/a/.*', redirect: /a", set()),
        ("regex: '(', redirect: /a", {"bad-regex"}),
        ("path: /a, headers: {X-A: {prefix: a}, x-a: {suffix: b}}", {"header-twice"}),
        ('path: /a, header_changes: {request: {set: {x-a: "1", X-A: "2"}}}', {"header-twice"}),
        ('path: /a, header_changes: {response: {add: {x-a: "1"}, set: {X-A: "2"}}}', set()),
        ("path: /a, redirect: /a/", set()),
        ("prefix: /a, headers: {X_KEY: a}", {"route-matches-nothing"}),
        ("prefix: /a, headers: {x_key: {present: true}}", {"route-matches-nothing"}),
        ("prefix: /a, headers: {x_key: {present: false}, x-key: a_b}", set()),
        ("prefix: /a, total_timeout: 10s", set()),
        ("prefix: /a, retries: {per_try_timeout: 20s}", set()),
        ("prefix: /a, timeout: 15s, total_timeout: 10s", {"contradictory-timeouts"}),
        (
            "prefix: /a, retries: {per_try_timeout: 20s}, total_timeout: 10s",
            {"contradictory-timeouts"},
        ),
        ("prefix: /a, timeout: 1s, retries: {per_try_timeout: 2s}", {"contradictory-timeouts"}),
        ("prefix: /a, grpc: true", {"protocol-mismatch"}),
        ("regex: /a, rewrite: {regex: a, to: '/i?id=\\0'}", set()),
        ('regex: /a, rewrite: {regex: a, to: "/b\\r"}', {"bad-path"}),
        ("regex: /a, rewrite: {regex: a, to: /b c}", {"bad-path"}),
        ("regex: /a, rewrite: {regex: a, to: /ä}", {"bad-path"}),
        ("query: {? " + "a" * 1024 + " : x}", set()),
        ("query: {? " + "a" * 1025 + " : x}", {"too-many"}),
    ],
)
def test_routes(written: str, found: set[str]) -> None:
    assert routes(written) == found


@pytest.mark.parametrize("first", ["regex: '/(wait|style)[.].*'", "path: /wait.html"])
def test_a_redirect_of_everything_ends_at_a_route_above_it(first: str) -> None:
    assert routes(first, "prefix: /, redirect: /wait.html") == set()


def test_a_redirect_inside_its_prefix_is_fine_when_an_earlier_route_takes_the_target() -> None:
    assert routes("path: /a/b", "prefix: /a, redirect: /a/b") == set()


@pytest.mark.parametrize(
    ("site", "found"),
    [
        ("tls: {cert: certs/shop.pem, key: certs/shop.key}", set()),
        ("tls: false", {"https-without-certificate"}),
        ("class: page", {"https-without-certificate"}),
        ("tls: {cert: certs/shop.pem}", {"unknown-certificate"}),
        ("tls: {certificate: nobody}", {"unknown-certificate"}),
        ("tls: {cert: certs/shop.pem, key: certs/other.key}", {"certificate-key-mismatch"}),
        ("tls: {cert: certs/shop.key, key: certs/shop.key}", {"bad-certificate"}),
        ("tls: {cert: certs/shop.pem, key: certs/shop.pem}", {"bad-certificate"}),
        ("tls: {cert: certs/none.pem, key: certs/none.key}", {"file-missing"}),
        ("tls: {cert: certs/soon.pem, key: certs/soon.key}", {"certificate-expires-soon"}),
        ("tls: {cert: certs/brief.pem, key: certs/brief.key}", set()),
        (
            "tls: {cert: certs/late.pem, key: certs/late.key}",
            {"certificate-expires-soon"},
        ),
        ("tls: {cert: certs/expired.pem, key: certs/expired.key}", {"certificate-expired"}),
        ("tls: {cert: certs/other.pem, key: certs/other.key}", {"certificate-missing-name"}),
        ("tls: {cert: certs/open.pem, key: certs/open.key}", {"key-file-permissions"}),
    ],
)
def test_certificates(site: str, found: set[str]) -> None:
    text = SHOP.replace(HEAD, HTTPS) + f"    {site}\n"
    assert ids(load_text(text, certificate_files())) == found


@pytest.mark.parametrize("name", [ADS_CLUSTER, CLUSTER_BOTS])
def test_no_origin_has_the_name_of_a_server_of_the_node(name: str) -> None:
    url = "http://127.0.0.1:3000"
    assert ids(load_text(SHOP.replace("  shop:", f"  {name}:"))) == {"reserved-origin"}
    named = HEAD + f"origins: {{{name}: {{endpoints: '{url}'}}}}\n" + SHOP.removeprefix(HEAD)
    assert ids(load_text(named.replace(f"origin: {url}", f"origin: {name}"))) == {"reserved-origin"}
    routed = SHOP.replace("  shop:", f"  {name}:").replace(f"    origin: {url}\n", "")
    routed += f"    routes: [{{name: r, prefix: /, origin: '{url}'}}]\n"
    assert ids(load_text(routed)) == set()


@pytest.mark.parametrize("listen", ["{https: ':8443'}", "{http: ':8080', https: ':8443'}"])
def test_a_listener_for_https_that_no_site_is_left_for(listen: str) -> None:
    text = f"version: 1\nlisten: {listen}\ntls: {{development_ca: true}}\n"
    shop = "sites: {shop: {hosts: [a.example], origin: 'http://127.0.0.1:3000', tls: false}}\n"
    assert ids(load_text(text + shop)) == {"https-without-certificate"}


def test_a_narrower_error_page_is_no_second_one_for_the_same_statuses() -> None:
    pages = {"a.html": b"a", "b.html": b"b"}
    both = SHOP + "    error_pages: {%s: a.html, 5xx: b.html}\n"
    assert ids(load_text(both % "503", pages)) == set()
    assert ids(load_text(both % "500-599", pages)) == {"duplicate-error-page"}


@pytest.mark.parametrize(
    ("statuses", "shown"),
    [("401", False), ("2xx", False), ("100-199", False), ("4xx", True), ("503-599", True)],
)
def test_an_error_page_that_is_never_shown(statuses: str, *, shown: bool) -> None:
    text = SHOP + f"    error_pages: {{{statuses}: a.html}}\n"
    assert ids(load_text(text, {"a.html": b"a"})) == (
        set() if shown else {"error-page-never-shown"}
    )


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ("accept-encoding: gzip", {"golden-compressed"}),
        ("Accept-Encoding: identity", set()),
        ("accept: text/html", set()),
    ],
)
def test_text_is_not_looked_for_in_a_compressed_answer(headers: str, found: set[str]) -> None:
    text = SHOP + f"    golden: [{{path: /, headers: {{{headers}}}, contains: ok}}]\n"
    assert ids(load_text(text)) == found
    assert ids(load_text(text.replace(", contains: ok", ""))) == set()


@pytest.mark.parametrize("host", ["10.0.0.256", "10.0.0", "010.0.0.1", "1.2.3.4.5"])
def test_numbers_that_are_no_address_are_no_name(host: str) -> None:
    assert ids(load_text(SHOP.replace("127.0.0.1:3000", f"{host}:3000"))) == {"numbers-are-no-name"}
    site = HEAD + f"sites: {{shop: {{hosts: [{host}], origin: 'http://127.0.0.1:3000'}}}}\n"
    assert ids(load_text(site)) == {"numbers-are-no-name"}


@pytest.mark.parametrize("host", ["10.0.0.255", "web.1", "4711", "1.example"])
def test_a_name_may_hold_numbers(host: str) -> None:
    assert ids(load_text(SHOP.replace("127.0.0.1:3000", f"{host}:3000"))) == set()


def test_a_large_or_binary_error_page_is_refused() -> None:
    text = SHOP + "    error_pages: {404: page.html}\n"
    assert ids(load_text(text, {"page.html": b"x" * 65_537})) == {"file-unreadable"}
    assert ids(load_text(text, {"page.html": b"x" * 2_000_000})) == {"file-unreadable"}
    assert ids(load_text(text, {"page.html": b"\xff"})) == {"file-unreadable"}
    assert ids(load_text(text, {"page.html": b"fine"})) == set()


def test_what_follows_from_a_broken_part_is_not_reported() -> None:
    broken_origin = HEAD + (
        "origins: {app: {endpoints: 'nonsense'}}\n"
        "sites: {shop: {hosts: [a.example], origin: app}}\n"
    )
    assert ids(load_text(broken_origin)) == {"bad-url"}
    broken_listen = SHOP.replace("http: 127.0.0.1:8080", "https: nonsense") + (
        "    redirect_to_https: true\n"
    )
    assert ids(load_text(broken_listen)) == {"bad-address"}
    broken_site = HEAD + (
        "origins: {app: {endpoints: 'http://a'}}\n"
        "sites: {shop: {hosts: [a.example], origin: app, zzz: 1}}\n"
    )
    assert ids(load_text(broken_site)) == {"unknown-key"}


@pytest.mark.parametrize(
    ("names", "host", "covered"),
    [
        (("::1",), "[::1]", True),
        (("a.example",), "a.example", True),
        (("*.a.example",), "b.a.example", True),
        (("*.a.example",), "c.b.a.example", False),
        (("*.a.example",), "a.example", False),
        (("*.a.example",), "*.a.example", True),
        (("b.a.example",), "*.a.example", False),
        ((), "*", True),
        (("example",), "other", False),
    ],
)
def test_which_hosts_a_certificate_covers(names: tuple[str, ...], host: str, covered: bool) -> None:
    assert covers(names, host) is covered


@pytest.mark.parametrize(
    ("how", "header"),
    [
        ("set: {server: x}", "server"),
        ("add: {Server: x}", "server"),
        ("remove: server", "server"),
        ("set: {x-request-id: x}", "x-request-id"),
        ("remove: [x-a, date]", "date"),
    ],
)
def test_a_change_of_a_header_that_the_edge_writes_last_is_refused(how: str, header: str) -> None:
    change = f"{{response: {{{how}}}}}"
    for written in (f"headers: {change}", f"routes: [{{name: a, header_changes: {change}}}]"):
        [problem] = load_text(f"{SHOP}    {written}\n").problems
        assert problem.id == "header-overwritten"
        assert f"`{header}`" in problem.what
        assert problem.location.line == SHOP.count("\n") + 1


@pytest.mark.parametrize(
    "headers",
    ["{response: {set: {date: x}}}", "{request: {set: {server: x, x-request-id: y}}}"],
)
def test_what_reaches_the_other_side_may_be_changed(headers: str) -> None:
    assert ids(load_text(f"{SHOP}    headers: {headers}\n")) == set()


def test_hsts_has_the_last_word_of_a_site() -> None:
    text = SHOP.replace("version: 1\n", "") + "    headers: {response: {set: {%s: x}}}\n"
    header = text % "strict-transport-security"
    assert "header-overwritten" not in ids(load_text(header))
    assert "header-overwritten" in ids(load_text(f"{header}    hsts: true\n"))


@pytest.mark.parametrize(
    ("hosts", "more", "found"),
    [
        ("['127.0.0.1', '[::1]']", "", {"address-over-https"}),
        ("['127.0.0.1', shop.example.com]", "", set()),
        ("['127.0.0.1']", "    tls: false\n", set()),
        ("['127.0.0.1']", "  all: {hosts: '*', origin: 'http://127.0.0.1:1'}\n", set()),
    ],
)
def test_a_site_of_addresses_alone_cannot_be_reached_over_https(
    hosts: str, more: str, found: set[str]
) -> None:
    text = SHOP.replace(HEAD, HTTPS + "tls: {development_ca: true}\n")
    text = text.replace("[shop.example.com]", hosts)
    other = "  other: {hosts: other.example.com, origin: 'http://127.0.0.1:1'}\n"
    assert ids(load_text(text + more + other)) == found


def test_a_golden_request_asks_for_a_name_before_an_address() -> None:
    hosts = "[192.0.2.7, '[2001:db8::1]', '*.example.com', shop.example.com]"
    loaded = load_text(SHOP.replace("[shop.example.com]", hosts) + "    golden: /\n")
    assert loaded.edge is not None
    assert [golden.host for golden in loaded.edge.golden] == ["shop.example.com"]
