"""The page probe in real browsers on a real Envoy: who drives one is told, a person is not."""

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from zoo.screen import running_screen

from bot_models import random_model
from challenge.browsers import CHROMIUM, FIREFOX, chromium, needs_chromium, needs_firefox
from compiler import build
from edge.bot_records import faults, packed, record, record_of_path, verdict
from edge.serving import CLEARANCE_KEYS, Serving, clearance, request, serving, wait_until
from seawall.bots import web_scripts
from seawall.bots.policy import DEFAULT_RULES
from seawall.bots.probes import DRIVEN, Probe, code_of
from seawall.limits import PAGE_PROBE_CACHE_S
from seawall.model import BotChallenge, BotMode, BotPolicy, FixedResponse, PathExact
from seawall.telemetry.bots import parse_verdict
from seawall.telemetry.why import story

PAGE = """<!doctype html><title>shop</title>
<script src=/.well-known/seawall/probe.js async></script>
<script>
const name = "seawall-probe";
const timer = setInterval(() => {
  const bits = sessionStorage.getItem(name);
  if (bits === null) return;
  clearInterval(timer);
  fetch("/told/" + bits).then(() => (document.title = "told"));
}, 20);
</script>"""
MODEL = random_model(3)
PROBED = BotPolicy(rules=DEFAULT_RULES, page_probe=True)
SCRIPT = b"/.well-known/seawall/probe.js"
REPORT = b"/.well-known/seawall/probe?v=1"
PASS_S = 60


@pytest.fixture(scope="module")
def edge() -> Iterator[Serving]:
    page = FixedResponse(200, PAGE, content_type="text/html")
    shop = build.site(
        "shop",
        build.route("shop/page", PathExact("/"), page),
        build.route("shop/all"),
        hosts=("*",),
        bots=PROBED,
    )
    plain = build.site("plain", hosts=("plain.test",))
    with serving(shop, plain, bot_model=packed(MODEL)) as running:
        yield running
        assert faults(running) == 0


def told(edge: Serving) -> int:
    """The bits that the newest browser found."""

    def found() -> bytes | None:
        targets = (seen.target for seen in edge.origin.requests)
        return next((target for target in targets if target.startswith(b"/told/")), None)

    target = wait_until(found, what="the page has been probed", deadline_s=PASS_S)
    return int(target.removeprefix(b"/told/"))


def test_the_script_is_served_and_may_be_kept(edge: Serving) -> None:
    answer = edge.get(SCRIPT)
    assert answer.status == 200
    assert answer.body.decode() == web_scripts.page_probe()
    assert answer.header("content-type") == "text/javascript; charset=utf-8"
    assert answer.header("cache-control") == f"public, max-age={PAGE_PROBE_CACHE_S}"


def test_a_report_is_scored_as_what_it_says(edge: Serving) -> None:
    answer = edge.send(request(REPORT, b"content-length: 0", method=b"POST"))
    assert (answer.status, answer.body) == (204, b"")
    seen = verdict(edge, answer.header("x-request-id"))
    assert seen.code("page-probe") == 1
    assert seen.score == MODEL.score(seen.codes)
    told = str(story(record(edge, answer.header("x-request-id"))))
    assert "A script of the page found that a program drives its browser" in told


def test_a_site_that_does_not_probe_serves_no_script(edge: Serving) -> None:
    edge.forget()
    assert edge.get(SCRIPT, host=b"plain.test").body == b"ok"
    assert [seen.target for seen in edge.origin.requests] == [SCRIPT]


def test_who_is_told_to_be_driven_is_challenged_on_pages_by_default() -> None:
    # Envoy runs alone here, without the bot service: a challenge is a plain 403 then.
    refusing = BotChallenge(passes_unavailable=False)
    enforced = replace(PROBED, mode=BotMode.ENFORCE, challenge=refusing)
    shop = build.site("shop", build.route("shop/all"), bots=enforced)
    with serving(shop) as running:
        lines = (b"accept: text/html", b"cookie: seawall-probe=1")
        assert running.get(b"/", b"accept: text/html").status == 200
        assert running.get(b"/", *lines).status == 403
        assert running.get(b"/app.js", *lines).status == 200
        # The probe's own paths are never refused, and Envoy answers them without the service.
        assert running.get(SCRIPT, *lines).status == 200
        assert running.send(request(REPORT, *lines, method=b"POST")).status == 204


@needs_chromium
def test_a_driven_chromium_is_told_on_its_first_page_and_remembered(edge: Serving) -> None:
    edge.forget()
    with chromium() as driver:
        driver.get(f"http://127.0.0.1:{edge.port}/")
        bits = told(edge)
        assert bits & Probe.WEBDRIVER
        assert bits & Probe.HEADLESS_NAME
        report = parse_verdict(record_of_path(edge, "/.well-known/seawall/probe").bots)
        assert report is not None
        assert report.code("page-probe") == 1
        driver.get(f"http://127.0.0.1:{edge.port}/second")
        second = parse_verdict(record_of_path(edge, "/second").bots)
        assert second is not None
        assert second.code("page-probe") == 1


@needs_chromium
def test_a_chromium_that_hides_its_driver_is_told_all_the_same(edge: Serving) -> None:
    edge.forget()
    with chromium(automated=False) as driver:
        driver.execute_cdp_cmd(
            "Page.addScriptToEvaluateOnNewDocument",
            {
                "source": "Object.defineProperty(Navigator.prototype, 'webdriver', "
                "{get: () => false, configurable: true});"
            },
        )
        driver.get(f"http://127.0.0.1:{edge.port}/")
        bits = told(edge)
    assert not bits & Probe.WEBDRIVER
    assert bits & Probe.WEBDRIVER_HIDDEN
    assert code_of(bits) == 1


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(
            (CHROMIUM, "--no-sandbox", "--no-first-run", "--window-size=1200,900"),
            marks=needs_chromium,
            id="chromium",
        ),
        pytest.param(
            (FIREFOX, "--no-remote", "--width", "1200"), marks=needs_firefox, id="firefox"
        ),
    ],
)
def test_a_browser_with_a_window_that_nobody_drives_is_not_driven(
    edge: Serving, command: tuple[str, ...], tmp_path: Path
) -> None:
    edge.forget()
    chromes = Path(command[0]).name == "chromium"
    profile = (f"--user-data-dir={tmp_path}",) if chromes else ("--profile", str(tmp_path))
    with running_screen() as display:
        if not display:
            pytest.skip("no Xvfb on this machine")
        browser = subprocess.Popen(
            [*command, *profile, f"http://127.0.0.1:{edge.port}/"],
            env={"DISPLAY": display, "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            bits = told(edge)
        finally:
            browser.kill()
            browser.wait(30)
    assert not bits & DRIVEN
    assert code_of(bits) == 0


@pytest.mark.parametrize("before", [1, 3])
def test_a_cookie_of_a_neighbour_does_not_hide_the_clearance(before: int) -> None:
    """Over plain http any host of the domain can set one of the same name."""
    shop = build.site("shop", build.route("shop/all"), bots=BotPolicy(mode=BotMode.ENFORCE))
    with serving(shop, bot_model=packed(MODEL), clearance_keys=CLEARANCE_KEYS) as running:
        told = "seawall=x; " * before + f"seawall={clearance()}"
        answer = running.get(b"/", f"cookie: {told}".encode())
        seen = verdict(running, answer.header("x-request-id"))
    assert (seen.clearance, seen.level) == ("ok", 2)


@pytest.mark.parametrize(
    ("probes", "cookie", "code"), [(1, "", 1), (8, "", 2), (0, "", 0), (None, "", 0), (0, "8", 2)]
)
def test_what_a_challenge_found_is_told_by_its_clearance(
    probes: int | None, cookie: str, code: int
) -> None:
    enforced = replace(PROBED, mode=BotMode.ENFORCE)
    shop = build.site("shop", build.route("shop/all"), bots=enforced)
    with serving(shop, bot_model=packed(MODEL), clearance_keys=CLEARANCE_KEYS) as running:
        token = clearance(probes=probes)
        told = f"; seawall-probe={cookie}" if cookie else ""
        answer = running.get(b"/", f"cookie: seawall={token}{told}".encode())
        seen = verdict(running, answer.header("x-request-id"))
    assert (seen.clearance, seen.level) == ("ok", 2)
    assert seen.code("page-probe") == code
