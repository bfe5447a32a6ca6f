"""Challenges on a real `seawall up`: real browsers pass, and a missing service lets people pass."""

import http.server
import json
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from selenium.webdriver.support.ui import WebDriverWait

from challenge.browsers import chromium, needs_chromium
from helpers import free_port, wait_until
from raw_http import RawClient
from seawall.daemon.processes import read_run_file
from seawall.demo.website import running_website
from seawall.limits import BOT_SERVICE_BROWSER_CONNECTIONS_MAX
from seawall_process import Edge, seawall_up

BROWSER_LINES = (
    (
        b"user-agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
        b"Chrome/150.0.0.0 Safari/537.36"
    ),
    b"accept: text/html",
)
PASS_S = 60


def _site_file(port: int, tls_port: int, origin: str) -> str:
    return f"""version: 1
listen: {{http: 127.0.0.1:{port}, https: 127.0.0.1:{tls_port}}}
tls: {{development_ca: true}}
sites:
  shop:
    hosts: ["*"]
    origin: "{origin}"
    bots:
      mode: enforce
      challenge: {{unavailable: pass}}
      rules:
        - {{name: gate, when: path == "/", do: challenge}}
  strict:
    hosts: [strict.test]
    origin: "{origin}"
    bots:
      mode: enforce
      challenge: {{unavailable: refuse}}
      rules:
        - {{name: gate, when: path == "/", do: challenge}}
  bare:
    hosts: [localhost]
    origin: "{origin}"
    headers:
      request: {{remove: cookie, set: {{content-type: text/plain, origin: "https://a.test"}}}}
      response:
        remove: set-cookie
        set: {{content-security-policy: "default-src 'none'", content-type: text/plain}}
    bots: {{mode: enforce, rules: [{{name: gate, when: not cleared, do: challenge}}]}}
rollout: {{steps: [{{share: 10%, soak: 0s, deadline: 2s}}], bake: 1s}}
"""


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Edge, int]]:
    directory = tmp_path_factory.mktemp("challenged")
    port, tls_port = free_port(), free_port()
    with running_website() as website:
        origin = f"http://127.0.0.1:{website}"
        text = _site_file(port, tls_port, origin)
        with seawall_up(directory, origin, port=port, text=text) as running:
            wait_until(lambda: service(running.data_dir), what="the bot service runs")
            wait_until((running.data_dir / "node" / "bots.sock").exists, what="it listens")
            yield running, tls_port


def service(data_dir: Path) -> object:
    return read_run_file(data_dir / "run" / "bots.json")


def ask(
    port: int, *lines: bytes, path: bytes = b"/", host: bytes = b"shop.test"
) -> tuple[int, bytes]:
    with RawClient(port) as client:
        client.send(b"GET " + path + b" HTTP/1.1\r\nhost: " + host + b"\r\n")
        client.send(b"".join(line + b"\r\n" for line in lines) + b"connection: close\r\n\r\n")
        answer = client.response()
        return answer.status, answer.body


@needs_chromium
def test_a_browser_passes_and_is_not_asked_again(edge: tuple[Edge, int]) -> None:
    _, tls_port = edge
    with chromium(automated=False) as browser:
        browser.get(f"https://127.0.0.1:{tls_port}/")
        WebDriverWait(browser, PASS_S).until(lambda b: b.get_cookie("__Host-seawall"))
        WebDriverWait(browser, PASS_S).until(
            lambda b: not b.find_elements("css selector", "#seawall")
        )
        cookie = browser.get_cookie("__Host-seawall")
        assert cookie is not None
        assert cookie["httpOnly"]
        browser.get(f"https://127.0.0.1:{tls_port}/")
        assert not browser.find_elements("css selector", "#seawall")


@needs_chromium
def test_a_browser_without_scripts_passes(edge: tuple[Edge, int]) -> None:
    _, tls_port = edge
    with chromium(scripts=False) as browser:
        browser.get(f"https://127.0.0.1:{tls_port}/")
        WebDriverWait(browser, PASS_S).until(lambda b: b.get_cookie("__Host-seawall"))


@needs_chromium
@pytest.mark.parametrize("scripts", [True, False])
def test_what_a_site_changes_of_headers_does_not_touch_its_challenge(
    edge: tuple[Edge, int], scripts: bool
) -> None:
    _, tls_port = edge
    with chromium(automated=False, scripts=scripts) as browser:
        browser.get(f"https://localhost:{tls_port}/")
        WebDriverWait(browser, PASS_S).until(lambda b: b.get_cookie("__Host-seawall"))
        WebDriverWait(browser, PASS_S).until(
            lambda b: not b.find_elements("css selector", "#seawall")
        )
        said = [entry["message"] for entry in browser.get_log("browser")]
        assert not [text for text in said if "Content Security Policy" in text]


def test_a_program_gets_typed_json_and_a_page_a_challenge(edge: tuple[Edge, int]) -> None:
    running, _ = edge
    status, body = ask(running.port, b"user-agent: curl/8", b"accept: */*")
    assert status == 403
    assert json.loads(body)["error"] == "challenge-required"
    status, body = ask(running.port, *BROWSER_LINES)
    assert status == 403
    assert b"<html" in body


@pytest.mark.parametrize(
    "cookie",
    [b"seawall=", b"seawall=x", b"seawall=1.k1.1.9.3.1.5.AAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAA"],
)
def test_a_made_up_clearance_opens_nothing(edge: tuple[Edge, int], cookie: bytes) -> None:
    running, _ = edge
    assert ask(running.port, *BROWSER_LINES, b"cookie: " + cookie)[0] == 403


def test_headers_that_only_envoy_may_say_are_not_believed(edge: tuple[Edge, int]) -> None:
    running, _ = edge
    path = b"/.well-known/seawall/challenge/script.js"
    status, _ = ask(running.port, b"x-seawall-host: other.test", b"x-seawall-prefix: -", path=path)
    assert status == 200
    assert ask(running.port, path=b"/internal/challenge")[0] != 200
    assert ask(running.port, path=b"/.well-known/seawall/../../internal/challenge")[0] != 200


@pytest.mark.parametrize("name", [b"solve", b"refresh"])
def test_answers_that_come_slowly_spare_nobody_a_challenge(
    edge: tuple[Edge, int], name: bytes
) -> None:
    """They held every connection to the service, and the fail mode of the site let all pass."""
    running, _ = edge
    with ExitStack() as stack:
        for _ in range(2 * BOT_SERVICE_BROWSER_CONNECTIONS_MAX):
            client = stack.enter_context(RawClient(running.port))
            client.send(
                b"POST /.well-known/seawall/challenge/" + name + b" HTTP/1.1\r\nhost: shop.test\r\n"
                b'content-type: application/json\r\ncontent-length: 500\r\n\r\n{"'
            )
        for _ in range(3):
            status, body = ask(running.port, *BROWSER_LINES)
            assert (status, b"<html" in body) == (403, True)


def test_robots_txt_and_data_are_never_challenged_with_html(edge: tuple[Edge, int]) -> None:
    running, _ = edge
    assert b"seawall" not in ask(running.port, *BROWSER_LINES, path=b"/robots.txt")[1]


def test_keys_and_settings_are_private(edge: tuple[Edge, int]) -> None:
    running, _ = edge
    node = running.data_dir / "node"
    for name in ("bots.json", "bots.sock", "verified.map", "claims.map"):
        assert (node / name).stat().st_mode & 0o077 == 0, name
    keys = json.loads((node / "bots.json").read_text())["sites"][0]["keys"]
    secret = keys.split(":")[1]
    shown = running.run("diff").stdout + running.run("show", "r1").stdout
    shown += running.run("status", "--format", "json").stdout
    assert secret not in shown
    assert all(secret not in log.read_text() for log in (running.data_dir / "logs").glob("*"))


def _kill_service(running: Edge) -> None:
    first = read_run_file(running.data_dir / "run" / "bots.json")
    assert first is not None
    first.send(9)
    wait_until(lambda: not first.alive(), what="the service is gone")


def _wait_for_challenges(running: Edge) -> None:
    wait_until(
        lambda: (
            b"<html" in ask(running.port, *BROWSER_LINES)[1]
            and b"seawall/challenge" in ask(running.port, *BROWSER_LINES)[1]
        ),
        what="challenges are shown again",
        deadline_s=30,
    )


def test_a_killed_service_comes_back(edge: tuple[Edge, int]) -> None:
    running, _ = edge
    _kill_service(running)
    assert ask(running.port, *BROWSER_LINES, path=b"/api/time")[0] == 200
    _wait_for_challenges(running)


def test_a_service_that_hangs_is_replaced(edge: tuple[Edge, int]) -> None:
    running, _ = edge
    _wait_for_challenges(running)
    hanging = read_run_file(running.data_dir / "run" / "bots.json")
    assert hanging is not None
    hanging.send(signal.SIGSTOP)
    try:
        wait_until(lambda: not hanging.alive(), what="it is ended", deadline_s=60)
    finally:
        hanging.send(signal.SIGCONT)
    _wait_for_challenges(running)


def test_without_the_service_the_fail_mode_of_the_site_decides(edge: tuple[Edge, int]) -> None:
    running, _ = edge
    hosts = {b"shop.test": 200, b"strict.test": 403}
    for host in hosts:
        assert b"seawall/challenge" in ask(running.port, *BROWSER_LINES, host=host)[1], host
    socket = running.data_dir / "node" / "bots.sock"
    socket.unlink()
    socket.mkdir()  # in the way of the next service
    _kill_service(running)
    try:
        for host, status in hosts.items():
            answered, body = ask(running.port, *BROWSER_LINES, host=host)
            assert answered == status, host
            assert b"seawall/challenge" not in body, host
    finally:
        socket.rmdir()
        _wait_for_challenges(running)


def test_a_key_is_rotated_by_a_release_and_the_old_one_is_still_believed(
    edge: tuple[Edge, int],
) -> None:
    running, _ = edge
    settings = running.data_dir / "node" / "bots.json"
    before = json.loads(settings.read_text())["sites"][0]["keys"].split()
    done = running.run("bots", "rotate-keys", "-m", "a test")
    assert done.returncode == 0, done.stdout + done.stderr
    after = wait_until(
        lambda: (
            keys
            if (keys := json.loads(settings.read_text())["sites"][0]["keys"].split()) != before
            else None
        ),
        what="the new key",
    )
    assert after[2] == before[1]
    assert after[1] not in before
    again = running.run("bots", "rotate-keys", "-m", "a leak", "--break-glass")
    assert again.returncode == 0, again.stdout + again.stderr
    wait_until(
        lambda: before[1] not in json.loads(settings.read_text())["sites"][0]["keys"].split(),
        what="the leaked key is gone",
    )
    assert "break-glass: every step was skipped" in again.stdout + again.stderr


@needs_chromium
def test_a_form_comes_back_after_the_challenge(tmp_path: Path) -> None:
    port, tls_port = free_port(), free_port()
    received = threading.Event()

    class Asked(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._page(
                b"<form method=post action=/sent><textarea name=t>a &amp; b</textarea>"
                b"<button id=go>go</button></form>"
            )

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if body == b"t=a+%26+b":
                received.set()
            self._page(b"<p id=thanks>thanks</p>")

        def _page(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Asked) as website:
        threading.Thread(target=website.serve_forever, daemon=True).start()
        origin = f"http://127.0.0.1:{website.server_port}"
        text = _site_file(port, tls_port, origin).replace('path == "/"', 'path == "/sent"')
        with seawall_up(tmp_path, origin, port=port, text=text) as running:
            wait_until((running.data_dir / "node" / "bots.sock").exists, what="it listens")
            with chromium(automated=False) as browser:
                browser.get(f"https://127.0.0.1:{tls_port}/")
                browser.find_element("css selector", "#go").click()
                WebDriverWait(browser, PASS_S).until(
                    lambda b: b.find_elements("css selector", "#thanks")
                )
        website.shutdown()
    assert received.is_set()
