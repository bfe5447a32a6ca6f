"""The development authority: made once, private, renewed in time, and trusted by real TLS."""

import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509

from clocks import HandClock
from seawall.clock import SystemClock
from seawall.errors import UnreachableError
from seawall.ids import SiteName
from seawall.site.development_ca import DevelopmentCa
from seawall.site.load import load
from site_text import ids, sources

SHOP = SiteName("shop")
DAY_S = 86_400.0
NOW_S = 1_800_000_000.0


@pytest.fixture
def clock() -> HandClock:
    return HandClock(NOW_S)


@pytest.fixture
def authority(tmp_path: Path, clock: HandClock) -> DevelopmentCa:
    return DevelopmentCa(tmp_path / "ca", clock)


def leaf(pem: bytes) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem)


def test_the_same_certificate_is_given_until_the_hosts_change(authority: DevelopmentCa) -> None:
    first, key = authority.issue(SHOP, ("a.example",))
    assert authority.issue(SHOP, ("a.example",)) == (first, key)
    assert authority.issue(SHOP, ("b.example",))[0] != first


def test_another_process_finds_the_same_certificate(
    tmp_path: Path, authority: DevelopmentCa, clock: HandClock
) -> None:
    first = authority.issue(SHOP, ("a.example",))
    again = DevelopmentCa(tmp_path / "ca", clock)
    assert again.issue(SHOP, ("a.example",)) == first
    assert again.ca_pem == authority.ca_pem


def test_a_certificate_is_made_anew_before_it_expires(
    authority: DevelopmentCa, clock: HandClock
) -> None:
    first, _ = authority.issue(SHOP, ("a.example",))
    lifetime = leaf(first).not_valid_after_utc - leaf(first).not_valid_before_utc
    assert lifetime.days <= 397
    clock.time_s = leaf(first).not_valid_after_utc.timestamp() - 29 * DAY_S
    second, _ = authority.issue(SHOP, ("a.example",))
    assert second != first
    assert leaf(second).not_valid_after_utc.timestamp() > clock.time_s + 300 * DAY_S


def test_an_authority_near_its_end_is_made_anew(authority: DevelopmentCa, clock: HandClock) -> None:
    first_ca, first = authority.ca_pem, authority.issue(SHOP, ("a.example",))[0]
    clock.time_s += 3_400 * DAY_S
    second = authority.issue(SHOP, ("a.example",))[0]
    assert authority.ca_pem != first_ca
    assert second != first
    leaf(second).verify_directly_issued_by(leaf(authority.ca_pem))


def test_a_clock_set_back_gives_a_certificate_that_is_valid_now(
    authority: DevelopmentCa, clock: HandClock
) -> None:
    authority.issue(SHOP, ("a.example",))
    clock.time_s -= 400 * DAY_S
    pem, _ = authority.issue(SHOP, ("a.example",))
    assert leaf(pem).not_valid_before_utc.timestamp() < clock.time_s


def test_files_are_private(tmp_path: Path, authority: DevelopmentCa) -> None:
    authority.issue(SHOP, ("a.example",))
    assert stat.S_IMODE((tmp_path / "ca").stat().st_mode) == 0o700
    files = list((tmp_path / "ca").iterdir())
    assert {file.name for file in files} == {"ca.pem", "ca.key", "site-shop.pem", "site-shop.key"}
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


@pytest.mark.parametrize("name", ["ca.pem", "ca.key", "site-shop.pem", "site-shop.key"])
@pytest.mark.parametrize("content", [b"", b"damaged"])
def test_damaged_files_are_made_anew(
    tmp_path: Path, authority: DevelopmentCa, name: str, content: bytes
) -> None:
    authority.issue(SHOP, ("a.example",))
    (tmp_path / "ca" / name).write_bytes(content)
    pem, _ = authority.issue(SHOP, ("a.example",))
    leaf(pem).verify_directly_issued_by(leaf(authority.ca_pem))


def test_a_client_that_trusts_the_authority_accepts_the_site(tmp_path: Path) -> None:
    authority = DevelopmentCa(tmp_path / "now", SystemClock())
    pem, key = authority.issue(SHOP, ("a.example", "*.b.example", "127.0.0.1", "*"))
    (tmp_path / "chain.pem").write_bytes(pem + key.reveal())
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "chain.pem")
    client = ssl.create_default_context(cadata=authority.ca_pem.decode())
    for host in ("a.example", "x.b.example", "127.0.0.1", "localhost"):
        _handshake(server, client, host)
    with pytest.raises(ssl.SSLCertVerificationError):
        _handshake(server, client, "c.example")


def _handshake(server: ssl.SSLContext, client: ssl.SSLContext, host: str) -> None:
    """A whole TLS handshake in memory."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(to_client, to_server, server_hostname=host)
    answering = server.wrap_bio(to_server, to_client, server_side=True)
    left = [asking, answering]
    while left:
        for side in list(left):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            left.remove(side)


def test_a_directory_that_cannot_be_made_is_a_problem_not_a_crash(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    authority = DevelopmentCa(tmp_path / "file" / "ca", HandClock(NOW_S))
    with pytest.raises(UnreachableError):
        authority.issue(SHOP, ("a.example",))
    text = (
        "version: 1\nlisten: {https: 127.0.0.1:8443}\ntls: {development_ca: true}\n"
        "sites: {shop: {hosts: [a.example], origin: 'http://127.0.0.1:1'}}\n"
    )
    loaded = load(
        sources(text), read=lambda _: b"", now_s=NOW_S, development_certificate=authority.issue
    )
    assert ids(loaded) == {"development-ca-unusable"}
