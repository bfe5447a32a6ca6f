"""Fetching what others name, and key directories: over real TLS, well and badly."""

import asyncio
import ipaddress
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from seawall import limits
from seawall.errors import UnreachableError
from seawall.tasks import Background
from seawall.verify.directory import Directories, Found, NoKey
from seawall.verify.fetch import Fetcher, is_public
from seawall.verify.keys import Key
from verify.hand_clock import HandClock
from verify.key_server import KeyServer, serving
from verify.signing import document, public

ED = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
ED_ID, OTHER_ID = public(ED).thumbprint, public(OTHER).thumbprint
LOOPBACK = [ipaddress.ip_address("127.0.0.1")]


async def _to_loopback(host: str) -> list[Any]:
    return [] if host == "gone.test" else LOOPBACK


@pytest.fixture(autouse=True)
def _long_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine answers late; only what never answers is waited for shortly."""
    monkeypatch.setattr(limits, "VERIFY_FETCH_TIMEOUT_S", 30.0)


def _fetch(
    server: KeyServer,
    folder: Path,
    *,
    url: str = "",
    resolve: Callable[[str], Awaitable[list[Any]]] = _to_loopback,
    local: bool = True,
    names: tuple[str, ...] = ("keys.test",),
    trusted: bool = True,
) -> Any:
    async def story() -> Any:
        async with serving(server, folder, names=names) as client:
            tls = client() if trusted else ssl.create_default_context()
            hosts = frozenset({server.local}) if local else frozenset[str]()
            fetcher = Fetcher(resolve, tls, local_hosts=hosts)
            target = url or server.origin + "/keys?x=1"
            return await fetcher.get(target, size_bytes_max=1_000, accept="a/b")

    return asyncio.run(story())


def test_a_document_is_fetched_plainly(tmp_path: Path) -> None:
    server = KeyServer(body=b"hello", headers="Cache-Control: max-age=5\r\n")
    fetched = _fetch(server, tmp_path)
    assert fetched.body == b"hello"
    assert fetched.headers["cache-control"] == "max-age=5"
    (head,) = server.heads
    assert head.startswith("GET /keys?x=1 HTTP/1.1\r\n")
    assert f"host: {server.local}\r\n" in head.lower()
    assert "cookie" not in head.lower()


def test_the_other_family_is_tried_where_an_address_cannot_be_reached(tmp_path: Path) -> None:
    """As on a machine that has one of them only."""

    async def both(_: str) -> list[Any]:
        return [ipaddress.ip_address("::1"), *LOOPBACK]

    assert _fetch(KeyServer(body=b"hello"), tmp_path, resolve=both).body == b"hello"


BAD_ANSWERS: dict[str, dict[str, Any]] = {
    "redirect": {"status": "302 Found", "headers": "location: https://other.test/\r\n"},
    "moved": {"status": "301 Moved", "headers": "location: /there\r\n"},
    "not found": {"status": "404 Not Found"},
    "error": {"status": "500 Error"},
    "created": {"status": "201 Created"},
    "partial": {"status": "206 Partial"},
    "too large": {"body": b"x" * 1_001},
    "endless": {"raw": b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100_000},
    "gzip": {"headers": "content-encoding: gzip\r\n"},
    "cut": {"raw": b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nabc"},
    "noise": {"raw": b"\x00\xff" * 50},
    "nothing": {"raw": b""},
    "bad chunks": {"raw": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"},
    "huge head": {"raw": b"HTTP/1.1 200 OK\r\n" + b"x: " + b"y" * 1_000_000 + b"\r\n\r\n"},
    "silence": {"silent": True},
}


@pytest.mark.parametrize("case", BAD_ANSWERS)
def test_an_answer_that_is_not_whole_and_plain_is_none(
    tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if case == "silence":
        monkeypatch.setattr(limits, "VERIFY_FETCH_TIMEOUT_S", 0.5)
    with pytest.raises(UnreachableError) as failed:
        _fetch(KeyServer(**BAD_ANSWERS[case]), tmp_path)
    assert failed.value.code == "bot-fetch-failed"


@pytest.mark.parametrize(
    "url",
    [
        "http://keys.test/",
        "ftp://keys.test/",
        "file:///etc/passwd",
        "https://",
        "https:///x",
        "https://user@keys.test/",
        "https://user:secret@keys.test/",
        "https://gone.test/",
        "https://keys.test:99999/",
        "https://keys.test:8443/",
        "https://[::1/",
        "https://keys.test/\r\nx: y",
        "keys.test",
        "",
    ],
)
def test_addresses_that_are_not_plain_https_are_not_fetched(tmp_path: Path, url: str) -> None:
    server = KeyServer()
    with pytest.raises(UnreachableError):
        _fetch(server, tmp_path, url=url or "x")
    assert server.heads == []


def test_another_certificate_or_name_is_not_trusted(tmp_path: Path) -> None:
    for options in ({"trusted": False}, {"names": ("other.test",)}, {"names": ("127.0.0.1",)}):
        server = KeyServer()
        with pytest.raises(UnreachableError):
            _fetch(server, tmp_path, **options)  # type: ignore[arg-type] # - a table of options
        assert server.heads == []


PRIVATE = [
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.1.2.3",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.2.1",
    "192.168.0.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::a00:1",
    "64:ff9b::7f00:1",
    "64:ff9b::808:808",
    "2002:a00:1::",
    "2002:7f00:1::1",
    "2001:0:a00:1::",
    "fc00::1",
    "fd00::1",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "2001:db8::1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_a_name_that_leads_inside_is_not_fetched(tmp_path: Path, address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))
    server = KeyServer()

    async def inside(host: str) -> list[Any]:
        return [ipaddress.ip_address("8.8.8.8"), ipaddress.ip_address(address)]

    with pytest.raises(UnreachableError, match="not public"):
        _fetch(server, tmp_path, url="https://keys.test/", resolve=inside, local=False)
    shown = f"[{address}]" if ":" in address else address
    with pytest.raises(UnreachableError):
        _fetch(server, tmp_path, url=f"https://{shown}/", local=False)
    assert server.heads == []


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1", "::ffff:8.8.8.8"])
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


def test_dns_that_gives_no_answer_is_a_failed_fetch(tmp_path: Path) -> None:
    async def down(host: str) -> list[Any]:
        raise OSError("DNS is down")

    with pytest.raises(UnreachableError, match="DNS is down"):
        _fetch(KeyServer(), tmp_path, resolve=down)


def _story(
    server: KeyServer,
    folder: Path,
    tell: Callable[[Directories, HandClock], Awaitable[None]],
) -> None:
    """Run `tell` with directories that know the server."""

    async def story() -> None:
        errors: list[BaseException] = []
        clock = HandClock()
        async with (
            serving(server, folder) as client,
            Background(lambda _name, error: errors.append(error)) as background,
        ):
            fetcher = Fetcher(_to_loopback, client(), local_hosts=frozenset({server.local}))
            await tell(
                Directories([server.url, server.origin + "/jwks.json"], fetcher, background, clock),
                clock,
            )
        assert errors == []

    asyncio.run(story())


def _id(found: Found) -> str:
    return found.thumbprint if isinstance(found, Key) else found.reason


def test_a_key_is_found_in_its_directory_and_kept(tmp_path: Path) -> None:
    server = KeyServer(body=document(ED), headers="cache-control: public, max-age=3600\r\n")

    async def tell(directories: Directories, clock: HandClock) -> None:
        for _ in range(3):
            assert _id(await directories.key(server.url, ED_ID)) == ED_ID
        clock.at_s += 3_599
        await directories.key(server.url, ED_ID)
        assert directories.fetches == 1
        clock.at_s += 2
        await directories.key(server.url, ED_ID)
        assert directories.fetches == 2

    _story(server, tmp_path, tell)
    assert "/.well-known/http-message-signatures-directory" in server.heads[0]


def test_a_directory_that_nobody_listed_is_never_fetched(tmp_path: Path) -> None:
    server = KeyServer(body=document(ED))

    async def tell(directories: Directories, clock: HandClock) -> None:
        found = await directories.key("https://other.test", ED_ID)
        assert found == NoKey("directory-not-listed")

    _story(server, tmp_path, tell)
    assert server.heads == []


def test_ten_thousand_requests_are_one_fetch(tmp_path: Path) -> None:
    server = KeyServer(body=document(ED))

    async def tell(directories: Directories, clock: HandClock) -> None:
        server.hold = asyncio.Event()
        asks = [
            asyncio.ensure_future(directories.key(server.url, ED_ID if n % 2 else OTHER_ID))
            for n in range(10_000)
        ]
        await server.asked.wait()
        server.hold.set()
        found = [_id(answer) for answer in await asyncio.gather(*asks)]
        assert set(found) == {ED_ID, "key-not-listed"}
        assert (directories.fetches, len(server.heads)) == (1, 1)

    _story(server, tmp_path, tell)


def test_a_client_that_goes_away_does_not_end_the_fetch(tmp_path: Path) -> None:
    server = KeyServer(body=document(ED))

    async def tell(directories: Directories, clock: HandClock) -> None:
        server.hold = asyncio.Event()
        first = asyncio.ensure_future(directories.key(server.url, ED_ID))
        second = asyncio.ensure_future(directories.key(server.url, ED_ID))
        await server.asked.wait()
        first.cancel()
        server.hold.set()
        assert _id(await second) == ED_ID
        assert directories.fetches == 1

    _story(server, tmp_path, tell)


def test_a_missing_key_is_looked_for_now_and_then(tmp_path: Path) -> None:
    server = KeyServer(body=document(ED))

    async def tell(directories: Directories, clock: HandClock) -> None:
        await directories.key(server.url, ED_ID)
        server.body = document(ED, OTHER)
        for _ in range(100):
            assert _id(await directories.key(server.url, OTHER_ID)) == "key-not-listed"
        assert directories.fetches == 1
        clock.at_s += limits.DIRECTORY_MISSING_RETRY_S
        assert _id(await directories.key(server.url, OTHER_ID)) == OTHER_ID
        assert directories.fetches == 2

    _story(server, tmp_path, tell)


def test_a_fetched_directory_that_lacks_a_key_takes_it_away(tmp_path: Path) -> None:
    server = KeyServer(body=document(ED, OTHER))

    async def tell(directories: Directories, clock: HandClock) -> None:
        assert _id(await directories.key(server.url, ED_ID)) == ED_ID
        server.body = document(OTHER)
        clock.at_s += limits.DIRECTORY_TTL_S_MAX
        assert _id(await directories.key(server.url, ED_ID)) == "key-not-listed"
        assert _id(await directories.key(server.url, OTHER_ID)) == OTHER_ID

    _story(server, tmp_path, tell)


BAD_DIRECTORIES: dict[str, dict[str, Any]] = {
    "down": {"raw": b""},
    "error": {"status": "503 Busy"},
    "another type": {"kind": "application/json"},
    "no type": {"kind": ""},
    "no JSON": {"body": b"<html>"},
    "too many keys": {"body": b'{"keys": [' + b"1," * 40 + b"1]}"},
    "too large": {"body": b'{"keys": []}' + b" " * limits.DIRECTORY_SIZE_BYTES_MAX},
}


@pytest.mark.parametrize("case", BAD_DIRECTORIES)
def test_a_failed_fetch_takes_no_key_and_is_not_repeated_at_once(tmp_path: Path, case: str) -> None:
    server = KeyServer(body=document(ED))
    good = {name: getattr(server, name) for name in BAD_DIRECTORIES[case]}

    async def tell(directories: Directories, clock: HandClock) -> None:
        await directories.key(server.url, ED_ID)
        for name, value in BAD_DIRECTORIES[case].items():
            setattr(server, name, value)
        clock.at_s += limits.DIRECTORY_TTL_S_MAX
        for _ in range(20):
            assert _id(await directories.key(server.url, ED_ID)) == ED_ID
            assert _id(await directories.key(server.url, OTHER_ID)) == "key-not-listed"
        assert (directories.fetches, directories.failures) == (2, 1)
        clock.at_s += limits.DIRECTORY_STALE_S
        assert _id(await directories.key(server.url, ED_ID)) == "directory-unreachable"
        for name, value in good.items():
            setattr(server, name, value)
        clock.at_s += limits.DIRECTORY_NEGATIVE_TTL_S
        assert _id(await directories.key(server.url, ED_ID)) == ED_ID

    _story(server, tmp_path, tell)


def test_a_directory_that_hangs_takes_no_key_and_keeps_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "DIRECTORY_RENEWAL_WAIT_S", 0.05)
    server = KeyServer(body=document(ED))

    async def tell(directories: Directories, clock: HandClock) -> None:
        await directories.key(server.url, ED_ID)
        server.hold = asyncio.Event()
        clock.at_s += limits.DIRECTORY_TTL_S_MAX
        server.asked.clear()
        asks = [asyncio.ensure_future(directories.key(server.url, ED_ID)) for _ in range(3)]
        await server.asked.wait()
        done, _ = await asyncio.wait(asks, timeout=limits.VERIFY_FETCH_TIMEOUT_S / 2)
        assert [_id(ask.result()) for ask in done] == [ED_ID] * 3
        server.hold.set()

    _story(server, tmp_path, tell)


def test_the_first_fetch_failing_is_unreachable(tmp_path: Path) -> None:
    server = KeyServer(status="500 Error")

    async def tell(directories: Directories, clock: HandClock) -> None:
        for _ in range(5):
            found = await directories.key(server.url, ED_ID)
            assert found == NoKey("directory-unreachable")
        assert directories.fetches == 1

    _story(server, tmp_path, tell)


@pytest.mark.parametrize(
    ("kind", "taken"),
    [("application/json", True), ("application/jwk-set+json", True), ("text/html", False)],
)
def test_a_key_set_elsewhere_may_be_plain_json(tmp_path: Path, kind: str, *, taken: bool) -> None:
    server = KeyServer(body=document(ED), kind=kind)

    async def tell(directories: Directories, clock: HandClock) -> None:
        found = await directories.key(server.origin + "/jwks.json", ED_ID)
        assert _id(found) == (ED_ID if taken else "directory-unreachable")
        assert _id(await directories.key(server.url, ED_ID)) == "directory-unreachable"

    _story(server, tmp_path, tell)
    assert server.heads[0].startswith("GET /jwks.json ")


def test_a_type_with_parameters_is_the_type(tmp_path: Path) -> None:
    server = KeyServer(body=document(ED))
    server.kind = server.kind.upper() + "; charset=utf-8"

    async def tell(directories: Directories, clock: HandClock) -> None:
        assert _id(await directories.key(server.url, ED_ID)) == ED_ID

    _story(server, tmp_path, tell)


@pytest.mark.parametrize(
    ("control", "fresh_s"),
    [
        ("", 300),
        ("max-age=1", 300),
        ("max-age=4000", 4_000),
        ("private, MAX-AGE=4000", 4_000),
        ("max-age=999999999", 86_400),
        ("no-store, max-age=4000", 300),
        ("s-maxage=4000", 300),
        ("max-age=x", 300),
    ],
)
def test_cache_headers_count_within_bounds(tmp_path: Path, control: str, fresh_s: int) -> None:
    server = KeyServer(body=document(ED), headers=f"cache-control: {control}\r\n")

    async def tell(directories: Directories, clock: HandClock) -> None:
        await directories.key(server.url, ED_ID)
        clock.at_s += fresh_s - 1
        await directories.key(server.url, ED_ID)
        assert directories.fetches == 1
        clock.at_s += 2
        await directories.key(server.url, ED_ID)
        assert directories.fetches == 2

    _story(server, tmp_path, tell)


def test_only_some_directories_are_fetched_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "DIRECTORY_FETCHES_MAX", 0)

    async def tell(directories: Directories, clock: HandClock) -> None:
        assert await directories.key(server.url, ED_ID) == NoKey("busy")

    server = KeyServer(body=document(ED))
    _story(server, tmp_path, tell)
    assert server.heads == []
