"""A second opinion: what the docs say that the edge answers, worked out in plain Python.

It reads the site file as a user writes it and shares no code with `seawall`: what the loader, the
compiler or Envoy take differently shows up as a difference. Each function models one sentence of
docs/site-file.md, or of docs/envoy-config.md where that says more; the sentence stands in it.
Bodies of errors, timeouts, retries, bots and compression are not modelled.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

import re2

SiteFile = Mapping[str, Any]
Part = Mapping[str, Any]
"""One mapping of a site file: a site, a route or what stands in one."""
Headers = tuple[tuple[str, str], ...]

DEFAULT_ROUTE: Final[Part] = {"name": "default"}
SECURITY_HEADERS: Final = {
    "content_type_options": ("x-content-type-options", "nosniff"),
    "frame_options": ("x-frame-options", "SAMEORIGIN"),
    "referrer_policy": ("referrer-policy", False),
    "permissions_policy": ("permissions-policy", False),
    "content_security_policy": ("content-security-policy", False),
}
FITS: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "exact": str.__eq__,
    "prefix": str.startswith,
    "suffix": str.endswith,
    "contains": str.__contains__,
    "regex": lambda value, regex: bool(re2.fullmatch(regex, value)),
}
SECONDS: Final = {"1h": 3_600, "365d": 31_536_000}


@dataclass(frozen=True)
class Request:
    """What a client asks. `origin_says` are headers of the answer, where an origin answers."""

    method: str
    host: str
    path: str
    query: str | None
    headers: Headers
    origin_says: Headers
    tls: bool

    @property
    def target(self) -> str:
        return self.path + _question(self.query)


@dataclass(frozen=True)
class Forwarded:
    """What an origin gets."""

    origin: str
    target: str
    host: str
    headers: Headers


@dataclass(frozen=True)
class Answer:
    """What a client gets. `body` and `headers` are None where the docs leave them open."""

    status: int
    location: str | None = None
    body: str | None = None
    headers: Headers | None = None
    forwarded: Forwarded | None = None


def answer(file: SiteFile, request: Request, *, origin_body: str) -> Answer:
    """What the edge of this site file answers."""
    site = site_of(file, request)
    if site is None:
        return Answer(421)  # "A host that no site has is answered with 421"
    if site.get("redirect_to_https") and not request.tls:
        return Answer(308, location=_on_https(file, request))
    route = route_of(site, request)
    if route is None:
        return Answer(404)
    if "redirect" in route:
        status = route["redirect"].get("status", 302)
        headers = _answer_headers(site, route, request, ())
        return Answer(status, location=_redirect(route, request), headers=headers)
    if "respond" in route:
        return _fixed(site, route, request)
    return Answer(
        200,
        body="" if request.method == "HEAD" else origin_body,
        headers=_answer_headers(site, route, request, request.origin_says),
        forwarded=_forwarded(site, route, request),
    )


def site_of(file: SiteFile, request: Request) -> Part | None:
    """The site whose `hosts` fit best; over https only those with `tls`.

    "`www.example.com`, `*.example.com` (names below it), `*` (every other name)". "Hosts are
    compared without port and without a trailing dot."
    """
    host = _without_dot(_without_port(request.host)).lower()
    fits = [
        (fit, number, site)
        for number, site in enumerate(file["sites"].values())
        if site["tls"] or not request.tls
        for pattern in site["hosts"]
        if (fit := _host_fit(pattern, host))
    ]
    return max(fits)[2] if fits else None


def route_of(site: Part, request: Request) -> Part | None:
    """ "The first route of a site whose conditions all match decides"; then its `origin`."""
    routes: Sequence[Part] = site["routes"]
    last = DEFAULT_ROUTE if "origin" in site else None
    return next((route for route in routes if _takes(route, request)), last)


def _host_fit(pattern: str, host: str) -> int:
    """0: not at all; a name fits better than a wildcard, and a longer wildcard than a shorter."""
    if pattern == host:
        return 1_000
    if pattern == "*":
        return 1
    return len(pattern) if pattern.startswith("*.") and host.endswith(pattern[1:]) else 0


def _takes(route: Part, request: Request) -> bool:
    return (
        _path_holds(route, request.path)
        and request.method in route.get("methods", [request.method])
        and all(
            _holds(condition, [value for key, value in request.headers if key == name])
            for name, condition in route.get("headers", {}).items()
        )
        and all(
            _holds(condition, _parameters(request.query, name)[:1])
            for name, condition in route.get("query", {}).items()
        )
    )


def _path_holds(route: Part, path: str) -> bool:
    """ "The path equals this", "is this or below it", "matches the whole path"."""
    if "path" in route:
        return bool(path == route["path"])
    if "prefix" in route:
        return bool(path == route["prefix"] or path.startswith(route["prefix"].rstrip("/") + "/"))
    return "regex" not in route or bool(re2.fullmatch(route["regex"], path))


def _holds(condition: str | Part, values: Sequence[str]) -> bool:
    """ "Any of its values may match"; of a query parameter the caller gives the first."""
    if isinstance(condition, str):  # "Short form: the exact text"
        condition = {"exact": condition}
    ((kind, wanted),) = condition.items()
    if kind == "present":
        return bool(values) is wanted
    return any(FITS[kind](value, wanted) for value in values)


def _parameters(query: str | None, name: str) -> list[str]:
    """Values of a query parameter, "written as in the URL (`a%20b`)"."""
    pairs = [part.partition("=") for part in query.split("&")] if query else []
    return [value for key, _, value in pairs if key == name]


def _on_https(file: SiteFile, request: Request) -> str:
    """ "One redirect (308) that keeps path and query. The redirect names the port of the first
    https listener".
    """
    _, _, port = file["listen"]["https"].rpartition(":")
    return f"https://{_without_dot(_without_port(request.host))}:{port}{request.target}"


def _redirect(route: Part, request: Request) -> str:
    """ "A path or a URL. A URL without path and query keeps the request's path; a target without
    query keeps the request's query. A fragment may follow." `strip_query`: "Drop the query".
    """
    redirect = route["redirect"]
    to = urlsplit(redirect.get("to", ""))
    kept = None if redirect.get("strip_query") else request.query
    if "prefix" in redirect:
        path = _replace_prefix(route, redirect["prefix"], request.path)
    else:
        path = to.path or ("/" if to.query else request.path)
    return _place(to, request) + path + _question(to.query or kept) + _fragment(to)


def _place(to: SplitResult, request: Request) -> str:
    if to.scheme:
        return f"{to.scheme}://{to.netloc}"
    return f"{'https' if request.tls else 'http'}://{_without_dot(request.host)}"


def _fragment(to: SplitResult) -> str:
    return f"#{to.fragment}" if to.fragment else ""


def _question(query: str | None) -> str:
    return "" if query is None else f"?{query}"


def _fixed(site: Part, route: Part, request: Request) -> Answer:
    """ "Answer at the edge, without an origin", with its `content_type` where there is a body."""
    respond = route["respond"]
    body = respond.get("body", "")
    content_type = respond.get("content_type", "text/plain; charset=utf-8")
    own: Headers = (("content-type", content_type),) if body else ()
    headers = _answer_headers(site, route, request, own)
    shown = "" if request.method == "HEAD" else body
    return Answer(respond.get("status", 200), body=shown, headers=headers)


def _forwarded(site: Part, route: Part, request: Request) -> Forwarded:
    """ "Where requests go. Default: the site's". "Host sent to the origin. Default: the site's",
    and of the site: "the client's". "With this key, `x-forwarded-host` carries the client's host,
    unless the site file changes that header itself."
    """
    path = _rewritten(route, request.path)
    asked = _without_dot(request.host)
    rewritten = route.get("host_rewrite") or site.get("host_rewrite")
    own = (
        _changes(site.get("headers"), "request"),
        _changes(route.get("header_changes"), "request"),
    )
    headers = _changed(_changed(request.headers, own[0]), own[1])
    if rewritten and not any("x-forwarded-host" in names for one in own for names in one.values()):
        headers = (*headers, ("x-forwarded-host", asked))
    origin = route.get("origin") or site["origin"]
    return Forwarded(origin, path + _question(request.query), rewritten or asked, headers)


def _rewritten(route: Part, path: str) -> str:
    """ "Replaces the matched prefix", or "RE2 expression. What it matches is replaced"."""
    rewrite = route.get("rewrite")
    if rewrite is None:
        return path
    if "prefix" in rewrite:
        return _replace_prefix(route, rewrite["prefix"], path)
    return str(re2.sub(rewrite["regex"], rewrite["to"], path))


def _replace_prefix(route: Part, to: str, path: str) -> str:
    """ "A prefix rewrite joins with exactly one slash: `/v1` rewritten to `/` turns `/v1/x` into
    `/x`." Where nothing follows the matched prefix there is nothing to join.
    """
    rest = path[len(route["prefix"].rstrip("/")) :]
    return to.rstrip("/") + rest or "/"


def _changes(changes: Part | None, direction: str) -> Part:
    found: Part = (changes or {}).get(direction, {})
    return found


def _changed(headers: Headers, changes: Part) -> Headers:
    """ "In the order `remove`, `set`, `add`"; `set` "replaces existing values"."""
    dropped = {*changes.get("remove", ()), *changes.get("set", ())}
    kept = [header for header in headers if header[0] not in dropped]
    return (*kept, *changes.get("set", {}).items(), *changes.get("add", {}).items())


def _answer_headers(site: Part, route: Part, request: Request, sent: Headers) -> Headers:
    """ "Header changes of a route win over those of its site"; hsts "the edge writes last"."""
    changes = _changes(site.get("headers"), "response")
    headers = _changed(sent, {**changes, "add": {}})
    headers = _secured(site, changes, headers)
    headers = _changed(headers, {"add": changes.get("add", {})})
    headers = _changed(headers, _changes(route.get("header_changes"), "response"))
    hsts = _hsts(site) if request.tls else None
    return _changed(headers, {"set": {"strict-transport-security": hsts}}) if hsts else headers


def _secured(site: Part, changes: Part, headers: Headers) -> Headers:
    """ "Headers to set if the origin did not set them"; "`false` omits a header". What the site
    sets or removes itself is left to it.
    """
    wanted = site.get("security_headers", {})
    if wanted is False:
        return headers
    there = {name for name, _ in headers} | set(changes.get("remove", ()))
    values = {name: wanted.get(key, value) for key, (name, value) in SECURITY_HEADERS.items()}
    added = ((name, value) for name, value in values.items() if value and name not in there)
    return (*headers, *added)


def _hsts(site: Part) -> str | None:
    """Strict-Transport-Security (RFC 6797); `true` is a `max_age` of `365d`."""
    hsts = site.get("hsts")
    if not hsts:
        return None
    hsts = {} if hsts is True else hsts
    words = [f"max-age={SECONDS[hsts.get('max_age', '365d')]}"]
    words += ["includeSubDomains"] if hsts.get("include_subdomains") else []
    words += ["preload"] if hsts.get("preload") else []
    return "; ".join(words)


def _without_port(host: str) -> str:
    return re.sub(r":\d+$", "", host)


def _without_dot(host: str) -> str:
    return host.removesuffix(".")
