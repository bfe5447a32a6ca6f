"""Browsers driven by automation from Python: Selenium, Playwright and what hides that it is them.

Options: `engine`, `headless`, `agent` (replace the user agent that says it is headless), `gentle`
(moves, scrolls and waits as stealth guides advise), `block` (no images, as scrapers save traffic),
`documents` (nothing but pages), `fetch` (the script of the first page gets the others).
"""

import asyncio
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from zoo.drivers.common import Work, play

CHROMIUM, CHROMEDRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"
PAGE_TIMEOUT_S = 30
_CLICKS = 0.3
"""Share of pages that are reached by a click and not by their address."""
_BEACON_S = 0.4
"""Left after a page has loaded, for what its script sends."""


def main() -> None:
    """Perform sessions one after another: browsers are heavy."""
    play(lambda work: ENGINES[str(work.options["engine"])](work), side_by_side=1)


def _agent() -> str:
    version = os.popen(f"{CHROMIUM} --version").read().split()[1].split(".")[0]  # noqa: S605 - a fixed command
    return (
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)"
        f" Chrome/{version}.0.0.0 Safari/537.36"
    )


def _chrome_options(work: Work, options: Any) -> Any:
    options.binary_location = CHROMIUM
    arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
    arguments += ["--headless=new"] if work.options.get("headless") else []
    arguments += [f"--user-agent={_agent()}"] if work.options.get("agent") else []
    if work.options.get("block"):
        arguments.append("--blink-settings=imagesEnabled=false")
    if work.options.get("hide"):
        arguments.append("--disable-blink-features=AutomationControlled")
        options.add_experimental_option("excludeSwitches", ["enable-automation"])
    for argument in arguments:
        options.add_argument(argument)
    return options


def _selenium(work: Work) -> int:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    driver = webdriver.Chrome(
        options=_chrome_options(work, webdriver.ChromeOptions()), service=Service(CHROMEDRIVER)
    )
    if work.options.get("stealth"):
        from selenium_stealth import stealth

        stealth(
            driver,
            languages=["en-US", "en"],
            vendor="Google Inc.",
            platform="Linux x86_64",
            webgl_vendor="Intel Inc.",
            renderer="Intel Iris OpenGL Engine",
            fix_hairline=True,
        )
    return _webdriver(work, driver)


def _undetected(work: Work) -> int:
    import shutil
    import tempfile

    import undetected_chromedriver

    with tempfile.TemporaryDirectory(prefix="zoo-") as folder:
        patched = shutil.copy(CHROMEDRIVER, folder)
        options = undetected_chromedriver.ChromeOptions()
        for argument in ("--no-sandbox", "--disable-dev-shm-usage"):
            options.add_argument(argument)
        driver = undetected_chromedriver.Chrome(
            options=options,
            browser_executable_path=CHROMIUM,
            driver_executable_path=patched,
            headless=bool(work.options.get("headless")),
            use_subprocess=True,
        )
        return _webdriver(work, driver)


def _webdriver(work: Work, driver: Any) -> int:
    chance = random.Random(work.seed)
    try:
        driver.set_page_load_timeout(PAGE_TIMEOUT_S)
        for number, step in enumerate(work.steps):
            time.sleep(step["pause_s"])
            links = driver.find_elements("css selector", ".tiles a") if number else []
            if links and work.options.get("gentle"):
                driver.execute_script("scrollBy(0, 300)")
                time.sleep(chance.uniform(0.5, 2))
            if links and (work.options.get("gentle") or chance.random() < _CLICKS):
                links[chance.randrange(min(4, len(links)))].click()
            else:
                driver.get(work.base + step["path"])
            time.sleep(_BEACON_S)
        return len(work.steps)
    finally:
        driver.quit()


@contextmanager
def _playwright_browser(work: Work, library: str) -> Iterator[Any]:
    import importlib

    made = importlib.import_module(f"{library}.sync_api")
    with made.sync_playwright() as player:
        browser = player.chromium.launch(
            executable_path=CHROMIUM,
            headless=bool(work.options.get("headless")),
            args=["--no-sandbox"],
        )
        try:
            yield browser
        finally:
            browser.close()


def _playwright(work: Work, library: str = "playwright") -> int:
    chance = random.Random(work.seed)
    with _playwright_browser(work, library) as browser:
        size = chance.choice(((1280, 720), (1366, 768), (1920, 1080)))
        agent = {"user_agent": _agent()} if work.options.get("agent") else {}
        context = browser.new_context(viewport={"width": size[0], "height": size[1]}, **agent)
        if work.options.get("stealth"):
            from playwright_stealth import Stealth

            Stealth().apply_stealth_sync(context)
        if work.options.get("block"):
            context.route("**/*.png*", lambda route: route.abort())
        if work.options.get("documents"):
            context.route("**/*", _documents_only)
        page = context.new_page()
        for number, step in enumerate(work.steps):
            time.sleep(step["pause_s"])
            if number and work.options.get("fetch"):
                page.evaluate("path => fetch(path).then(answer => answer.text())", step["path"])
            elif number and work.options.get("gentle"):
                page.mouse.move(chance.randrange(600), chance.randrange(500), steps=8)
                page.mouse.wheel(0, chance.randrange(200, 800))
                time.sleep(chance.uniform(0.5, 2))
                page.locator(".tiles a").nth(chance.randrange(4)).click(timeout=5000)
            elif number and chance.random() < _CLICKS and not work.options.get("documents"):
                page.locator(".tiles a").first.click(timeout=5000)
            else:
                page.goto(work.base + step["path"], timeout=PAGE_TIMEOUT_S * 1000)
            page.wait_for_timeout(_BEACON_S * 1000)
        return len(work.steps)


def _documents_only(route: Any) -> None:
    if route.request.resource_type == "document":
        route.continue_()
    else:
        route.abort()


def _patchright(work: Work) -> int:
    return _playwright(work, "patchright")


def _zendriver(work: Work) -> int:
    return asyncio.run(_zen(work))


async def _zen(work: Work) -> int:
    import zendriver

    browser = await zendriver.start(
        browser_executable_path=CHROMIUM, headless=bool(work.options.get("headless")), sandbox=False
    )
    chance = random.Random(work.seed)
    try:
        for step in work.steps:
            await asyncio.sleep(step["pause_s"])
            page = await browser.get(work.base + step["path"])
            await page.wait(_BEACON_S)
            if work.options.get("gentle"):
                await page.scroll_down(chance.randrange(20, 80))
                await asyncio.sleep(chance.uniform(0.5, 2))
        return len(work.steps)
    finally:
        await browser.stop()


ENGINES: dict[str, Callable[[Work], int]] = {
    "selenium": _selenium,
    "undetected": _undetected,
    "playwright": _playwright,
    "patchright": _patchright,
    "zendriver": _zendriver,
}

if __name__ == "__main__":
    main()
