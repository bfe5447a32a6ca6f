"""What the workbench hands back: plain values, cheap to carry and free of large libraries."""

from collections.abc import Mapping
from dataclasses import dataclass

from seawall.api.status_views import CertificateView
from seawall.api.views import ChangeView, CheckView, GuardView, ProblemView
from seawall.ids import Digest
from seawall.release.bundle import FileDigest
from seawall.site.sources import SourceSet

Places = Mapping[str, tuple[str, int, int]]
"""File, line and column by subject. Plain tuples: thousands are carried in a tenth of the time."""


@dataclass(frozen=True, slots=True)
class Changes:
    """Changes to show, and how many more there are."""

    shown: tuple[ChangeView, ...]
    hidden: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the guard says; `notes` tell what was forced."""

    changes: Changes
    guard: GuardView
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """What control has to know of a release's content, without holding the content itself.

    Attributes:
        sources: the site file and its includes.
        files: what else was read.
        certificates: shown to clients; days left as of when this was made.
        listeners: addresses, as `http 0.0.0.0:80`.
        resources: how many there are of each kind.
        seawall_version: of the compiler.
        envoy_version: of the Envoy it was made for.
    """

    sources: SourceSet
    files: tuple[FileDigest, ...]
    certificates: tuple[CertificateView, ...]
    listeners: tuple[str, ...]
    resources: Mapping[str, int]
    seawall_version: str
    envoy_version: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """A release that passed every check and is not stored yet.

    Attributes:
        bundle: encoded.
        locations: file, line and column of each subject, to lead Envoy's words back.
        warnings: problems that do not refuse the file.
        same: the content is current already.
    """

    bundle: bytes
    digest: Digest
    facts: Facts
    locations: Places
    warnings: tuple[ProblemView, ...]
    same: bool
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Checked:
    """A site file judged; `digest` is empty when it was refused."""

    view: CheckView
    digest: str


@dataclass(frozen=True, slots=True)
class Compared:
    """A site file compared with the current release; `verdict` is None when it was refused."""

    view: CheckView
    digest: str
    same: bool
    verdict: Verdict | None
