"""Structured fields and keys: what signed requests are made of, read strictly."""

from typing import Any

import http_sf
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from seawall.verify import keys
from seawall.verify.fields import dictionary, item, serialize
from verify.signing import jwk

ED = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
RSA = rsa.generate_private_key(65_537, 2_048)
EC = ec.generate_private_key(ec.SECP256R1())


@settings(max_examples=500, deadline=None)
@given(st.text(alphabet='abz01.-_*";:=(),?\\ \té\n', max_size=40))
def test_the_reader_of_fields_agrees_with_another(text: str) -> None:
    """Where both read a field, both say the same; ours refuses more (twice the same key)."""
    try:
        ours = dictionary(text)
    except ValueError:
        return
    theirs: Any = http_sf.parse(text.encode("latin-1"), tltype="dictionary")
    assert list(theirs) == list(ours)
    if ours:
        written = ", ".join(f"{key}={serialize(member)}" for key, member in ours.items())
        assert dictionary(written) == ours
        assert http_sf.parse(written.encode(), tltype="dictionary") == theirs


@pytest.mark.parametrize(
    "text", ["", "1 2", "a=1", '"a" "b"', "1.", ".5", "1234567890123456", "1.2345", "-", "?", ":a"]
)
def test_what_is_no_item_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no structured field"):
        item(text)


def test_values_are_written_canonically() -> None:
    for text in ('"a\\"b\\\\"', "1.5", "-7", "?0", "tok*/en", ":AQID:", '1;a;b=?0;c="x"'):
        assert serialize(item(text)) == text
    assert serialize(item("1.500")) == "1.5"
    assert serialize(item("2.000")) == "2.0"


BAD_KEYS: list[Any] = [
    None,
    5,
    [],
    {},
    {"kty": "oct", "k": "AAAA"},
    {"kty": "OKP", "crv": "X25519", "x": jwk(ED)["x"]},
    {"kty": "OKP", "crv": "Ed25519"},
    {"kty": "OKP", "crv": "Ed25519", "x": 5},
    {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"},
    {"kty": "OKP", "crv": "Ed25519", "x": jwk(ED)["x"] + "="},
    {"kty": "OKP", "crv": "Ed25519", "x": "+" + jwk(ED)["x"][1:]},
    jwk(ED) | {"d": "secret"},
    jwk(ED) | {"use": "enc"},
    jwk(ED) | {"key_ops": ["sign"]},
    jwk(ED) | {"key_ops": 5},
    jwk(ED) | {"nbf": "now"},
    jwk(ED) | {"exp": True},
    jwk(EC) | {"crv": "P-384"},
    jwk(EC) | {"y": jwk(EC)["x"]},
    jwk(EC) | {"x": "AAAA"},
    jwk(RSA) | {"alg": "HS256"},
    jwk(RSA) | {"e": "AQ"},
    jwk(RSA) | {"n": "AQAB"},
    jwk(RSA) | {"e": "AQAAAAAB"},
]


@pytest.mark.parametrize("entry", BAD_KEYS, ids=range(len(BAD_KEYS)))
def test_what_is_no_key_to_verify_with_is_passed_over(entry: Any) -> None:
    assert keys.read(entry) is None


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"keys":{}}', b"\xff", b"[" * 10_000, b'{"keys":[' + b"1," * 40 + b"1]}"],
)
def test_what_is_no_directory_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="the directory"):
        keys.directory(body)
