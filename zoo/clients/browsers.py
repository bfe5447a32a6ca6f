"""Browsers under automation: as its makers ship it, and dressed up to be taken for a person."""

from zoo.kinds import Configuration, Kind

_CHROMIUM = ("chromium", "certutil")


def _python(
    name: str,
    engine: str,
    family: str,
    kind: Kind,
    module: str,
    *,
    weight: float = 1.0,
    behaviours: tuple[str, ...] = ("visit",),
    **options: object,
) -> Configuration:
    screen = () if options.get("headless") else ("Xvfb",)
    driver = ("chromedriver",) if engine in {"selenium", "undetected"} else ()
    needs = (*_CHROMIUM, f"pip:{module}", *screen, *driver)
    return Configuration(
        name, family, kind, "browsers", {"engine": engine, **options}, behaviours, needs, weight, 2
    )


def _node(
    name: str,
    engine: str,
    family: str,
    kind: Kind,
    module: str,
    *,
    weight: float = 1.0,
    behaviours: tuple[str, ...] = ("visit",),
    **options: object,
) -> Configuration:
    browser = "firefox-esr" if "firefox" in engine else "chromium"
    screen = () if options.get("headless") else ("Xvfb",)
    needs = (browser, "certutil", "node", f"npm:{module}", *screen)
    return Configuration(
        name,
        family,
        kind,
        "node browsers",
        {"engine": engine, **options},
        behaviours,
        needs,
        weight,
        2,
    )


DEFAULT = (
    _python(
        "selenium headless", "selenium", "selenium", Kind.AUTOMATION, "selenium", headless=True
    ),
    _python("selenium headed", "selenium", "selenium", Kind.AUTOMATION, "selenium"),
    _python(
        "selenium headless as chrome",
        "selenium",
        "selenium",
        Kind.AUTOMATION,
        "selenium",
        headless=True,
        agent=True,
        block=True,
    ),
    _python(
        "playwright headless",
        "playwright",
        "playwright",
        Kind.AUTOMATION,
        "playwright",
        headless=True,
    ),
    _python("playwright headed", "playwright", "playwright", Kind.AUTOMATION, "playwright"),
    _python(
        "playwright headless without images",
        "playwright",
        "playwright",
        Kind.AUTOMATION,
        "playwright",
        headless=True,
        block=True,
    ),
    _node(
        "playwright-core headless",
        "playwright",
        "playwright",
        Kind.AUTOMATION,
        "playwright-core",
        headless=True,
    ),
    _node(
        "puppeteer headless",
        "puppeteer",
        "puppeteer",
        Kind.AUTOMATION,
        "puppeteer-core",
        headless=True,
    ),
    _node(
        "puppeteer headed",
        "puppeteer",
        "puppeteer",
        Kind.AUTOMATION,
        "puppeteer-core",
        headless=False,
    ),
    _node(
        "puppeteer firefox",
        "puppeteer firefox",
        "puppeteer firefox",
        Kind.AUTOMATION,
        "puppeteer-core",
        headless=True,
        weight=0.7,
    ),
    Configuration(
        "marionette headless",
        "marionette",
        Kind.AUTOMATION,
        "firefox",
        {"engine": "marionette", "headless": True},
        ("visit",),
        ("firefox-esr", "certutil"),
        0.8,
        2,
    ),
    Configuration(
        "marionette headed",
        "marionette",
        Kind.AUTOMATION,
        "firefox",
        {"engine": "marionette"},
        ("visit",),
        ("firefox-esr", "certutil", "Xvfb"),
        0.8,
        2,
    ),
    Configuration(
        "chromium command line",
        "chromium command line",
        Kind.AUTOMATION,
        "firefox",
        {"engine": "command line"},
        ("visit",),
        _CHROMIUM,
        0.8,
        2,
    ),
)
STEALTH = (
    _python(
        "selenium-stealth",
        "selenium",
        "selenium-stealth",
        Kind.STEALTH,
        "selenium_stealth",
        headless=True,
        agent=True,
        hide=True,
        stealth=True,
        gentle=True,
    ),
    _python(
        "undetected-chromedriver",
        "undetected",
        "undetected-chromedriver",
        Kind.STEALTH,
        "undetected_chromedriver",
        gentle=True,
    ),
    _python(
        "undetected-chromedriver headless",
        "undetected",
        "undetected-chromedriver",
        Kind.STEALTH,
        "undetected_chromedriver",
        headless=True,
        gentle=True,
    ),
    _python(
        "playwright-stealth",
        "playwright",
        "playwright-stealth",
        Kind.STEALTH,
        "playwright_stealth",
        headless=True,
        agent=True,
        stealth=True,
        gentle=True,
    ),
    _python("patchright", "patchright", "patchright", Kind.STEALTH, "patchright", gentle=True),
    _python(
        "patchright headless",
        "patchright",
        "patchright",
        Kind.STEALTH,
        "patchright",
        headless=True,
        agent=True,
        gentle=True,
    ),
    _python("zendriver", "zendriver", "zendriver", Kind.STEALTH, "zendriver", gentle=True),
    _python(
        "zendriver headless", "zendriver", "zendriver", Kind.STEALTH, "zendriver", headless=True
    ),
    _node(
        "puppeteer stealth",
        "puppeteer stealth",
        "puppeteer-extra-stealth",
        Kind.STEALTH,
        "puppeteer-extra-plugin-stealth",
        headless=True,
        gentle=True,
    ),
    _node(
        "rebrowser-puppeteer",
        "rebrowser",
        "rebrowser",
        Kind.STEALTH,
        "rebrowser-puppeteer-core",
        headless=False,
        gentle=True,
    ),
)
_SCRAPES = ("crawl", "sequence", "search")


def _scraping(tool: str, way: str, **options: bool) -> Configuration:
    return Configuration(
        f"{tool} {way}",
        tool,
        Kind.AUTOMATION,
        "browsers",
        {"engine": tool, **options},
        _SCRAPES,
        (*_CHROMIUM, f"pip:{tool}", "Xvfb", "chromedriver"),
        1.0,
        2,
    )


SCRAPING = (
    _scraping("selenium", "scraping", headless=True, agent=True),
    _scraping("playwright", "scraping headed"),
    _scraping("playwright", "documents only", headless=True, agent=True, documents=True),
    _scraping("playwright", "fetching", fetch=True),
    _node(
        "puppeteer scraping",
        "puppeteer",
        "puppeteer",
        Kind.AUTOMATION,
        "puppeteer-core",
        behaviours=_SCRAPES,
        headless=True,
        agent=True,
    ),
    _node(
        "puppeteer documents only",
        "puppeteer",
        "puppeteer",
        Kind.AUTOMATION,
        "puppeteer-core",
        behaviours=_SCRAPES,
        headless=False,
        documents=True,
    ),
    Configuration(
        "marionette scraping",
        "marionette",
        Kind.AUTOMATION,
        "firefox",
        {"engine": "marionette", "headless": True},
        _SCRAPES,
        ("firefox-esr", "certutil"),
        1.0,
        2,
    ),
    _python(
        "patchright scraping",
        "patchright",
        "patchright",
        Kind.STEALTH,
        "patchright",
        behaviours=_SCRAPES,
        documents=True,
    ),
    _python(
        "zendriver scraping",
        "zendriver",
        "zendriver",
        Kind.STEALTH,
        "zendriver",
        behaviours=_SCRAPES,
    ),
)
"""Browsers that are sent for more than a few pages, or for pages without what is on them."""
ALL = (*DEFAULT, *STEALTH, *SCRAPING)
