"""What a scripted session asks for and when, pure: a seed in, steps out.

A behaviour is what somebody wants from a site; the client that carries it out does not matter here.
"""

import random
from collections.abc import Callable, Iterator

from zoo.headers import SETS, Visit, disguise
from zoo.kinds import Configuration, Step
from zoo.pages import ARTICLES, ASSETS, CATEGORIES, ITEMS, TRAP

STEPS_MAX = 40
"""Requests of one scripted session."""
Asks = Iterator[tuple[str, str, float]]
"""Path, body of a POST or nothing, and pause before it in seconds."""

_PROBES = (
    "/wp-login.php",
    "/.env",
    "/.git/config",
    "/admin/",
    "/phpmyadmin/",
    "/backup.zip",
    "/xmlrpc.php",
    "/server-status",
    "/api/v1/users",
    "/wp-content/plugins/",
    "/config.json",
    "/login",
    "/.aws/credentials",
    "/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php",
    "/cgi-bin/luci",
)


def crawl(chance: random.Random) -> Asks:
    """Home, then articles as links are found, fast."""
    yield "/", "", 0.0
    for _ in range(chance.randint(3, 18)):
        category = f"/category/{chance.randrange(CATEGORIES)}"
        article = f"/articles/{chance.randrange(ARTICLES)}"
        yield (category if chance.random() < 0.15 else article), "", chance.expovariate(8)
    if chance.random() < 0.3:
        yield TRAP, "", chance.expovariate(8)


def sequence(chance: random.Random) -> Asks:
    """Articles by number, evenly paced."""
    start, pause_s = chance.randrange(ARTICLES - 20), chance.choice((0.05, 0.1, 0.25, 0.5))
    for number in range(start, start + chance.randint(4, 20)):
        yield f"/articles/{number}", "", pause_s


def api(chance: random.Random) -> Asks:
    """Prices from the API."""
    for page in range(chance.randint(2, 14)):
        yield f"/api/items?page={page}", "", chance.expovariate(10)
        if chance.random() < 0.3:
            yield f"/api/items/{chance.randrange(ITEMS)}", "", chance.expovariate(10)


def watch(chance: random.Random) -> Asks:
    """The same page again and again."""
    path, pause_s = f"/articles/{chance.randrange(ARTICLES)}", chance.uniform(0.3, 2)
    for _ in range(chance.randint(3, 12)):
        yield path, "", pause_s


def probe(chance: random.Random) -> Asks:
    """Looks for what should not be there."""
    for path in chance.sample(_PROBES, chance.randint(4, len(_PROBES))):
        yield path, "", chance.expovariate(12)


def spam(chance: random.Random) -> Asks:
    """Fills the form."""
    for number in range(chance.randint(1, 4)):
        if chance.random() < 0.6:
            yield "/contact", "", chance.expovariate(3)
        yield "/contact", f"text=buy+now+{number}&mail=a%40example.com", chance.expovariate(3)


def search(chance: random.Random) -> Asks:
    """Walks the search."""
    for _ in range(chance.randint(3, 12)):
        yield f"/search?q=word{chance.randrange(500)}", "", chance.expovariate(4)


def polite(chance: random.Random) -> Asks:
    """Asks robots.txt first and takes its time."""
    yield "/robots.txt", "", 0.0
    yield "/sitemap.xml", "", 0.5
    for _ in range(chance.randint(3, 8)):
        yield f"/articles/{chance.randrange(ARTICLES)}", "", chance.uniform(0.8, 1.6)


def whole(chance: random.Random) -> Asks:
    """Loads pages with everything on them, as a browser does."""
    for _ in range(chance.randint(1, 4)):
        yield f"/articles/{chance.randrange(ARTICLES)}", "", chance.uniform(0.5, 2.5)
        for asset in (*ASSETS, "/favicon.ico"):
            yield asset, "", chance.expovariate(60)


def slow(chance: random.Random) -> Asks:
    """One page, a long pause, another: low and slow."""
    for _ in range(chance.randint(4, 8)):
        yield f"/articles/{chance.randrange(ARTICLES)}", "", chance.uniform(6, 16)


def once(chance: random.Random) -> Asks:
    """A single page."""
    yield chance.choice(("/", f"/articles/{chance.randrange(ARTICLES)}", "/api/items")), "", 0.0


def health(chance: random.Random) -> Asks:
    """Is the site up?"""
    path, pause_s = chance.choice(("/", "/health")), chance.uniform(1, 4)
    for _ in range(chance.randint(2, 6)):
        yield path, "", pause_s


def feed(chance: random.Random) -> Asks:
    """The feed, from time to time."""
    for _ in range(chance.randint(1, 4)):
        yield "/feed.xml", "", chance.uniform(0.5, 4)


def read(chance: random.Random) -> Asks:
    """A person reads with a text browser."""
    yield "/", "", 0.0
    for _ in range(chance.randint(1, 4)):
        yield f"/articles/{chance.randrange(ARTICLES)}", "", chance.uniform(2, 6)


def download(chance: random.Random) -> Asks:
    """A file, perhaps twice."""
    for _ in range(chance.randint(1, 2)):
        yield "/downloads/archive.tar.gz", "", chance.uniform(0.2, 2)


def visit(chance: random.Random) -> Asks:
    """Pages for a browser, which fetches the rest by itself."""
    yield "/", "", 0.0
    for _ in range(chance.randint(1, 4)):
        yield f"/articles/{chance.randrange(ARTICLES)}", "", chance.uniform(0.2, 1.5)


BEHAVIOURS: dict[str, Callable[[random.Random], Asks]] = {
    made.__name__: made
    for made in (
        crawl,
        sequence,
        api,
        watch,
        probe,
        spam,
        search,
        polite,
        whole,
        slow,
        once,
        health,
        feed,
        read,
        download,
        visit,
    )
}
SCRAPING = (
    "crawl",
    "sequence",
    "api",
    "watch",
    "probe",
    "spam",
    "search",
    "polite",
    "whole",
    "once",
)
"""What libraries are used for."""


def steps(
    configuration: Configuration, behaviour: str, chance: random.Random, origin: str
) -> tuple[Step, ...]:
    """The requests of one session.

    Args:
        configuration: says which headers are sent.
        behaviour: a key of BEHAVIOURS.
        chance: decides everything; the same state gives the same steps.
        origin: as referers begin, for example `https://localhost:1234`.
    """
    dressed = SETS.get(configuration.headers)
    major, platform, language = disguise(chance)
    refers = chance.random() < 0.5
    made: list[Step] = []
    before = ""
    for path, body, pause_s in BEHAVIOURS[behaviour](chance):
        kind = _kind(path)
        headers = (
            dressed(Visit(before if refers else "", kind, major, platform, language))
            if dressed
            else ()
        )
        made.append(Step(path, "POST" if body else "GET", round(pause_s, 3), headers, body))
        before = origin + path if kind == "document" else before
    return tuple(made[:STEPS_MAX])


def _kind(path: str) -> str:
    if path.startswith("/api/"):
        return "empty"
    endings = {".css": "style", ".js": "script", ".png": "image", ".ico": "image"}
    return (
        endings.get(path[path.rfind(".") :].partition("?")[0], "document")
        if "." in path
        else "document"
    )
