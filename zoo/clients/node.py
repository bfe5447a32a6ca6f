"""HTTP clients of Node.js, as they are and with copied headers."""

from zoo.kinds import Configuration, Kind
from zoo.plan import SCRAPING


def _node(
    name: str, library: str, family: str, kind: Kind, headers: str = "", **options: object
) -> Configuration:
    needs = ("node",) if library == "fetch" else ("node", f"npm:{library}")
    return Configuration(
        name,
        family,
        kind,
        "node",
        {"library": library, **options},
        SCRAPING,
        needs,
        0.8,
        6,
        headers,
    )


ALL = (
    _node("node fetch", "fetch", "undici", Kind.DECLARED),
    _node("undici", "undici", "undici", Kind.DECLARED),
    _node("axios", "axios", "axios", Kind.DECLARED),
    _node("got", "got", "got", Kind.DECLARED),
    _node("node-fetch", "node-fetch", "node-fetch", Kind.DECLARED),
    _node("superagent", "superagent", "superagent", Kind.DECLARED),
    _node("node fetch as chrome", "fetch", "undici spoofing", Kind.SPOOF, "chrome"),
    _node("undici h2 as chrome", "undici", "undici spoofing", Kind.SPOOF, "chrome", http2=True),
    _node("axios with an agent", "axios", "axios spoofing", Kind.SPOOF, "agent only"),
    _node("axios as chrome", "axios", "axios spoofing", Kind.SPOOF, "chrome"),
    _node("axios half", "axios", "axios spoofing", Kind.SPOOF, "half"),
    _node("got as firefox", "got", "got spoofing", Kind.SPOOF, "firefox"),
    _node("got h2 as chrome", "got", "got spoofing", Kind.SPOOF, "chrome", http2=True),
    _node(
        "node-fetch with an agent", "node-fetch", "node-fetch spoofing", Kind.SPOOF, "agent only"
    ),
    _node("superagent as safari", "superagent", "superagent spoofing", Kind.SPOOF, "safari"),
    _node("got-scraping chrome", "got-scraping", "got-scraping", Kind.IMPERSONATOR, "referer"),
    _node(
        "got-scraping firefox",
        "got-scraping",
        "got-scraping",
        Kind.IMPERSONATOR,
        "referer",
        browser="firefox",
    ),
)
