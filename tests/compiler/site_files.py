"""Random site files and requests, all of it decided by the `Random` that is handed in.

The words are few and alike, so that conditions, hosts and prefixes meet each other often. A file
may still be one that the loader refuses, such as one with a route that can never match.
"""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, Final

from compiler.oracle import Headers, Part, Request, SiteFile

Made = dict[str, Any]

HOSTS: Final = (
    "a.test",
    "b.test",
    "*.test",
    "*.a.test",
    "www.a.test",
    "x.y.test",
    "*.y.test",
)
UNKNOWN_HOSTS: Final = ("zz.test", "nope.example", "q.a.test", "a.test.evil")
SEGMENTS: Final = (
    "a",
    "b",
    "A",
    "api",
    "x.html",
    "a%20b",
    "caf%C3%A9",
    "a+b",
    "a;v=1",
    "$1",
    "a.b",
)
PATH_REGEXES: Final = (
    "/item/[0-9]+",
    "/[a-z]+",
    r"/.*\.html",
    "/(a|b)/?",
    "(?i)/api/.*",
    "/[^/]+/[^/]+",
    "/caf%C3%A9.*",
)
PATHS_FOR_REGEXES: Final = ("/item/1", "/item/12x", "/b", "/a/", "/api/Q", "/API/x", "/")
METHODS: Final = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH")
CONDITION_HEADERS: Final = ("x-a", "x-b", "cookie", "accept", "user-agent")
HEADER_VALUES: Final = ("1", "2", "v2.1", "", "a b", "A", "text/html", "sid=1; t=2", "é")
PARAMETERS: Final = ("q", "debug", "a%20b", "x[]", "Q")
PARAMETER_VALUES: Final = ("1", "", "a%20b", "a+b", "x=y", "%C3%A9", "1,2")
REQUEST_CHANGES: Final = ("x-a", "x-b", "user-agent", "accept", "x-new", "cookie", "authorization")
ANSWER_CHANGES: Final = ("x-frame-options", "x-content-type-options", "x-o", "set-cookie", "x-new")
CHANGE_VALUES: Final = ("1", "a%b", "%REQ(x-a)%", "two words", "é", "100%", "a,b", "{x}")
TARGETS: Final = (
    "/new",
    "/new?x=1",
    "/new#top",
    "/new?x=1#top",
    "/a%20b",
    "https://o.test",
    "https://o.test/",
    "https://o.test:8443",
    "http://o.test/n?y=%20z",
    "https://o.test?z=1",
    "http://[::1]:81/x",
)
REGEX_REWRITES: Final = (
    {"regex": "/a", "to": "/z"},
    {"regex": "^/([^/]*)/(.*)$", "to": r"/\2/\1"},
    {"regex": "[0-9]+", "to": "N"},
    {"regex": "/$", "to": "/index.html"},
    {"regex": "^.*$", "to": "/c"},
)
HSTS: Final = (True, {"max_age": "1h", "include_subdomains": True}, {"preload": True})
SECURITY: Final = (
    False,
    {"frame_options": "DENY"},
    {"frame_options": False, "content_security_policy": "default-src 'self'"},
)
ORIGIN_SAYS: Final[Mapping[str, Headers]] = {
    "0": (),
    "1": (("x-frame-options", "ALLOW"), ("x-o", "1"), ("x-o", "2")),
    "2": (
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("cache-control", "max-age=1"),
        ("strict-transport-security", "max-age=1"),
    ),
    "3": (("x-content-type-options", "other"), ("etag", '"e"')),
}
"""Headers of an origin's answer, by what a request's `x-want` says."""


def site_file(rng: Random, origins: Mapping[str, str], *, http: int, https: int) -> Made:
    """A site file with up to three sites. The first one always serves `a.test` over https."""
    hosts = list(HOSTS[1:])
    rng.shuffle(hosts)
    sites = {
        f"s{number}": _site(rng, [hosts.pop() for _ in range(rng.randint(1, 2))], list(origins))
        for number in range(rng.randint(2, 3))
    }
    sites["s0"] |= {"hosts": ["a.test", *sites["s0"]["hosts"]], "tls": {"certificate": "c"}}
    if rng.random() < 0.3:
        sites["s1"]["hosts"].append("*")
    return {
        "version": 1,
        "listen": {"http": f"127.0.0.1:{http}", "https": f"127.0.0.1:{https}"},
        "certificates": {"c": {"cert": "c.pem", "key": "c.key"}},
        "origins": {name: {"endpoints": url} for name, url in origins.items()},
        "sites": sites,
    }


def request(rng: Random, file: SiteFile) -> Request:
    """A request that is aimed at one route, and often misses it by a little."""
    site = rng.choice(list(file["sites"].values()))
    route = rng.choice(site["routes"])
    want = rng.choice(list(ORIGIN_SAYS))
    return Request(
        method=rng.choice(route.get("methods", METHODS) if rng.random() < 0.7 else METHODS),
        host=_asked_host(rng, site),
        path=_asked_path(rng, route),
        query=_asked_query(rng, route),
        headers=(*_asked_headers(rng, route), ("x-want", want)),
        origin_says=ORIGIN_SAYS[want],
        tls=rng.random() < 0.4,
    )


def _site(rng: Random, hosts: list[str], origins: Sequence[str]) -> Made:
    site: Made = {"hosts": hosts, "tls": False, "bots": rng.choice(["off", "observe"])}
    if rng.random() < 0.8:
        site["origin"] = rng.choice(origins)
    site["routes"] = [_route(rng, f"r{number}", site, origins) for number in range(6)]
    if rng.random() < 0.5:
        site["headers"] = _changes(rng)
    if rng.random() < 0.5:
        site |= {"tls": {"certificate": "c"}, "hsts": rng.choice(HSTS)}
        site["redirect_to_https"] = rng.random() < 0.4
    if rng.random() < 0.5:
        site["security_headers"] = rng.choice(SECURITY)
    if rng.random() < 0.2:
        site["host_rewrite"] = "site.test"
    return site


def _route(rng: Random, name: str, site: Made, origins: Sequence[str]) -> Made:
    route: Made = {"name": name, **_conditions(rng)}
    kind = rng.random()
    if kind < 0.25:
        route["redirect"] = _redirect(rng, route)
    elif kind < 0.45:
        route["respond"] = _respond(rng)
    else:
        route |= _forward(rng, route)
        if "origin" not in site or rng.random() < 0.4:
            route["origin"] = rng.choice(origins)
    if rng.random() < 0.35:
        route["header_changes"] = _changes(rng)
    return route


def _conditions(rng: Random) -> Made:
    kind = rng.choice(["path", "prefix", "prefix", "prefix", "regex", "any"])
    found: Made = {}
    if kind in {"path", "prefix"}:
        found[kind] = _path(rng)
    elif kind == "regex":
        found[kind] = rng.choice(PATH_REGEXES)
    if rng.random() < 0.3 or kind == "any":
        found["methods"] = rng.sample(METHODS, rng.randint(1, 3))
    if rng.random() < 0.25:
        found["headers"] = {rng.choice(CONDITION_HEADERS): _condition(rng, HEADER_VALUES)}
    if rng.random() < 0.25:
        found["query"] = {rng.choice(PARAMETERS): _condition(rng, PARAMETER_VALUES)}
    return found


def _condition(rng: Random, values: Sequence[str]) -> str | Made:
    kind = rng.choice(["exact", "prefix", "suffix", "contains", "regex", "present", "short"])
    if kind == "present":
        return {kind: rng.random() < 0.5}
    if kind == "regex":
        return {kind: rng.choice(["[0-9]+", ".*", r"v2\..*", "a.b", "(?i)a"])}
    value = rng.choice([value for value in values if value])
    return value if kind == "short" else {kind: value}


def _redirect(rng: Random, route: Made) -> Made:
    if "prefix" in route and rng.random() < 0.5:
        redirect: Made = {"prefix": _path(rng)}
    else:
        redirect = {"to": rng.choice(TARGETS)}
    if rng.random() < 0.5:
        redirect["status"] = rng.choice([301, 302, 303, 307, 308])
    if rng.random() < 0.3:
        redirect["strip_query"] = True
    return redirect


def _respond(rng: Random) -> Made:
    respond: Made = {"status": rng.choice([200, 202, 403, 404, 410, 500, 503])}
    respond["body"] = rng.choice(["pong", "é%RESPONSE_CODE%", '{"a": 1}', ""])
    if respond["body"] and rng.random() < 0.3:
        respond["content_type"] = "application/json"
    return respond


def _forward(rng: Random, route: Made) -> Made:
    found: Made = {}
    if rng.random() < 0.5:
        by_prefix = "prefix" in route and rng.random() < 0.7
        found["rewrite"] = {"prefix": _path(rng)} if by_prefix else rng.choice(REGEX_REWRITES)
    if rng.random() < 0.2:
        found["host_rewrite"] = rng.choice(["in.test", "10.0.0.1"])
    return found


def _changes(rng: Random) -> Made:
    return {
        "request": _changes_of(rng, REQUEST_CHANGES),
        "response": _changes_of(rng, ANSWER_CHANGES),
    }


def _changes_of(rng: Random, names: Sequence[str]) -> Made:
    changes: Made = {
        kind: {rng.choice(names): rng.choice(CHANGE_VALUES) for _ in range(rng.randint(1, 2))}
        for kind in ("set", "add")
        if rng.random() < 0.5
    }
    if rng.random() < 0.4:
        changes["remove"] = rng.sample(names, rng.randint(1, 2))
    return changes


def _path(rng: Random) -> str:
    path = "/" + "/".join(rng.choice(SEGMENTS) for _ in range(rng.randint(0, 3)))
    return path + "/" if path != "/" and rng.random() < 0.25 else path


def _asked_host(rng: Random, site: Part) -> str:
    host: str = rng.choice(site["hosts"] if rng.random() < 0.9 else UNKNOWN_HOSTS)
    if host == "*":
        host = "any.example"
    elif host.startswith("*"):
        host = rng.choice(["w", "w.v", "W"]) + host[1:]
    if rng.random() < 0.15:
        host = host.upper()
    return host + rng.choice(["", "", "", "", "", "", ":80", ":8443", "."])


def _asked_path(rng: Random, route: Part) -> str:
    path: str | None = route.get("path") or route.get("prefix")
    if path is None or rng.random() < 0.15:
        return rng.choice([*PATHS_FOR_REGEXES, _path(rng)])
    bare = path.rstrip("/")
    return rng.choice(
        [path, path, f"{bare}/{rng.choice(SEGMENTS)}", bare or "/", bare + "/", path + "x"]
    )


def _asked_query(rng: Random, route: Part) -> str | None:
    names = list(route.get("query", ()))
    if not names and rng.random() < 0.6:
        return None
    values = [f"{rng.choice(names or PARAMETERS)}={_near(rng, route, 'query')}" for _ in range(2)]
    return "&".join(rng.choice([*values, rng.choice(PARAMETERS), "q=1&q=2", ""]) for _ in range(2))


def _asked_headers(rng: Random, route: Part) -> Headers:
    names = [*route.get("headers", ()), *rng.sample(CONDITION_HEADERS, rng.randint(0, 2))]
    headers = {name: _near(rng, route, "headers") for name in names}
    twice = [("x-a", rng.choice(HEADER_VALUES))] if rng.random() < 0.2 else []
    return (*headers.items(), *twice)


def _near(rng: Random, route: Part, kind: str) -> str:
    """A value that stands in a condition of the route, or just any."""
    wanted = [
        value
        for condition in route.get(kind, {}).values()
        for value in ([condition] if isinstance(condition, str) else condition.values())
        if isinstance(value, str)
    ]
    values = HEADER_VALUES if kind == "headers" else PARAMETER_VALUES
    return rng.choice(wanted if wanted and rng.random() < 0.4 else values)
