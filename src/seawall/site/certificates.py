"""Certificates: what PEM files say, in the words of the model.

Reads bytes, never files. A chain that makes no sense is a `CertificateError` with a sentence for
people; key bytes never reach a message.
"""

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final, TypeAlias

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import AuthorityInformationAccessOID

from seawall.secret import Secret

RSA_KEY_BITS_MIN: Final = 2048
_CERTIFICATE_BEGIN: Final = re.compile(
    rb"^-----BEGIN (?:X509 )?CERTIFICATE-----[ \r]*\n", re.MULTILINE
)
_KEY_BEGIN: Final = re.compile(rb"^-----BEGIN [A-Z ]*PRIVATE KEY-----[ \r]*\n", re.MULTILINE)
_UNREADABLE: Final = (
    ValueError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""What reading a certificate may raise."""
_PrivateKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class CertificateError(ValueError):
    """The bytes are not a usable certificate or key; the text says why."""


@dataclass(frozen=True, slots=True)
class ChainFacts:
    """What a chain says, for the most part its leaf.

    Attributes:
        pem: its certificates and nothing else: whatever stands beside them in a file (a byte order
            mark, the private key) would be read otherwise by Envoy, or told where keys are not.
        gap: what clients will miss in it, as a sentence; empty when it is whole.
        public_key: DER form, to compare with that of a private key.
        key_words: kind and strength for people, for example `RSA 1024`.
        key_accepted: whether Envoy serves such a key: RSA of 2048 bits or more, or P-256 to P-521.
    """

    pem: bytes
    gap: str
    dns_names: tuple[str, ...]
    not_before_s: float
    not_after_s: float
    serial: str
    public_key: bytes
    key_words: str
    key_accepted: bool


def read_chain(pem: bytes) -> ChainFacts:
    """Facts of the certificates in `pem`, the leaf first.

    Raises:
        CertificateError: no certificate, or a damaged one.
    """
    return _read_chain(pem)


@lru_cache(maxsize=4_096)
def _read_chain(pem: bytes) -> ChainFacts:
    try:
        chain = x509.load_pem_x509_certificates(pem)
        leaf = chain[0]
        public_key = leaf.public_key()
        names = _names(leaf)
        gap = _gap(chain)
    except _UNREADABLE as error:
        raise CertificateError("it holds no readable PEM certificate") from error
    words, accepted = _strength(public_key)
    return ChainFacts(
        pem=b"".join(certificate.public_bytes(Encoding.PEM) for certificate in chain),
        gap=gap,
        dns_names=names,
        not_before_s=leaf.not_valid_before_utc.timestamp(),
        not_after_s=leaf.not_valid_after_utc.timestamp(),
        serial=f"{leaf.serial_number:x}",
        public_key=public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        key_words=words,
        key_accepted=accepted,
    )


def public_key_of(key: Secret) -> bytes:
    """The public half of a private key, in DER form.

    Raises:
        CertificateError: no key, a damaged one, one behind a passphrase, or an unknown kind.
    """
    known = _public_keys.get(fingerprint := hashlib.sha256(key.reveal()).digest())
    if known is None:
        known = _public_key_of(key)
        if len(_public_keys) < _PUBLIC_KEYS_MAX:
            _public_keys[fingerprint] = known
    return known


_PUBLIC_KEYS_MAX: Final = 4_096
_public_keys: dict[bytes, bytes] = {}
"""SHA-256 of a private key to its public half: parsing a key takes a millisecond or more."""


def served_key(key: Secret) -> Secret:
    """A private key as Envoy reads it, which wants its first line at the beginning of a line.

    One behind a byte order mark or blanks, or with the line ends of old Macs, is written anew; any
    other, and what is no key, stays as it is.
    """
    if _KEY_BEGIN.search(key.reveal()):
        return key
    try:
        private = load_pem_private_key(key.reveal(), password=None)
    except (TypeError, ValueError, UnsupportedAlgorithm):
        return key  # the rule `bad-certificate` says so
    return Secret(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def _public_key_of(key: Secret) -> bytes:
    try:
        private = load_pem_private_key(key.reveal(), password=None)
    except TypeError as error:
        raise CertificateError("the key is protected by a passphrase") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateError("it holds no readable PEM private key") from error
    if not isinstance(private, _PrivateKey):
        raise CertificateError("the key is neither RSA nor EC")
    return private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def check_authorities(pem: bytes) -> None:
    """Make sure that `pem` holds certificates.

    Raises:
        CertificateError: it does not.
    """
    try:
        x509.load_pem_x509_certificates(pem)
    except _UNREADABLE as error:
        raise CertificateError("it holds no readable PEM certificate") from error


def served_authorities(pem: bytes) -> bytes:
    """Certificates as Envoy reads them: one that does not begin a line it would pass over."""
    try:
        found = x509.load_pem_x509_certificates(pem)
    except _UNREADABLE:
        return pem  # the rule `bad-certificate` says so
    if len(_CERTIFICATE_BEGIN.findall(pem)) == len(found):
        return pem
    return b"".join(one.public_bytes(Encoding.PEM) for one in found)


def covers(dns_names: tuple[str, ...], host: str) -> bool:
    """Whether a certificate for `dns_names` is good for `host` (RFC 9525 section 6.3).

    A wildcard host needs the same wildcard; `*` is covered by anything.
    """
    host = host.removeprefix("[").removesuffix("]")  # an IPv6 address stands in no brackets there
    if host == "*" or host in dns_names:
        return True
    _, _, parent = host.partition(".")
    return bool(parent) and f"*.{parent}" in dns_names


def _gap(chain: list[x509.Certificate]) -> str:
    for number, (below, above) in enumerate(pairwise(chain), start=2):
        try:
            below.verify_directly_issued_by(above)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            return f"Certificate {number} of the file did not issue the one before it."
    leaf = chain[0]
    if len(chain) > 1 or leaf.issuer == leaf.subject or not _names_issuer_file(leaf):
        return ""
    return f"No certificate of its issuer stands in the file ({leaf.issuer.rfc4514_string()})."


def _names_issuer_file(leaf: x509.Certificate) -> bool:
    """Whether a certificate says where its issuer's is found, as those of public authorities do.

    What a private root has issued itself needs no other certificate, and does not say so.
    """
    try:
        access = leaf.extensions.get_extension_for_class(x509.AuthorityInformationAccess)
    except x509.ExtensionNotFound:
        return False
    return any(
        one.access_method == AuthorityInformationAccessOID.CA_ISSUERS for one in access.value
    )


def _names(leaf: x509.Certificate) -> tuple[str, ...]:
    try:
        extension = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    dns = extension.value.get_values_for_type(x509.DNSName)
    addresses = extension.value.get_values_for_type(x509.IPAddress)
    return (*(name.lower() for name in dns), *(str(address) for address in addresses))


def _strength(key: object) -> tuple[str, bool]:
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA {key.key_size}", key.key_size >= RSA_KEY_BITS_MIN
    if isinstance(key, ec.EllipticCurvePublicKey):
        curves = ("secp256r1", "secp384r1", "secp521r1")
        return f"EC {key.curve.name}", key.curve.name in curves
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "Ed25519", False
    return "of an unknown kind", False
