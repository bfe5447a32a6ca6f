"""Which site a request belongs to can not be made ambiguous."""

import ssl

import pytest

from compiler import build
from edge.serving import Serving, request, serving
from envoy_harness import RawClient

HEAD = b"GET / HTTP/1.1\r\nconnection: close\r\n"


@pytest.mark.parametrize(
    "hosts",
    [
        b"host: shop.test\r\nhost: shop.test\r\n",
        b"host: shop.test\r\nhost: other.test\r\n",
        b"host: other.test\r\nhost: shop.test\r\n",
        b"host: a.wild.test\r\nhost: b.wild.test\r\n",
        b"host: shop.test,shop.test\r\n",
        b"host: other.test, shop.test\r\n",
        b"host: a.wild.test,b.wild.test\r\n",
        b"host: shop.test, a.wild.test\r\n",
    ],
)
def test_two_hosts_in_one_request_are_refused(edge: Serving, hosts: bytes) -> None:
    assert edge.send(HEAD + hosts + b"\r\n").status == 400
    edge.assert_origin_untouched()


@pytest.mark.parametrize(
    "hosts",
    [
        b"",
        b"host: shop.test other\r\n",
        b"host: other.test/a.wild.test\r\n",
        b"host: a\\b\r\n",
        b"host: other.test:1.wild.test\r\n",
        b"host: other.test:80@a.wild.test\r\n",
        b"host: user@a.wild.test\r\n",
        b"host: a.wild.test:http\r\n",
        b"host: a'b.wild.test\r\n",
        b"host: a%00.wild.test\r\n",
        b"host: shop.test@unknown.test\r\n",
    ],
)
def test_a_missing_or_malformed_host_is_refused(edge: Serving, hosts: bytes) -> None:
    assert edge.send(HEAD + hosts + b"\r\n").status == 400
    edge.assert_origin_untouched()


@pytest.mark.parametrize(
    "host", [b"unknown.test", b"", b"127.0.0.1", b"wild.test", b"[::1]", b"[::1]:80", b"a_b.test:"]
)
def test_an_unknown_host_gets_a_small_421_and_nothing_of_any_site(
    edge: Serving, host: bytes
) -> None:
    answer = edge.get(host=host)
    assert answer.status == 421
    assert len(answer.body) < 100
    assert b"shop" not in answer.body
    edge.assert_origin_untouched()


@pytest.mark.parametrize("host", [b"shop.test", b"SHOP.test", b"shop.test.", b"shop.test:8443"])
def test_other_spellings_of_a_known_host_reach_its_site(edge: Serving, host: bytes) -> None:
    assert edge.get(host=host).status == 200


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        (b"http://shop.test/x", b"unknown.test", 200),
        (b"http://unknown.test/x", b"shop.test", 421),
        (b"http://shop.test,a.wild.test/x", b"shop.test", 400),
    ],
)
def test_the_host_of_an_absolute_target_replaces_the_host_header(
    edge: Serving, target: bytes, host: bytes, status: int
) -> None:
    assert edge.get(target, host=host).status == status
    for seen in edge.origin.requests:
        assert (seen.target, seen.values("host")) == (b"/x", [b"shop.test"])


def test_user_information_in_an_absolute_target_never_reaches_the_origin(edge: Serving) -> None:
    assert edge.get(b"http://user:secret@shop.test/x").status == 200
    assert b"secret" not in edge.origin.requests[0].head


@pytest.mark.parametrize("target", [b"https://shop.test/x", b"ftp://shop.test/x"])
def test_a_target_of_another_scheme_is_refused(edge: Serving, target: bytes) -> None:
    assert edge.get(target).status in {400, 403}
    edge.assert_origin_untouched()


def test_a_site_for_any_host_refuses_joined_hosts_too() -> None:
    site = build.site("any", build.route("any/all"), hosts=("*",), certificate="shop")
    with serving(site) as edge:
        assert edge.send(HEAD + b"host: a.test\r\nhost: b.test\r\n\r\n").status == 400
        assert edge.get(host=b"a.test,b.test").status == 400
        edge.assert_origin_untouched()
        edge.assert_serves()
        for host in (b"anything.test", b"A_b-c.test.:8080", b"127.0.0.1:80", b"[2001:db8::1]:80"):
            assert edge.get(host=host).status == 200


def test_an_unknown_server_name_gets_no_certificate(edge: Serving) -> None:
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        edge.client(tls=True, sni="unknown.test").close()
    assert edge.get(tls=True).status == 200


def test_no_server_name_gets_no_certificate(edge: Serving) -> None:
    context = edge.authority.client()
    context.check_hostname = False
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        RawClient(edge.tls_port, tls=context).close()
    assert edge.get(tls=True).status == 200


def test_a_host_of_another_certificate_is_routed_by_host_and_not_by_server_name(
    edge: Serving,
) -> None:
    assert edge.get(host=b"unknown.test", tls=True).status == 421
    edge.assert_origin_untouched()


def test_plain_http_on_the_tls_port_is_closed_without_an_answer(edge: Serving) -> None:
    with RawClient(edge.tls_port) as client:
        client.send(request())
        assert client.rest() == b""
