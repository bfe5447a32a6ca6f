"""A connection made with one certificate reaches no site of another one (RFC 9110 15.5.20)."""

import contextlib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from compiler import build
from edge.h2_client import GET, H2Client
from edge.serving import request
from envoy_harness import RawClient, Response, TlsAuthority, free_port, running_envoy
from seawall.compiler.compile import compile_edge
from seawall.compiler.static import static_bootstrap
from seawall.model import Edge, FixedResponse, Site, TrustedProxies

NO_NAME = ""


@dataclass
class Several:
    """An edge whose sites answer with their own name, with more than one certificate."""

    port: int
    plain_port: int
    authority: TlsAuthority

    def context(self, *, alpn: str = "http/1.1") -> ssl.SSLContext:
        context = self.authority.client(alpn=(alpn,))
        context.check_hostname = False
        return context

    def get(self, sni: str, host: str) -> tuple[int, bytes]:
        """Status and body of one request for `host` on a connection for `sni`."""
        with RawClient(self.port, tls=self.context(), sni=sni or None) as client:
            client.send(request(host=host.encode()))
            return _told(client.response())


def _told(response: Response) -> tuple[int, bytes]:
    return response.status, response.body


def _site(name: str, *hosts: str, certificate: str) -> Site:
    answer = build.route(f"{name}/all", action=FixedResponse(200, name))
    return build.site(name, answer, hosts=hosts, certificate=certificate)


def _sites(*, everything: bool) -> tuple[Site, ...]:
    sites = (
        _site("shop", "shop.test", "*.shop.test", certificate="shop"),
        _site("help", "help.test", certificate="shop"),
        _site("api", "api.shop.test", certificate="api"),
    )
    rest = (_site("rest", "*", certificate="rest"),)
    return (*sites, *rest) if everything else sites


def _edge(authority: TlsAuthority, sites: tuple[Site, ...], port: int, plain_port: int) -> Edge:
    names = {
        "shop": ("shop.test", "*.shop.test", "help.test"),
        "api": ("api.shop.test",),
        "rest": ("rest.test",),
    }
    shown = {site.certificate for site in sites}
    issued = {n: authority.issue(*hosts) for n, hosts in names.items() if n in shown}
    return build.edge(
        *sites,
        origins=(),
        http=(plain_port,),
        https=(port,),
        certificates=tuple(build.certificate(n, *pair, *names[n]) for n, pair in issued.items()),
    )


@contextlib.contextmanager
def several(*, everything: bool, trusted: TrustedProxies | None = None) -> Iterator[Several]:
    authority, port, plain_port = TlsAuthority(), free_port(), free_port()
    edge = _edge(authority, _sites(everything=everything), port, plain_port)
    if trusted is not None:
        edge = replace(edge, trusted_proxies=trusted)
    with running_envoy(static_bootstrap(compile_edge(edge), admin_path="admin.sock")):
        yield Several(port, plain_port, authority)


@pytest.fixture(scope="module")
def named() -> Iterator[Several]:
    """Sites with names only."""
    with several(everything=False) as edge:
        yield edge


@pytest.fixture(scope="module")
def whole() -> Iterator[Several]:
    """The same sites, and one for every other host."""
    with several(everything=True) as edge:
        yield edge


@pytest.mark.parametrize(
    ("sni", "host", "site"),
    [
        ("shop.test", "shop.test", "shop"),
        ("shop.test", "help.test", "help"),
        ("help.test", "www.shop.test", "shop"),
        ("www.shop.test", "m.shop.test", "shop"),
        ("WWW.shop.test", "SHOP.test:8443", "shop"),
        ("api.shop.test", "api.shop.test", "api"),
    ],
)
def test_one_connection_reaches_every_site_of_its_certificate(
    named: Several, whole: Several, sni: str, host: str, site: str
) -> None:
    assert named.get(sni, host) == (200, site.encode())
    assert whole.get(sni, host) == (200, site.encode())


@pytest.mark.parametrize(
    ("sni", "host"),
    [
        ("shop.test", "api.shop.test"),
        ("www.shop.test", "api.shop.test"),
        ("api.shop.test", "shop.test"),
        ("api.shop.test", "www.shop.test"),
        ("api.shop.test", "help.test"),
    ],
)
def test_a_site_of_another_certificate_is_misdirected(
    named: Several, whole: Several, sni: str, host: str
) -> None:
    assert named.get(sni, host) == (421, b"Misdirected request.\n")
    assert whole.get(sni, host) == (421, b"Misdirected request.\n")


def test_a_site_for_every_host_has_a_certificate_of_its_own(whole: Several) -> None:
    assert whole.get("other.test", "other.test") == (200, b"rest")
    assert whole.get("other.test", "another.test") == (200, b"rest")
    assert whole.get("other.test", "shop.test")[0] == 421
    assert whole.get("shop.test", "other.test")[0] == 421


@pytest.mark.parametrize(("host", "site"), [("shop.test", "shop"), ("other.test", "rest")])
def test_a_client_that_names_no_server_is_not_misdirected(
    whole: Several, host: str, site: str
) -> None:
    assert whole.get(NO_NAME, host) == (200, site.encode())


def test_the_connection_goes_on_after_a_misdirected_request(named: Several) -> None:
    with RawClient(named.port, tls=named.context(), sni="shop.test") as client:
        for host, status in ((b"shop.test", 200), (b"api.shop.test", 421), (b"help.test", 200)):
            client.send(b"GET / HTTP/1.1\r\nhost: " + host + b"\r\n\r\n")
            assert client.response().status == status


def test_streams_of_one_http2_connection_are_judged_one_by_one(named: Several) -> None:
    asked = ("shop.test", "api.shop.test", "help.test")
    with H2Client(named.port, tls=named.context(alpn="h2")) as client:
        statuses = [
            client.get(1 + 2 * index, [*GET[:2], (":authority", host), GET[3]])
            for index, host in enumerate(asked)
        ]
    assert statuses == [200, 421, 200]


def test_a_trusted_proxy_may_use_one_name_for_all() -> None:
    with several(everything=False, trusted=TrustedProxies(("127.0.0.0/8",))) as edge:
        assert edge.get("shop.test", "api.shop.test") == (200, b"api")
    with several(everything=False, trusted=TrustedProxies(("10.0.0.0/8",))) as edge:
        assert edge.get("shop.test", "api.shop.test")[0] == 421


def test_plain_http_knows_no_certificates(named: Several) -> None:
    with RawClient(named.plain_port) as client:
        client.send(request(host=b"api.shop.test"))
        assert _told(client.response()) == (200, b"api")
