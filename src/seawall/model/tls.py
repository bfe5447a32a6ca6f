"""Certificates and TLS versions."""

from dataclasses import dataclass
from enum import StrEnum

from seawall.ids import CertificateName
from seawall.secret import Secret


class TlsVersion(StrEnum):
    """Lowest TLS version that clients may use. Older ones are not offered (RFC 8996)."""

    TLS_1_2 = "1.2"
    TLS_1_3 = "1.3"


@dataclass(frozen=True, slots=True)
class Certificate:
    """One certificate slot: what clients are shown for some names.

    Attributes:
        name: SDS name; the same after a rotation, so that rotating never touches a listener.
        chain_pem: leaf first, then intermediates.
        key_pem: the private key, in PEM.
        dns_names: lower-case subject alternative names, wildcards as `*.example.com`.
        not_after_s: end of validity, Unix seconds.
        serial: serial number of the leaf as hex, for people.
    """

    name: CertificateName
    chain_pem: bytes
    key_pem: Secret
    dns_names: tuple[str, ...]
    not_after_s: float
    serial: str
