"""The words of features that have a few cases; `bot_words` has those of numbers, and reads these.

A table and nothing else.
"""

from collections.abc import Mapping
from typing import Final

Cases = Mapping[int, str]
_NO_HANDSHAKE: Final = "it came without TLS, or its handshake is not known"
_NO_AGENT: Final = "it sends no user agent"


def _sent(name: str, cases: Cases) -> Cases:
    return {0: f"it sends no {name}", **cases}


CASES: Final[Mapping[str, Cases]] = {
    "tls-version": {
        0: _NO_HANDSHAKE,
        1: "it speaks TLS 1.2",
        2: "it speaks TLS 1.3",
        3: "it speaks a TLS older than 1.2",
        4: "it speaks an unknown TLS version",
    },
    "tls-sni": {
        0: _NO_HANDSHAKE,
        1: "its handshake names no server",
        2: "its handshake names the server",
    },
    "tls-alpn": {
        0: _NO_HANDSHAKE,
        1: "its handshake offers no protocol",
        2: "its handshake offers HTTP/1.1 first",
        3: "its handshake offers HTTP/2 first",
        4: "its handshake offers an unusual protocol first",
    },
    "tls-generation": {0: "its handshake matches no known generation of browsers"},
    "tls-known": {
        0: _NO_HANDSHAKE,
        1: "its handshake is not in the table of known clients",
        2: "its handshake is known except for its last part",
        3: "its handshake is known",
    },
    "tls-grease": {
        0: "its handshake is not known well enough to look for GREASE",
        1: "its handshake leaks no GREASE value",
        2: "its handshake leaks the first GREASE value, as copies of Chrome always do",
        3: "its handshake leaks a random GREASE value, as Chrome does",
    },
    "agent-major": {0: "its user agent claims no version"},
    "agent-os": {
        0: "its user agent names no system",
        1: "its user agent names Windows",
        2: "its user agent names macOS",
        3: "its user agent names Linux",
        4: "its user agent names Android",
        5: "its user agent names iOS",
        6: "its user agent names ChromeOS",
        7: "its user agent names a rare system",
    },
    "agent-mozilla": {
        0: _NO_AGENT,
        1: "its user agent does not begin with Mozilla, as a browser's does",
        2: "its user agent begins with Mozilla, as a browser's does",
    },
    "agent-headless": {
        0: _NO_AGENT,
        1: "its user agent does not say that it is headless",
        2: "its user agent says that it is headless",
    },
    "agent-bot-words": {
        0: _NO_AGENT,
        1: "its user agent names no bot and no contact",
        2: "its user agent names a bot or a contact",
    },
    "family-agreement": {
        0: "handshake and user agent cannot be compared",
        1: "its handshake contradicts its user agent",
        2: "its handshake is compatible with its user agent",
        3: "its handshake agrees with its user agent",
    },
    "hints-brand": {
        1: "it sends no client hints, but the browser that it claims to be does",
        2: "it sends no client hints, like the client that it claims to be",
        3: "its client hints agree with its user agent",
        4: "its client hints contradict its user agent",
        5: "it sends client hints, but the client that it claims to be does not",
    },
    "hints-platform": _sent(
        "platform hint",
        {
            1: "its platform hint contradicts its user agent",
            2: "its platform hint agrees with its user agent",
            3: "its platform hint names no known system",
        },
    ),
    "hints-mobile": _sent(
        "mobile hint",
        {
            1: "its mobile hint contradicts its user agent",
            2: "its mobile hint agrees with its user agent",
        },
    ),
    "protocol": {
        1: "it speaks HTTP/1.1",
        2: "it speaks HTTP/2",
        3: "it speaks HTTP/3",
        4: "it speaks an unusual HTTP version",
    },
    "pseudo-order": {
        0: "it sends no HTTP/2 pseudo-headers",
        1: "its HTTP/2 pseudo-headers come in Chromium's order",
        2: "its HTTP/2 pseudo-headers come in Firefox's order",
        3: "its HTTP/2 pseudo-headers come in Safari's order",
        4: "its HTTP/2 pseudo-headers come in curl's order",
        5: "its HTTP/2 pseudo-headers come in an unknown order",
    },
    "method": {
        1: "it is a GET",
        2: "it is a HEAD",
        3: "it is a POST",
        4: "it is an OPTIONS",
        5: "its method is a rare one",
    },
    "accept": _sent(
        "accept",
        {
            1: "it accepts anything",
            2: "it accepts pages",
            3: "it accepts images",
            4: "it accepts JSON",
            5: "it accepts styles",
            6: "its accept is an unusual one",
        },
    ),
    "accept-encoding": _sent(
        "accept-encoding",
        {
            1: "it accepts no compression",
            2: "it accepts gzip alone",
            3: "it accepts gzip and deflate",
            4: "it accepts br",
            5: "it accepts br and zstd, as current browsers do",
            6: "it accepts an unusual set of encodings",
        },
    ),
    "fetch-site": _sent(
        "sec-fetch-site",
        {
            1: "it says that the user opened it directly (sec-fetch-site: none)",
            2: "it says that it comes from this host",
            3: "it says that it comes from this site",
            4: "it says that it comes from another site",
            5: "its sec-fetch-site has no known value",
        },
    ),
    "fetch-mode": _sent(
        "sec-fetch-mode",
        {
            1: "it says that it navigates",
            2: "it says that a page loads it (no-cors)",
            3: "it says that a script asks (cors)",
            4: "it says that a script of this host asks",
            5: "it says that it opens a WebSocket",
            6: "its sec-fetch-mode has no known value",
        },
    ),
    "fetch-dest": _sent(
        "sec-fetch-dest",
        {
            1: "it wants a document",
            2: "it wants an image",
            3: "it wants a style",
            4: "it wants a script",
            5: "a script requests it",
            6: "it wants a font",
            7: "it wants a frame",
            8: "it wants something unusual",
        },
    ),
    "fetch-coherence": _sent(
        "fetch metadata",
        {
            1: "its fetch metadata headers contradict each other or its method",
            2: "its fetch metadata headers agree with each other",
        },
    ),
    "referer": _sent(
        "referer",
        {
            1: "its referer is this host",
            2: "its referer is another host",
            3: "its referer is malformed",
        },
    ),
    "cache-control": _sent(
        "cache-control",
        {
            1: "it reloads (max-age=0)",
            2: "it wants nothing from a cache (no-cache)",
            3: "its cache-control is an unusual one",
        },
    ),
    "origin": _sent(
        "origin",
        {1: "its origin is this host", 2: "its origin is another host", 3: "its origin is null"},
    ),
    "connection": _sent(
        "connection header",
        {
            1: "it asks to keep the connection",
            2: "it asks to close the connection",
            3: "it asks for an upgrade",
            4: "its connection header is an unusual one",
        },
    ),
    "path-kind": {
        1: "it asks for a page",
        2: "it asks for a script or style",
        3: "it asks for an image, a font or media",
        4: "it asks for a feed",
        5: "it asks for data",
        6: "it asks for robots.txt",
        7: "it asks for the favicon",
        8: "it asks for something well-known",
        9: "it asks for a sitemap",
        10: "it asks for a path that mostly scanners ask for",
    },
    "page-probe": {
        0: "no script of a page reported anything odd about its browser",
        1: "a script of the page found that a program drives its browser",
        2: "a script of the page found one oddity in its browser",
        3: "a script of the page found several oddities in its browser",
    },
}
"""Feature to code to clause. 0 is told too where it is a fact, and not only something unknown."""
