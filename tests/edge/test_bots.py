"""What the bot filter sees of real clients, in a real Envoy before a real origin."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hyperframe.frame import GoAwayFrame, HeadersFrame, RstStreamFrame
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot_models import random_model
from compiler import build
from edge.bot_records import faults, harsh_model, packed, record, record_of_path, verdict
from edge.h2_client import GET, H2Client
from edge.serving import HOST, Serving, request, serving
from helpers import wait_until
from machine import needs_curl
from origin_server import ok
from seawall.bots.families import ClientFamily
from seawall.bots.features import FEATURES
from seawall.bots.policy import DEFAULT_RULES
from seawall.model import (
    BotAction,
    BotChallenge,
    BotDo,
    BotMode,
    BotPolicy,
    BotRule,
    FixedResponse,
    PathExact,
    PathPrefix,
    Redirect,
    TrustedProxies,
)
from seawall.telemetry.bots import BotVerdict, parse_verdict
from seawall.telemetry.records import parse_record
from seawall.telemetry.why import story

MODEL = random_model(3)
BROWSER = (
    b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    b"Chrome/150.0.0.0 Safari/537.36"
)
DONE = BotPolicy(mode=BotMode.OFF)
TLS_FEATURES = [f.name for f in FEATURES if f.name.startswith("tls-")]


def _whole_lines(running: Serving) -> list[bytes]:
    """Of the access records; none while one is being written, which Envoy does in blocks."""
    content = (running.envoy.directory / "access.ndjson").read_bytes()
    return content.splitlines() if content.endswith(b"\n") else []


@pytest.fixture(scope="module")
def edge() -> Iterator[Serving]:
    shop = build.site(
        "shop",
        build.route("shop/quiet", PathPrefix("/quiet"), bots=False),
        build.route("shop/short", PathExact("/short"), Redirect(status=302, path="/long")),
        build.route("shop/down", PathExact("/down"), FixedResponse(503, "", "text/plain")),
        build.route("shop/all"),
        certificate="shop",
    )
    quiet = build.site("quiet", certificate="shop", bots=DONE)
    with serving(shop, quiet, bot_model=packed(MODEL)) as running:
        yield running
        assert faults(running) == 0
        running.assert_serves()
        running.envoy.admin("/reopen_logs", method="POST")
        lines = wait_until(lambda: _whole_lines(running), what="the last record is written")
        written = [record for line in lines if (record := parse_record(line)) is not None]
        assert len(written) == len(lines)
        texts = [record.bots for record in written if record.bots]
        assert [text for text in texts if parse_verdict(text) is None] == []
        assert texts


def _seen(edge: Serving, *lines: bytes, path: bytes = b"/", tls: bool = False) -> BotVerdict:
    answer = edge.get(path, *lines, tls=tls)
    assert answer.status == 200
    return verdict(edge, answer.header("x-request-id"))


def test_pythons_own_tls_that_claims_a_browser_contradicts_itself(edge: Serving) -> None:
    seen = _seen(edge, b"user-agent: " + BROWSER, b"accept: */*", tls=True)
    assert seen.code("tls-version") == 2
    assert seen.code("tls-sni") == 2
    assert seen.code("tls-family") in (ClientFamily.PYTHON, ClientFamily.OPENSSL_TOOL)
    assert seen.code("tls-known") == 3
    assert seen.code("agent-family") == ClientFamily.CHROMIUM
    assert seen.code("family-agreement") == 1
    assert seen.code("hints-brand") == 1
    assert (seen.code("protocol"), seen.code("pseudo-order")) == (1, 0)
    assert (seen.code("method"), seen.code("accept"), seen.code("path-kind")) == (1, 1, 1)
    assert seen.code("order-agent-accept") == 1
    assert seen.score == MODEL.score(seen.codes)


def test_pages_that_a_client_came_to_from_elsewhere_add_up_until_a_part_is_asked_for(
    edge: Serving,
) -> None:
    def arrivals(path: bytes, site: bytes, mode: bytes, dest: bytes) -> int:
        metadata = (b"site: " + site, b"mode: " + mode, b"dest: " + dest)
        lines = [b"sec-fetch-" + line for line in metadata]
        answer = edge.get(path, b"user-agent: " + BROWSER, *lines, tls=True)
        return verdict(edge, answer.header("x-request-id")).code("arrivals")

    typed, part = (b"none", b"navigate", b"document"), (b"same-origin", b"no-cors", b"image")
    assert arrivals(b"/a.png", *part) == 1
    assert [arrivals(path, *typed) for path in (b"/a", b"/b", b"/c")] == [2, 3, 4]
    assert [arrivals(path, *typed) for path in (b"/short", b"/long")] == [5, 5]
    assert [arrivals(b"/down", *typed) for _ in range(3)] == [6, 6, 6]
    assert arrivals(b"/a.png", *part) == 1


@pytest.mark.parametrize(("http2", "protocol"), [(False, 1), (True, 2)])
def test_httpx_is_seen_as_what_it_is(edge: Serving, http2: bool, protocol: int) -> None:
    with httpx.Client(http2=http2, verify=edge.authority.client()) as client:
        answer = client.get(
            f"https://127.0.0.1:{edge.tls_port}/api/cart?id=7",
            headers={"host": HOST.decode()},
            extensions={"sni_hostname": HOST.decode()},
        )
    assert answer.status_code == 200
    seen = verdict(edge, answer.headers["x-request-id"])
    assert seen.code("agent-family") == ClientFamily.PYTHON
    assert seen.code("family-agreement") == 3
    assert seen.code("protocol") == protocol
    assert bool(seen.code("pseudo-order")) == http2
    assert seen.code("tls-alpn") == 2  # it offers HTTP/1.1 first, also where it takes HTTP/2
    assert seen.code("path-kind") == 5
    assert seen.code("query-length") == 9  # 1 + 4 * log2(4)
    assert seen.code("path-depth") == 2


@needs_curl
@pytest.mark.parametrize("flag", ["--http1.1", "--http2"])
def test_curl_is_seen_as_what_it_is(edge: Serving, flag: str, tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.write_bytes(edge.authority.pem)
    done = subprocess.run(
        [
            *("curl", "-sS", flag, "--cacert", str(authority), "-o", "/dev/null"),
            *("--resolve", f"shop.test:{edge.tls_port}:127.0.0.1", "-D", "-"),
            f"https://shop.test:{edge.tls_port}/",
        ],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    heads = dict(
        line.lower().split(": ", 1) for line in done.stdout.splitlines() if ": " in line
    )  # fmt: skip
    seen = verdict(edge, heads["x-request-id"].strip())
    assert seen.code("agent-family") == ClientFamily.CURL
    assert seen.code("family-agreement") in (2, 3)
    assert seen.code("accept") == 1
    assert seen.code("agent-mozilla") == 1
    order = seen.code("pseudo-order")  # of its newest versions 3
    assert order in ((3, 4) if flag == "--http2" else (0,))


def test_plain_http_has_no_tls_features(edge: Serving) -> None:
    seen = _seen(edge, b"user-agent: curl/8.5.0")
    assert [name for name in TLS_FEATURES if seen.code(name)] == []
    assert (seen.code("family-agreement"), seen.code("generation-gap")) == (0, 0)
    assert seen.code("agent-family") == ClientFamily.CURL


def test_a_client_without_a_user_agent_is_one_too(edge: Serving) -> None:
    seen = _seen(edge)
    assert seen.code("agent-family") == ClientFamily.EMPTY
    assert seen.code("agent-length") == 0


def test_what_a_client_did_before_grows(edge: Serving) -> None:
    line = b"user-agent: counted-by-itself/1.0"
    counts = [_seen(edge, line, path=b"/p%d" % n) for n in range(6)]
    for span in ("10m", "60s", "10s"):
        requests = [seen.code(f"requests-{span}") for seen in counts]
        assert requests[0] == 1
        assert requests == sorted(requests) or span != "10m"
    assert counts[-1].code("requests-10m") > counts[0].code("requests-10m")
    assert counts[-1].code("paths-10m") > counts[0].code("paths-10m")
    assert counts[-1].code("errors-10m") == 1


@pytest.mark.parametrize(
    ("path", "status", "tenths"),
    [
        (b"/asked", 403, 1),
        (b"/shut", 403, 1),
        (b"/paid", 402, 1),
        (b"/often", 429, 1),
        (b"/gone", 410, 9),
        (b"/down", 503, 1),
    ],
)
def test_what_edge_and_site_decide_is_no_error_of_their_visitor(
    path: bytes, status: int, tenths: int
) -> None:
    rules = (
        BotRule("asked", 'path == "/asked"', BotAction(BotDo.CHALLENGE)),
        BotRule("shut", 'path == "/shut"', BotAction(BotDo.BLOCK)),
        BotRule("paid", 'path == "/paid"', BotAction(BotDo.PAYMENT)),
        BotRule("often", 'path == "/often"', BotAction(BotDo.RATE, requests=0, per_s=60)),
    )
    # Envoy runs alone here, without the bot service: a challenge is a plain 403 then.
    refusing = BotChallenge(passes_unavailable=False)
    policy = BotPolicy(mode=BotMode.ENFORCE, rules=rules, challenge=refusing)
    gone = build.route("shop/gone", PathExact("/gone"), FixedResponse(410, "", "text/plain"))
    site = build.site("shop", gone, build.route("shop/all"), bots=policy)
    with serving(site) as running:
        running.origin.answer = lambda _: ok(status="503 Service Unavailable")
        for _ in range(8):
            assert running.get(path, b"accept: text/html").status == status
        answer = running.get(path, b"accept: text/html")
        seen = verdict(running, answer.header("x-request-id"))
    assert {seen.code(f"errors-{span}") for span in ("10s", "60s", "10m")} == {tenths}


def test_who_edits_a_site_is_no_scanner_for_the_paths_of_its_tools() -> None:
    gone = build.route("shop/gone", PathExact("/.env"), FixedResponse(404, "", "text/plain"))
    policy = BotPolicy(mode=BotMode.ENFORCE, rules=DEFAULT_RULES)
    site = build.site("shop", gone, build.route("shop/all"), bots=policy)
    with serving(site) as running:
        work = (b"/wp-login.php", b"/wp-admin/edit.php", b"/wp-admin/admin-ajax.php")
        editor = [
            running.get(path, b"user-agent: " + BROWSER).status for _ in range(10) for path in work
        ]
        scanner = [running.get(b"/.env", b"user-agent: scan/1").status for _ in range(12)]
    assert set(editor) == {200}
    assert scanner == [404] * 10 + [429] * 2


@pytest.mark.parametrize(
    ("sent", "received"),
    [
        ((b"a=1; __Host-seawall=1.k1.x; seawall-try=2; b=3",), [b"a=1; b=3"]),
        ((b"seawall=1; __Host-seawall-probe=2",), []),
        ((b"my-seawall=1; a=2",), [b"my-seawall=1; a=2"]),
        ((b"seawall=1", b"a=1"), [b"seawall=1", b"a=1"]),
    ],
)
def test_the_origin_gets_no_cookie_of_the_edge(
    edge: Serving, sent: tuple[bytes, ...], received: list[bytes]
) -> None:
    edge.forget()
    _seen(edge, *(b"cookie: " + each for each in sent))
    [request] = edge.origin.requests
    assert request.values("cookie") == received
    quiet = edge.get(b"/quiet", *(b"cookie: " + each for each in sent))
    assert quiet.status == 200
    assert edge.origin.requests[-1].values("cookie") == list(sent)


def test_a_route_or_site_without_bots_leaves_no_text(edge: Serving) -> None:
    for answer in (edge.get(b"/quiet/x"), edge.get(host=b"quiet.test")):
        assert answer.status == 200
        assert record(edge, answer.header("x-request-id")).bots == ""


def test_an_edge_without_a_model_has_no_score_and_says_so() -> None:
    with serving() as running:
        answer = running.get(b"/", b"user-agent: curl/8.5.0")
        seen = record(running, answer.header("x-request-id"))
        read = verdict(running, answer.header("x-request-id"))
    assert (read.score, read.model) == (None, "")
    assert read.code("agent-family") == ClientFamily.CURL
    assert "It has no score: there is no bot model." in story(seen).sentences


def test_a_site_that_says_nothing_of_bots_never_blocks_whatever_the_score() -> None:
    paths = (b"/", b"/api/x", b"/.env", b"/wp-login.php", b"/robots.txt", b"/a.css")
    agents = (b"", BROWSER, b"sqlmap/1.7", b"Googlebot/2.1", b"GPTBot/1.0", b"HeadlessChrome/150")
    with serving(bot_model=harsh_model()) as running:
        for tls in (False, True):
            for agent in agents:
                for path in paths:
                    answer = running.get(path, b"user-agent: " + agent, tls=tls)
                    assert (answer.status, answer.body) == (200, b"ok")
        seen = verdict(running, answer.header("x-request-id"))
        assert faults(running) == 0
    assert (seen.score, seen.action.value, seen.rules) == (1, "observe", ())


@pytest.mark.parametrize("zone", ["", "%1"])
def test_no_client_passes_for_the_node_itself(zone: str) -> None:
    """Link-local addresses have a zone, and whoever had one was asked by no rule."""
    rules = (BotRule("no", "true", BotAction(BotDo.BLOCK)),)
    site = build.site("shop", bots=BotPolicy(mode=BotMode.ENFORCE, rules=rules))
    with serving(site, trusted_proxies=TrustedProxies(("127.0.0.0/8",))) as running:
        answer = running.get(b"/", b"x-forwarded-for: fe80::1" + zone.encode())
        assert answer.status == 403
        seen = record(running, answer.header("x-request-id"))
    assert seen.client == f"fe80::1{zone}"


@pytest.mark.parametrize(
    ("order", "code"), [("masp", 1), ("mpas", 2), ("msap", 3), ("mpsa", 4), ("pams", 5)]
)
def test_the_order_of_pseudo_headers_reaches_the_filter(
    edge: Serving, order: str, code: int
) -> None:
    path = f"/order/{order}"
    values = {**dict(GET), ":path": path}
    names = {name[1]: name for name in values}
    fields = [(names[letter], values[names[letter]]) for letter in order]
    with H2Client(edge.tls_port, tls=edge.authority.client(alpn=("h2",))) as client:
        assert client.get(1, [*fields, ("user-agent", "x/1"), ("cookie", "a=1"), ("cookie", "b=2")])
    seen = parse_verdict(record_of_path(edge, path).bots)
    assert seen is not None
    assert (seen.code("protocol"), seen.code("pseudo-order")) == (2, code)
    assert (seen.code("tls-alpn"), seen.code("cookie")) == (3, 1)


HEADERS = (
    b"user-agent", b"accept", b"accept-language", b"accept-encoding", b"sec-ch-ua",
    b"sec-ch-ua-mobile", b"sec-ch-ua-platform", b"sec-fetch-site", b"sec-fetch-mode",
    b"sec-fetch-dest", b"sec-fetch-user", b"upgrade-insecure-requests", b"priority", b"referer",
    b"cookie", b"cache-control", b"if-none-match", b"if-modified-since", b"range", b"origin",
    b"signature-agent", b"signature", b"signature-input", b"x-forwarded-for", b"x-other",
)  # fmt: skip
LINES = st.lists(
    st.tuples(
        st.sampled_from(HEADERS),
        st.one_of(
            st.sampled_from([b"", b" ", b",", b'"', b"%", b"\\", b"a" * 9000, b"\xff\xfe\x80"]),
            st.binary(max_size=200).map(lambda b: bytes(c for c in b if c not in b"\r\n\0")),
            st.text(max_size=50)
            .map(lambda t: t.encode("utf-8", "replace"))
            .map(lambda b: bytes(c for c in b if c not in b"\r\n\0")),
        ),
    ),
    max_size=12,
)
PATHS = st.one_of(
    st.sampled_from(
        [b"/", b"/?", b"/a?" + b"q" * 8000, b"/%ff", b"/..%2f", b"//", b"/a;b=c", b"*"]
    ),
    st.binary(max_size=60).map(lambda b: b"/" + bytes(c for c in b if 33 <= c < 127)),
)


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(PATHS, LINES, st.sampled_from([b"GET", b"HEAD", b"POST", b"OPTIONS", b"PROPFIND", b"M-X"]))
def test_no_odd_request_breaks_the_filter(
    edge: Serving, path: bytes, lines: list[tuple[bytes, bytes]], method: bytes
) -> None:
    sent = request(path, *(b": ".join(line) for line in lines), method=method)
    with edge.client() as client:
        client.send(sent)
        answer = client.response(to_head=method == b"HEAD")
    assert answer.status < 500 or answer.status == 501, (sent, answer)
    assert faults(edge) == 0, sent


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([name.decode() for name in HEADERS]),
            st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=60),
        ),
        max_size=12,
    )
)
def test_no_odd_request_over_http2_breaks_the_filter(
    edge: Serving, fields: list[tuple[str, str]]
) -> None:
    # Control characters never come this far: Envoy ends such a connection itself.
    with H2Client(edge.tls_port, tls=edge.authority.client(alpn=("h2",))) as client:
        client.send(client.headers(1, [*GET, *fields]))
        client.read_until(lambda f: isinstance(f, HeadersFrame | RstStreamFrame | GoAwayFrame))
    assert faults(edge) == 0, fields
