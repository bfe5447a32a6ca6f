"""A local authority for development: certificates for sites that have none of their own.

The authority is made on first use and lives in one private directory: `ca.pem`, which a developer
may import into a browser, `ca.key`, and one certificate and key for each site. Nothing outside that
directory trusts it by itself. Certificates live shorter than browsers allow at most (398 days) and
are made anew in time, so a running edge never shows an expired one.
"""

import ipaddress
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from seawall.clock import Clock
from seawall.errors import UnreachableError
from seawall.ids import SiteName
from seawall.secret import Secret
from seawall.site.schema.network import is_ip

_CA_LIFETIME: Final = timedelta(days=3_650)
_LEAF_LIFETIME: Final = timedelta(days=397)
_RENEW_BEFORE: Final = timedelta(days=30)
_CLOCK_SKEW: Final = timedelta(hours=1)
"""Certificates begin this much earlier, for clients whose clock is behind."""
_ANY_HOST_NAMES: Final = ("localhost", "*.localhost", "127.0.0.1", "::1")
"""What a site with the host `*` gets: there is no certificate for every name."""
_COMMON_NAME_LENGTH_MAX: Final = 64


class DevelopmentCa:
    """The authority of one data directory. Safe to use from several threads.

    Args:
        directory: made when missing, mode 0700; files in it have mode 0600.
        clock: says when certificates are due.
    """

    def __init__(self, directory: Path, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self._lock = threading.Lock()

    @property
    def ca_pem(self) -> bytes:
        """The authority's own certificate, to import into a browser.

        Raises:
            UnreachableError: the directory cannot be written or read.
        """
        with self._lock, _files():
            return self._authority()[0].public_bytes(Encoding.PEM)

    def issue(self, site: SiteName, hosts: tuple[str, ...]) -> tuple[bytes, Secret]:
        """The certificate and key of a site; the same ones until its hosts change or it is due.

        Args:
            site: names the files.
            hosts: as in the site file; `*` stands for `localhost` and the loopback addresses.

        Raises:
            UnreachableError: the directory cannot be written or read.
        """
        with self._lock, _files():
            authority, authority_key = self._authority()
            names = _subject_names(hosts)
            pem_path = self._directory / f"site-{site}.pem"
            key_path = self._directory / f"site-{site}.key"
            known = self._load(pem_path, key_path)
            if known is not None and self._still_good(known[0], authority, names):
                return known[0].public_bytes(Encoding.PEM), Secret(_key_pem(known[1]))
            key = ec.generate_private_key(ec.SECP256R1())
            leaf = self._leaf(site, names, key, authority, authority_key)
            pem = leaf.public_bytes(Encoding.PEM)
            _write_private(key_path, _key_pem(key))
            _write_private(pem_path, pem)
            return pem, Secret(_key_pem(key))

    def _authority(self) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        pem_path, key_path = self._directory / "ca.pem", self._directory / "ca.key"
        known = self._load(pem_path, key_path)
        if known is not None and self._left(known[0]) > _LEAF_LIFETIME:
            return known
        key = ec.generate_private_key(ec.SECP256R1())
        now = self._now()
        name = _name("Seawall development authority")
        public = key.public_key()
        authority = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _CLOCK_SKEW)
            .not_valid_after(now + _CA_LIFETIME)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .sign(key, SHA256())
        )
        _write_private(key_path, _key_pem(key))
        _write_private(pem_path, authority.public_bytes(Encoding.PEM))
        return authority, key

    def _leaf(
        self,
        site: SiteName,
        names: x509.SubjectAlternativeName,
        key: ec.EllipticCurvePrivateKey,
        authority: x509.Certificate,
        authority_key: ec.EllipticCurvePrivateKey,
    ) -> x509.Certificate:
        now = self._now()
        public = key.public_key()
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        return (
            x509.CertificateBuilder()
            .subject_name(_name(f"Seawall development: {site}"[:_COMMON_NAME_LENGTH_MAX]))
            .issuer_name(authority.subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _CLOCK_SKEW)
            .not_valid_after(now - _CLOCK_SKEW + _LEAF_LIFETIME)
            .add_extension(names, critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(usage, critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(issuer, critical=False)
            .sign(authority_key, SHA256())
        )

    def _still_good(
        self,
        leaf: x509.Certificate,
        authority: x509.Certificate,
        names: x509.SubjectAlternativeName,
    ) -> bool:
        if self._left(leaf) < _RENEW_BEFORE:
            return False
        try:
            leaf.verify_directly_issued_by(authority)
            found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
            return False
        return found.value == names

    def _load(
        self, pem_path: Path, key_path: Path
    ) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None:
        """A certificate and its key from disk, or None when they are missing or damaged."""
        try:
            certificate = x509.load_pem_x509_certificate(pem_path.read_bytes())
            key = load_pem_private_key(key_path.read_bytes(), password=None)
        except (FileNotFoundError, ValueError, TypeError):
            return None
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            return None
        return (certificate, key) if key.public_key() == certificate.public_key() else None

    def _left(self, certificate: x509.Certificate) -> timedelta:
        if certificate.not_valid_before_utc > self._now():
            return timedelta(0)  # the clock was set back: such a certificate is not valid now
        return certificate.not_valid_after_utc - self._now()

    def _now(self) -> datetime:
        return datetime.fromtimestamp(int(self._clock.now_s()), UTC)


def _subject_names(hosts: tuple[str, ...]) -> x509.SubjectAlternativeName:
    wanted: dict[str, None] = {}
    for host in hosts:
        for name in _ANY_HOST_NAMES if host == "*" else (host.strip("[]"),):
            wanted[name] = None
    return x509.SubjectAlternativeName(
        x509.IPAddress(ipaddress.ip_address(name)) if is_ip(name) else x509.DNSName(name)
        for name in wanted
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write_private(path: Path, content: bytes) -> None:
    """Replace a file in one step, readable by its owner only."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


@contextmanager
def _files() -> Iterator[None]:
    """Trouble with the directory, as an error for people."""
    try:
        yield
    except OSError as error:
        raise UnreachableError(
            "development-ca-unusable",
            f"The development authority cannot be used: {error}.",
            remedy="Check that the data directory can be written and is not full.",
        ) from error
