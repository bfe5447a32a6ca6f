"""Random site files and requests: a real Envoy answers what the docs say.

`oracle.py` works out from the site file alone what has to come; `site_files.py` makes the files and
the requests. The seed decides all of it, so a difference is there again in the next run.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import fields, replace
from random import Random
from typing import Final

import pytest

from compiler import oracle
from compiler.oracle import Answer, Forwarded, Headers, Request, SiteFile
from compiler.served import served
from compiler.site_files import HOSTS, ORIGIN_SAYS, request, site_file
from envoy_harness import Origin, OriginRequest, RawClient, Response, TlsAuthority, free_port, ok
from seawall.model import Edge
from site_text import load_text

SEEDS: Final = (1, 4, 17)
REQUESTS: Final = 150
FILES_TRIED_MAX: Final = 300
DIFFERENCES_SHOWN: Final = 5
ORIGINS: Final = ("o1", "o2", "o3")
ORIGIN_BODY: Final = "ok"
ACTIONS: Final = ("redirect", "respond", "forward")
SERVER_NAME: Final = "a.test"
"""Of the only certificate, so that it says nothing about the site that is asked for."""
NOT_COMPARED: Final = {
    *("host", "x-request-id", "x-forwarded-for", "x-forwarded-proto"),  # towards the origin
    *("server", "date", "location", "vary", "connection"),  # towards the client
    *("content-length", "transfer-encoding"),
}


@pytest.fixture(scope="module")
def authority() -> TlsAuthority:
    return TlsAuthority()


@pytest.fixture(scope="module")
def origins() -> Iterator[Mapping[str, Origin]]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(Origin(_origin_answer)) for name in ORIGINS}


@pytest.mark.parametrize("seed", SEEDS)
def test_envoy_answers_what_the_docs_say(
    seed: int, origins: Mapping[str, Origin], authority: TlsAuthority
) -> None:
    rng = Random(seed)
    ports = free_port(), free_port()
    urls = {name: origin.url for name, origin in origins.items()}
    file, edge = _loadable(rng, urls, ports, authority)
    tls = authority.client()
    differences = []
    with served(edge):
        for _ in range(REQUESTS):
            asked = request(rng, file)
            expected = _expected(file, asked)
            for origin in origins.values():
                origin.requests.clear()
            with RawClient(
                ports[asked.tls],
                tls=tls if asked.tls else None,
                sni=SERVER_NAME if asked.tls else None,
            ) as client:
                client.send(_as_sent(asked))
                response = client.response(to_head=asked.method == "HEAD")
            got = _comparable(expected, response, origins)
            if got != expected:
                differences.append(_shown(file, asked, expected, got))
    if differences:
        shown = "\n\n".join(differences[:DIFFERENCES_SHOWN])
        pytest.fail(f"{len(differences)} of {REQUESTS} answers differ\n\n{shown}", pytrace=False)


def test_the_seeds_meet_every_kind_of_answer(authority: TlsAuthority) -> None:
    kinds = set()
    for seed in SEEDS:
        rng = Random(seed)
        urls = dict.fromkeys(ORIGINS, "http://127.0.0.1:9")
        file, _ = _loadable(rng, urls, (1, 2), authority)
        for _ in range(REQUESTS):
            asked = request(rng, file)
            kinds |= _kinds(file, asked, _expected(file, asked))
    wanted = {
        *(f"status {status}" for status in (200, 302, 308, 404, 421)),
        *(f"{action} over {scheme}" for action in ACTIONS for scheme in ("http", "https")),
        *("path", "prefix", "regex", "methods", "headers", "query", "header_changes"),
        *("rewrite prefix", "rewrite regex", "hsts", "host_rewrite"),
    }
    assert not sorted(wanted - kinds)


def _loadable(
    rng: Random, origins: Mapping[str, str], ports: tuple[int, int], authority: TlsAuthority
) -> tuple[SiteFile, Edge]:
    """The next file that the loader takes."""
    chain, key = authority.issue(*HOSTS)
    problems: object = None
    for _ in range(FILES_TRIED_MAX):
        file = site_file(rng, origins, http=ports[0], https=ports[1])
        loaded = load_text(json.dumps(file), {"c.pem": chain, "c.key": key})
        if loaded.edge is not None:
            return file, loaded.edge
        problems = loaded.problems
    raise AssertionError(f"none of {FILES_TRIED_MAX} files was taken; the last one: {problems}")


def _expected(file: SiteFile, asked: Request) -> Answer:
    answer = oracle.answer(file, asked, origin_body=ORIGIN_BODY)
    forwarded = answer.forwarded and replace(
        answer.forwarded, headers=_merged(answer.forwarded.headers)
    )
    headers = None if answer.headers is None else _merged(answer.headers)
    return replace(answer, headers=headers, forwarded=forwarded)


def _comparable(expected: Answer, response: Response, origins: Mapping[str, Origin]) -> Answer:
    """What came, without what the docs leave open."""
    forwarded = [
        _forwarded(name, arrived) for name, origin in origins.items() for arrived in origin.requests
    ]
    assert len(forwarded) <= 1, f"asked once, and the origins got {forwarded}"
    headers = [(name, value.encode("latin-1").decode()) for name, value in response.headers]
    return Answer(
        response.status,
        location=response.header("location"),
        body=None if expected.body is None else response.body.decode(),
        headers=None if expected.headers is None else _merged(tuple(headers)),
        forwarded=forwarded[0] if forwarded else None,
    )


def _forwarded(origin: str, arrived: OriginRequest) -> Forwarded:
    target, hosts = arrived.target.decode(), [host.decode() for host in arrived.values("host")]
    return Forwarded(origin, target, ", ".join(hosts), _merged(_headers_of(arrived)))


def _headers_of(arrived: OriginRequest) -> Headers:
    lines = (line.partition(":") for line in arrived.head.decode().split("\r\n")[1:])
    return tuple((name.lower(), value.strip()) for name, _, value in lines)


def _merged(headers: Headers) -> Headers:
    """One entry for each name: only lines of one name have an order that means something.

    An empty line beside others says nothing: some headers reach the origin as one line, without it.
    """
    values: dict[str, list[str]] = {}
    for name, value in headers:
        if name not in NOT_COMPARED:
            values.setdefault(name, []).append(value)
    return tuple((name, ",".join(filter(None, values[name]))) for name in sorted(values))


def _as_sent(asked: Request) -> bytes:
    body = "hi" if asked.method in {"POST", "PUT", "PATCH"} else ""
    lines = [f"{asked.method} {asked.target} HTTP/1.1", f"host: {asked.host}"]
    lines += [f"{name}: {value}" for name, value in asked.headers]
    lines += [f"content-length: {len(body)}"] if body else []
    return "\r\n".join([*lines, "", body]).encode()


def _origin_answer(arrived: OriginRequest) -> bytes:
    said = ORIGIN_SAYS[dict(_headers_of(arrived))["x-want"]]
    lines = "".join(f"{name}: {value}\r\n" for name, value in said)
    whole = ok(ORIGIN_BODY.encode(), headers=lines.encode())
    return whole.removesuffix(ORIGIN_BODY.encode()) if arrived.method == b"HEAD" else whole


def _shown(file: SiteFile, asked: Request, expected: Answer, got: Answer) -> str:
    """A difference, with all that one needs to follow it."""
    site = oracle.site_of(file, asked)
    route = oracle.route_of(site, asked) if site else None
    lines = [
        f"request:  {'https' if asked.tls else 'http'} {asked}",
        f"site:     { {key: value for key, value in (site or {}).items() if key != 'routes'} }",
        f"route:    {dict(route) if route else None}",
    ]
    for field in fields(Answer):
        wanted, found = getattr(expected, field.name), getattr(got, field.name)
        if wanted != found:
            lines += [f"expected {field.name}: {wanted}", f"got {field.name}:      {found}"]
    return "\n".join(lines)


def _kinds(file: SiteFile, asked: Request, expected: Answer) -> set[str]:
    """What this request tries, in words."""
    kinds = {f"status {expected.status}"}
    site = oracle.site_of(file, asked)
    route = oracle.route_of(site, asked) if site else None
    if route is None or expected.headers is None:
        return kinds
    action = next((key for key in ACTIONS if key in route), "forward")
    kinds |= {f"{action} over {'https' if asked.tls else 'http'}", *route}
    kinds |= {f"rewrite {key}" for key in route.get("rewrite", {})}
    if site and site.get("hsts") and asked.tls:
        kinds.add("hsts")
    return kinds
