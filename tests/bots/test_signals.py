import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lua_machine import machine, module
from seawall.bots.features import CODE_MAX, FEATURES, INDEX, from_text

CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36"  # noqa: E501 - as it is sent
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
BROWSER = [
    (":method", "GET"),
    (":authority", "shop.example"),
    (":scheme", "https"),
    (":path", "/things/1?colour=red"),
    ("sec-ch-ua", '"Not;A=Brand";v="8", "Chromium";v="150", "Google Chrome";v="150"'),
    ("sec-ch-ua-mobile", "?0"),
    ("sec-ch-ua-platform", '"Linux"'),
    ("upgrade-insecure-requests", "1"),
    ("user-agent", CHROME),
    ("accept", "text/html,application/xhtml+xml,*/*;q=0.8"),
    ("sec-fetch-site", "same-origin"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-user", "?1"),
    ("sec-fetch-dest", "document"),
    ("referer", "https://shop.example/"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("accept-language", "en-US,en;q=0.9"),
    ("cookie", "basket=1"),
    ("priority", "u=0, i"),
]

# `pairs` goes over an ordered list of headers as Envoy's does.
ORDERED = """
local plain = pairs
function pairs(value)
  if type(value) ~= "table" or not value.ordered then return plain(value) end
  local i = 0
  return function() i = i + 1; local h = value[i]; if h then return h[1], h[2] end end
end
"""


class Signals:
    """The reader of a worker, driven from Python."""

    def __init__(self) -> None:
        self.runtime = machine()
        self.runtime.execute(ORDERED)
        names = ("memo", "windows", "paths", "shapes")
        parts = {name: module(self.runtime, name) for name in names}
        table = "ja4 1 0\n"
        parts["ja4"] = module(self.runtime, "ja4").new(table)
        parts["agent"] = module(self.runtime, "agent").new(table)
        parts["count"] = len(FEATURES)
        features = self.runtime.table_from(dict(INDEX))
        self.reader = module(self.runtime, "signals").new(self.runtime.table_from(parts), features)

    def read(
        self,
        headers: list[tuple[str, str]],
        *,
        protocol: str = "HTTP/2",
        ja4: str | None = None,
        arrivals: int | None = None,
    ) -> dict[str, int]:
        lua = self.runtime
        given_ = lua.table_from([lua.table_from(list(pair)) for pair in headers])
        given_["ordered"] = True
        self.reader.read(self.reader, given_, protocol, lambda _: ja4, None)
        if arrivals is None:
            self.reader.no_past(self.reader)
        else:
            spans = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, float(arrivals)]
            self.reader.look_back(self.reader, lua.table_from(spans))
        text = self.reader.text(self.reader)
        codes = from_text(text)
        assert codes is not None, text
        assert len(text) == len(FEATURES)
        return {name: codes[place] for name, place in INDEX.items()}


@pytest.fixture(scope="module")
def signals() -> Signals:
    return Signals()


def changed(**changes: str | None) -> list[tuple[str, str]]:
    """The browser's headers with some changed, or left out (None)."""
    names = {name.replace("-", "_").replace(":", ""): name for name, _ in BROWSER}
    new = {names[key]: value for key, value in changes.items()}
    kept = ((name, new.get(name, value)) for name, value in BROWSER)
    return [(name, value) for name, value in kept if value is not None]


def test_a_browser_opening_a_page(signals: Signals) -> None:
    seen = signals.read(BROWSER)
    expected = {
        "protocol": 2,
        "pseudo-order": 1,
        "method": 1,
        "headers": 15,
        "hints-brand": 3,
        "hints-platform": 2,
        "hints-mobile": 2,
        "accept": 2,
        "accept-language": 3,
        "accept-encoding": 5,
        "fetch-site": 2,
        "fetch-mode": 1,
        "fetch-dest": 1,
        "fetch-coherence": 2,
        "referer": 1,
        "cookie": 1,
        "priority": 1,
        "te": 0,
        "upgrade-insecure": 1,
        "path-kind": 1,
        "path-depth": 2,
        "order-first": 6,
        "order-agent-accept": 1,
        "order-accept-encoding": 1,
        "order-language-encoding": 2,
        "order-hints-agent": 1,
        "order-fetch-accept": 2,
        "tls-version": 0,
        "requests-10s": 0,
    }
    assert {name: seen[name] for name in expected} == expected


def test_a_library_with_nothing_but_a_name(signals: Signals) -> None:
    seen = signals.read(
        [
            (":authority", "shop.example"),
            (":path", "/"),
            (":method", "GET"),
            (":scheme", "https"),
            ("user-agent", "python-requests/2.32"),
            ("accept-encoding", "gzip, deflate"),
            ("accept", "*/*"),
            ("connection", "keep-alive"),
        ],
        protocol="HTTP/1.1",
    )
    assert seen["protocol"] == 1
    assert seen["pseudo-order"] == 0
    assert seen["hints-brand"] == 2
    assert seen["accept"] == 1
    assert seen["accept-encoding"] == 3
    assert seen["accept-language"] == 0
    assert seen["fetch-coherence"] == 0
    assert seen["connection"] == 1
    assert seen["order-accept-encoding"] == 2


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("Keep-Alive", 1),
        ("close", 2),
        ("upgrade", 3),
        ("Upgrade", 3),
        ("keep-alive, Upgrade", 3),
        ("te", 4),
    ],
)
def test_a_connection_header_in_any_case(signals: Signals, written: str, code: int) -> None:
    seen = signals.read([*BROWSER, ("connection", written)], protocol="HTTP/1.1")
    assert seen["connection"] == code


def test_hints_that_contradict_the_user_agent(signals: Signals) -> None:
    other = '"Chromium";v="120", "Google Chrome";v="120"'
    assert signals.read(changed(sec_ch_ua=other))["hints-brand"] == 4
    assert signals.read(changed(user_agent=FIREFOX))["hints-brand"] == 5
    assert signals.read(changed(sec_ch_ua_platform='"Windows"'))["hints-platform"] == 1
    assert signals.read(changed(sec_ch_ua_platform='"BeOS"'))["hints-platform"] == 3
    assert signals.read(changed(sec_ch_ua_mobile="?1"))["hints-mobile"] == 1


def test_hints_that_are_missing_count_over_tls_only(signals: Signals) -> None:
    bare = changed(sec_ch_ua=None)
    assert signals.read(bare, ja4="t13d1516h2_8daaf6152771_d8a2da3f94cd")["hints-brand"] == 1
    plain = [(n, "http" if n == ":scheme" else v) for n, v in bare]
    assert signals.read(plain)["hints-brand"] == 2


def test_fetch_metadata_that_cannot_be(signals: Signals) -> None:
    assert signals.read(changed(sec_fetch_dest="image"))["fetch-coherence"] == 1
    assert signals.read(changed(sec_fetch_mode="cors"))["fetch-coherence"] == 1
    assert signals.read(changed(sec_fetch_dest=None))["fetch-coherence"] == 1
    assert signals.read(changed(method="POST"))["fetch-coherence"] == 2
    assert signals.read(changed(method="POST", sec_fetch_site="none"))["fetch-coherence"] == 1
    assert signals.read(changed(sec_fetch_site="none"))["fetch-coherence"] == 2


def test_what_a_service_worker_passes_on_does_not_contradict_itself(signals: Signals) -> None:
    chromium = {"sec_fetch_dest": "empty", "sec_fetch_user": None}
    assert signals.read(changed(**chromium))["fetch-coherence"] == 2
    firefox = {**chromium, "sec_fetch_mode": "same-origin"}
    assert signals.read(changed(**firefox))["fetch-coherence"] == 2
    assert signals.read(changed(**firefox, sec_fetch_site=None))["fetch-coherence"] == 1


TYPED = {"sec_fetch_site": "none", "referer": None}


@pytest.mark.parametrize(
    ("changes", "came"),
    [
        ({}, -1),
        (TYPED, 1),
        ({"sec_fetch_site": "cross-site"}, 1),
        ({"sec_fetch_site": "same-site"}, -1),
        ({"sec_fetch_mode": "no-cors", "sec_fetch_dest": "image"}, -1),
        ({**TYPED, "sec_fetch_dest": "iframe"}, 0),
        ({"sec_fetch_site": None}, 0),
    ],
)
def test_how_a_client_came_to_a_page(
    signals: Signals, changes: dict[str, str | None], came: int
) -> None:
    signals.read(changed(**changes))
    assert signals.reader.came == came


@pytest.mark.parametrize("header", [("cache-control", "max-age=0"), ("if-none-match", '"1"')])
def test_who_says_that_it_loads_a_page_again_may_have_had_it(
    signals: Signals, header: tuple[str, str]
) -> None:
    signals.read([*changed(**TYPED), header])
    assert signals.reader.came == 2


def test_arrivals_are_told_of_who_sends_fetch_metadata(signals: Signals) -> None:
    assert [signals.read(BROWSER, arrivals=n)["arrivals"] for n in (0, 3, 999)] == [1, 4, CODE_MAX]
    assert signals.read(changed(sec_fetch_site=None), arrivals=3)["arrivals"] == 0
    assert signals.read(BROWSER)["arrivals"] == 0


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", 1),
        ("/a/b.html", 1),
        ("/app.js", 2),
        ("/style.css?v=1", 2),
        ("/logo.PNG", 3),
        ("/feed", 4),
        ("/blog/feed/", 4),
        ("/news.rss", 4),
        ("/api/things", 5),
        ("/data.json", 5),
        ("/robots.txt", 6),
        ("/favicon.ico", 7),
        ("/.well-known/security.txt", 8),
        ("/sitemap.xml", 9),
        ("/.env", 10),
        ("/x/.git/config", 10),
        ("/wp-login.php", 10),
        ("/dump.sql", 10),
        ("/wp-admin/edit.php", 10),
        ("/wp-admin/css/common.min.css", 2),
        ("/wp-admin/images/logo.png", 3),
        ("/products.aspx", 1),
        ("/default.asp", 1),
        ("/show_bug.cgi?id=1", 1),
        ("/cgi-bin/shop.pl", 1),
    ],
)
def test_kinds_of_paths(signals: Signals, path: str, kind: int) -> None:
    assert signals.read(changed(path=path))["path-kind"] == kind


@pytest.mark.parametrize(
    ("order", "code"), [("masp", 1), ("mpas", 2), ("msap", 3), ("mpsa", 4), ("pmsa", 5)]
)
def test_the_order_of_pseudo_headers(signals: Signals, order: str, code: int) -> None:
    by_letter = {name[1]: (name, value) for name, value in BROWSER[:4]}
    headers = [by_letter[letter] for letter in order] + BROWSER[4:]
    assert signals.read(headers)["pseudo-order"] == code


@pytest.mark.parametrize(
    ("cookies", "code"),
    [
        ("basket=1", 1),
        ("__Host-seawall=1.k1.x", 0),
        ("seawall=1; seawall-try=2", 0),
        ("__Host-seawall=1; basket=2", 1),
        ("my-seawall=1", 1),
        ("seawall", 0),
    ],
)
def test_the_edges_own_cookies_do_not_count(signals: Signals, cookies: str, code: int) -> None:
    assert signals.read(changed(cookie=cookies))["cookie"] == code


@pytest.mark.parametrize(
    ("cookies", "rest"),
    [
        ("basket=1", "basket=1"),
        ("__Host-seawall=1.k1.x", ""),
        ("a=1; __Host-seawall=1; seawall-try=2;seawall-probe=3; b=x=y", "a=1; b=x=y"),
        ("my-seawall=1; seawall-2=1;", "my-seawall=1; seawall-2=1"),
        ("seawall; a", "a"),
        ('a="b; seawall=1"', 'a="b'),
        ("; =1 ;seawall =2;;", "=1 "),
        ("seawall=1" + ";a" * 199, "; ".join("a" * 199)),
        ("seawall=1" + ";a" * 200, None),
    ],
)
def test_the_edges_own_cookies_are_kept_from_the_origin(
    signals: Signals, cookies: str, rest: str | None
) -> None:
    assert module(signals.runtime, "signals").without_own(cookies) == rest


def test_the_tables_of_one_request_do_not_reach_into_the_next(signals: Signals) -> None:
    signals.read(BROWSER)
    seen = signals.read([(":path", "/"), (":method", "GET"), (":scheme", "http")])
    for name in ("accept", "cookie", "referer", "hints-brand", "fetch-site", "priority"):
        assert seen[name] == (2 if name == "hints-brand" else 0)


NAMES = st.sampled_from([name for name, _ in BROWSER] + ["x", "te", "range", "origin", "host", ""])
VALUES = st.one_of(
    st.text(st.characters(max_codepoint=255), max_size=40),
    st.sampled_from([value for _, value in BROWSER]),
    st.just("/" * 9000),
    st.just("%" * 600),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(NAMES, VALUES), max_size=40), st.sampled_from(["HTTP/1.1", "HTTP/2", ""]))
def test_nothing_a_client_sends_raises_or_leaves_the_codes(
    headers: list[tuple[str, str]], protocol: str
) -> None:
    seen = READER.read(headers, protocol=protocol, ja4="nonsense")
    assert all(0 <= code <= CODE_MAX for code in seen.values())


LONG_CHARS = 60_000
"""About what `limits.max_header_size` lets through, in one text."""
SLOW_S = 1.0
"""A walk over such a text takes 1 ms; anew from each letter takes minutes."""
TEXTS = (*'a1=;/."(, ', "/.", "a.", '",', "a@", "Chrome/", ":1", "=a")


@pytest.mark.parametrize(
    "name", sorted({name for name, _ in BROWSER} | {"origin", "cache-control"})
)
def test_no_long_text_holds_up_a_worker(name: str) -> None:
    usual = {"cookie": "seawall", "referer": "https://", "origin": "https://", ":path": "/"}
    for end in ("", "/x.xml", "="):
        for text in TEXTS:
            value = usual.get(name, "") + text * (LONG_CHARS // len(text)) + end
            begun = time.thread_time()
            READER.read([*(p for p in BROWSER if p[0] != name), (name, value)])
            assert time.thread_time() - begun < SLOW_S, (text, end)


READER = Signals()
NODES_MAX = 8192
HANDSHAKE = "t13d1516h2_8daaf6152771_d8a2da3f94cd"


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(NAMES, VALUES), max_size=25),
    st.sampled_from(["HTTP/1.1", "HTTP/2"]),
    st.sampled_from([None, "nonsense", HANDSHAKE]),
)
def test_what_is_remembered_is_what_would_be_read(
    headers: list[tuple[str, str]], protocol: str, ja4: str | None
) -> None:
    sent = [(":scheme", "https"), *headers]
    first = READER.read(sent, protocol=protocol, ja4=ja4)
    assert READER.read(sent, protocol=protocol, ja4=ja4) == first
    assert Signals().read(sent, protocol=protocol, ja4=ja4) == first


def test_requests_that_differ_in_one_thing_are_told_apart(signals: Signals) -> None:
    usual = signals.read(BROWSER)
    assert signals.read(BROWSER, protocol="HTTP/1.1")["protocol"] == 1
    assert signals.read(changed(user_agent=None))["agent-family"] != usual["agent-family"]
    assert signals.read(changed(accept_language="de"))["accept-language"] == 2
    swapped = [*BROWSER[:8], BROWSER[9], BROWSER[8], *BROWSER[10:]]
    assert signals.read(swapped)["order-agent-accept"] == 2
    assert signals.read(BROWSER, ja4=HANDSHAKE)["tls-ciphers"] == 15
    assert signals.read(changed(cookie=None))["cookie"] == 0
    assert signals.read(changed(referer="https://other.example/"))["referer"] == 2
    assert signals.read(BROWSER) == usual


def test_what_is_remembered_is_bounded() -> None:
    signals = Signals()
    shapes = signals.reader.shapes
    for number in range(NODES_MAX // 2):
        signals.read([("user-agent", f"agent/{number}"), ("accept", f"text/{number}")])
        assert shapes.nodes <= NODES_MAX
    long = [("user-agent", "x" * 2000), ("accept", "*/*")]
    assert signals.read(long)["accept"] == 1
    nodes = shapes.nodes
    assert signals.read(long)["headers"] == 2
    assert shapes.nodes == nodes


def prefix(address: str) -> Any:
    return CLIENT.prefix(address)


CLIENT = module(machine(), "client")


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7:4711", "203.0.113.0/24"),
        ("[2001:db8:1:2::3]:443", "2001:db8:1::/48"),
        ("[2001:db8::1]:443", "2001:db8::/48"),
        ("[::1]:80", "::/48"),
        ("[fe80:0:0:0:1:2:3:4]:80", "fe80::/48"),
        ("[fe80::1:2%4]:80", "fe80::/48"),
        ("[fe80::1:2%eth0]:80", "fe80::/48"),
        ("[::ffff:203.0.113.7]:80", "203.0.113.0/24"),
        ("/run/some.sock", "-"),
        ("", "-"),
        ("[zz]:1", "-"),
    ],
)
def test_networks_of_clients(address: str, network: str) -> None:
    assert prefix(address) == network


@pytest.mark.parametrize("address", ["[fe80::1%4]:80", "[zz]:1", "203.0.113.7:1", "[::1%x%y]:0"])
def test_only_a_socket_of_this_machine_is_one(address: str) -> None:
    assert not CLIENT.is_socket(address)
    assert CLIENT.is_socket("taste-http.sock")
