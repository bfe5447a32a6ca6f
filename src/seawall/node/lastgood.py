"""Releases on the node's own disk: what it boots from without control, network or store.

A release is kept as the signed envelope it came in. Every read checks checksum, signature and
digest again: a disk may lie. A release that cannot be read is skipped for the next older one and
named in a message; this module never decides that nothing shall serve.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from seawall.compiler.snapshot import Snapshot
from seawall.errors import RefusedError, SeawallError, UnreachableError
from seawall.ids import Digest
from seawall.limits import ENVELOPE_SIZE_BYTES_MAX
from seawall.model.rollout import Golden
from seawall.node.files import Writer, private_directory, read_bounded, write_atomic
from seawall.node.stamp import stamp
from seawall.node.state import Served
from seawall.release.bundle import Bundle
from seawall.release.envelope import open_envelope
from seawall.release.signing import load_public_key

_SUFFIX: Final = ".bundle"
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")

Opener = Callable[[bytes], tuple[Digest, Bundle]]
"""Checks an envelope and gives the digest of its bundle, and the bundle."""


@dataclass(frozen=True)
class Loaded:
    """A release read and checked, ready to serve: its route tables carry its id.

    Only this form is kept in memory; the release as signed is on disk.
    """

    served: Served
    snapshot: Snapshot
    golden: tuple[Golden, ...] = ()


def trusting(key_file: Path) -> Opener:
    """Opens envelopes signed by the key pinned in `key_file`, which is read each time."""

    def opener(envelope: bytes) -> tuple[Digest, Bundle]:
        record, bundle = open_envelope(envelope, load_public_key(key_file))
        return record.digest, bundle

    return opener


class Bundles:
    """The envelopes in `directory`, each under its digest."""

    def __init__(self, directory: Path, opener: Opener, *, write: Writer = write_atomic) -> None:
        self._directory = directory
        self._open = opener
        self._write = write

    def check(self, digest: Digest, envelope: bytes) -> Bundle:
        """The bundle in `envelope`.

        Raises:
            RefusedError: damaged, signed by another key, or not the release named `digest`.
        """
        found, bundle = self._open(envelope)
        if found != digest:
            raise RefusedError(
                "bundle-not-the-assigned",
                f"The bundle is {found[:12]}, but {digest[:12]} was assigned.",
                remedy="Apply again. If it happens again, check the store of the control process.",
            )
        return bundle

    def stamped(self, served: Served, bundle: Bundle) -> Loaded:
        """A checked release as Envoy shall have it."""
        return Loaded(served, stamp(bundle.snapshot, served.release), bundle.golden)

    def save(self, digest: Digest, envelope: bytes) -> None:
        """Keep `envelope` durably.

        Raises:
            OSError: the disk is full, read-only, or failing.
        """
        private_directory(self._directory)
        self._write(self._path(digest), envelope)

    def load(self, served: Served) -> Loaded:
        """Read and check a kept release.

        Raises:
            UnreachableError: it is not there or cannot be read.
            RefusedError: it is damaged or not trusted.
        """
        path = self._path(served.digest)
        try:
            envelope = read_bounded(path, ENVELOPE_SIZE_BYTES_MAX)
        except OSError as error:
            raise UnreachableError(
                "bundle-unreadable",
                f"Release {served.release} cannot be read from {path}: {error.strerror or error}.",
                remedy="Nothing to do now: an older good release is used.",
            ) from error
        return self.stamped(served, self.check(served.digest, envelope))

    def first_readable(self, candidates: Iterable[Served]) -> tuple[Loaded | None, tuple[str, ...]]:
        """The first of `candidates` that can be served, and what was wrong with those before."""
        problems: list[str] = []
        tried: set[Digest] = set()
        for served in candidates:
            if served.digest in tried:
                continue
            tried.add(served.digest)
            try:
                return self.load(served), tuple(problems)
            except SeawallError as error:
                problems.append(f"Release {served.release} on disk was skipped: {error.message}")
        return None, tuple(problems)

    def keep_only(self, digests: Iterable[Digest]) -> None:
        """Remove every other kept release; failing to remove one is no harm."""
        wanted = set(digests)
        try:
            paths = list(self._directory.glob(f"*{_SUFFIX}"))
            # Of a write that the death of an agent cut short: up to a whole release each.
            paths += self._directory.glob(f".*{_SUFFIX}.new")
        except OSError:
            return
        for path in paths:
            if path.name.removesuffix(_SUFFIX) not in wanted:
                try:
                    path.unlink()
                except OSError:
                    continue

    def _path(self, digest: Digest) -> Path:
        if not _DIGEST.fullmatch(digest):
            raise RefusedError(
                "digest-malformed", "A release digest must be 64 lower-case hex digits."
            )
        return self._directory / f"{digest}{_SUFFIX}"
