"""The ClientHello reader, against real clients' bytes and damaged ones."""

import contextlib
import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seawall.bots.hello import hello_size, is_grease, read_hello
from seawall.errors import RefusedError


def real_hello(*, protocols: tuple[str, ...] = (), name: str | None = "a.test") -> bytes:
    """What this Python's OpenSSL says first."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if protocols:
        context.set_alpn_protocols(list(protocols))
    sent = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return sent.read()


HELLO = real_hello(protocols=("h2", "http/1.1"))


def test_a_real_hello() -> None:
    hello = read_hello(HELLO)
    assert hello.legacy_version == 0x0303
    assert hello.versions[0] == 0x0304
    assert 0x1301 in hello.ciphers
    assert hello.server_name
    assert hello.alpn == (b"h2", b"http/1.1")
    assert 0x0403 in hello.signature_algorithms
    assert 0x001D in hello.groups
    assert {0x0000, 0x0010, 0x000D, 0x002B} <= set(hello.extensions)


def test_a_hello_without_name_and_protocols() -> None:
    hello = read_hello(real_hello(name=None))
    assert not hello.server_name
    assert hello.alpn == ()


def test_a_hello_in_many_records() -> None:
    body = HELLO[5:]
    records = b"".join(
        b"\x16\x03\x01" + len(part).to_bytes(2) + part
        for part in (body[at : at + 7] for at in range(0, len(body), 7))
    )
    assert read_hello(records) == read_hello(HELLO)
    assert hello_size(records) == len(records)


@given(st.integers(0, len(HELLO) - 1))
def test_a_hello_that_is_cut_short(size: int) -> None:
    assert hello_size(HELLO[:size]) is None
    with pytest.raises(RefusedError, match="cut short"):
        read_hello(HELLO[:size])


def test_what_follows_is_not_read() -> None:
    assert hello_size(HELLO + b"\x14\x03\x03\x00\x01\x01") == len(HELLO)


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    _read_or_refuse(data)
    _read_or_refuse(b"\x16\x03\x01" + len(data).to_bytes(2) + data)
    body = b"\x01" + len(data).to_bytes(3) + data
    _read_or_refuse(b"\x16\x03\x01" + len(body).to_bytes(2) + body)


@given(st.integers(5, len(HELLO) - 1), st.integers(0, 255))
def test_a_changed_byte_is_read_or_refused(at: int, byte: int) -> None:
    _read_or_refuse(HELLO[:at] + bytes([byte]) + HELLO[at + 1 :])


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "not a TLS handshake record"),
        (b"\x16\x03\x01\x00\x00\x00", "record of 0 bytes"),
        (b"\x16\x03\x01\xff\xff\x00", "record of 65535 bytes"),
        (b"\x16\x03\x01\x00\x04\x02\x00\x00\x00", "message 2"),
        (b"\x16\x03\x01\x00\x04\x01\xff\xff\xff", "message of 16777215"),
        (b"\x16\x03\x01\x00\x05\x01\x00\x00\x00\x00", "something follows"),
    ],
)
def test_what_is_no_hello(data: bytes, complaint: str) -> None:
    with pytest.raises(RefusedError, match=complaint):
        read_hello(data)


def test_grease() -> None:
    found = [code for code in range(0x10000) if is_grease(code)]
    assert found == [0x0A0A + 0x1010 * n for n in range(16)]


def _read_or_refuse(data: bytes) -> None:
    with contextlib.suppress(RefusedError):
        read_hello(data)
