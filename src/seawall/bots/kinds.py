"""What kind of request it is: whether an HTML challenge can be shown, and what is never blocked.

Told from the route's class, the path, the method and a few feature codes. `bots/lua/policy.lua`
tells the same in Envoy; a test holds the two together.
"""

from collections.abc import Sequence
from typing import Final

from seawall.bots.families import ClientFamily
from seawall.bots.features import INDEX

KINDS: Final = (
    "page",
    "data",
    "asset",
    "download",
    "feed",
    "git",
    "package",
    "preflight",
    "robots",
    "sitemap",
    "well-known",
)
"""Only `page`, a navigation, may be answered with an HTML challenge."""
EXEMPT_ROBOTS: Final = "exempt:robots"
EXEMPT_ACME: Final = "exempt:acme"
EXEMPT_SEAWALL: Final = "exempt:seawall"
EXEMPT_PRIVATE: Final = "exempt:private"
"""Golden requests and other probes of the node: they prove that the site works, whoever asks."""

_ROBOTS: Final = "/robots.txt"
_WELL_KNOWN: Final = "/.well-known/"
_EXEMPT_PREFIXES: Final = (
    ("/.well-known/acme-challenge/", EXEMPT_ACME),
    ("/.well-known/seawall/", EXEMPT_SEAWALL),
)
_GIT_ENDS: Final = ("/info/refs", "/git-upload-pack", "/git-receive-pack")
_IMAGE_PARTS: Final = ("/manifests/", "/blobs/")
_ASSETS: Final = frozenset({2, 3, 7})
_FEED: Final = 4
_FEED_TYPES: Final = (
    "application/rss+xml",
    "application/atom+xml",
    "application/rdf+xml",
    "application/feed+json",
)
_FEED_NAMES: Final = frozenset(
    (
        "feed.xml",
        "rss.xml",
        "atom.xml",
        "index.xml",
        "podcast.xml",
        "feed.json",
        "feed.php",
        "rss.php",
    )
)
"""Files that site generators and blogs write their feeds to."""
_FEED_ENDS: Final = (".atom.xml", ".rss.xml", ".feed.xml")
_DOWNLOADS: Final = frozenset(
    (
        *("zip", "gz", "tgz", "bz2", "xz", "zst", "7z", "rar", "tar", "deb", "rpm", "apk", "ipa"),
        *("exe", "msi", "msix", "dmg", "pkg", "appimage", "flatpak", "iso", "img", "jar", "whl"),
        *("gem", "crate", "nupkg", "vsix", "xpi", "crx", "sh", "ps1", "asc", "sig", "sha256"),
        *("sha512", "torrent", "pdf", "epub", "docx", "xlsx", "pptx", "odt", "ods", "odp", "csv"),
        *("m3u8", "mpd", "ts", "m4s", "m4a", "m4v", "mkv", "mov", "avi", "flac", "wav", "aac"),
        *("opus", "oga", "ogv", "webmanifest"),
    )
)
"""Ends of the names of files that programs and players fetch by themselves; a challenge would only
break the fetch. A person who opens one in a browser navigates, and can pass."""
_DATA: Final = 5
_SITEMAP: Final = 9
_SITEMAP_ENDS: Final = (".xml", ".xml.gz", ".txt", ".txt.gz")
_ACCEPTS_ANY: Final = 1
_ACCEPTS_PAGE: Final = 2
_NAVIGATES: Final = 1
_SAME_ORIGIN: Final = 4
_PASSED_ON: Final = 5
"""The empty destination: of what scripts fetch, and of a page that a service worker passes on.
Chromium then still says `navigate`; Firefox says `same-origin`, which no script says by default."""
_SHOWN: Final = frozenset({0, 1, _PASSED_ON, 7})
"""Fetch destinations that people look at: not told, a document, one that was passed on, a frame."""


def exempt(path: str) -> str:
    """Why no policy holds for `path`, as the record says it; empty when one may."""
    if path == _ROBOTS:
        return EXEMPT_ROBOTS
    return next((why for prefix, why in _EXEMPT_PREFIXES if path.startswith(prefix)), "")


def kind_of(  # noqa: PLR0911 - one for each kind
    path: str, method: str, route_class: str, codes: Sequence[int], accept: str = ""
) -> str:
    """One of `KINDS`.

    Args:
        path: without the query.
        method: as sent.
        route_class: `page`, `api`, `feed` or `static`.
        codes: the feature vector; may be empty.
        accept: the request's header; empty when it is not known.
    """
    if path == _ROBOTS:
        return "robots"
    if path.startswith(_WELL_KNOWN):
        return "well-known"
    if method == "OPTIONS":
        return "preflight"
    path_kind = _code(codes, "path-kind")
    family = _code(codes, "agent-family")
    named = _named(path)
    if path_kind == _SITEMAP or named == "sitemap":
        return "sitemap"
    reads = path_kind == _FEED or named == "feed" or family == ClientFamily.FEED_READER
    if route_class == "feed" or reads or any(kind in accept.lower() for kind in _FEED_TYPES):
        return "feed"
    if family == ClientFamily.GIT or path.endswith(_GIT_ENDS):
        return "git"
    if family == ClientFamily.PACKAGE_MANAGER or _of_package(path):
        return "package"
    if route_class == "static" or path_kind in _ASSETS:
        return "asset"
    if route_class == "api" or method not in ("GET", "POST"):
        return "data"
    return "page" if _navigates(codes) else _fetched(path)


def asks_leave(method: str, codes: Sequence[int]) -> bool:
    """Whether it is a CORS preflight: by it a browser asks whether a script may make a request.

    It carries no cookies, so it cannot show a clearance, and its refusal would refuse those who
    have one. What it asks for is challenged in its turn.
    """
    return method == "OPTIONS" and _code(codes, "origin") != 0


def _fetched(path: str) -> str:
    """What it is that nobody opens as a page."""
    _, dot, ending = path.rpartition("/")[2].rpartition(".")
    return "download" if dot and ending.lower() in _DOWNLOADS else "data"


def _of_package(path: str) -> bool:
    """Modules of Go, whose client names itself as every program in Go does; container images."""
    if "/@v/" in path or (path.endswith("/@latest") and path != "/@latest"):
        return True  # a name alone may be that of a person
    image = any(part in path for part in _IMAGE_PARTS) or path.endswith("/tags/list")
    return path.startswith("/v2/") and image


def _named(path: str) -> str:
    """What the name of a file says, in whatever folder; empty when it says nothing."""
    name = path.rpartition("/")[2].lower()
    if "sitemap" in name and name.endswith(_SITEMAP_ENDS):
        return "sitemap"
    return "feed" if name in _FEED_NAMES or name.endswith(_FEED_ENDS) else ""


def _navigates(codes: Sequence[int]) -> bool:
    mode = _code(codes, "fetch-mode")
    if mode == _NAVIGATES:
        return _code(codes, "fetch-dest") in _SHOWN
    if mode == 0 and _code(codes, "path-kind") == _DATA:
        return False  # some programs accept HTML first, whatever they ask for
    accept = _code(codes, "accept")
    # Links and ELinks accept anything, run no scripts, and open nothing but pages.
    reads = accept == _ACCEPTS_ANY and _code(codes, "agent-family") == ClientFamily.TEXT_BROWSER
    asks_for_page = accept == _ACCEPTS_PAGE or reads
    passed_on = mode == _SAME_ORIGIN and _code(codes, "fetch-dest") == _PASSED_ON
    return asks_for_page and (mode == 0 or passed_on)


def _code(codes: Sequence[int], name: str) -> int:
    index = INDEX[name]
    return codes[index] if index < len(codes) else 0
