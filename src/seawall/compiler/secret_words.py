"""What changed in a certificate, in words, without showing any of it: only serial numbers."""

import binascii
import re
from typing import Final

from envoy.extensions.transport_sockets.tls.v3 import secret_pb2

_PEM: Final = re.compile(
    rb"-----BEGIN CERTIFICATE-----\s*(?P<der>[A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----"
)
_SEQUENCE: Final = 0x30
_INTEGER: Final = 0x02
_VERSION: Final = 0xA0
_LONG_FORM: Final = 0x80


def certificate_changes(old: bytes | None, new: bytes | None) -> str:
    """From one compiled secret to the next; empty when nothing changed.

    Args:
        old: the serialized `Secret` before, None when there was none.
        new: the serialized `Secret` after, None when it is gone.
    """
    if old == new:
        return ""
    if old is None:
        return f"added, serial {_serial(new or b'')}"
    if new is None:
        return "removed"
    before, after = _serial(old), _serial(new)
    if before == after:
        return f"chain or key changed, serial {after} as before"
    return f"renewed, serial {before} -> {after}"


def _serial(body: bytes) -> str:
    secret = secret_pb2.Secret.FromString(body)
    found = _PEM.search(secret.tls_certificate.certificate_chain.inline_bytes)
    if found is None:
        return "unknown"
    try:
        return _serial_of_der(binascii.a2b_base64(found["der"]))
    except (binascii.Error, ValueError, IndexError):
        return "unknown"


def _serial_of_der(der: bytes) -> str:
    """The serial number: the first INTEGER of a certificate's TBS part (RFC 5280 section 4.1)."""
    place = _content(der, _content(der, 0, _SEQUENCE)[0], _SEQUENCE)[0]
    if der[place] == _VERSION:
        start, length = _content(der, place, _VERSION)
        place = start + length
    start, length = _content(der, place, _INTEGER)
    return f"{int.from_bytes(der[start : start + length]):x}"


def _content(der: bytes, place: int, tag: int) -> tuple[int, int]:
    """Start and length of the content of the DER element at `place`."""
    if der[place] != tag:
        raise ValueError(f"not the expected element: {der[place]:#x}")
    first = der[place + 1]
    if first < _LONG_FORM:
        return place + 2, first
    size = first - _LONG_FORM
    return place + 2 + size, int.from_bytes(der[place + 2 : place + 2 + size])
