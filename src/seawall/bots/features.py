"""The feature schema: what a model may look at, in the order in which a vector holds it.

A feature is a small whole number, 0 to `CODE_MAX`; 0 always means *absent*, which is a fact of its
own (no TLS, no such header, no window yet) and never a value. Whole numbers make Python, LuaJIT
and LightGBM agree bit for bit, and a vector is printable text, one character a feature, so that an
access record carries exactly what the model saw: what is trained on is what was scored.

The schema grows at its end only. A model names its features, so an older model stays usable. Its
places are used up: a new feature takes that of one that tells least (decision 0024).
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from seawall import limits
from seawall.bots.families import ClientFamily
from seawall.errors import RefusedError

CODE_MAX: Final = 90
CHARACTER_BASE: Final = 35
"""Code 0 is `#`: no space and no quotation mark among the 91 characters."""


class Kind(StrEnum):
    """How a code is to be read."""

    FLAG = "flag"
    """1 yes; 0 no. For a thing that is there or not."""
    COUNT = "count"
    """A number, capped."""
    BUCKET = "bucket"
    """A number n by its size: `1 + floor(4 * log2(n))`."""
    SHARE = "share"
    """1 + tenths, so 1 is none and 11 is all; 0 when there is nothing to take a share of."""
    CODE = "code"
    """One of a list of cases."""


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature.

    Attributes:
        name: kebab-case, unique; a model refers to it.
        meaning: what it tells, for people; cases are written as `1 ..., 2 ...`.
        most: the largest code that the filter gives it.
    """

    name: str
    kind: Kind
    meaning: str
    most: int = CODE_MAX


def _windows(kind: Kind, name: str, what: str, most: int = CODE_MAX) -> tuple[Feature, ...]:
    spans = (("10s", "10 seconds"), ("60s", "minute"), ("10m", "10 minutes"))
    return tuple(
        Feature(f"{name}-{short}", kind, f"{what} of this client in the last {words}", most)
        for short, words in spans
    )


_SHARE_MOST: Final = 11
_PATHS_MOST: Final = 34
"""Of 310: paths are counted on 64 bits, which tell no more apart."""
FEATURES: Final[tuple[Feature, ...]] = (
    # What the handshake says
    Feature("tls-version", Kind.CODE, "1 TLS 1.2, 2 TLS 1.3, 3 older, 4 other", 4),
    Feature("tls-sni", Kind.CODE, "server name: 1 not sent, 2 sent", 2),
    Feature("tls-ciphers", Kind.COUNT, "cipher suites offered"),
    Feature("tls-extensions", Kind.COUNT, "TLS extensions offered"),
    Feature("tls-alpn", Kind.CODE, "first protocol offered: 1 none, 2 h1, 3 h2, 4 other", 4),
    Feature("tls-family", Kind.CODE, "family of clients with this JA4", max(ClientFamily)),
    Feature("tls-generation", Kind.CODE, "generation of browsers with this JA4"),
    Feature("tls-known", Kind.CODE, "JA4: 1 unknown, 2 known but for its last part, 3 known", 3),
    Feature("tls-grease", Kind.CODE, "leaked GREASE value: 1 none, 2 the first, 3 another", 3),
    # What the client calls itself
    Feature("agent-family", Kind.CODE, "family that the user agent claims", max(ClientFamily)),
    Feature("agent-major", Kind.CODE, "major version that the user agent claims, by browser"),
    Feature(
        "agent-os",
        Kind.CODE,
        "1 Windows, 2 macOS, 3 Linux, 4 Android, 5 iOS, 6 ChromeOS, 7 other",
        7,
    ),
    Feature("agent-length", Kind.BUCKET, "characters of the user agent"),
    Feature("agent-mozilla", Kind.CODE, "user agent begins with Mozilla: 1 no, 2 yes", 2),
    Feature("agent-headless", Kind.CODE, "user agent says that it is headless: 1 no, 2 yes", 2),
    Feature("agent-bot-words", Kind.CODE, "user agent names a bot or a contact: 1 no, 2 yes", 2),
    # Whether these agree
    Feature(
        "family-agreement", Kind.CODE, "TLS and user agent: 1 contradict, 2 unknown, 3 agree", 3
    ),
    Feature("generation-gap", Kind.CODE, "45 plus claimed less seen browser generation"),
    Feature(
        "hints-brand",
        Kind.CODE,
        "client hints: 1 missing, 2 rightly missing, 3 agree with the user agent, 4 contradict "
        "it, 5 sent by what should not",
        5,
    ),
    Feature("hints-platform", Kind.CODE, "platform hint: 1 contradicts, 2 agrees, 3 unknown", 3),
    Feature("hints-mobile", Kind.CODE, "mobile hint: 1 contradicts, 2 agrees", 2),
    # How the request is written
    Feature("protocol", Kind.CODE, "1 HTTP/1.1, 2 HTTP/2, 3 HTTP/3, 4 other", 4),
    Feature(
        "pseudo-order", Kind.CODE, "HTTP/2 pseudo-headers: 1 masp, 2 mpas, 3 msap, 4 mpsa, 5", 5
    ),
    Feature("method", Kind.CODE, "1 GET, 2 HEAD, 3 POST, 4 OPTIONS, 5 other", 5),
    Feature("headers", Kind.COUNT, "request headers"),
    Feature("order-agent-accept", Kind.CODE, "1 user-agent before accept, 2 after", 2),
    Feature("order-accept-encoding", Kind.CODE, "1 accept before accept-encoding, 2 after", 2),
    Feature("order-language-encoding", Kind.CODE, "1 accept-language before -encoding, 2 after", 2),
    Feature("order-hints-agent", Kind.CODE, "1 sec-ch-ua before user-agent, 2 after", 2),
    Feature("order-fetch-accept", Kind.CODE, "1 sec-fetch-site before accept, 2 after", 2),
    Feature("order-first", Kind.CODE, "which header comes first"),
    Feature("accept", Kind.CODE, "1 */*, 2 page, 3 image, 4 JSON, 5 style, 6 other", 6),
    Feature("accept-language", Kind.CODE, "1 any, else 1 plus the number of languages"),
    Feature(
        "accept-encoding",
        Kind.CODE,
        "1 identity, 2 gzip, 3 gzip and deflate, 4 with br, 5 with br and zstd, 6 other",
        6,
    ),
    Feature(
        "fetch-site", Kind.CODE, "1 none, 2 same-origin, 3 same-site, 4 cross-site, 5 other", 5
    ),
    Feature(
        "fetch-mode", Kind.CODE, "1 navigate, 2 no-cors, 3 cors, 4 same-origin, 5 websocket, 6", 6
    ),
    Feature(
        "fetch-dest",
        Kind.CODE,
        "1 document, 2 image, 3 style, 4 script, 5 empty, 6 font, 7 iframe, 8 other",
        8,
    ),
    Feature(
        "fetch-coherence",
        Kind.CODE,
        "fetch metadata: 1 contradict each other or the method, 2 agree",
        2,
    ),
    Feature("upgrade-insecure", Kind.FLAG, "sends upgrade-insecure-requests", 1),
    Feature("priority", Kind.FLAG, "sends priority", 1),
    Feature("te", Kind.FLAG, "sends te", 1),
    Feature("referer", Kind.CODE, "1 same host, 2 another, 3 malformed", 3),
    Feature("cookie", Kind.FLAG, "sends cookies", 1),
    Feature("cache-control", Kind.CODE, "1 max-age=0, 2 no-cache, 3 other", 3),
    Feature("conditional", Kind.FLAG, "asks only for what has changed", 1),
    Feature(
        "arrivals",
        Kind.CODE,
        "1 plus the pages in a row that this client came to from elsewhere, with no link or part "
        "of the site's pages between",
    ),
    Feature("origin", Kind.CODE, "origin header: 1 same host, 2 another, 3 null", 3),
    Feature("connection", Kind.CODE, "1 keep-alive, 2 close, 3 upgrade, 4 other", 4),
    Feature(
        "path-kind",
        Kind.CODE,
        "1 page, 2 script or style, 3 image, font or media, 4 feed, 5 data, 6 robots.txt, "
        "7 favicon, 8 well-known, 9 sitemap, 10 what only scanners ask for",
        10,
    ),
    Feature("query-length", Kind.BUCKET, "characters of the query"),
    Feature("path-depth", Kind.COUNT, "slashes of the path"),
    # What the client did before
    *_windows(Kind.BUCKET, "requests", "requests, this one included,"),
    *_windows(Kind.BUCKET, "paths", "distinct paths", _PATHS_MOST),
    *_windows(Kind.SHARE, "errors", "share of answers 400 and up", _SHARE_MOST),
    *_windows(Kind.SHARE, "assets", "share of requests for what a page loads", _SHARE_MOST),
    # What its browser told
    Feature(
        "page-probe",
        Kind.CODE,
        "script of the page: 1 found a browser driven by a program, 2 one oddity, 3 several",
        3,
    ),
)

INDEX: Final = {feature.name: index for index, feature in enumerate(FEATURES)}
IDENTITY_GROUP: Final = "identity"
"""Stands for all features that tell browsers apart, where features are left out of a training."""


def schema_digest(names: Sequence[str]) -> str:
    """SHA-256 over names, kinds and meanings of features: what a model was made for.

    Raises:
        RefusedError: a feature that this version does not know.
    """
    unknown = [name for name in names if name not in INDEX]
    if unknown:
        raise RefusedError(
            "bot-model-unknown-feature",
            f"The bot model uses {unknown[0][:60]!r}, which this Seawall does not know.",
            remedy="Train it with this version, or update Seawall on every machine first.",
        )
    facts = [[f.name, f.kind.value, f.meaning] for f in (FEATURES[INDEX[n]] for n in names)]
    return hashlib.sha256(json.dumps(facts, separators=(",", ":")).encode()).hexdigest()


def to_text(codes: Sequence[int]) -> str:
    """The vector of `codes` as text."""
    return "".join(chr(CHARACTER_BASE + code) for code in codes)


def from_text(text: str) -> tuple[int, ...] | None:
    """The codes of a vector; None when it is none.

    A vector of an older version is shorter: what it did not know yet is absent.
    """
    codes = tuple(ord(character) - CHARACTER_BASE for character in text)
    if not codes or len(codes) > limits.BOT_FEATURES_MAX:
        return None
    if min(codes) < 0 or max(codes) > CODE_MAX:
        return None
    return codes + (0,) * (len(FEATURES) - len(codes))
