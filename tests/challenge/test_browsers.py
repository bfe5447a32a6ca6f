"""The ladder climbed by real browsers over real sockets."""

import contextlib
import queue
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait
from zoo.drivers.firefox import Marionette

from challenge.browsers import (
    chromium,
    firefox,
    needs_chromium,
    needs_firefox,
    read_aloud_firefox,
    tree_of,
)
from challenge.front import Front
from helpers import wait_until
from seawall.bots.probes import Probe
from seawall.challenge.reply import Event, Outcome
from seawall.limits import CHALLENGE_FALLBACK_S
from tls_material import TlsAuthority

QUIET_S = CHALLENGE_FALLBACK_S + 1.0
"""Longer than any page waits before it goes on by itself: a loop would show within it."""


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    with Front(tmp_path) as running:
        yield running


@pytest.fixture
def fronts(tmp_path: Path) -> Iterator[tuple[Front, Front]]:
    """Two, for two browsers that wait over the same time."""
    homes = (tmp_path / "a", tmp_path / "b")
    for home in homes:
        home.mkdir()
    with Front(homes[0]) as one, Front(homes[1]) as other:
        yield one, other


def waiting(driver: Any) -> Any:
    """A wait that takes pages as they come: an element may leave with its page."""
    return WebDriverWait(
        driver, 40, ignored_exceptions=[StaleElementReferenceException, NoSuchElementException]
    )


def title(driver: Any, text: str) -> None:
    waiting(driver).until(lambda d: d.title == text)


def status(driver: Any, words: str) -> None:
    waiting(driver).until(
        lambda d: words in d.find_element(By.ID, "status").get_property("textContent")
    )


def passed(front: Front) -> list[Outcome]:
    return [outcome for outcome in front.outcomes if outcome.event is Event.PASSED]


def is_quiet(front: Front) -> bool:
    """Whether no page is asked for during a while: the browser does not go in circles."""
    while not front.served.empty():
        front.served.get_nowait()
    try:
        while (
            front.served.get(timeout=QUIET_S)
            .path.partition("?")[0]
            .endswith((".ico", ".css", ".js"))
        ):
            pass
    except queue.Empty:
        return True
    return False


def are_quiet(*fronts: Front) -> bool:
    """`is_quiet` of each, looked at over the same time."""
    with ThreadPoolExecutor(len(fronts)) as pool:
        return all([*pool.map(is_quiet, fronts)])


@needs_chromium
def test_chromium_passes_unseen(front: Front) -> None:
    with chromium(automated=False) as driver:
        driver.get(front.url("/shop?item=1&x=%2F#part"))
        title(driver, "Protected")
        assert driver.current_url == front.url("/shop?item=1&x=%2F#part")
        assert "GET /shop?item=1&x=%2F" in driver.page_source.replace("&amp;", "&")
        found = passed(front)
        assert [(one.why, one.level) for one in found] == [("invisible", 1)]
        assert front.counts["challenged"] == 1
        driver.get(front.url("/again"))
        title(driver, "Protected")
        assert front.counts["challenged"] == 1


@needs_chromium
def test_chromium_works_for_the_highest_level(front: Front) -> None:
    front.wanted = 3
    with chromium(automated=False) as driver:
        driver.get(front.url("/top"))
        title(driver, "Protected")
        assert [(one.why, one.level) for one in passed(front)] == [("proof", 3)]


@needs_chromium
def test_an_automated_chromium_works_and_gets_less(front: Front) -> None:
    with chromium() as driver:
        driver.get(front.url("/top"))
        title(driver, "Protected")
        (only,) = passed(front)
        assert (only.why, only.level) == ("proof", 2)
        assert only.probes is not None
        assert only.probes & Probe.WEBDRIVER


@needs_chromium
def test_chromium_works_in_the_page_where_workers_are_blocked(front: Front) -> None:
    front.wanted = 2
    with chromium(automated=False) as driver:
        driver.execute_cdp_cmd(
            "Page.addScriptToEvaluateOnNewDocument", {"source": "delete window.Worker"}
        )
        driver.get(front.url("/top"))
        title(driver, "Protected")
        assert [(one.why, one.level) for one in passed(front)] == [("proof", 3)]


@needs_chromium
def test_chromium_goes_on_without_scripts_where_webassembly_is_blocked(front: Front) -> None:
    front.wanted = 2
    with chromium(automated=False) as driver:
        driver.execute_cdp_cmd(
            "Page.addScriptToEvaluateOnNewDocument",
            {"source": "delete window.WebAssembly; delete window.Worker"},
        )
        driver.get(front.url("/top"))
        title(driver, "Protected")
        assert [(one.why, one.level) for one in passed(front)] == [("refresh", 2)]


@needs_chromium
def test_chromium_goes_on_by_itself_where_the_script_does_not_arrive(front: Front) -> None:
    with chromium(automated=False) as driver:
        driver.execute_cdp_cmd("Network.enable", {})
        driver.execute_cdp_cmd("Network.setBlockedURLs", {"urls": ["*script.js*"]})
        driver.get(front.url("/page"))
        title(driver, "Protected")
        assert passed(front)[0].why == "refresh"


@needs_chromium
def test_chromium_passes_over_tls_with_cookies_that_only_this_host_can_set(tmp_path: Path) -> None:
    chain, key = TlsAuthority().issue("localhost")
    (tmp_path / "chain.pem").write_bytes(chain)
    (tmp_path / "key.pem").write_bytes(key)
    tls = (str(tmp_path / "chain.pem"), str(tmp_path / "key.pem"))
    with Front(tmp_path, tls=tls) as front, chromium(automated=False) as driver:
        driver.get(front.url("/page"))
        title(driver, "Protected")
        found = {cookie["name"]: cookie for cookie in driver.get_cookies()}
        assert set(found) == {"__Host-seawall", "__Host-seawall-try"}
        for name, same_site in (("__Host-seawall", "None"), ("__Host-seawall-try", "Lax")):
            assert found[name]["secure"]
            assert found[name]["httpOnly"]
            assert found[name]["sameSite"] == same_site
        assert [one.why for one in passed(front)] == ["invisible"]


@needs_chromium
def test_chromium_without_scripts_waits(fronts: tuple[Front, Front]) -> None:
    with chromium(scripts=False) as one, chromium(scripts=False) as other:
        for wanted, front, driver in zip((1, 2), fronts, (one, other), strict=True):
            front.wanted = wanted
            driver.get(front.url("/text?q=1"))
        for front, driver in zip(fronts, (one, other), strict=True):
            title(driver, "Protected")
            assert driver.current_url == front.url("/text?q=1")
            assert [(o.why, o.level) for o in passed(front)] == [("refresh", front.wanted)]


@needs_chromium
def test_chromium_that_cannot_pass_is_told_why_and_does_not_loop(
    fronts: tuple[Front, Front],
) -> None:
    for front in fronts:
        front.wanted = 3
    driven, plain = fronts
    with chromium() as automated, chromium(scripts=False) as without_scripts:
        automated.get(driven.url("/top"))
        status(automated, "contact the operator")
        heading = automated.find_element(By.TAG_NAME, "h1").text
        assert heading == "Your browser could not be checked"
        assert automated.find_element(By.LINK_TEXT, "Try again").is_displayed()
        without_scripts.get(plain.url("/top"))
        assert "needs scripts" in without_scripts.find_element(By.TAG_NAME, "main").text
        assert are_quiet(*fronts)
        assert not passed(driven)
        assert "3f1c2a70-0000-4000-8000-000000000001" in automated.page_source


@needs_chromium
def test_chromium_without_cookies_is_told_and_does_not_loop(fronts: tuple[Front, Front]) -> None:
    with (
        chromium(cookies=False, automated=False) as with_scripts,
        chromium(scripts=False, cookies=False, automated=False) as without,
    ):
        for front, driver in zip(fronts, (with_scripts, without), strict=True):
            driver.get(front.url("/page"))
        for driver in (with_scripts, without):
            status(driver, "allow cookies")
        assert are_quiet(*fronts)
        for front in fronts:
            assert front.counts["challenged"] == 1
            assert not passed(front)


@needs_chromium
@pytest.mark.parametrize("scripts", [True, False])
def test_a_form_arrives_unchanged(front: Front, scripts: bool, tmp_path: Path) -> None:
    front.wanted = 0
    with chromium(scripts=scripts, automated=False) as driver:
        driver.get(front.url("/form"))
        front.wanted = 2
        front.clock.held_s = front.clock.now_s() if not scripts else None
        # A form of the site itself, with names and values that are hard to keep.
        _write_form(driver, front)
        sent = front.wait_for("/post", 403)
        if not scripts:
            page = driver.find_element(By.TAG_NAME, "main")
            assert "press the button" in page.text
            driver.find_element(By.TAG_NAME, "button").send_keys(Keys.ENTER)
            # Too early: the page keeps the form on.
            status(driver, "too soon")
            front.clock.held_s = None
            waiting(driver).until(_presses_until_through)
        arrived = front.wait_for("/post", 200)
        assert sent.method == arrived.method == "POST"
        assert arrived.body == sent.body
        assert b"submit=" in arrived.body


def _write_form(driver: Any, front: Front) -> None:
    fields = (
        '<input name="submit" value="&lt;b&gt; &quot;&amp;&quot; é ü"><input name="action">'
        '<textarea name="text">one\ntwo</textarea><button id="send">Send</button>'
    )
    driver.execute_cdp_cmd(
        "Page.setDocumentContent",
        {
            "frameId": driver.execute_cdp_cmd("Page.getFrameTree", {})["frameTree"]["frame"]["id"],
            "html": f'<meta charset="utf-8"><form method="post" action="/post">{fields}</form>',
        },
    )
    driver.find_element(By.ID, "send").click()


def _presses_until_through(driver: Any) -> bool:
    if driver.title == "Protected":
        return True
    driver.find_element(By.TAG_NAME, "button").click()
    return bool(driver.title == "Protected")


@needs_chromium
def test_a_screen_reader_finds_heading_status_and_what_to_do(front: Front) -> None:
    front.wanted = 1
    with chromium(scripts=False, cookies=False) as driver:
        driver.get(front.url("/page"))
        roles = _tree(driver)
        assert ("heading", "Checking your browser") in roles
        assert ("link", "Continue") in roles
        assert ("link", "Contact the operator") in roles
        status(driver, "allow cookies")
        roles = _tree(driver)
        assert ("heading", "Cookies are needed") in roles
        assert ("link", "Try again") in roles
        assert any(role == "status" for role, _ in roles)
        assert any(
            role == "StaticText" and "allow cookies for this site" in name for role, name in roles
        )
        # Reached with the keyboard alone.
        driver.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
        assert driver.switch_to.active_element.text == "Try again"


def _tree(driver: Any) -> set[tuple[str, str]]:
    nodes = driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    return {
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in nodes
        if not node.get("ignored") and "role" in node
    }


@needs_firefox
def test_a_screen_reader_finds_the_same_in_firefox(front: Front, tmp_path: Path) -> None:
    front.wanted = 1
    settings = {"network.cookie.cookieBehavior": 2, "javascript.enabled": False}
    with read_aloud_firefox(tmp_path / "profile", settings) as driver:
        driver.ask("WebDriver:Navigate", {"url": front.url("/page")})
        told = _read_aloud(driver, ("link", "Continue"))
        assert ("heading", "Checking your browser") in told
        assert ("link", "Contact the operator") in told
        told = _read_aloud(driver, ("link", "Try again"))
        assert ("heading", "Cookies are needed") in told
        assert any(role == "statusbar" for role, _ in told)  # what Firefox calls role=status
        assert any("allow cookies for this site" in name for _, name in told)


def _read_aloud(driver: Marionette, wanted: tuple[str, str]) -> set[tuple[str, str]]:
    """The page's tree, once `wanted` is in it: Firefox builds it when it is first asked for."""

    def found() -> set[tuple[str, str]] | None:
        tree = tree_of(driver)
        return tree if wanted in tree else None

    return wait_until(found, what=f"{wanted} is read aloud", deadline_s=60) or set()


@needs_firefox
@pytest.mark.parametrize(
    ("wanted", "settings", "passes"),
    [
        (1, {}, ("invisible", 1)),
        (3, {}, ("proof", 3)),
        (1, {"javascript.enabled": False}, ("refresh", 1)),
        (2, {"javascript.options.wasm": False}, ("refresh", 2)),
    ],
    ids=["unseen", "work", "no-scripts", "no-webassembly"],
)
def test_firefox_passes(
    front: Front,
    tmp_path: Path,
    wanted: int,
    settings: dict[str, object],
    passes: tuple[str, int],
) -> None:
    front.wanted = wanted
    with firefox(front.url("/page?a=1"), tmp_path / "profile", settings):
        front.wait_for("/page", 403)
        assert front.wait_for("/page", 200).path == "/page?a=1"
    assert [(one.why, one.level) for one in passed(front)] == [passes]


@needs_firefox
def test_firefox_without_cookies_does_not_loop(fronts: tuple[Front, Front], tmp_path: Path) -> None:
    place = "/.well-known/seawall/challenge/"
    with contextlib.ExitStack() as browsers:
        for front, scripts in zip(fronts, (True, False), strict=True):
            settings = {"network.cookie.cookieBehavior": 2, "javascript.enabled": scripts}
            profile = tmp_path / f"profile-{scripts}"
            browsers.enter_context(firefox(front.url("/page"), profile, settings))
        for front, end in zip(fronts, ("solve", "refresh"), strict=True):
            front.wait_for(place + end, 403)
        assert are_quiet(*fronts)
    for front in fronts:
        assert front.counts["challenged"] == 1
        assert not passed(front)
