"""What a feature of a request says, as a clause for people: `it sends no accept-language`.

Every feature of `seawall.bots.features` has words, and a code that this version has none for is
told by its number. Pure.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from seawall.bots.families import ClientFamily
from seawall.bots.features import FEATURES, INDEX, Kind
from seawall.telemetry.bot_cases import CASES

NO_PAGE: Final = (
    "A challenge is only shown when a page is opened. This request was not a page view, so the "
    "answer was JSON. The visitor can pass the challenge on a page that shows it. A program "
    "cannot; `bots: off` on its route lets it in."
)
"""Of a challenge that could not be shown."""
NOT_HAD: Final = (
    "It passed all the same: no challenge was available, and the site lets requests pass in "
    "that case."
)
"""Of a request that went on."""
UNANSWERED: Final = (
    "The request ended before it was answered: the client had left, or was too slow."
)
"""Of one that waited for its challenge."""
BUSY: Final = (
    "Too many clients were waiting for a challenge, from its network or in total, so it was "
    "told to try again later (429). Without a clearance nobody gets in, not even in a flood."
)
"""Of a challenge that was answered with `BUSY_STATUS`."""
BUSY_STATUS: Final = 429
SCORE_WORDS: Final = (
    (2, "almost certainly automated"),
    (29, "probably automated"),
    (70, "could be either"),
    (97, "probably a person's browser"),
    (99, "almost certainly a person's browser"),
)
"""What a score says, each up to its number."""
_FAMILIES: Final[Mapping[int, str]] = {
    ClientFamily.CHROMIUM: "Chromium",
    ClientFamily.FIREFOX: "Firefox",
    ClientFamily.SAFARI: "Safari",
    ClientFamily.CURL: "curl",
    ClientFamily.WGET: "wget",
    ClientFamily.PYTHON: "Python",
    ClientFamily.GO: "Go",
    ClientFamily.JAVA: "Java",
    ClientFamily.NODE: "Node.js",
    ClientFamily.OPENSSL_TOOL: "a program with OpenSSL",
    ClientFamily.GNUTLS_TOOL: "a program with GnuTLS",
    ClientFamily.GIT: "git",
    ClientFamily.LIBRARY: "an HTTP library",
    ClientFamily.OTHER: "an unknown client",
    ClientFamily.EMPTY: "nothing",
    ClientFamily.OTHER_BROWSER: "another browser",
    ClientFamily.PREVIEW: "a preview fetcher",
    ClientFamily.SCANNER: "a vulnerability scanner",
    ClientFamily.AI_CRAWLER: "a crawler for a language model",
    ClientFamily.MONITOR: "a monitor",
    ClientFamily.PHP: "PHP",
    ClientFamily.RUBY: "Ruby",
    ClientFamily.DOTNET: ".NET",
    ClientFamily.PERL: "Perl",
    ClientFamily.RUST: "Rust",
}
_EXACT_BELOW: Final = 8
"""From this number on, a bucket holds several."""
_SPANS: Final = {"10s": "10 seconds", "60s": "minute", "10m": "10 minutes"}

_ORDERS: Final = {
    "order-agent-accept": ("user-agent", "accept"),
    "order-accept-encoding": ("accept", "accept-encoding"),
    "order-language-encoding": ("accept-language", "accept-encoding"),
    "order-hints-agent": ("sec-ch-ua", "user-agent"),
    "order-fetch-accept": ("sec-fetch-site", "accept"),
}
_FLAGS: Final = {
    "conditional": (
        "it asks only for what has changed",
        "it asks for the whole resource, changed or not",
    ),
}
_FLAG_NAMES: Final = {"cookie": "cookies", "upgrade-insecure": "upgrade-insecure-requests"}
FIRST_HEADERS: Final[Mapping[int, str]] = {
    1: "user-agent",
    2: "accept",
    3: "accept-encoding",
    4: "accept-language",
    5: "connection",
    6: "sec-ch-ua",
    7: "sec-ch-ua-platform",
    8: "sec-fetch-dest",
    9: "upgrade-insecure-requests",
    10: "cache-control",
    11: "pragma",
    12: "cookie",
    13: "referer",
    14: "content-length",
    15: "content-type",
    16: "sec-fetch-site",
    17: "sec-fetch-mode",
    18: "host",
    19: "te",
    20: "sec-ch-ua-mobile",
    21: "origin",
    22: "range",
    23: "priority",
    24: "dnt",
}
"""Codes of `order-first`, as `bots/lua/shapes.lua` gives them; any other header is 30."""
_NUMBERS: Final = {
    "tls-ciphers": ("its handshake offers", "cipher"),
    "tls-extensions": ("its handshake has", "extension"),
    "headers": ("it sends", "header"),
    "path-depth": ("its path has", "slash"),
}


def clause(feature: str, code: int) -> str:
    """What `code` of a feature says; `feature` is the name of one."""
    if feature in CASES:
        found = CASES[feature].get(code)
        return found or _numbered(feature, code)
    return _BY_NAME.get(feature, _numbered)(feature, code)


def listed(texts: Sequence[str]) -> str:
    """`a, b and c`."""
    if len(texts) <= 1:
        return "".join(texts)
    return f"{', '.join(texts[:-1])} and {texts[-1]}"


def begun(text: str) -> str:
    """With a capital, as a sentence begins."""
    return text[:1].upper() + text[1:]


def family(code: int) -> str:
    """A family of clients, as it stands after `is that of` or `claims`."""
    if code not in _KNOWN_FAMILIES:
        return "an unknown family"
    name = ClientFamily(code).name.lower().replace("_", " ")
    return _FAMILIES.get(code, f"a {name}")


def bucket_least(code: int) -> int:
    """The smallest number in a bucket: 0 for absent; see `Kind.BUCKET`."""
    return math.ceil(2 ** ((code - 1) / 4) - 1e-9) if code > 0 else 0


def times(code: int) -> str:
    """How often, from a bucket: a small number is exact."""
    least = bucket_least(code)
    exact = "once" if least == 1 else f"{least} times"
    return exact if least < _EXACT_BELOW else f"about {least:,} times"


def share_percent(code: int) -> int:
    """Percent, rounded down to tens, of a code of `Kind.SHARE`, which must not be absent."""
    return min(10 * (code - 1), 100)


_KNOWN_FAMILIES: Final = frozenset(int(member) for member in ClientFamily)


def _counted(number: int, noun: str) -> str:
    plural = f"{noun}es" if noun.endswith("sh") else f"{noun}s"
    return f"{number or 'no'} {noun if number == 1 else plural}"


def _numbered(feature: str, code: int) -> str:
    said = feature.replace("-", " ")
    return f"its {said} is not known" if code == 0 else f"its {said} is {code}"


def _family(feature: str, code: int) -> str:
    if feature == "agent-family":
        claims = f"its user agent claims {family(code)}"
        return claims if code and code != ClientFamily.EMPTY else "it sends no user agent"
    return f"its handshake is that of {family(code)}" if code else CASES["tls-known"][1]


def _order(feature: str, code: int) -> str:
    first, second = _ORDERS[feature]
    if code == 0:
        return f"it does not send both {first} and {second}"
    return f"it sends {first} {'before' if code == 1 else 'after'} {second}"


def _flag(feature: str, code: int) -> str:
    if feature in _FLAGS:
        return _FLAGS[feature][code == 0]
    name = _FLAG_NAMES.get(feature, feature)
    return f"it sends {name}" if code else f"it sends no {name}"


def _number(feature: str, code: int) -> str:
    if code == 0 and feature.startswith("tls-"):
        return CASES["tls-known"][0]
    does, noun = _NUMBERS[feature]
    return f"{does} {_counted(code, noun)}"


def _language(_feature: str, code: int) -> str:
    if code == 0:
        return "it sends no accept-language"
    return "it takes any language" if code == 1 else f"it names {_counted(code - 1, 'language')}"


def _gap(_feature: str, code: int) -> str:
    behind = code - GAP_NONE
    if code == 0:
        return "the age of its handshake and of its user agent cannot be compared"
    if behind == 0:
        return "its handshake is as old as the browser that it claims to be"
    age = "older" if behind > 0 else "newer"
    by = _counted(abs(behind), "generation")
    return f"its handshake is {by} {age} than the browser that it claims to be"


def _length(feature: str, code: int) -> str:
    what = "user agent" if feature == "agent-length" else "query"
    return f"its {what} has about {bucket_least(code)} characters" if code else f"it has no {what}"


def _arrivals(_feature: str, code: int) -> str:
    if code == 0:
        return "how it came to its pages is unknown"
    if code == 1:
        return "its last request came from a page of the site"
    pages = "a page" if code == 2 else f"{code - 1} pages in a row"  # noqa: PLR2004 - one page
    return f"it came to {pages} from elsewhere, as by a typed address"


def _first(_feature: str, code: int) -> str:
    if code == 0:
        return "it sends no header"
    return f"its first header is {FIRST_HEADERS.get(code, 'an unusual one')}"


def _past(feature: str, code: int) -> str:
    what, _, span = feature.rpartition("-")
    within = f"in the last {_SPANS.get(span, span)}"
    if code == 0:
        return f"nothing is known of what it did {within}"
    if FEATURES[INDEX[feature]].kind is Kind.BUCKET:
        if what == "requests":
            return f"it asked {times(code)} {within}"
        least = bucket_least(code)
        about = "" if least < _EXACT_BELOW else "about "
        return f"it asked for {about}{_counted(least, 'path')} {within}"
    noun = "its answers were errors" if what == "errors" else "its requests were for parts of pages"
    return f"{share_percent(code)} % of {noun} {within}"


GAP_NONE: Final = 45
"""The code of `generation-gap` when handshake and claim are of one generation."""
_BY_NAME: Final[Mapping[str, Callable[[str, int], str]]] = {
    **dict.fromkeys(("tls-family", "agent-family"), _family),
    **dict.fromkeys(_ORDERS, _order),
    **dict.fromkeys((f.name for f in FEATURES if f.kind is Kind.FLAG), _flag),
    **dict.fromkeys(_NUMBERS, _number),
    **dict.fromkeys(("agent-length", "query-length"), _length),
    **dict.fromkeys((f.name for f in FEATURES if f.name.rpartition("-")[2] in _SPANS), _past),
    "accept-language": _language,
    "arrivals": _arrivals,
    "generation-gap": _gap,
    "order-first": _first,
}
