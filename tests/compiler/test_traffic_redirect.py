"""Real traffic on a site that redirects to https, with and without a proxy that ends TLS."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from compiler.build import certificate, edge, origin, route, site
from compiler.served import Served, served
from envoy_harness import Origin, free_port, ok
from seawall.model import Edge, Hsts, Listen, TrustedProxies
from tls_material import TlsAuthority

PROXY = TrustedProxies(("127.0.0.0/8",))
STRANGER = TrustedProxies(("10.0.0.0/8",))
HSTS = "strict-transport-security"


def _edge(authority: TlsAuthority, https: int, app: int, trusted: TrustedProxies) -> Edge:
    shop = site(
        "shop",
        route(),
        certificate="shop",
        redirect_to_https=True,
        hsts=Hsts(60, include_subdomains=False, preload=False),
    )
    return edge(
        shop,
        http=(free_port(),),
        https=(https,),
        origins=(origin("app", app),),
        certificates=(certificate("shop", *authority.issue("shop.test"), "shop.test"),),
        trusted_proxies=trusted,
    )


@pytest.fixture(scope="module", params=[PROXY, STRANGER, TrustedProxies()])
def running(
    request: pytest.FixtureRequest,
) -> Iterator[tuple[Served, int, bool]]:
    """An edge, its https port, and whether this test is a trusted proxy to it."""
    trusted, https = request.param, free_port()
    with (
        Origin(lambda _: ok()) as app,
        served(_edge(TlsAuthority(), https, app.port, trusted)) as one,
    ):
        yield one, https, trusted is PROXY


def test_what_a_trusted_proxy_took_in_over_https_is_not_sent_there_again(
    running: tuple[Served, int, bool],
) -> None:
    one, https, is_proxy = running
    for told in ("https", "HTTPS"):
        response = one.get("/a?b=1", headers=(f"x-forwarded-proto: {told}",))
        if is_proxy:
            assert (response.status, response.header(HSTS)) == (200, "max-age=60")
        else:
            assert response.status == 308
            assert response.header("location") == f"https://shop.test:{https}/a?b=1"


@pytest.mark.parametrize("headers", [(), ("x-forwarded-proto: http",)])
def test_whatever_else_came_without_https_is_sent_there(
    running: tuple[Served, int, bool], headers: tuple[str, ...]
) -> None:
    one, https, _ = running
    response = one.get("/a?b=1", headers=headers)
    assert (response.status, response.header(HSTS)) == (308, None)
    assert response.header("location") == f"https://shop.test:{https}/a?b=1"


@pytest.mark.parametrize(
    ("public", "place"),
    [
        ((80, 443), "https://shop.test/a"),
        ((0, 443), "https://shop.test:443/a"),
        ((80, 4443), "https://shop.test:4443/a"),
    ],
)
def test_the_port_that_clients_know_is_named(public: tuple[int, int], place: str) -> None:
    plain, secure = public
    made = _edge(TlsAuthority(), free_port(), free_port(), TrustedProxies())
    [http], [https] = made.listen.http, made.listen.https
    listen = Listen((replace(http, public_port=plain),), (replace(https, public_port=secure),))
    with served(replace(made, listen=listen)) as one:
        response = one.get("/a", host="shop.test")
        assert (response.status, response.header("location")) == (308, place)
