"""The pages of the site under test, pure: a path in, an answer out.

Everything a browser expects is there: a style sheet, a script that sends a beacon and asks the API,
images, a favicon, a form, a feed. One link is a trap: people do not see it and robots.txt forbids
it. The links that people may click are large tiles, so that a stand-in without eyes meets them.
"""

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from zoo import packages

ARTICLES = 200
CATEGORIES = 10
ITEMS = 300
TRAP = "/private/ledger"
ASSETS = ("/static/site.css", "/static/site.js", "/static/logo.png", "/static/photo.png")

_PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
_CSS = """\
body{margin:0;font:18px sans-serif;background:#f4f1ea;color:#222}
nav a{display:inline-block;padding:1em;background:#264653;color:#fff}
.tiles{display:grid;grid-template-columns:repeat(2,1fr);gap:6px;padding:6px}
.tiles a{display:block;min-height:9em;background:#e9c46a;padding:1em;color:#222}
textarea{width:95%;height:16em;margin:1em}input,button{font:inherit;margin:1em}
.note{position:absolute;left:-9999px}
"""
_JS = """\
addEventListener('load',function(){
  var data=JSON.stringify({w:innerWidth,h:innerHeight,p:location.pathname});
  fetch('/beacon',{method:'POST',headers:{'content-type':'application/json'},body:data});
  if(document.body.dataset.items){fetch('/api/items?page='+document.body.dataset.items)
    .then(function(a){return a.json()})
    .then(function(a){document.title=document.title+' ('+a.items.length+')'});}
});
"""
_ROBOTS = f"User-agent: *\nDisallow: {TRAP}\nDisallow: /search\nSitemap: /sitemap.xml\n"


@dataclass(frozen=True)
class Answer:
    """What the site says."""

    status: int
    kind: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def answer(method: str, target: str, body: bytes = b"") -> Answer:
    """The answer to one request; unknown paths are 404.

    Args:
        method: in capitals.
        target: path with query.
        body: of the request.
    """
    path, _, query = target.partition("?")
    if method == "POST":
        return _posted(path, body)
    if method not in {"GET", "HEAD"}:
        return Answer(405, "text/plain", b"method not allowed\n", {"allow": "GET, HEAD, POST"})
    for pattern, make in _ROUTES:
        found = pattern.fullmatch(path)
        if found is not None:
            return make(found, query)
    packed = packages.file(path)
    if packed is not None:
        return Answer(200, packed.kind, packed.body)
    return Answer(404, "text/html; charset=utf-8", _html("Not found", "<p>No such page.</p>"))


def _posted(path: str, body: bytes) -> Answer:
    if path == "/beacon":
        return Answer(204, "text/plain", b"")
    if path == "/contact":
        return Answer(303, "text/plain", b"", {"location": "/thanks"})
    if path == "/api/items":
        return _json({"received": len(body)}, 201)
    return Answer(404, "text/plain", b"no such form\n")


def _page(title: str, inner: str, items: int | None = None) -> Answer:
    return Answer(
        200,
        "text/html; charset=utf-8",
        _html(title, inner, items),
        {"set-cookie": "visit=1; Path=/; SameSite=Lax", "cache-control": "no-cache"},
    )


def _html(title: str, inner: str, items: int | None = None) -> bytes:
    asks = f' data-items="{items}"' if items else ""
    return (
        "<!doctype html><html lang=en><head><meta charset=utf-8>"
        '<meta name=viewport content="width=device-width">'
        f"<title>{title}</title><link rel=stylesheet href=/static/site.css>"
        '<link rel=alternate type="application/atom+xml" href=/feed.xml>'
        "<script src=/static/site.js defer></script>"
        "<script src=/.well-known/seawall/probe.js async></script></head>"
        f"<body{asks}><nav><img src=/static/logo.png width=40 height=40 alt=''>"
        "<a href=/>Home</a><a href=/archive>Archive</a><a href=/about>About</a>"
        f"<a href=/contact>Contact</a></nav><h1>{title}</h1>{inner}"
        f"<p class=note aria-hidden=true><a href={TRAP} rel=nofollow tabindex=-1>ledger</a></p>"
        "</body></html>"
    ).encode()


def _tiles(numbers: "list[int]") -> str:
    links = "".join(f"<a href=/articles/{n}>Article {n}</a>" for n in numbers)
    return f"<div class=tiles>{links}</div>"


def _article(found: re.Match[str], _query: str) -> Answer:
    number = int(found[1])
    if number >= ARTICLES:
        return Answer(404, "text/html; charset=utf-8", _html("Not found", "<p>No such page.</p>"))
    others = [(number * 7 + k * 13) % ARTICLES for k in range(1, 9)]
    text = f"<img src=/static/photo.png?{number % 5} width=300 height=120 alt=photo>"
    text += _tiles(others) + "<p>" + f"Some words of article {number}. " * 60 + "</p>"
    return _page(f"Article {number}", text, number % 30 + 1 if number % 2 else None)


def _short(found: re.Match[str], _query: str) -> Answer:
    return Answer(302, "text/plain", b"", {"location": f"/articles/{found[1]}"})


def _category(found: re.Match[str], _query: str) -> Answer:
    start = int(found[1]) * 20
    if start >= ARTICLES:
        return Answer(404, "text/html; charset=utf-8", _html("Not found", "<p>No such page.</p>"))
    return _page(f"Category {found[1]}", _tiles(list(range(start, start + 20))), 1)


def _home(_found: re.Match[str], _query: str) -> Answer:
    more = "".join(f"<a href=/category/{n}>Category {n}</a>" for n in range(CATEGORIES))
    photo = "<img src=/static/photo.png width=300 height=120 alt=photo>"
    return _page(
        "The zoo", f"{photo}{_tiles([1, 5, 9, 40, 77, 120])}<div class=tiles>{more}</div>", 1
    )


def _contact(_found: re.Match[str], _query: str) -> Answer:
    form = (
        "<form method=post action=/contact><textarea name=text autofocus></textarea>"
        "<input name=mail placeholder=mail><button>Send</button></form>"
    )
    return _page("Contact", form)


def _plain(title: str, numbers: "list[int]") -> "Make":
    return lambda _found, _query: _page(title, _tiles(numbers))


def _search(_found: re.Match[str], query: str) -> Answer:
    value = sum(query.encode()) % ARTICLES
    return _page("Search", _tiles([(value + k * 11) % ARTICLES for k in range(8)]))


def _items(_found: re.Match[str], query: str) -> Answer:
    digits = re.search(r"page=(\d{1,4})", query)
    start = (int(digits[1]) if digits else 0) * 10
    rows = [{"id": n, "price": n * 3 % 97} for n in range(start, min(start + 10, ITEMS))]
    return _json({"items": rows})


def _item(found: re.Match[str], _query: str) -> Answer:
    number = int(found[1])
    return _json({"id": number, "price": number * 3 % 97}, 200 if number < ITEMS else 404)


def _json(value: object, status: int = 200) -> Answer:
    return Answer(status, "application/json", json.dumps(value).encode())


def _feed(_found: re.Match[str], _query: str) -> Answer:
    entries = "".join(
        f"<entry><title>Article {n}</title><id>urn:zoo:{n}</id><link href='/articles/{n}'/>"
        "<updated>2026-01-01T00:00:00Z</updated><content>Words.</content></entry>"
        for n in range(20)
    )
    text = (
        "<?xml version='1.0'?><feed xmlns='http://www.w3.org/2005/Atom'><title>The zoo</title>"
        "<id>urn:zoo</id><updated>2026-01-01T00:00:00Z</updated><author><name>zoo</name></author>"
        f"{entries}</feed>"
    )
    return Answer(200, "application/atom+xml", text.encode(), {"etag": '"zoo-1"'})


def _sitemap(_found: re.Match[str], _query: str) -> Answer:
    urls = "".join(f"<url><loc>/articles/{n}</loc></url>" for n in range(ARTICLES))
    text = f"<urlset xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'>{urls}</urlset>"
    return Answer(200, "application/xml", text.encode())


def _asset(kind: str, body: bytes) -> "Make":
    made = Answer(200, kind, body, {"cache-control": "public, max-age=600"})
    return lambda _found, _query: made


Make = Callable[[re.Match[str], str], Answer]
_ROUTES: "tuple[tuple[re.Pattern[str], Make], ...]" = tuple(
    (re.compile(pattern), make)
    for pattern, make in (
        ("/", _home),
        (r"/articles/(\d{1,4})", _article),
        (r"/a/(\d{1,4})", _short),
        (r"/category/(\d{1,2})", _category),
        ("/about", _plain("About", [3, 4, 8, 11])),
        ("/archive", _plain("Archive", list(range(0, ARTICLES, 5)))),
        ("/thanks", _plain("Thanks", [2, 6, 12, 18])),
        ("/contact", _contact),
        ("/search", _search),
        ("/api/items", _items),
        (r"/api/items/(\d{1,4})", _item),
        (r"/feed\.xml", _feed),
        (r"/sitemap\.xml", _sitemap),
        (r"/robots\.txt", _asset("text/plain", _ROBOTS.encode())),
        (TRAP, _plain("Ledger", [1])),
        ("/health", _asset("text/plain", b"ok\n")),
        (r"/static/site\.css", _asset("text/css", _CSS.encode())),
        (r"/static/site\.js", _asset("text/javascript", _JS.encode())),
        (r"/static/(?:logo|photo)\.png", _asset("image/png", _PIXEL)),
        (r"/favicon\.ico", _asset("image/png", _PIXEL)),
        (r"/downloads/archive\.tar\.gz", _asset("application/gzip", bytes(200_000))),
    )
)
