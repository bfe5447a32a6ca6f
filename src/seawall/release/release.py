"""A release: everything that changes what the edge does, immutable, named by its content, signed.

The *bundle* is the content: a manifest in canonical JSON that lists the parts with their SHA-256,
then the parts. The bundle's digest is the SHA-256 of the manifest, so it names every byte. The
*record* says who made it, when, from which parent and why; the signature covers the record, and
the record names the digest. The same content released twice is one bundle and two records.
"""

from dataclasses import dataclass
from enum import StrEnum

from seawall.ids import Digest, ReleaseId


class Kind(StrEnum):
    """What sort of change a release carries; decides its speed of rollout, never its path."""

    SITE = "site"
    """A site file."""
    CERTIFICATES = "certificates"
    """Certificate files changed on disk; the site file did not."""
    FEED = "feed"
    """Machine-made data (an address list) changed; nothing else did."""
    SWITCH = "switch"
    """A kill switch was thrown, or its time is over; nothing else changed."""


@dataclass(frozen=True, slots=True)
class ReleaseRecord:
    """Who released what, when and why.

    Attributes:
        id: `rN`, given by the store.
        digest: of the bundle.
        parent: what was current when it was made; None for the first.
        created_s: Unix seconds, from the control process's clock.
        signature: Ed25519 over `signed_bytes` of this record.
        quarantined: why this digest may not be rolled out again; empty when it may.
        stage: of its newest rollout, when this was read; empty when there is none.
    """

    id: ReleaseId
    digest: Digest
    kind: Kind
    parent: ReleaseId | None
    author: str
    message: str
    created_s: float
    signature: bytes
    quarantined: str = ""
    stage: str = ""
