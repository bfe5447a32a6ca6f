"""TLS, HSTS, redirects to https and trusted proxies, by real traffic."""

import contextlib
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from compiler.build import certificate, edge, origin, route, site
from compiler.served import Served, served
from envoy_harness import Origin, RawClient, Response, TlsAuthority, fetch, free_port, ok
from seawall.model import (
    Edge,
    FixedResponse,
    HealthCheck,
    Hsts,
    Listener,
    OriginTls,
    TlsVersion,
    TrustedProxies,
    UpstreamProtocol,
)

LOCAL = "127.0.0.1"
REQUEST = b"GET / HTTP/1.1\r\nhost: %s\r\n\r\n"


@pytest.fixture(scope="module")
def authority() -> TlsAuthority:
    return TlsAuthority()


@dataclass
class Secure:
    running: Served
    https: int
    authority: TlsAuthority

    def get(self, name: str, *, sni: str | None = None, alpn: tuple[str, ...] = ()) -> Response:
        context = self.authority.client(alpn=alpn)
        return fetch(self.https, REQUEST % name.encode(), tls=context, sni=sni or name)


def _edge(authority: TlsAuthority, *, https: int, **changes: object) -> Edge:
    names = {"shop": ("shop.test", "*.shop.test"), "blog": ("blog.test",)}
    certificates = tuple(certificate(n, *authority.issue(*h), *h) for n, h in names.items())
    shop = site(
        "shop",
        route("shop/all", action=FixedResponse(200, "shop")),
        hosts=names["shop"],
        certificate="shop",
        hsts=Hsts(31_536_000, include_subdomains=True, preload=True),
    )
    blog = site(
        "blog",
        route("blog/all", action=FixedResponse(200, "blog")),
        certificate="blog",
        redirect_to_https=True,
    )
    plain = site("plain", route("plain/all", action=FixedResponse(200, "plain")))
    return edge(
        shop,
        blog,
        plain,
        http=(free_port(),),
        https=(https,),
        certificates=certificates,
        **changes,
    )


@pytest.fixture(scope="module")
def secure(authority: TlsAuthority) -> Iterator[Secure]:
    https = free_port()
    with served(_edge(authority, https=https)) as running:
        yield Secure(running, https, authority)


def _shown(port: int, context: ssl.SSLContext, name: str) -> tuple[str, ...]:
    with RawClient(port, tls=context, sni=name) as client:
        assert isinstance(client.socket, ssl.SSLSocket)
        shown = client.socket.getpeercert() or {}
        return tuple(sorted(str(value) for _, value in shown["subjectAltName"]))  # type: ignore[misc] - pairs


def test_each_name_gets_its_own_certificate(secure: Secure) -> None:
    context = secure.authority.client()
    assert _shown(secure.https, context, "shop.test") == ("*.shop.test", "shop.test")
    assert _shown(secure.https, context, "www.shop.test") == ("*.shop.test", "shop.test")
    assert _shown(secure.https, context, "blog.test") == ("blog.test",)
    assert secure.get("shop.test").body == b"shop"
    assert secure.get("blog.test").body == b"blog"


def test_an_unknown_server_name_gets_no_certificate(secure: Secure) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError)):
        secure.get("other.test")


def test_a_site_without_a_certificate_is_not_served_over_tls(secure: Secure) -> None:
    response = fetch(
        secure.https, REQUEST % b"plain.test", tls=secure.authority.client(), sni="shop.test"
    )
    assert response.status == 421


def test_http2_is_offered(secure: Secure) -> None:
    context = secure.authority.client(alpn=("h2", "http/1.1"))
    with RawClient(secure.https, tls=context, sni="shop.test") as client:
        assert isinstance(client.socket, ssl.SSLSocket)
        assert client.socket.selected_alpn_protocol() == "h2"


def test_hsts_is_sent_over_https_only(secure: Secure) -> None:
    wanted = "max-age=31536000; includeSubDomains; preload"
    assert secure.get("shop.test").header("strict-transport-security") == wanted
    assert secure.get("blog.test").header("strict-transport-security") is None
    assert secure.running.get("/").header("strict-transport-security") is None


def test_plain_http_is_sent_to_https_with_path_and_query(secure: Secure) -> None:
    response = secure.running.get("/a/b?c=d", "blog.test:8080", method="POST")
    assert response.status == 308
    assert response.header("location") == f"https://blog.test:{secure.https}/a/b?c=d"
    assert secure.running.get("/").body == b"shop"


def test_a_record_of_tls_traffic_holds_ja4_and_version(secure: Secure) -> None:
    record = secure.running.record_of(secure.get("shop.test"))
    assert record["tls"] == "TLSv1.3"
    assert record["ja4"].startswith("t13d")


@pytest.mark.parametrize(
    ("least", "accepted"), [(TlsVersion.TLS_1_2, True), (TlsVersion.TLS_1_3, False)]
)
def test_the_lowest_tls_version_is_held(
    authority: TlsAuthority, least: TlsVersion, accepted: bool
) -> None:
    https = free_port()
    context = authority.client()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with contextlib.ExitStack() as stack:
        stack.enter_context(served(_edge(authority, https=https, tls_version_min=least)))
        if not accepted:
            stack.enter_context(pytest.raises((ssl.SSLError, ConnectionError)))
        assert fetch(https, REQUEST % b"shop.test", tls=context, sni="shop.test").status == 200


def test_a_site_for_any_host_takes_any_server_name(authority: TlsAuthority) -> None:
    https = free_port()
    shop = certificate("shop", *authority.issue("shop.test"), "shop.test")
    catch = certificate("any", *authority.issue("any.test"), "any.test")
    shop_site = site("shop", route(action=FixedResponse(200, "shop")), certificate="shop")
    any_site = site(
        "any", route("any/all", action=FixedResponse(200, "any")), hosts=("*",), certificate="any"
    )
    whole = edge(
        shop_site, any_site, http=(), https=(https,), certificates=(shop, catch), origins=()
    )
    context = authority.client()
    context.check_hostname = False
    with served(whole):
        assert _shown(https, context, "unheard-of.test") == ("any.test",)
        assert _shown(https, context, "shop.test") == ("shop.test",)


@contextlib.contextmanager
def _tls_origin(
    authority: TlsAuthority, name: str, answer: bytes, version_min: TlsVersion = TlsVersion.TLS_1_2
) -> Iterator[int]:
    """The port of an https origin: another edge, which speaks HTTP/1.1 and HTTP/2."""
    chain, key = authority.issue(name)
    port = free_port()
    own = edge(
        site(
            "inner",
            route("inner/all", action=FixedResponse(200, answer.decode())),
            hosts=("*",),
            certificate="inner",
        ),
        http=(),
        https=(port,),
        origins=(),
        certificates=(certificate("inner", chain, key, name),),
        tls_version_min=version_min,
    )
    with served(own):
        yield port


@pytest.mark.parametrize("protocol", list(UpstreamProtocol))
def test_an_https_origin_is_verified_and_probed(
    authority: TlsAuthority, protocol: UpstreamProtocol
) -> None:
    check = HealthCheck("/", "inner.test", 0.05, 1.0, 1, 1, 200, 299)
    with _tls_origin(authority, "inner.test", b"inside") as inner:
        app = origin(
            "app",
            inner,
            tls=OriginTls("inner.test", ca_pem=authority.pem),
            protocol=protocol,
            health_check=check,
        )
        with served(edge(http=(free_port(),), origins=(app,))) as running:
            assert running.get("/").body == b"inside"
            healthy = running.envoy.stats()["cluster.app.membership_healthy"]
    assert healthy == 1


@pytest.mark.parametrize(
    ("tls", "status"),
    [
        ({"sni": "inner.test"}, 503),  # the system's bundle does not know this authority
        ({"sni": "other.test", "ca_pem": True}, 503),
        ({"sni": "other.test", "verify": False}, 200),
    ],
)
def test_a_wrong_origin_certificate_is_refused_unless_told_not_to_look(
    authority: TlsAuthority, tls: dict[str, object], status: int
) -> None:
    if "ca_pem" in tls:
        tls = {**tls, "ca_pem": authority.pem}
    with _tls_origin(authority, "inner.test", b"inside") as inner:
        app = origin("app", inner, tls=OriginTls(**tls))  # type: ignore[arg-type] - fields
        with served(edge(http=(free_port(),), origins=(app,))) as running:
            assert running.get("/").status == status


def test_an_origin_may_speak_tls_1_3_alone(authority: TlsAuthority) -> None:
    with _tls_origin(authority, "inner.test", b"inside", TlsVersion.TLS_1_3) as inner:
        app = origin("app", inner, tls=OriginTls("inner.test", ca_pem=authority.pem))
        with served(edge(http=(free_port(),), origins=(app,))) as running:
            assert running.get("/").body == b"inside"


@pytest.mark.parametrize(("address", "status"), [("127.0.0.1", 200), ("127.0.0.2", 503)])
def test_an_origin_may_be_known_by_the_address_in_its_certificate(
    authority: TlsAuthority, address: str, status: int
) -> None:
    with _tls_origin(authority, "127.0.0.1", b"inside") as inner:
        app = origin("app", inner, tls=OriginTls(address, ca_pem=authority.pem))
        with served(edge(http=(free_port(),), origins=(app,))) as running:
            assert running.get("/").status == status


PROXIES = TrustedProxies(
    ("127.0.0.0/8", "10.0.0.0/8", "::ffff:10.0.0.0/104", "10.0.0.0/8", "2001:db8::/32")
)


@pytest.mark.parametrize(
    ("trusted", "sent", "client"),
    [
        (TrustedProxies(), "9.9.9.9", "127.0.0.1"),
        (TrustedProxies(("10.0.0.0/8",)), "9.9.9.9", "127.0.0.1"),
        (TrustedProxies(("127.0.0.0/8",)), "9.9.9.9", "9.9.9.9"),
        (TrustedProxies(("127.0.0.0/8", "10.0.0.0/8")), "6.6.6.6, 9.9.9.9, 10.1.1.1", "9.9.9.9"),
        (TrustedProxies(("127.0.0.0/8",), hops=1), "6.6.6.6, 9.9.9.9", "9.9.9.9"),
        (TrustedProxies(("127.0.0.0/8",), hops=2), "6.6.6.6, 9.9.9.9, 10.1.1.1", "9.9.9.9"),
        (TrustedProxies(("10.0.0.0/8",), hops=1), "9.9.9.9", "127.0.0.1"),
        (PROXIES, "6.6.6.6, 9.9.9.9, ::ffff:10.1.1.1", "9.9.9.9"),
        (PROXIES, "6.6.6.6, 9.9.9.9, ::ffff:0a01:0101", "9.9.9.9"),
        (PROXIES, "9.9.9.9, ::ffff:10.0.0.1, 2001:db8::1, 10.0.0.1", "9.9.9.9"),
        (PROXIES, "::ffff:9.9.9.9, ::ffff:10.0.0.1", "::ffff:9.9.9.9"),
        (PROXIES, "6.6.6.6, ::ffff:11.0.0.1, ::ffff:10.0.0.1", "::ffff:11.0.0.1"),
        (PROXIES, "6.6.6.6, ::10.0.0.1", "::10.0.0.1"),
        (PROXIES, "6.6.6.6, 64:ff9b::10.0.0.1", "64:ff9b::a00:1"),
        (TrustedProxies(("127.0.0.0/8", "::ffff:10.0.0.0/104")), "9.9.9.9, 10.1.1.1", "10.1.1.1"),
    ],
)
def test_only_trusted_proxies_say_who_the_client_is(
    trusted: TrustedProxies, sent: str, client: str
) -> None:
    with contextlib.ExitStack() as stack:
        app = stack.enter_context(Origin(lambda _: ok()))
        whole = edge(
            http=(free_port(),), origins=(origin("app", app.port),), trusted_proxies=trusted
        )
        running = stack.enter_context(served(whole))
        headers = (f"x-forwarded-for: {sent}", "x-forwarded-proto: https")
        response = running.get("/", headers=headers)
        record = running.record_of(response)
    assert record["client"] == client
    assert record["peer"] == "127.0.0.1"
    believed = client != "127.0.0.1"
    assert app.requests[0].values("x-forwarded-proto") == [b"https" if believed else b"http"]
    assert app.requests[0].values("x-forwarded-for")[0].startswith(sent.encode() + b",")


def test_the_proxy_protocol_says_who_the_client_is() -> None:
    port = free_port()
    listener = Listener(LOCAL, port, proxy_protocol=True)
    quick = edge(site("shop", route(action=FixedResponse(200, "hi"))), http=(listener,))
    with served(quick) as running:
        request = b"PROXY TCP4 9.8.7.6 127.0.0.1 1234 80\r\n" + REQUEST % b"shop.test"
        record = running.record_of(fetch(port, request))
        assert record["client"] == "9.8.7.6"
        with socket.create_connection((LOCAL, port), 10) as bare:
            bare.sendall(REQUEST % b"shop.test")
            with contextlib.suppress(ConnectionResetError):
                assert bare.recv(100) == b""


@pytest.mark.parametrize(
    ("peer", "client"),
    [
        ("TCP4 10.0.0.1 127.0.0.1", "9.9.9.9"),
        ("TCP6 ::ffff:10.0.0.1 ::1", "9.9.9.9"),
        ("TCP6 ::ffff:11.0.0.1 ::1", "::ffff:11.0.0.1"),
    ],
)
def test_a_trusted_proxy_is_known_also_behind_the_proxy_protocol(peer: str, client: str) -> None:
    port = free_port()
    listener = Listener(LOCAL, port, proxy_protocol=True)
    quick = site("shop", route(action=FixedResponse(200, "hi")))
    whole = edge(quick, http=(listener,), trusted_proxies=TrustedProxies(("10.0.0.0/8",)))
    request = f"PROXY {peer} 1234 80\r\n".encode() + REQUEST.replace(
        b"\r\n", b"\r\nx-forwarded-for: 9.9.9.9\r\n", 1
    )
    with served(whole) as running:
        assert running.record_of(fetch(port, request % b"shop.test"))["client"] == client


def test_an_ipv6_listener_is_dual_stack_on_any() -> None:
    port = free_port()
    with served(
        edge(site("shop", route(action=FixedResponse(200, "hi"))), http=(Listener("::", port),))
    ) as running:
        assert running.get("/").body == b"hi"
