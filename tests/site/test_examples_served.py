"""Each example as a user meets it: loaded, compiled, run by a real Envoy, and asked for pages.

The ports of the examples are fixed, so that a reader can try them; here they are exchanged for free
ones. Each origin answers with its own port as it stands in the example.
"""

import contextlib
import re
import shutil
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from envoy_harness import Origin, Response, fetch, free_port, ok, running_envoy, wait_until
from origin_server import OriginRequest
from seawall.clock import SystemClock
from seawall.compiler.check import check
from seawall.compiler.compile import compile_edge
from seawall.compiler.static import static_bootstrap
from seawall.site.collect import collect
from seawall.site.development_ca import DevelopmentCa
from seawall.site.disk import read_file
from seawall.site.load import load

EXAMPLES = Path(__file__).parents[2] / "examples"
ORIGIN_PORTS = (8000, 8001, 8002)
LISTEN_PORTS = (18080, 18081, 18443)


@dataclass(frozen=True)
class Example:
    """A running example; ports are asked for by the number that stands in the example."""

    ports: dict[int, int]
    origins: dict[int, Origin]
    authority: DevelopmentCa

    def get(
        self, host: str, target: str = "/", *, method: str = "GET", headers: str = ""
    ) -> Response:
        lines = f"{method} {target} HTTP/1.1\r\nhost: {host}\r\n{headers}\r\n"
        return fetch(self.ports[18080], lines.encode())

    def answers(self, host: str, target: str = "/", **more: str) -> tuple[int, str]:
        response = self.get(host, target, **more)
        return response.status, response.body.decode()


@contextlib.contextmanager
def running(name: str, directory: Path) -> Iterator[Example]:
    with contextlib.ExitStack() as stack:
        origins = {port: stack.enter_context(Origin(_says(port))) for port in ORIGIN_PORTS}
        ports = {port: origin.port for port, origin in origins.items()}
        ports |= {port: free_port() for port in LISTEN_PORTS}
        shutil.copytree(EXAMPLES / name, directory / name)
        for file in (directory / name).rglob("*.yaml"):
            text = file.read_text("utf-8")
            file.write_text(re.sub(r"\b(80|180|184)\d\d\b", lambda m: _exchanged(m, ports), text))
        authority = DevelopmentCa(directory / "ca", SystemClock())
        loaded = load(
            collect(directory / name / "seawall.yaml"),
            read=read_file,
            now_s=SystemClock().now_s(),
            development_certificate=authority.issue,
        )
        assert loaded.edge is not None, [str(p) for p in loaded.problems]
        snapshot = compile_edge(loaded.edge)
        check(snapshot)
        stack.enter_context(running_envoy(static_bootstrap(snapshot, admin_path=None)))
        yield Example(ports, origins, authority)


def _says(port: int) -> Callable[[OriginRequest], bytes]:
    def answer(request: OriginRequest) -> bytes:
        return ok(f"{port} {request.target.decode()}".encode())

    return answer


def _exchanged(found: re.Match[str], ports: dict[int, int]) -> str:
    return str(ports.get(int(found[0]), found[0]))


def test_one_site(tmp_path: Path) -> None:
    with running("one-site", tmp_path) as example:
        response = example.get("any.example", "/a?b")
        assert (response.status, response.body) == (200, b"8000 /a?b")
        assert response.header("x-content-type-options") == "nosniff"
        assert response.header("x-request-id")


def test_many_sites(tmp_path: Path) -> None:
    with running("many-sites", tmp_path) as example:
        assert example.answers("shop.example.com")[0] == 200
        assert example.answers("www.shop.example.com", "/assets/x")[0] == 200
        assert str(example.get("shop.example.com", "/cart.php").header("location")).endswith(
            "/cart"
        )
        assert example.answers("docs.example.com") == (200, "8002 /")
        assert example.get("docs.example.com").header("cache-control") == "public, max-age=300"
        moved = example.get("journal.example.com", "/x")
        assert (moved.status, moved.header("location")) == (308, "http://blog.example.com/")
        assert example.get("nobody.example").status == 421


def test_api_and_pages(tmp_path: Path) -> None:
    with running("api-and-pages", tmp_path) as example:
        host = "app.example.com"
        assert example.answers(host) == (200, "8000 /")
        assert example.answers(host, "/healthz") == (200, "ok")
        assert example.answers(host, "/v1/things") == (200, "8001 /api/things")
        assert example.answers(host, "/api/things") == (200, "8001 /api/things")
        posted = {"method": "POST", "headers": "content-length: 0\r\n"}
        assert example.answers(host, "/api", **posted) == (200, "8001 /api")
        assert example.answers(host, "/api", method="OPTIONS")[0] == 405
        assert example.answers(host, "/x", headers="x-beta: 1\r\n") == (200, "8002 /x")
        assert example.answers(host, "/item/7") == (200, "8000 /items?id=7")
        page = example.get(host)
        assert page.header("x-frame-options") == "DENY"
        assert page.header("content-security-policy") == "default-src 'self'"
        large = {"method": "POST", "headers": "content-length: 2000000\r\n"}
        assert example.answers(host, "/api", **large)[0] == 413


def test_websockets_behind_a_load_balancer(tmp_path: Path) -> None:
    with running("websockets-behind-load-balancer", tmp_path) as example:
        host = "chat.example.com"
        assert example.answers(host)[0] == 200
        first = {example.answers(host, headers="cookie: session=abc\r\n") for _ in range(8)}
        assert len(first) == 1
        proxied = (
            f"PROXY TCP4 198.51.100.7 127.0.0.1 1234 80\r\nGET / HTTP/1.1\r\nhost: {host}\r\n\r\n"
        )
        assert fetch(example.ports[18081], proxied.encode()).status == 200
        seen = [r for origin in example.origins.values() for r in origin.requests]
        assert [b"198.51.100.7"] in [request.values("x-forwarded-for") for request in seen]
        for origin in example.origins.values():
            origin.answer = lambda _: (
                b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n"
                b"connection: upgrade\r\n\r\n"
            )
        upgrade = "upgrade: websocket\r\nconnection: upgrade\r\n"
        assert example.get(host, "/ws", headers=upgrade).status == 101


def test_origins_with_backup(tmp_path: Path) -> None:
    with running("origins-with-backup", tmp_path) as example:
        wait_until(
            lambda: {example.answers("a.example")[1][:4] for _ in range(12)} == {"8000", "8001"},
            what="both servers answer and the backup does not",
        )
        for port in (8000, 8001):
            example.origins[port].answer = lambda _: ok(b"", status="500 Internal Server Error")
        wait_until(
            lambda: {example.answers("a.example") for _ in range(6)} == {(200, "8002 /")},
            what="the backup takes over",
            deadline_s=30,
        )


def test_https_for_development(tmp_path: Path) -> None:
    with running("https-for-development", tmp_path) as example:
        redirect = example.get("localhost", "/a")
        assert redirect.status == 308
        assert str(redirect.header("location")).startswith("https://localhost")
        assert example.answers("plain.example.com") == (200, "8000 /")
        client = ssl.create_default_context(cadata=example.authority.ca_pem.decode())
        request = b"GET /a HTTP/1.1\r\nhost: localhost\r\n\r\n"
        answer = fetch(example.ports[18443], request, tls=client, sni="localhost")
        assert (answer.status, answer.body) == (200, b"8000 /a")
        assert answer.header("strict-transport-security") == "max-age=3600"


def test_careful_rollout(tmp_path: Path) -> None:
    with running("careful-rollout", tmp_path) as example:
        host = "shop.localhost"
        assert example.answers(host) == (200, "8000 /")
        assert example.answers(host, "/ping") == (200, "pong")
        assert example.answers(host, "/old")[0] == 308


PERSON = {
    "headers": "user-agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/150.0.0.0 Safari/537.36\r\n"
    "accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    "accept-encoding: gzip, deflate\r\naccept-language: en-US,en;q=0.9\r\n"
    "upgrade-insecure-requests: 1\r\n"
}


def test_bots(tmp_path: Path) -> None:
    with running("bots", tmp_path) as example:
        host = "app.example.com"
        scanner = {"headers": "user-agent: sqlmap/1.7\r\n"}
        crawler = {"headers": "user-agent: Mozilla/5.0 (compatible; GPTBot/1.2)\r\n"}
        assert example.answers(host, **PERSON) == (200, "8000 /")
        assert [example.answers(host)[0] for _ in range(4)] == [200, 200, 200, 403]
        robots = example.get(host, "/robots.txt", **crawler)
        assert robots.status == 200
        assert robots.header("content-type") == "text/plain; charset=utf-8"
        assert b"User-agent: GPTBot\n" in robots.body
        assert b"Disallow: /search\n" in robots.body
        refused = example.get(host, **scanner)
        assert (refused.status, refused.header("content-type")) == (403, "application/json")
        assert b'{"error":"blocked","request_id":"' in refused.body
        assert example.answers(host, **crawler)[0] == 403
        assert example.answers(host, "/up/f1a0c3", **scanner) == (200, "8000 /up/f1a0c3")
        assert example.answers(host, "/hooks", **scanner) == (200, "8001 /hooks")
        assert example.answers(host, "/.well-known/acme-challenge/t", **scanner)[0] == 200
        # Who is answered there is no scanner.
        assert {example.answers(host, "/wp-admin/", **PERSON)[0] for _ in range(20)} == {200}
        statuses = [example.answers(host, "/search", **PERSON)[0] for _ in range(60)]
        assert statuses[0] == 200
        assert statuses[-1] == 429
        assert example.get(host, "/search", **PERSON).header("retry-after") == "60"


def test_every_example_is_served_by_a_test() -> None:
    named = re.findall(r'running\("([a-z-]+)"', Path(__file__).read_text("utf-8"))
    assert sorted(named) == sorted(path.name for path in EXAMPLES.iterdir())
