"""HTTP libraries from PyPI as they are, and with copied browser headers."""

from zoo.kinds import Configuration, Kind
from zoo.plan import SCRAPING

_BATCH = 8


def _library(
    name: str, library: str, family: str, kind: Kind, headers: str = "", **options: object
) -> Configuration:
    return Configuration(
        name,
        family,
        kind,
        "libraries",
        {"library": library, **options},
        SCRAPING,
        (f"pip:{'tls_client' if library == 'tls_client' else library}",),
        batch=_BATCH,
        headers=headers,
    )


DECLARED = (
    _library("urllib", "urllib", "urllib", Kind.DECLARED),
    _library("requests", "requests", "requests", Kind.DECLARED),
    _library("requests without session", "requests", "requests", Kind.DECLARED, session=False),
    _library("httpx h1", "httpx", "httpx", Kind.DECLARED),
    _library("httpx h2", "httpx", "httpx", Kind.DECLARED, http2=True),
    _library("aiohttp", "aiohttp", "aiohttp", Kind.DECLARED),
    _library("niquests", "niquests", "niquests", Kind.DECLARED),
    _library("mechanize", "mechanize", "mechanize", Kind.DECLARED),
)
SPOOF = (
    *(
        _library(f"{library} as {headers}", library, f"{library} spoofing", Kind.SPOOF, headers)
        for library, sets in (
            ("urllib", ("agent only", "chrome", "crawler")),
            ("requests", ("agent only", "half", "chrome", "firefox", "mobile")),
            ("aiohttp", ("agent only", "chrome", "safari")),
            ("niquests", ("agent only", "chrome", "firefox")),
            ("mechanize", ("agent only", "half")),
        )
        for headers in sets
    ),
    _library("httpx h1 as chrome", "httpx", "httpx spoofing", Kind.SPOOF, "chrome"),
    _library("httpx h2 as chrome", "httpx", "httpx spoofing", Kind.SPOOF, "chrome", http2=True),
    _library("httpx h2 as firefox", "httpx", "httpx spoofing", Kind.SPOOF, "firefox", http2=True),
    _library("httpx h2 as mobile", "httpx", "httpx spoofing", Kind.SPOOF, "mobile", http2=True),
    _library("requests by browserforge", "browserforge", "browserforge", Kind.SPOOF, "referer"),
)
FEEDS = (
    Configuration(
        "feedparser",
        "feedparser",
        Kind.FEED,
        "libraries",
        {"library": "feedparser"},
        ("feed",),
        ("pip:feedparser",),
        batch=_BATCH,
    ),
)
SCRAPY = (
    Configuration(
        "scrapy",
        "scrapy",
        Kind.DECLARED,
        "scrapy",
        {},
        ("crawl", "polite"),
        ("pip:scrapy",),
        weight=0.6,
    ),
    Configuration(
        "scrapy as chrome",
        "scrapy spoofing",
        Kind.SPOOF,
        "scrapy",
        {},
        ("crawl", "sequence"),
        ("pip:scrapy",),
        weight=0.6,
        headers="chrome",
    ),
)
ALL = (*DECLARED, *SPOOF, *FEEDS, *SCRAPY)
