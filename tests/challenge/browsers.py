"""Real browsers, headless: Chromium through its driver, Firefox by command line and profile.

Firefox needs no driver here: it is given an address, and what it does is seen at the server.
"""

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from zoo.drivers.firefox import Marionette

from helpers import free_port

CHROMIUM = shutil.which("chromium")
CHROMEDRIVER = shutil.which("chromedriver")
FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")

needs_chromium = pytest.mark.skipif(
    not (CHROMIUM and CHROMEDRIVER), reason="no chromium and chromedriver on this machine"
)
needs_firefox = pytest.mark.skipif(not FIREFOX, reason="no firefox on this machine")


@contextmanager
def chromium(
    *,
    scripts: bool = True,
    cookies: bool = True,
    automated: bool = True,
) -> Iterator[Any]:
    """A Chromium; `automated=False` takes away `navigator.webdriver`, which a person's has not."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--ignore-certificate-errors",
        "--lang=en",
        *(() if automated else ("--disable-blink-features=AutomationControlled",)),
    ):
        options.add_argument(argument)
    blocked = {"javascript": not scripts, "cookies": not cookies}
    options.add_experimental_option(
        "prefs",
        {
            f"profile.default_content_setting_values.{name}": 2
            for name, is_blocked in blocked.items()
            if is_blocked
        },
    )
    service = webdriver.ChromeService(executable_path=CHROMEDRIVER)
    driver = webdriver.Chrome(options=options, service=service)
    try:
        yield driver
    finally:
        driver.quit()


_TREE = """
const service = Components.classes["@mozilla.org/accessibilityService;1"]
  .getService(Components.interfaces.nsIAccessibilityService);
const found = [];
function walk(one) {
  found.push([service.getStringRole(one.role), one.name || ""]);
  for (let child = one.firstChild; child; child = child.nextSibling) walk(child);
}
const page = service.getAccessibleFor(gBrowser.selectedBrowser);
if (page) walk(page);
return found;
"""


@contextmanager
def read_aloud_firefox(profile: Path, settings: Mapping[str, object]) -> Iterator[Marionette]:
    """A driven Firefox whose accessibility tree `tree_of` reads."""
    port = free_port()
    ports = {"marionette.port": port, "remote.active-protocols": 0}
    driven = ("-marionette", "-remote-allow-system-access")
    with (
        firefox("about:blank", profile, {**ports, **settings}, driven),
        closing(Marionette(port)) as driver,
    ):
        yield driver


def tree_of(driver: Marionette) -> set[tuple[str, str]]:
    """Role and name of all that a screen reader is told of the page; empty until there is any."""
    driver.ask("Marionette:SetContext", {"value": "chrome"})
    found = driver.ask("WebDriver:ExecuteScript", {"script": _TREE, "args": []})
    driver.ask("Marionette:SetContext", {"value": "content"})
    return {(role, name) for role, name in found["value"]}


@contextmanager
def firefox(
    url: str, profile: Path, settings: Mapping[str, object], arguments: tuple[str, ...] = ()
) -> Iterator[None]:
    """A Firefox that opens `url`."""
    profile.mkdir()
    quiet: dict[str, object] = {
        "browser.shell.checkDefaultBrowser": False,
        "datareporting.policy.dataSubmissionEnabled": False,
        "app.normandy.enabled": False,
        "browser.startup.homepage_override.mstone": "ignore",
        "network.captive-portal-service.enabled": False,
        "network.connectivity-service.enabled": False,
        "browser.safebrowsing.downloads.enabled": False,
    }
    written = {True: "true", False: "false"}
    lines = [
        f'user_pref("{name}", {written[value] if isinstance(value, bool) else repr(value)});\n'
        for name, value in (quiet | dict(settings)).items()
    ]
    (profile / "user.js").write_text("".join(lines).replace("'", '"'))
    process = subprocess.Popen(
        [FIREFOX or "", "--headless", "--no-remote", *arguments, "--profile", str(profile), url],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
