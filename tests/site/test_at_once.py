"""All problems at once: one broken value hides no other problem, and brings none that is not one.

The file here is one in which every default, and every key that is not there, would be a mistake:
what is made of a broken value shows at once.
"""

import copy
import json
from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seawall import limits
from seawall.ids import SiteName
from seawall.secret import Secret
from seawall.site.load import load
from seawall.site.problem import Problem, Severity
from site_text import certificate_files, load_text, sources

Way = tuple[str | int, ...]

GOOD: dict[str, Any] = {
    "version": 1,
    "listen": {"http": [{"address": "127.0.0.1:8080"}], "https": "127.0.0.1:8443"},
    "trusted_proxies": {"cidrs": ["10.0.0.0/8"], "hops": 2},
    "tls": {"min_version": "1.3", "development_ca": True},
    "limits": {"max_connections": 100},
    "access_log": {"sample": "1%", "request_headers": ["x-a"]},
    "rollout": {
        "steps": ["1%", {"share": "60%", "soak": "3m", "deadline": "4m"}],
        "waves": ["canary", "100%"],
        "baseline": False,
        "bake": "1h",
        "taste_deadline": "30s",
    },
    "bots": {
        "shadow": "models/current.json",
        "retrain": {"every": "24h", "to": "model", "budget": "1%"},
        "ranges": {"every": "24h"},
    },
    "lists": {
        "bad": {"file": "lists/empty.txt", "format": "cidr", "may_be_empty": True},
        "google-common": {},
    },
    "certificates": {"own": {"cert": "certs/shop.pem", "key": "certs/shop.key"}},
    "origins": {
        "app": {
            "endpoints": [{"url": "https://10.0.0.1", "weight": 2}, "https://10.0.0.2"],
            "backup": ["https://10.0.0.3"],
            "protocol": "http2",
            "load_balancing": {"hash": {"header": "x-a"}},
            "health_check": {"path": "/up", "interval": "30s", "timeout": "20s"},
            "tls": {"sni": "app.example.com", "ca": "certs/ca.pem"},
        },
        "spare": {
            "endpoints": ["http://127.0.0.1:3003"],
            "load_balancing": {"hash": "client_ip"},
            "health_check": {"path": "/up", "interval": "1s", "timeout": "1s"},
        },
    },
    "sites": {
        "shop": {
            "hosts": ["shop.example.com"],
            "origin": "app",
            "class": "api",
            "tls": {"certificate": "own"},
            "redirect_to_https": True,
            "hsts": {"max_age": "400d", "include_subdomains": True, "preload": True},
            "deny": ["bad"],
            "bots": {
                "mode": "enforce",
                "rules": [
                    {"name": "low", "when": "score <= 2", "do": "block"},
                    {"name": "mid", "when": "score <= 9", "do": {"challenge": {"level": 2}}},
                    {
                        "name": "many",
                        "when": "arrivals >= 3",
                        "do": {"rate": {"requests": 9, "per": "60s"}},
                    },
                ],
                "categories": {"seo": {"limit": {"requests": 9, "per": "10m"}}},
                "robots": {"extra": ["Disallow: /cart"]},
                "challenge": {"level": 2, "contact": "mailto:a@example.com"},
            },
            "error_pages": {"5xx": "pages/5xx.html"},
            "headers": {"request": {"set": {"x-edge": "1"}}},
            "timeout": "40s",
            "retries": {"attempts": 2, "per_try_timeout": "40s"},
            "golden": [{"path": "/up", "https": True}],
            "routes": [
                {"name": "old", "path": "/old", "redirect": {"to": "/new/page", "status": 301}},
                {"name": "new", "prefix": "/new", "methods": ["GET"], "class": "page"},
                {"name": "rest", "prefix": "/new", "headers": {"x-a": {"exact": "1"}}},
                {"name": "item", "regex": "/item/[0-9]+", "query": {"q": "1"}, "timeout": "50s"},
                {
                    "name": "stream",
                    "prefix": "/stream",
                    "websocket": True,
                    "origin": "http://127.0.0.1:3001",
                    "rewrite": {"prefix": "/"},
                    "retries": {"per_try_timeout": "90s"},
                },
                {"name": "rpc", "prefix": "/rpc", "grpc": True, "retries": {"attempts": 1}},
                {"name": "pong", "path": "/pong", "respond": {"status": 200, "body": "pong"}},
            ],
        },
        "blog": {
            "hosts": ["*.blog.example.com"],
            "tls": {"cert": "certs/blog.pem", "key": "certs/blog.key"},
            "golden": [{"path": "/up", "host": "www.blog.example.com"}],
            "routes": [
                {
                    "name": "api",
                    "path": "/api",
                    "grpc": True,
                    "origin": {"endpoints": "http://127.0.0.1:3002", "protocol": "http2"},
                },
                {"name": "away", "prefix": "/away", "redirect": "https://www.example.com/"},
                {"name": "still", "prefix": "/still", "respond": {"status": 200}},
                {"name": "spare", "prefix": "/spare", "origin": "spare"},
            ],
        },
    },
}


@lru_cache(maxsize=1)
def files() -> dict[str, bytes]:
    made = dict(certificate_files())
    for part in ("pem", "key"):
        made[f"certs/blog.{part}"] = made[f"certs/wild.{part}"]
    return made | {"lists/empty.txt": b"", "pages/5xx.html": b"<p>Sorry"}


def problems(tree: Any) -> tuple[Problem, ...]:
    text = json.dumps(tree, indent=1).replace(json.dumps(TAGGED), "!tagged 1")
    return load_text(text, files()).problems


def told(found: tuple[Problem, ...]) -> set[tuple[str, str]]:
    """What is said of what; the place moves with the text."""
    return {(problem.id, problem.what) for problem in found}


TAGGED = "(tagged)"
UNFIT: Any = [[{"unfit": []}]]


def values(node: Any, path: Way = ()) -> Iterator[Way]:
    """The path of every value of the file."""
    if path:
        yield path
    if isinstance(node, dict | list):
        for step, below in node.items() if isinstance(node, dict) else enumerate(node):
            yield from values(below, (*path, step))


def changed(tree: Any, path: Way, value: Any) -> Any:
    made = copy.deepcopy(tree)
    *way, last = path
    holder = made
    for step in way:
        holder = holder[step]
    holder[last] = value
    return made


def mistyped(tree: Any, path: Way) -> Any:
    """The same with a letter too many in the last key."""
    made = copy.deepcopy(tree)
    *way, last = path
    holder = made
    for step in way:
        holder = holder[step]
    holder[f"{last}{last[-1]}"] = holder.pop(last)
    return made


NAMES = {"lists", "certificates", "origins", "sites", "headers", "query", "set", "error_pages"}
VALUES = tuple(values(GOOD))
KEYS = tuple(p for p in VALUES if isinstance(p[-1], str) and (len(p) < 2 or p[-2] not in NAMES))


def test_the_file_has_no_problem() -> None:
    assert problems(GOOD) == ()


@pytest.mark.parametrize("wrong", [TAGGED, None, UNFIT], ids=["tagged", "empty", "unfit"])
def test_one_broken_value_is_one_problem(wrong: Any) -> None:
    found = {path: problems(changed(GOOD, path, wrong)) for path in VALUES}
    assert {path: these for path, these in found.items() if len(these) != 1} == {}


def test_one_mistyped_key_is_one_problem() -> None:
    found = {path: problems(mistyped(GOOD, path)) for path in KEYS}
    assert {path: these for path, these in found.items() if len(these) != 1} == {}
    assert {these[0].id for these in found.values()} == {"unknown-key", "unknown-value"}


MISTAKES: dict[str, tuple[Way, Any]] = {
    # Of the edge.
    "listener twice": (("listen", "https"), "127.0.0.1:8080"),
    "everyone trusted": (("trusted_proxies", "cidrs", 0), "0.0.0.0/0"),
    "steps shrink": (("rollout", "steps", 0), "70%"),
    "deadline before soak": (("rollout", "steps", 1, "deadline"), "1m"),
    "baseline too large": (("rollout", "baseline"), True),
    "rollout too long": (("rollout", "taste_deadline"), "bad"),
    "model file retrained": (("bots", "model"), "models/current.json"),
    "shadow not a model": (("bots", "shadow"), "certs/not-pem.txt"),
    "list not one": (("lists", "bad", "file"), "certs/not-pem.txt"),
    "list unused": (("lists", "more"), {}),
    "list reserved": (("lists", "bot-model"), {}),
    # Of origins.
    "origin unused": (("origins", "more"), {"endpoints": "http://127.0.0.1:4000"}),
    "schemes mixed": (("origins", "app", "endpoints", 1), "http://10.0.0.2"),
    "endpoint twice": (("origins", "app", "backup", 0), "https://10.0.0.1"),
    "not verified": (("origins", "app", "tls", "verify"), False),
    "authority missing": (("origins", "app", "tls", "ca"), "certs/none.pem"),
    "balanced twice": (("origins", "app", "load_balancing", "by"), "round_robin"),
    # Of certificates.
    "key missing": (("certificates", "own", "key"), "certs/none.key"),
    "key of another": (("certificates", "own", "key"), "certs/other.key"),
    "certificate bad": (("sites", "blog", "tls", "cert"), "certs/not-pem.txt"),
    "certificate unused": (
        ("certificates", "more"),
        {"cert": "certs/shop.pem", "key": "certs/shop.key"},
    ),
    # Of a site.
    "host of another": (("sites", "blog", "hosts"), ["*.blog.example.com", "shop.example.com"]),
    "host not covered": (("sites", "shop", "hosts"), ["shop.example.com", "b.example.com"]),
    "list unknown": (("sites", "shop", "deny"), ["bad", "worse"]),
    "preload incomplete": (("sites", "shop", "hsts", "max_age"), "1d"),
    "page missing": (("sites", "shop", "error_pages", "5xx"), "pages/none.html"),
    "golden unsafe": (("sites", "shop", "golden", 0, "method"), "POST"),
    "golden elsewhere": (("sites", "shop", "golden", 0, "host"), "www.example.com"),
    "golden credentials": (("sites", "shop", "golden", 0, "headers"), {"cookie": "a=1"}),
    "origin unknown": (("sites", "shop", "origin"), "ap"),
    # Of its routes.
    "route twice": (("sites", "shop", "routes", 3, "name"), "old"),
    "route covered": (("sites", "shop", "routes", 2, "methods"), ["GET"]),
    "route loops": (("sites", "shop", "routes", 0, "redirect", "to"), "/old"),
    "expression bad": (("sites", "shop", "routes", 3, "regex"), "/item/(?=1)"),
    "group missing": (
        ("sites", "shop", "routes", 3, "rewrite"),
        {"regex": "([0-9])", "to": "\\2"},
    ),
    "prefix missing": (("sites", "shop", "routes", 3, "rewrite"), {"prefix": "/a"}),
    "tries too long": (("sites", "shop", "routes", 3, "timeout"), "9s"),
    "gRPC in HTTP/1.1": (("sites", "blog", "routes", 0, "origin", "protocol"), "http1"),
    "nowhere to go": (("sites", "blog", "routes", 2), {"name": "none", "prefix": "/none"}),
    "robots twice": (("sites", "shop", "routes", 6, "path"), "/robots.txt"),
    # Of its rules for bots.
    "condition bad": (("sites", "shop", "bots", "rules", 2, "when"), "arrivls >= 3"),
    "rule twice": (("sites", "shop", "bots", "rules", 1, "name"), "low"),
    "rule covered": (("sites", "shop", "bots", "rules", 2, "when"), "score <= 2"),
    "everyone blocked": (
        ("sites", "shop", "bots", "rules"),
        [{"name": "all", "do": "block"}],
    ),
    "bot unknown": (("sites", "shop", "bots", "rules", 1, "when"), 'verified == "googelbot"'),
}
"""Each is one mistake in the file, at its place."""

SHOP, BLOG = ("sites", "shop"), ("sites", "blog")
ROUTES, RULES = (*SHOP, "routes"), (*SHOP, "bots", "rules")
ORIGINS_NAMED = (
    (*SHOP, "origin"),
    (*BLOG, "origin"),
    *((*ROUTES, index) for index in range(7)),
    *((*BLOG, "routes", index) for index in range(4)),
)
DEPENDENT: dict[str, tuple[str, tuple[Way, ...]]] = {
    "listener twice": ("needs both addresses", (("listen", "http", 0, "address"),)),
    "steps shrink": ("compares two shares", (("rollout", "steps", 1, "share"),)),
    "deadline before soak": (
        "a step is named by its share, and has two times",
        (("rollout", "steps", 1, "share"), ("rollout", "steps", 1, "soak")),
    ),
    "baseline too large": ("is about that share", (("rollout", "steps", 1, "share"),)),
    "model file retrained": ("is about what is trained", (("bots", "retrain", "to"),)),
    "list unused": ("the list may be named there", ((*SHOP, "deny", 0), BLOG)),
    "origin unused": ("the origin may be named there", ORIGINS_NAMED),
    "certificate unused": ("it may be named there", ((*SHOP, "tls", "certificate"), BLOG)),
    "schemes mixed": (
        "compares with the first endpoint",
        (("origins", "app", "endpoints", 0, "url"),),
    ),
    "endpoint twice": ("needs both of them", (("origins", "app", "endpoints", 0, "url"),)),
    "balanced twice": (
        "the other way is not known",
        (("origins", "app", "load_balancing", "hash", "header"),),
    ),
    "key of another": ("compares two files", (("certificates", "own", "cert"),)),
    "host of another": (
        "compares two hosts, and them with a certificate",
        ((*SHOP, "hosts", 0), (*BLOG, "tls", "cert"), (*BLOG, "tls", "key")),
    ),
    "host not covered": (
        "compares with a certificate",
        (
            ("certificates", "own", "cert"),
            ("certificates", "own", "key"),
            (*SHOP, "tls", "certificate"),
        ),
    ),
    "list unknown": ("any list may be defined there", (("lists",),)),
    "preload incomplete": (
        "is a part of that wish",
        ((*SHOP, "hsts", "preload"),),
    ),
    "golden elsewhere": ("the host may be one of these", ((*SHOP, "hosts", 0),)),
    "origin unknown": ("any origin may be defined there", (("origins",),)),
    "route twice": ("compares two names", ((*ROUTES, 0, "name"),)),
    "route covered": (
        "compares two routes, and names one of them",
        (
            *((*ROUTES, 1, key) for key in ("prefix", "methods")),
            *((*ROUTES, 2, key) for key in ("name", "prefix")),
        ),
    ),
    "route loops": ("is about that path", ((*ROUTES, 0, "path"), (*ROUTES, 0, "name"))),
    "prefix missing": ("is about that condition", ((*ROUTES, 3, "regex"),)),
    "tries too long": ("compares two times", ((*SHOP, "retries", "per_try_timeout"),)),
    "gRPC in HTTP/1.1": (
        "is about that route, and names its origin",
        ((*BLOG, "routes", 0, "grpc"), (*BLOG, "routes", 0, "name")),
    ),
    "robots twice": (
        "needs both of them, and names the route",
        ((*SHOP, "bots", "robots", "extra"), (*ROUTES, 6, "name")),
    ),
    "rule twice": ("compares two names", ((*RULES, 0, "name"),)),
    "rule covered": (
        "compares two rules, and names one of them",
        ((*RULES, 0, "when"), (*RULES, 0, "do"), (*RULES, 2, "name")),
    ),
}
"""By mistake: why it is not told while one of these values is broken."""


def meet(one: Way, other: Way) -> bool:
    """Whether one is the other, or stands in it."""
    least = min(len(one), len(other))
    return one[:least] == other[:least]


@cache
def alone(mistake: str) -> set[tuple[str, str]]:
    return told(problems(changed(GOOD, *MISTAKES[mistake])))


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_is_found(mistake: str) -> None:
    assert alone(mistake)


def independent(mistake: str, path: Way) -> bool:
    _, needed = DEPENDENT.get(mistake, ("", ()))
    return not any(meet(path, one) for one in (MISTAKES[mistake][0], *needed))


PAIRS = tuple(pair for pair in product(MISTAKES, VALUES) if independent(*pair))


@given(st.sampled_from(PAIRS), st.sampled_from([TAGGED, UNFIT]))
def test_a_broken_value_hides_no_mistake_elsewhere(pair: tuple[str, Way], wrong: Any) -> None:
    mistake, path = pair
    with_mistake = changed(GOOD, *MISTAKES[mistake])
    found = told(problems(changed(with_mistake, path, wrong)))
    assert found == alone(mistake) | told(problems(changed(GOOD, path, wrong)))


def test_all_mistakes_of_different_values_are_told_at_once() -> None:
    """Each pair would take minutes: as many together as do not touch each other."""
    tree, expected, changed_paths = GOOD, set[tuple[str, str]](), list[Way]()
    for mistake, (path, value) in MISTAKES.items():
        _, needed = DEPENDENT.get(mistake, ("", ()))
        if any(meet(one, other) for one, other in product((path, *needed), changed_paths)):
            continue
        tree = changed(tree, path, value)
        changed_paths += [path, *needed]
        expected |= alone(mistake)
    assert len(changed_paths) > 30
    assert told(problems(tree)) == expected


INCLUDING = """\
version: 1
listen: {http: 127.0.0.1:8080}
includes: [shop.yaml, blog.yaml]
sites: {main: {hosts: [main.example.com], origin: app, time_out: 5s}}
"""


def ids_including(shop: str, blog: str) -> list[tuple[str, str]]:
    loaded = load_text(INCLUDING, shop=shop, blog=blog)
    return sorted((Path(p.location.file).name, p.id) for p in loaded.problems)


def test_each_file_is_looked_at_as_far_as_it_is_good() -> None:
    shop = """\
origins: {app: {endpoints: "http://127.0.0.1:1", connect_timeout: soon}}
sites: {shop: {hosts: [main.example.com], origin: app, max_body: much, bots: {mode: enforce,
  rules: [{name: low, when: scor <= 2, do: block}, {name: all, do: block, wen: x}]}}}
"""
    blog = "sites: {blog: {hosts: [b.example.com], origin: ap, timeout: !!int 5}}"
    assert ids_including(shop, blog) == [
        ("blog.yaml", "tag-not-supported"),
        ("blog.yaml", "unknown-origin"),
        ("seawall.yaml", "unknown-key"),
        ("shop.yaml", "bad-bot-rule"),
        ("shop.yaml", "bad-duration"),
        ("shop.yaml", "bad-size"),
        ("shop.yaml", "duplicate-host"),
        ("shop.yaml", "unknown-key"),
    ]


def test_what_a_file_may_define_that_cannot_be_read_is_not_missed() -> None:
    good = "sites: {blog: {hosts: [b.example.com], origin: app}}"
    assert ids_including("origins: {app: [", good) == [
        ("seawall.yaml", "unknown-key"),
        ("shop.yaml", "yaml-syntax"),
    ]
    loaded = load_text(INCLUDING, blog=good)
    assert sorted(p.id for p in loaded.problems) == ["include-missing", "unknown-key"]
    named_badly = load_text(INCLUDING, blog=good, shop="origins: {App: {endpoints: 'http://a'}}")
    assert sorted(p.id for p in named_badly.problems) == ["bad-name", "unknown-key"]


def test_a_name_that_is_defined_twice_is_one_problem() -> None:
    shop = "origins: {app: {endpoints: 'http://a'}, more: {endpoints: 'http://b'}}\n"
    again = "sites: {main: {hosts: [b.example.com], origin: more}}"
    assert ids_including(shop, again) == [
        ("blog.yaml", "duplicate-name"),
        ("seawall.yaml", "unknown-key"),
    ]


def test_what_a_condition_lost_is_not_asked_for() -> None:
    """Nor is it told that a mapping lacks the one key that could not be read."""
    route = "{name: a, path: /a, headers: {x: {exakt: b}}, rewrite: {regex: [], to: /c}}"
    rule = "{name: r, do: {rate: {requests: 0, per: 10s}}}"
    text = (
        "version: 1\nlisten: {http: 127.0.0.1:8080}\nsites:\n  shop:\n"
        "    hosts: [shop.example.com]\n    origin: http://127.0.0.1:3000\n"
        f"    routes: [{route}]\n    bots: {{mode: enforce, rules: [{rule}]}}\n"
    )
    found = [problem.id for problem in load_text(text).problems]
    assert sorted(found) == ["out-of-range", "unknown-key", "wrong-type"]
    both = text.replace("{exakt: b}", "{exakt: b, prefix: c, suffix: d}")
    assert "contradictory-keys" in {problem.id for problem in load_text(both).problems}


@pytest.mark.parametrize("mistake", ["origin unknown", "list misspelt", "host of another"])
def test_what_was_meant_by_a_misspelt_name_is_not_called_unused(mistake: str) -> None:
    expected = {
        "origin unknown": {"unknown-origin"},
        "list misspelt": {"unknown-list"},
        "host of another": {"duplicate-host", "certificate-missing-name"},
    }
    way, value = MISTAKES.get(mistake, ((*SHOP, "deny"), ["bda"]))
    assert {problem.id for problem in problems(changed(GOOD, way, value))} == expected[mistake]


def test_a_site_whose_name_is_none_is_looked_at_all_the_same() -> None:
    tree = copy.deepcopy(GOOD)
    tree["sites"]["Shop 1"] = tree["sites"].pop("shop")
    assert [problem.id for problem in problems(tree)] == ["bad-name"]
    assert problems(tree)[0].subject == "site Shop 1"
    tree["sites"]["Shop 1"]["golden"][0]["method"] = "POST"
    tree["sites"]["Shop 1"]["timeout"] = 5
    tree["sites"]["blog"]["origin"] = "ap"
    found = [problem.id for problem in problems(tree)]
    assert sorted(found) == ["bad-duration", "bad-name", "golden-unsafe-method", "unknown-origin"]


def test_two_sites_without_a_name_in_two_files_are_two() -> None:
    site = "sites: {{S: {{hosts: [{}.example.com], origin: app}}}}"
    shop = "origins: {app: {endpoints: 'http://a'}}\n"
    assert ids_including(shop + site.format("a"), "\n" + site.format("b")) == [
        ("blog.yaml", "bad-name"),
        ("seawall.yaml", "unknown-key"),
        ("shop.yaml", "bad-name"),
    ]


@pytest.mark.parametrize(
    ("way", "made"),
    [((), {"a", "b"}), (("hosts", 0), {"b"}), (("tls",), {"b"}), (("timeout",), {"a", "b"})],
)
def test_no_certificate_is_made_for_half_of_a_site(way: Way, made: set[str]) -> None:
    site = {"hosts": ["a.example.com"], "origin": "http://127.0.0.1:1", "timeout": "5s"}
    sites: Any = {
        "a": site,
        "b": {**site, "hosts": ["b.example.com"]},
        "C c": {**site, "hosts": []},
    }
    tree = {"version": 1, "listen": {"https": ":8443"}, "tls": {"development_ca": True}}
    if way == ("tls",):
        sites["a"] = {**site, "tls": 5}
    elif way:
        sites = changed(sites, ("a", *way), 5)
    names: list[str] = []

    def issue(name: SiteName, hosts: tuple[str, ...]) -> tuple[bytes, Secret]:
        names.append(name)
        return b"", Secret(b"")

    text = json.dumps({**tree, "sites": sites})
    load(sources(text), read=lambda _: b"", now_s=0.0, development_certificate=issue)
    assert set(names) == made


@pytest.mark.parametrize(
    ("way", "value", "hidden"),
    [
        ((*ROUTES, 0, "timeout"), "5s", "route loops"),
        ((*ROUTES, 3, "path"), "/x", "tries too long"),
        ((*SHOP, "bots", "mode"), "off", "rule twice"),
        ((*SHOP, "golden", 0, "contains"), "up", "golden elsewhere"),
    ],
)
def test_keys_that_exclude_each_other_hide_nothing_else(way: Way, value: str, hidden: str) -> None:
    tree = changed(GOOD, way, value)
    if way[-1] == "mode":
        tree["sites"]["shop"]["bots"]["probe"] = True
    if way[-1] == "contains":
        tree["sites"]["shop"]["golden"][0]["method"] = "HEAD"
    (contradiction,) = {id_ for id_, _ in told(problems(tree))}
    assert contradiction == "contradictory-keys"
    found = told(problems(changed(tree, *MISTAKES[hidden])))
    assert found == alone(hidden) | told(problems(tree))


def test_a_list_is_missed_although_an_included_file_is() -> None:
    text = INCLUDING.replace("time_out: 5s", "deny: worse")
    found = {problem.id for problem in load_text(text).problems}
    assert found == {"include-missing", "unknown-list"}


@pytest.mark.parametrize("rounds", [1, 2])
def test_a_file_that_takes_too_many_looks_is_left_with_what_was_found(
    rounds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SITE_SALVAGE_ROUNDS_MAX", rounds)
    broken = changed(GOOD, ("limits", "max_connections"), "many")
    assert any(problem.severity is Severity.ERROR for problem in problems(broken))
    assert problems(GOOD) == ()
