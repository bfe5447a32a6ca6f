"""Signing requests of strangers, read before anybody asks for their token."""

import base64
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from seawall.errors import UsageError
from seawall.fleet.ca import (
    fingerprint_of,
    load_or_create_authority,
    new_key,
    request_for,
    request_key,
)

P256 = bytes.fromhex("2a8648ce3d030107")
"""The object identifier of the curve (RFC 5480)."""


@pytest.mark.parametrize(
    ("known", "other"),
    [
        (P256, bytes.fromhex("2a8648ce3d030104")),  # a curve that OpenSSL knows and nobody uses
        (bytes.fromhex("020100"), bytes.fromhex("020107")),  # a version that there is not
    ],
)
def test_a_request_that_no_library_reads_is_refused_with_words(known: bytes, other: bytes) -> None:
    parsed = x509.load_pem_x509_csr(request_for(new_key()))
    der = parsed.public_bytes(serialization.Encoding.DER)
    assert known in der
    text = base64.encodebytes(der.replace(known, other, 1)).decode()
    head = "CERTIFICATE REQUEST-----\n"
    with pytest.raises(UsageError):
        request_key(f"-----BEGIN {head}{text}-----END {head}".encode())


def test_what_an_impostor_of_control_shows_in_place_of_a_certificate_is_none(
    tmp_path: Path,
) -> None:
    shown = x509.load_pem_x509_certificate(load_or_create_authority(tmp_path, 0).pem)
    der = shown.public_bytes(serialization.Encoding.DER)
    text = base64.encodebytes(der.replace(P256, P256[:-1] + b"\x04", 1)).decode()
    with pytest.raises(UsageError):
        fingerprint_of(f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n".encode())
