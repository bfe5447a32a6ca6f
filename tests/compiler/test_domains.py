"""Which hosts the domains of a release take."""

import pytest

from compiler import build
from seawall.compiler.compile import compile_edge
from seawall.compiler.domains import server_name, takes, without_port, without_site_over_tls


@pytest.mark.parametrize(
    ("domain", "host", "taken"),
    [
        ("*", "anything.test", True),
        ("shop.test", "shop.test", True),
        ("Shop.test", "shop.test", True),
        ("shop.test", "www.shop.test", False),
        ("*.shop.test", "www.shop.test", True),
        ("*.shop.test", "shop.test", False),
        ("*.shop.test", "notshop.test", False),
        ("shop.*", "shop.test", True),
        ("[::1]", "[::1]", True),
    ],
)
def test_a_domain_takes_what_envoy_lets_it_take(domain: str, host: str, taken: bool) -> None:
    assert takes(domain, (host,)) is taken


@pytest.mark.parametrize(
    ("host", "bare", "name"),
    [
        ("Shop.test:8443", "shop.test", "shop.test"),
        ("shop.test", "shop.test", "shop.test"),
        ("[::1]:8443", "[::1]", "::1"),
        ("[::1]", "[::1]", "::1"),
        ("192.0.2.1:443", "192.0.2.1", "192.0.2.1"),
    ],
)
def test_a_port_is_no_part_of_a_host(host: str, bare: str, name: str) -> None:
    assert (without_port(host), server_name(host)) == (bare, name)


def test_without_https_no_host_is_served_over_tls() -> None:
    plain = compile_edge(build.edge(build.site("shop")))
    assert without_site_over_tls(plain, ("shop.test",)) == {"shop.test"}
