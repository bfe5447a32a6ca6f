"""Header sets that user-agent spoofers copy from browsers, whole or in part, pure.

The full sets stand in the order that the browsers send them; versions older and newer than the
browsers of this machine are among them, as copied sets age.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

Headers = tuple[tuple[str, str], ...]
_HTML = "text/html,application/xhtml+xml,application/xml;q=0.9,"
_CHROME_ACCEPT = (
    _HTML + "image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7"
)
_PLATFORMS = {
    "Windows": "Windows NT 10.0; Win64; x64",
    "macOS": "Macintosh; Intel Mac OS X 10_15_7",
    "Linux": "X11; Linux x86_64",
}


@dataclass(frozen=True)
class Visit:
    """What a copied header set is filled with for one request.

    Attributes:
        referer: the page before; empty for the first.
        kind: `document`, or `empty` for an API call, or `image`, `style`, `script`.
        major: browser version that the session pretends to have.
        platform: a key of the platforms above.
        language: of `accept-language`.
    """

    referer: str
    kind: str
    major: int
    platform: str
    language: str


def chrome(visit: Visit) -> Headers:
    """Everything that Chrome sends for a page or a part of it, in its order."""
    hints = (
        (
            "sec-ch-ua",
            f'"Chromium";v="{visit.major}", "Google Chrome";v="{visit.major}", "Not:A-Brand";v="8"',
        ),
        ("sec-ch-ua-mobile", "?0"),
        ("sec-ch-ua-platform", f'"{visit.platform}"'),
    )
    page = visit.kind == "document"
    return (
        *hints,
        *((("upgrade-insecure-requests", "1"),) if page else ()),
        ("user-agent", chrome_agent(visit)),
        ("accept", _CHROME_ACCEPT if page else "*/*"),
        *_fetch(visit),
        *((("referer", visit.referer),) if visit.referer else ()),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("accept-language", visit.language),
        ("priority", "u=0, i" if page else "u=1, i"),
    )


def firefox(visit: Visit) -> Headers:
    """Everything that Firefox sends, in its order."""
    page = visit.kind == "document"
    return (
        ("user-agent", firefox_agent(visit)),
        ("accept", _HTML + "*/*;q=0.8" if page else "*/*"),
        ("accept-language", visit.language.replace("q=0.9", "q=0.5")),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        *((("referer", visit.referer),) if visit.referer else ()),
        *((("upgrade-insecure-requests", "1"),) if page else ()),
        *reversed(_fetch(visit)),
        ("priority", "u=0, i" if page else "u=4"),
        ("te", "trailers"),
    )


def safari(visit: Visit) -> Headers:
    """Everything that Safari sends, in its order."""
    agent = (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
        f" Version/{15 + visit.major % 4}.{visit.major % 7} Safari/605.1.15"
    )
    return (
        ("sec-fetch-dest", visit.kind),
        ("user-agent", agent),
        ("accept", _HTML + "*/*;q=0.8"),
        ("sec-fetch-site", "same-origin" if visit.referer else "none"),
        ("sec-fetch-mode", "navigate" if visit.kind == "document" else "cors"),
        ("accept-language", visit.language),
        ("priority", "u=0, i"),
        ("accept-encoding", "gzip, deflate, br"),
    )


def agent_only(visit: Visit) -> Headers:
    """The commonest spoof: a browser's user agent and nothing else of it."""
    return (("user-agent", chrome_agent(visit) if visit.major % 3 else firefox_agent(visit)),)


def half(visit: Visit) -> Headers:
    """What a tutorial copies: user agent, accept, language."""
    return (
        ("User-Agent", chrome_agent(visit)),
        ("Accept", _HTML + "image/webp,*/*;q=0.8"),
        ("Accept-Language", "en-US,en;q=0.5"),
        ("Accept-Encoding", "gzip, deflate"),
        ("Connection", "keep-alive"),
        ("Upgrade-Insecure-Requests", "1"),
    )


def crawler(visit: Visit) -> Headers:
    """Pretends to be a search engine's crawler."""
    agents = (
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    )
    return (("user-agent", agents[visit.major % 2]), ("accept", "*/*"))


def mobile(visit: Visit) -> Headers:
    """A phone's user agent with hints that say so."""
    agent = (
        "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko)"
        f" Chrome/{visit.major}.0.0.0 Mobile Safari/537.36"
    )
    return (
        ("sec-ch-ua", f'"Chromium";v="{visit.major}", "Not:A-Brand";v="8"'),
        ("sec-ch-ua-mobile", "?1"),
        ("sec-ch-ua-platform", '"Android"'),
        ("user-agent", agent),
        ("accept", _CHROME_ACCEPT),
        *_fetch(visit),
        ("accept-encoding", "gzip, deflate, br"),
        ("accept-language", visit.language),
    )


def referer_only(visit: Visit) -> Headers:
    """For clients that bring headers of their own: only where they come from."""
    return (("referer", visit.referer),) if visit.referer else ()


SETS: dict[str, Callable[[Visit], Headers]] = {
    "chrome": chrome,
    "firefox": firefox,
    "safari": safari,
    "agent only": agent_only,
    "half": half,
    "crawler": crawler,
    "mobile": mobile,
    "referer": referer_only,
}


def disguise(chance: random.Random) -> tuple[int, str, str]:
    """Version, platform and language that a spoofing session keeps to."""
    major = chance.choice((100, 109, 114, 120, 124, 131, 136, 140, 146, 150, 153, 156, 157))
    language = chance.choice(("en-US,en;q=0.9", "de-DE,de;q=0.9,en;q=0.8", "fr,en;q=0.9"))
    return major, chance.choice(sorted(_PLATFORMS)), language


def chrome_agent(visit: Visit) -> str:
    """The user agent of Chrome."""
    system = _PLATFORMS[visit.platform]
    return (
        f"Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko)"
        f" Chrome/{visit.major}.0.0.0 Safari/537.36"
    )


def firefox_agent(visit: Visit) -> str:
    """The user agent of Firefox."""
    system = _PLATFORMS[visit.platform].replace("10_15_7", "10.15")
    return f"Mozilla/5.0 ({system}; rv:{visit.major}.0) Gecko/20100101 Firefox/{visit.major}.0"


def _fetch(visit: Visit) -> Headers:
    page = visit.kind == "document"
    return (
        ("sec-fetch-site", "same-origin" if visit.referer else "none"),
        ("sec-fetch-mode", "navigate" if page else "no-cors" if visit.kind != "empty" else "cors"),
        *((("sec-fetch-user", "?1"),) if page else ()),
        ("sec-fetch-dest", visit.kind),
    )
