"""Visitors of a real `seawall up` who were in the middle of something when the challenge came."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from challenge.browsers import chromium, needs_chromium, needs_firefox, read_aloud_firefox
from edge.test_challenge_up import service
from helpers import free_port, wait_until
from origin_server import Origin, OriginRequest, ok
from seawall_process import Edge, seawall_up

PASS_S = 60
HTML = b"content-type: text/html; charset=utf-8\r\n"
WORKER = b"""
addEventListener("install", () => skipWaiting());
addEventListener("activate", (event) => event.waitUntil(clients.claim()));
addEventListener("fetch", (event) => event.respondWith(fetch(event.request)));
"""
REGISTER = b"""<title>wait</title><script>
navigator.serviceWorker.register("/open/worker.js", { scope: "/" })
  .then(() => navigator.serviceWorker.ready).then(() => (document.title = "worker"));
</script>"""
FIELDS = b"<input name=text value='words to keep'><input type=file name=file><button>Send</button>"
APP = b"""<title>app</title><script>
const ask = async () => {
  const answer = await fetch("/api/time");
  return [answer.status, await answer.text()];
};
// As docs/challenge.md has it.
async function passChallenge(page) {
  const frame = document.createElement("iframe");
  frame.hidden = true;
  frame.src = page;
  const passed = new Promise((resolve) => {
    frame.onload = () => {
      if (!frame.contentDocument?.getElementById("seawall")) resolve();
    };
  });
  document.body.append(frame);
  await passed;
  frame.remove();
}
</script>"""
PAGES = {
    b"/open/register": REGISTER,
    b"/open/form": b"<title>form</title><form method=post action=/sent>" + FIELDS + b"</form>",
    b"/open/upload": b"<title>form</title><form method=post action=/sent "
    b"enctype=multipart/form-data>" + FIELDS + b"</form>",
    b"/open/app": APP,
}


def _answer(request: OriginRequest) -> bytes:
    if request.target == b"/open/worker.js":
        kind = b"content-type: text/javascript\r\nservice-worker-allowed: /\r\n"
        return ok(WORKER, headers=kind)
    page = PAGES.get(request.target, b"<title>" + request.method + b"</title>")
    return ok(page, headers=HTML)


def _site_file(port: int, tls_port: int, origin: str) -> str:
    gate = 'kind in ["page", "data"] and not path.startswith("/open/")'
    return f"""version: 1
listen: {{http: 127.0.0.1:{port}, https: 127.0.0.1:{tls_port}}}
tls: {{development_ca: true}}
sites:
  shop:
    hosts: [localhost]
    origin: "{origin}"
    bots: {{mode: enforce, rules: [{{name: gate, when: '{gate}', do: challenge}}]}}
  strict:
    hosts: [strict.localhost]
    origin: "{origin}"
    bots: {{mode: enforce, rules: [{{name: gate, do: {{challenge: {{level: 3}}}}}}]}}
  other:
    hosts: ["*"]
    origin: "{origin}"
rollout: {{steps: [{{share: 10%, soak: 0s, deadline: 2s}}], bake: 1s}}
"""


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Edge, Origin, int]]:
    directory = tmp_path_factory.mktemp("visited")
    port, tls_port = free_port(), free_port()
    with Origin(_answer) as origin:
        url = f"http://127.0.0.1:{origin.port}"
        text = _site_file(port, tls_port, url)
        with seawall_up(directory, url, port=port, text=text) as running:
            wait_until(lambda: service(running.data_dir), what="the bot service runs")
            wait_until((running.data_dir / "node" / "bots.sock").exists, what="it listens")
            yield running, origin, tls_port


def _titled(browser: Any, title: str) -> None:
    WebDriverWait(browser, PASS_S).until(lambda b: b.title == title)


def _sent(origin: Origin) -> list[bytes]:
    return [seen.body for seen in list(origin.requests) if seen.method == b"POST"]


def _send_from_another_site(browser: Any, port: int) -> None:
    browser.get(f"https://127.0.0.1:{port}/open/form")
    browser.execute_script(
        "document.forms[0].action = arguments[0]; document.forms[0].submit()",
        f"https://localhost:{port}/sent",
    )


@needs_chromium
def test_a_page_behind_a_service_worker_of_the_site_can_be_passed(
    edge: tuple[Edge, Origin, int],
) -> None:
    _, _, port = edge
    with chromium(automated=False) as browser:
        browser.get(f"https://localhost:{port}/open/register")
        _titled(browser, "worker")
        browser.get(f"https://localhost:{port}/page")
        _titled(browser, "GET")
        assert browser.execute_script("return navigator.serviceWorker.controller !== null")


@needs_firefox
def test_a_page_behind_a_service_worker_of_the_site_can_be_passed_in_firefox(
    edge: tuple[Edge, Origin, int], tmp_path: Path
) -> None:
    running, _, _ = edge
    with read_aloud_firefox(tmp_path / "profile", {}) as browser:

        def titled(title: str) -> bool:
            asked = {"script": "return document.title", "args": []}
            return bool(browser.ask("WebDriver:ExecuteScript", asked)["value"] == title)

        for page, title in (("open/register", "worker"), ("page", "GET")):
            browser.ask("WebDriver:Navigate", {"url": f"http://localhost:{running.port}/{page}"})
            wait_until(lambda title=title: titled(title), what=title, deadline_s=PASS_S)


@needs_chromium
@pytest.mark.parametrize("form", ["form", "upload"])
def test_what_is_sent_into_a_challenge_arrives_once_and_back_leads_to_its_form(
    edge: tuple[Edge, Origin, int], form: str, tmp_path: Path
) -> None:
    _, origin, port = edge
    origin.requests.clear()
    (tmp_path / "file.bin").write_bytes(bytes(range(256)) * 400)
    with chromium(automated=False) as browser:
        browser.get(f"https://localhost:{port}/open/{form}")
        browser.find_element(By.NAME, "file").send_keys(str(tmp_path / "file.bin"))
        browser.find_element(By.TAG_NAME, "button").click()
        _titled(browser, "POST")
        (body,) = _sent(origin)
        if form == "upload":
            assert (tmp_path / "file.bin").read_bytes() in body
        else:
            assert body == b"text=words+to+keep&file=file.bin"
        browser.back()
        _titled(browser, "form")
        assert len(_sent(origin)) == 1


@needs_firefox
def test_firefox_asks_before_it_sends_an_upload_again_and_then_does(
    edge: tuple[Edge, Origin, int], tmp_path: Path
) -> None:
    running, origin, _ = edge
    origin.requests.clear()
    with read_aloud_firefox(tmp_path / "profile", {}) as browser:

        def is_asked() -> bool:
            with contextlib.suppress(RuntimeError):
                return bool(browser.ask("WebDriver:GetAlertText")["value"])
            return False

        page = f"http://localhost:{running.port}/open/upload"
        browser.ask("WebDriver:Navigate", {"url": page})
        send = "setTimeout(() => document.querySelector('button').click())"
        browser.ask("WebDriver:ExecuteScript", {"script": send, "args": []})
        wait_until(is_asked, what="Firefox asks", deadline_s=PASS_S)
        assert not _sent(origin)
        browser.ask("WebDriver:AcceptAlert")
        wait_until(lambda: _sent(origin), what="the upload arrives", deadline_s=PASS_S)
    (body,) = _sent(origin)
    assert b"words to keep" in body


@needs_chromium
def test_what_another_site_sends_is_told_to_be_lost_and_not_sent_from_here(
    edge: tuple[Edge, Origin, int],
) -> None:
    _, origin, port = edge
    origin.requests.clear()
    with chromium(automated=False) as browser:
        _send_from_another_site(browser, port)
        WebDriverWait(browser, PASS_S).until(lambda b: b.get_cookie("__Host-seawall"))
        WebDriverWait(browser, PASS_S).until(
            lambda b: b.find_element(By.TAG_NAME, "h1").text == "The check is done"
        )
        assert "send it again" in browser.find_element(By.ID, "status").text
        assert not _sent(origin)
        browser.find_element(By.LINK_TEXT, "Continue").click()
        _titled(browser, "GET")
        assert browser.current_url == f"https://localhost:{port}/sent"
        # As from a payment: who has a clearance is not asked again.
        _send_from_another_site(browser, port)
        _titled(browser, "POST")
        assert len(_sent(origin)) == 1


@needs_chromium
def test_an_address_with_a_password_can_be_passed_where_scripts_must_work(
    edge: tuple[Edge, Origin, int],
) -> None:
    _, _, port = edge
    with chromium(automated=False) as browser:
        browser.get(f"https://me:secret@strict.localhost:{port}/page")
        _titled(browser, "GET")


@needs_chromium
def test_a_script_that_is_challenged_is_told_and_can_pass_in_a_frame(
    edge: tuple[Edge, Origin, int],
) -> None:
    _, _, port = edge
    with chromium(automated=False) as browser:
        browser.get(f"https://localhost:{port}/open/app")
        status, text = browser.execute_async_script("ask().then(arguments[0])")
        assert (status, "challenge-required" in text) == (403, True)
        status, _ = browser.execute_async_script(
            "passChallenge('/page').then(ask).then(arguments[0])"
        )
        assert status == 200
