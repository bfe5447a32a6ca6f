"""What makes a machine a node of a fleet: its key, its certificate, and whom it believes.

Five small files in DIR/identity, for their owner alone. The key is made here and never leaves the
machine. A certificate that ended, or a file that is damaged, costs the way to control, nothing
else: Envoy serves, the agent restarts from its own disk, and a new join token opens the way again.
"""

import json
import ssl
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random  # noqa: TID251 - the type of what the caller seeded
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from seawall import limits
from seawall.errors import RefusedError, SeawallError, UnreachableError
from seawall.exchange import Address
from seawall.fleet.ca import SERVER_NAME, new_key, private_pem, request_for
from seawall.fleet.tls import client_context
from seawall.ids import NodeName
from seawall.node.files import private_directory, read_bounded, write_atomic

_FILE_SIZE_BYTES_MAX: Final = 64 * limits.KIB
_JITTER: Final = 0.1
"""Share of the last third of its life over which certificates of one day are renewed."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The public part of an identity.

    Attributes:
        controls: addresses of control processes, the one it joined first.
        starts_s: of the certificate, Unix seconds.
        ends_s: of the certificate, Unix seconds.
    """

    node: NodeName
    controls: tuple[tuple[str, int], ...]
    starts_s: float
    ends_s: float


class Identity:
    """The files in `directory`; every method that reads them may raise what `load` raises."""

    def __init__(self, directory: Path) -> None:
        self._home = directory
        self._key = directory / "node.key"
        self._certificate = directory / "node.pem"
        self._authority = directory / "ca.pem"
        self._fleet = directory / "fleet.json"
        self._next_key = directory / "next.key"

    @property
    def exists(self) -> bool:
        """Whether this machine has joined a fleet."""
        return self._fleet.exists()

    def load(self) -> Standing:
        """Who this node is.

        Raises:
            RefusedError: a file is damaged.
            UnreachableError: a file is missing or cannot be read.
        """
        try:
            fleet = json.loads(read_bounded(self._fleet, _FILE_SIZE_BYTES_MAX))
            pem = read_bounded(self._certificate, _FILE_SIZE_BYTES_MAX)
            certificate = x509.load_pem_x509_certificate(pem)
            return Standing(
                NodeName(str(fleet["node"])),
                tuple((str(host), int(port)) for host, port in fleet["controls"]),
                certificate.not_valid_before_utc.timestamp(),
                certificate.not_valid_after_utc.timestamp(),
            )
        except OSError as error:
            raise UnreachableError(
                "identity-unreadable",
                f"The identity of this node cannot be read from {self._home}: "
                f"{error.strerror or error}.",
                remedy="Let it join again: seawall token join on control.",
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise RefusedError(
                "identity-damaged",
                f"The identity of this node in {self._home} is damaged.",
                remedy="Let it join again: seawall token join on control.",
                detail=str(error),
            ) from error

    def name(self) -> NodeName:
        """The name of this node, while at least one of the two files that say it can be read.

        Raises:
            SeawallError: as `load`.
        """
        try:
            return self.load().node
        except SeawallError:
            for named in (self._named_by_fleet, self._named_by_certificate):
                with suppress(OSError, ValueError, KeyError, TypeError, IndexError):
                    return named()
            raise

    def joining_request(self) -> bytes:
        """A signing request for a new key, which is kept: a join that is tried again uses it.

        Raises:
            UnreachableError: the key cannot be written.
        """
        try:
            private_directory(self._home)
            if not self._next_key.exists():
                write_atomic(self._next_key, private_pem(new_key()))
            return request_for(_key(read_bounded(self._next_key, _FILE_SIZE_BYTES_MAX)))
        except OSError as error:
            raise _unwritable(self._home, error) from error

    def renewal_request(self) -> bytes:
        """A signing request for the key in use."""
        try:
            return request_for(_key(read_bounded(self._key, _FILE_SIZE_BYTES_MAX)))
        except OSError as error:
            raise _unwritable(self._home, error) from error

    def joined(
        self, node: str, controls: tuple[Address, ...], certificate: str, authority: str
    ) -> None:
        """Take over what control answered; a crash in between leaves a join to be tried again.

        Raises:
            UnreachableError: a file cannot be written.
        """
        fleet = {"node": node, "controls": [[at.host, at.port] for at in controls]}
        try:
            write_atomic(self._key, read_bounded(self._next_key, _FILE_SIZE_BYTES_MAX))
            write_atomic(self._certificate, certificate.encode())
            write_atomic(self._authority, authority.encode())
            write_atomic(self._fleet, json.dumps(fleet).encode())
            self._next_key.unlink()
        except OSError as error:
            raise _unwritable(self._home, error) from error

    def renewed(self, certificate: str) -> None:
        """Take over a renewed certificate.

        Raises:
            UnreachableError: it cannot be written.
        """
        try:
            write_atomic(self._certificate, certificate.encode())
        except OSError as error:
            raise _unwritable(self._home, error) from error

    def _named_by_fleet(self) -> NodeName:
        return NodeName(str(json.loads(read_bounded(self._fleet, _FILE_SIZE_BYTES_MAX))["node"]))

    def _named_by_certificate(self) -> NodeName:
        pem = read_bounded(self._certificate, _FILE_SIZE_BYTES_MAX)
        subject = x509.load_pem_x509_certificate(pem).subject
        return NodeName(str(subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value))

    def tls(self) -> ssl.SSLContext:
        """For connections to control, as this node.

        Raises:
            UnreachableError: a file is missing, or key and certificate are no pair.
        """
        try:
            authority = read_bounded(self._authority, _FILE_SIZE_BYTES_MAX)
            return client_context(authority, self._certificate, self._key)
        except (OSError, ValueError) as error:
            raise UnreachableError(
                "identity-unreadable",
                f"The identity of this node in {self._home} cannot be used: {error}.",
                remedy="Let it join again: seawall token join on control.",
            ) from error

    def addresses(self) -> tuple[Address, ...]:
        """Of control, with this node's certificate."""
        tls = self.tls()
        return tuple(Address(host, port, tls, SERVER_NAME) for host, port in self.load().controls)

    def stamp(self) -> object:
        """Changes when the identity on disk does: another process may have joined anew."""
        try:
            return self._certificate.stat().st_mtime_ns, self._fleet.stat().st_mtime_ns
        except OSError:
            return None


def renewal_due_s(standing: Standing, rng: Random) -> float:
    """When to ask for a new certificate: with a third of its life left, not all at one moment."""
    third_s = (standing.ends_s - standing.starts_s) / 3
    return standing.ends_s - third_s + rng.uniform(0, _JITTER) * third_s


def _key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise _damaged() from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise _damaged()
    return key


def _damaged() -> RefusedError:
    return RefusedError(
        "identity-damaged",
        "The key of this node is damaged.",
        remedy="Remove the directory `identity` and let it join again: seawall token join.",
    )


def _unwritable(home: Path, error: OSError) -> UnreachableError:
    return UnreachableError(
        "identity-unwritable",
        f"The identity of this node cannot be saved in {home}: {error.strerror or error}.",
        remedy="Check the data directory's owner and mode, and that the disk is not full.",
    )
