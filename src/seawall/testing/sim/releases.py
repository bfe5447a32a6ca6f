"""Releases with a nature: what each would do to an Envoy and its clients."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from seawall.compiler.snapshot import Snapshot
from seawall.ids import Digest, ReleaseId
from seawall.testing.fake_envoy import snapshot


class Nature(StrEnum):
    """What is wrong with a release, if anything."""

    GOOD = "good"
    REFUSED = "refused"
    """Envoy refuses a part of it."""
    REFUSED_LATE = "refused-late"
    """Envoy refuses a cluster late, which pauses its cluster subscription."""
    MISANSWERS = "misanswers"
    """A golden request is answered wrongly."""
    CRASHES = "crashes"
    """Envoy dies of its traffic."""
    HANGS = "hangs"
    LEAKS = "leaks"
    ERRORS = "errors"
    """It answers 5xx to clients."""
    CRASHES_LATE = "crashes-late"
    """Envoy dies some time after the load, later than any canary step."""
    MACHINE = "machine"
    """Nothing is wrong with it, but the machines cannot start a candidate."""


HARMLESS = frozenset({Nature.GOOD, Nature.MACHINE})


@dataclass(frozen=True)
class SimRelease:
    """A stored release."""

    release: ReleaseId
    digest: Digest
    nature: Nature

    @property
    def snapshot(self) -> Snapshot:
        """What Envoy is told."""
        bad = {Nature.REFUSED: "bad", Nature.REFUSED_LATE: "bad-late"}.get(self.nature)
        clusters = {"origin": "1", "other": self.release} | ({"new": bad} if bad else {})
        return snapshot(clusters, routed=("origin", "other"), text=self.release)


def made(number: int, nature: Nature) -> SimRelease:
    """The release `rN`."""
    digest = hashlib.sha256(f"{number} {nature}".encode()).hexdigest()
    return SimRelease(ReleaseId(f"r{number}"), Digest(digest), nature)
