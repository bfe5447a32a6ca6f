"""Control's own certificate authority: who is control, and which key is which node.

It signs two kinds of certificates, told apart by their purpose, so that no node can pose as control
and control's certificate opens nothing: the server's, and one for each node's key. The names in
them are our own, not host names: a machine may move and its certificate stays. The key of the
authority never leaves its file and this module. Certificates are short-lived and never revoked by
list: control knows its nodes (`release.registry`) and believes no other key.
RFC 5280; ECDSA on P-256, which every TLS library takes.
"""

import datetime as dt
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from seawall import limits
from seawall.errors import RefusedError, UnreachableError, UsageError
from seawall.ids import NodeName
from seawall.node.files import private_directory, read_bounded, write_atomic
from seawall.phrases import minute
from seawall.secret import Secret

SERVER_NAME: Final = "control.seawall.internal"
"""What every control process is called in its certificate."""
NODE_URI: Final = "seawall:node:"
"""Before the name of a node in its certificate (a URI of its subjectAltName)."""
_CA_NAME: Final = "Seawall fleet CA"
_FILE_SIZE_BYTES_MAX: Final = 64 * limits.KIB
_CURVE: Final = ec.SECP256R1


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate that was just signed.

    Attributes:
        key_sha256: of the SubjectPublicKeyInfo in it.
        ends_s: Unix seconds.
    """

    pem: bytes
    key_sha256: str
    ends_s: float


class Authority:
    """Signs certificates. Prints its fingerprint only."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self._key = key
        self._certificate = certificate

    @property
    def pem(self) -> bytes:
        """The authority's certificate."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def fingerprint(self) -> bytes:
        """SHA-256 of its SubjectPublicKeyInfo: what a join token carries."""
        return hashlib.sha256(_spki(self._key.public_key())).digest()

    def server_identity(self, now_s: float) -> tuple[Secret, Issued]:
        """A new key and certificate for a control process.

        Raises:
            RefusedError: the authority's own certificate is over.
        """
        key = ec.generate_private_key(_CURVE())
        names: list[x509.GeneralName] = [x509.DNSName(SERVER_NAME)]
        issued = self._sign(
            key.public_key(), "control", names, ExtendedKeyUsageOID.SERVER_AUTH, now_s
        )
        return Secret(private_pem(key)), issued

    def sign_node(self, request: bytes, node: NodeName, now_s: float) -> Issued:
        """A certificate for the key in a signing request; nothing else in it is believed.

        Raises:
            UsageError: no request, of another kind of key, or not signed by its own key.
            RefusedError: the authority's own certificate is over.
        """
        key = request_key(request)
        names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(NODE_URI + node)]
        return self._sign(key, node, names, ExtendedKeyUsageOID.CLIENT_AUTH, now_s)

    def _sign(
        self,
        key: ec.EllipticCurvePublicKey,
        name: str,
        names: list[x509.GeneralName],
        purpose: x509.ObjectIdentifier,
        now_s: float,
    ) -> Issued:
        ends_s = min(
            now_s + limits.NODE_CERTIFICATE_LIFETIME_S,
            self._certificate.not_valid_after_utc.timestamp(),
        )
        if ends_s <= now_s:
            raise RefusedError(
                "ca-over",
                f"The certificate of the fleet's authority (ca.pem) expired at {minute(ends_s)}; "
                f"this machine's clock says {minute(now_s)}.",
                remedy="If the clock is wrong, set it. Otherwise move ca.pem away and restart "
                "control, which makes a new one for the same key. Then let every node join "
                "again: seawall token join --name NAME.",
            )
        authority = self._certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(self._certificate.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(_time(now_s - limits.CERTIFICATE_BACKDATE_S))
            .not_valid_after(_time(ends_s))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(authority.value),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        return Issued(pem, hashlib.sha256(_spki(key)).hexdigest(), ends_s)

    def __repr__(self) -> str:
        return f"Authority({self.fingerprint.hex()[:16]})"


def load_or_create_authority(directory: Path, now_s: float) -> Authority:
    """The authority in `directory` (`ca.key`, `ca.pem`), made on first use.

    Raises:
        RefusedError: a file holds something else, or others may read the key.
        UnreachableError: it cannot be read or written.
    """
    key_file, certificate_file = directory / "ca.key", directory / "ca.pem"
    try:
        private_directory(directory)
        if not key_file.exists():
            write_atomic(key_file, private_pem(ec.generate_private_key(_CURVE())))
            certificate_file.unlink(missing_ok=True)
        key = _read_key(key_file)
        if not certificate_file.exists():
            certificate = _self_signed(key, now_s)
            write_atomic(certificate_file, certificate.public_bytes(serialization.Encoding.PEM))
        loaded = read_bounded(certificate_file, _FILE_SIZE_BYTES_MAX)
    except OSError as error:
        raise UnreachableError(
            "ca-unreachable",
            f"Cannot use the certificate authority in {directory}: {error.strerror or error}.",
            remedy="Check that the directory is writable and that the disk is not full.",
        ) from error
    certificate = _parse(loaded, certificate_file)
    if certificate.public_key() != key.public_key():
        raise _unusable(certificate_file, "is not the certificate of ca.key")
    return Authority(key, certificate)


def fingerprint_of(pem: bytes) -> bytes:
    """The fingerprint of an authority's certificate, as in a join token.

    Raises:
        UsageError: it is no certificate.
    """
    try:
        return hashlib.sha256(_spki(x509.load_pem_x509_certificate(pem).public_key())).digest()
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise UsageError("certificate-unreadable", "That is not a certificate in PEM.") from error


def request_key(request: bytes) -> ec.EllipticCurvePublicKey:
    """The key that asks for a certificate.

    Raises:
        UsageError: no request, of another kind of key, or not signed by its own key.
    """
    try:
        parsed = x509.load_pem_x509_csr(request)
        key = parsed.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, _CURVE):
            raise UsageError("csr-key-kind", "A node's key must be an ECDSA key on P-256.")
        if not parsed.is_signature_valid:
            raise UsageError("csr-unsigned", "The request is not signed by the key in it.")
    except (ValueError, InvalidSignature, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise UsageError(
            "csr-unreadable", "The body holds no certificate signing request in PEM."
        ) from error
    return key


def key_sha256(certificate_der: bytes) -> str:
    """SHA-256 of the SubjectPublicKeyInfo of a certificate that TLS has verified."""
    return hashlib.sha256(
        _spki(x509.load_der_x509_certificate(certificate_der).public_key())
    ).hexdigest()


def request_key_sha256(request: bytes) -> str:
    """SHA-256 of the SubjectPublicKeyInfo in a signing request.

    Raises:
        UsageError: as `request_key`.
    """
    return hashlib.sha256(_spki(request_key(request))).hexdigest()


def new_key() -> ec.EllipticCurvePrivateKey:
    """A new key of a node."""
    return ec.generate_private_key(_CURVE())


def request_for(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A signing request for `key`, in PEM; control gives the name."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "node")])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return request.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """PKCS #8 in PEM, for a file of mode 0600."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _read_key(path: Path) -> ec.EllipticCurvePrivateKey:
    content = read_bounded(path, _FILE_SIZE_BYTES_MAX)
    if os.stat(path).st_mode & 0o077:  # noqa: PTH116 - beside read_bounded, which raises OSError too
        raise _unusable(path, "can be read by others", f"Make it private: chmod 600 {path}.")
    try:
        key = serialization.load_pem_private_key(content, password=None)
    except (ValueError, TypeError) as error:
        raise _unusable(path, "holds no key") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise _unusable(path, "holds another kind of key")
    return key


def _parse(pem: bytes, path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError as error:
        raise _unusable(path, "holds no certificate") from error


def _self_signed(key: ec.EllipticCurvePrivateKey, now_s: float) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _CA_NAME)])
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_time(now_s - limits.CERTIFICATE_BACKDATE_S))
        .not_valid_after(_time(now_s + limits.CA_LIFETIME_S))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(own, critical=False)
        .sign(key, hashes.SHA256())
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _spki(key: object) -> bytes:
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise UsageError("certificate-key-kind", "Its key is not an ECDSA key.")
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _time(unix_s: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(unix_s, dt.UTC)


def _unusable(path: Path, why: str, remedy: str = "") -> RefusedError:
    return RefusedError(
        "ca-unusable",
        f"{path} {why}.",
        remedy=remedy
        or "Restore ca.key and ca.pem from a backup. Without one, move both away: a new authority "
        "is made, and every node must join again.",
    )
