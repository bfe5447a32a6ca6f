"""Policies in a real Envoy: who is let in, who is told no, and how."""

import json
from collections.abc import Iterator

import pytest

from compiler.served import Served, served
from envoy_harness import Origin, free_port
from seawall.ids import SiteName
from seawall.limits import MIB
from seawall.telemetry.bots import parse_verdict
from seawall.telemetry.records import files, newest
from seawall.telemetry.rehearse import rehearse, rules_of
from site_text import load_text

BROWSER = (
    "user-agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "sec-fetch-mode: navigate",
    "sec-fetch-dest: document",
    "sec-fetch-site: none",
)
SCANNER = ("user-agent: sqlmap/1.7",)
CRAWLER = ("user-agent: Mozilla/5.0 (compatible; GPTBot/1.2; +https://openai.com/gptbot)",)
TEXT = """
version: 1
listen: {{http: "127.0.0.1:{port}"}}
access_log: {{sample: 100%}}
origins: {{app: {{endpoints: ["http://127.0.0.1:{origin}"]}}}}
sites:
  silent: {{hosts: [silent.test], origin: app}}
  two:
    hosts: [one.test, other.test]
    origin: app
    bots: {{mode: enforce, rules: [{{name: no, when: 'host == "one.test"', do: block}}]}}
  live:
    hosts: [live.test]
    origin: app
    bots: {{mode: enforce}}
    routes: [{{name: live, prefix: /, websocket: true}}]
  looking:
    hosts: [looking.test]
    origin: app
    bots: {{mode: observe, rules: [{{name: no, when: 'method == "GET"', do: block}}]}}
  changed:
    hosts: [changed.test]
    origin: app
    headers:
      request: {{remove: cookie}}
      response: {{remove: [location], set: {{content-type: text/x-shop, cache-control: a, x-b: b}}}}
    bots: {{mode: enforce, rules: [{{name: no, when: path == "/no", do: block}}]}}
    security_headers: {{content_security_policy: "default-src 'none'"}}
    routes:
      - name: own
        path: /own
        header_changes:
          response: {{set: {{location: /x}}, add: {{x-b: c}}, remove: cache-control}}
      - {{name: other, path: /other, header_changes: {{response: {{set: {{content-type: a/b}}}}}}}}
  closed:
    hosts: [closed.test]
    origin: app
    bots:
      mode: enforce
      challenge: {{unavailable: refuse}}
      categories: {{ai-training: payment}}
      rules:
        - {{name: noted, when: 'path.startswith("/")', do: observe}}
        - {{name: ours, when: 'path == "/ours"', do: allow}}
        - {{name: slow, when: 'path == "/slow"', do: {{rate: {{requests: 3, per: 10m}}}}}}
        - {{name: scanners, when: 'agent_family == "scanner"', do: block}}
        - {{name: all, when: not claims and path != "/slow", do: challenge}}
    routes:
      - {{name: api, prefix: /api, class: api}}
      - {{name: feed, path: /news, class: feed}}
      - {{name: hook, prefix: /hook, bots: off}}
"""


@pytest.fixture(scope="module")
def edge() -> Iterator[Served]:
    with Origin() as origin:
        found = load_text(TEXT.format(port=free_port(), origin=origin.port))
        assert found.edge is not None, [str(p) for p in found.problems]
        with served(found.edge) as running:
            yield running


def verdict(edge: Served, target: str, host: str, *headers: str) -> tuple[int, str, str]:
    """Status, action and rule of a request, the latter two as recorded."""
    answer = edge.get(target, host, headers=headers)
    words = str(edge.record_of(answer)["bots"]).split(" ")
    return answer.status, words[1], words[2]


@pytest.mark.parametrize("headers", [BROWSER, SCANNER, CRAWLER, ()])
def test_a_site_without_a_policy_turns_nobody_away(edge: Served, headers: tuple[str, ...]) -> None:
    assert verdict(edge, "/", "silent.test", *headers) == (200, "observe", "-")
    for _ in range(30):
        assert edge.get("/.env", "silent.test", headers=headers).status == 200


@pytest.mark.parametrize("headers", [BROWSER, SCANNER, CRAWLER, ()])
def test_a_site_that_observes_names_the_rule_and_lets_everybody_in(
    edge: Served, headers: tuple[str, ...]
) -> None:
    assert verdict(edge, "/", "looking.test", *headers) == (200, "observe", "no")


@pytest.mark.parametrize("connection", ["Upgrade", "upgrade", "keep-alive, Upgrade"])
def test_a_websocket_is_not_challenged_by_default(edge: Served, connection: str) -> None:
    program = ("user-agent: Python/3.11 websockets/17.4",)
    assert verdict(edge, "/ws", "live.test", *program) == (403, "challenge", "automated")
    opening = (*program, f"connection: {connection}", "upgrade: websocket")
    assert verdict(edge, "/ws", "live.test", *opening) == (200, "allow", "-")


@pytest.mark.parametrize(
    ("target", "program"),
    [
        ("/repodata/repomd", "urlgrabber/3.10 yum/3.4.3"),
        ("/v2/", "containers/5.29.2 (github.com/containers/image)"),
        ("/v2/app/manifests/1.2", "registry-client/1"),
        ("/example.test/mod/@v/list", "Go-http-client/1.1"),
        ("/files/plan.docx", "Microsoft-WebDAV-MiniRedir/10.0.19045"),
        ("/files/app-1.2.tar.GZ", "curl/8.5.0"),
        ("/live/1.m3u8", "registry-client/1"),
        ("/live/1", "Shop/1.0 (Linux;Android 13) ExoPlayerLib/2.19.1"),
        ("/live/1", "Shop/1.0 (Linux;Android 15) AndroidXMedia3/1.5.1"),
        ("/health", "Gatus/1.0"),
        ("/health", "Load Balancer Agent"),
        ("/shared", "Mattermost-Bot/1.1"),
        ("/show", "Spotify/1.0"),
        ("/show", "Pocket Casts"),
        ("/show", "PodcastAddict/v5 (+https://podcastaddict.com/; Android podcast app)"),
        ("/scores", "UnityPlayer/2022.3.1f1 (UnityWebRequest/1.0, libcurl/7.84.0-DEV)"),
    ],
)
def test_what_installs_or_mounts_is_not_challenged_by_default(
    edge: Served, target: str, program: str
) -> None:
    assert verdict(edge, "/page", "live.test", "user-agent: registry-client/1")[0] == 403
    assert verdict(edge, target, "live.test", f"user-agent: {program}") == (200, "allow", "-")


def test_what_a_program_posts_is_not_challenged_by_default_whatever_it_accepts(
    edge: Served,
) -> None:
    java = ("user-agent: Java/17.0.9", "accept: text/html, image/gif, *; q=.2, */*; q=.2")
    assert verdict(edge, "/paid", "live.test", *java)[1:] == ("challenge", "automated")
    posted = edge.get("/paid", "live.test", method="POST", headers=(*java, "content-length: 0"))
    assert str(edge.record_of(posted)["bots"]).split(" ")[1] == "allow"


@pytest.mark.parametrize("host", ["one.test", "ONE.test", "one.test:8080", "One.Test:80"])
def test_a_host_is_the_same_however_a_client_writes_it(edge: Served, host: str) -> None:
    assert verdict(edge, "/", host) == (403, "block", "no")
    assert verdict(edge, "/", host.lower().replace("one", "other")) == (200, "allow", "-")


def test_rules_are_carried_out_and_recorded(edge: Served) -> None:
    assert verdict(edge, "/", "closed.test", *SCANNER) == (403, "block", "noted+scanners")
    assert verdict(edge, "/ours", "closed.test", *SCANNER) == (200, "allow", "noted+ours")
    assert verdict(edge, "/?a=/ours", "closed.test", *SCANNER)[1] == "block"
    assert verdict(edge, "/", "closed.test", *CRAWLER) == (
        402,
        "payment",
        "noted+category:ai-training",
    )


def test_a_site_that_may_challenge_changes_headers_as_any_other(edge: Served) -> None:
    told = ("content-type", "cache-control", "location", "x-b")
    assert [edge.get("/", "changed.test").header(name) for name in told] == [
        *("text/x-shop", "a", None, "b"),
    ]
    own = edge.get("/own", "changed.test")
    assert [own.header(name) for name in told] == ["text/x-shop", None, "/x", "b"]
    assert edge.get("/other", "changed.test").header("content-type") == "a/b"


def test_a_refusal_has_its_own_headers_and_not_a_second_one_of_the_site(edge: Served) -> None:
    answer = edge.get("/no", "changed.test", headers=BROWSER)
    assert answer.status == 403
    told = {"content-type": "text/plain; charset=utf-8", "cache-control": "no-store", "x-b": "b"}
    names = [name for name, _ in answer.headers]
    for name, value in told.items():
        assert (names.count(name), answer.header(name)) == (1, value)
    assert not [name for name in names if name.startswith("x-seawall")]


@pytest.mark.parametrize(
    ("kind", "status", "grpc"),
    [
        ("application/grpc", 200, "7"),
        ("application/grpc+proto", 200, "7"),
        ("application/grpc-web", 403, None),
        ("application/grpc;a=b", 403, None),
    ],
)
def test_a_call_of_grpc_is_refused_in_its_own_way(
    edge: Served, kind: str, status: int, grpc: str | None
) -> None:
    call = (*SCANNER, f"content-type: {kind}", "content-length: 0")
    answer = edge.get("/shop.Cart/Add", "closed.test", method="POST", headers=call)
    assert (answer.status, answer.header("grpc-status")) == (status, grpc)
    told = answer.header("grpc-message") or answer.body.decode()
    assert json.loads(told) == {"error": "blocked", "request_id": answer.header("x-request-id")}
    written = "application/grpc" if grpc else "application/json"
    assert answer.header("content-type") == written
    assert not [name for name, _ in answer.headers if name.startswith("x-seawall")]


def test_a_call_of_grpc_over_its_rate_is_told_when_to_come_again(edge: Served) -> None:
    call = ("user-agent: grpc-go/1.60", "content-type: application/grpc", "content-length: 0")
    for _ in range(4):
        answer = edge.get("/slow", "closed.test", method="POST", headers=call)
    assert (answer.header("grpc-status"), answer.header("retry-after")) == ("14", "600")


def test_the_paths_of_challenges_are_paths_like_others_where_nobody_is_challenged(
    edge: Served,
) -> None:
    with Origin() as origin:
        found = load_text(TEXT.format(port=free_port(), origin=origin.port))
        assert found.edge is not None
        with served(found.edge) as running:
            path = "/.well-known/seawall/challenge/solve"
            assert verdict(running, path, "looking.test") == (200, "observe", "exempt:seawall")
            assert b"x-seawall-" not in origin.requests[0].head.lower()


def test_a_rehearsal_on_the_records_says_what_envoy_did(edge: Served) -> None:
    """Also of those that other tests of this module asked for."""
    for target in ("/", "/ours", "/api/a", "/news", "/hook/a", "/robots.txt", "/a.png", "/.env"):
        for headers in (BROWSER, SCANNER, CRAWLER, ()):
            edge.record_of(edge.get(target, "closed.test", headers=headers))
    for _ in range(8):
        edge.record_of(edge.get("/slow", "closed.test", headers=BROWSER))
    site, loaded = SiteName("closed"), load_text(TEXT.format(port=1, origin=2)).edge
    assert loaded is not None
    rules = {site: rules_of(loaded)[site]}
    compared, away = 0, set()
    for record in newest(files(edge.envoy.directory / "access.ndjson"), MIB):
        verdict = parse_verdict(record.bots)
        if record.site != site or verdict is None:
            continue
        [found] = rehearse([record], {}, rules)
        assert found.requests + found.unsure == 1
        turned = verdict.action in ("block", "challenge", "payment", "rate")
        wanted = [(verdict.rules[-1], verdict.action.value)] if turned else []
        if found.requests:
            assert [(rule.rule, rule.do) for rule in found.rules] == wanted, record
            compared += 1
            away |= {do for _, do in wanted}
    assert compared >= 30
    assert away == {"block", "challenge", "payment", "rate"}


def test_a_route_that_is_left_alone(edge: Served) -> None:
    answer = edge.get("/hook/a", "closed.test", headers=SCANNER)
    assert answer.status == 200
    assert "bots" not in edge.record_of(answer)


@pytest.mark.parametrize("path", ["/robots.txt", "/.well-known/acme-challenge/abc"])
def test_some_paths_are_open_to_everybody(edge: Served, path: str) -> None:
    for _ in range(5):
        assert edge.get(path, "closed.test", headers=SCANNER).status == 200


PROGRAMS = {
    "a tool": ("/", ("accept: */*", "user-agent: curl/8.5.0")),
    "an API": ("/api/x", BROWSER),
    "a feed": ("/news", BROWSER),
    "who accepts a feed": ("/x", ("accept: application/atom+xml", "user-agent: a/1")),
    "a script of a page": ("/x", (BROWSER[0], "sec-fetch-mode: cors", "sec-fetch-dest: empty")),
    "an image of a page": ("/x.png", (BROWSER[0], "sec-fetch-mode: no-cors")),
    "git": ("/r.git/info/refs?service=git-upload-pack", ("user-agent: git/2.43.0",)),
    "a package manager": ("/simple/seawall/", ("user-agent: pip/24.0", "accept: text/html")),
    "a sitemap": ("/sitemap.xml", ("accept: text/html", "user-agent: a/1")),
    "well-known": ("/.well-known/security.txt", BROWSER),
}  # fmt: skip


@pytest.mark.parametrize(("target", "headers"), PROGRAMS.values(), ids=PROGRAMS)
def test_programs_are_never_shown_a_page(
    edge: Served, target: str, headers: tuple[str, ...]
) -> None:
    answer = edge.get(target, "closed.test", headers=headers)
    assert answer.status == 403
    assert answer.header("content-type") == "application/json"
    assert answer.header("retry-after") == "600"
    assert answer.header("cache-control") == "no-store"
    said = json.loads(answer.body)
    assert said == {"error": "challenge-required", "request_id": answer.header("x-request-id")}


def test_a_preflight_is_let_through_to_ask_and_other_options_are_never_shown_a_page(
    edge: Served,
) -> None:
    asks = ("origin: https://a.test", "access-control-request-method: PUT", *BROWSER)
    assert edge.get("/x", "closed.test", method="OPTIONS", headers=asks).status == 200
    asked = edge.get("/x", "closed.test", method="PUT", headers=(asks[0], *BROWSER))
    assert json.loads(asked.body)["error"] == "challenge-required"
    refused = edge.get("/x", "closed.test", method="OPTIONS", headers=(asks[0], *SCANNER))
    assert json.loads(refused.body)["error"] == "blocked"
    answer = edge.get("/x", "closed.test", method="OPTIONS", headers=BROWSER)
    assert (answer.status, answer.header("content-type")) == (403, "application/json")


def test_without_the_bot_service_a_person_is_refused_where_the_site_says_so(edge: Served) -> None:
    answer = edge.get("/", "closed.test", headers=BROWSER)
    assert answer.status == 403
    assert answer.header("content-type") == "text/plain; charset=utf-8"
    assert f"Reference: {answer.header('x-request-id')}".encode() in answer.body


def test_a_client_over_the_rate_waits_and_others_do_not(edge: Served) -> None:
    quick = ("user-agent: Wget/1.21",)
    statuses = [edge.get("/slow", "closed.test", headers=quick).status for _ in range(6)]
    assert statuses == [200, 200, 200, 429, 429, 429]
    over = edge.get("/slow", "closed.test", headers=quick)
    assert over.header("retry-after") == "600"
    assert json.loads(over.body)["error"] == "rate-limited"
    assert verdict(edge, "/slow", "closed.test", *quick)[1:] == ("rate", "noted+slow")
    assert edge.get("/slow", "closed.test", headers=("user-agent: Java/21",)).status == 200
