"""What the workbench hands back: plain values, cheap to carry and free of large libraries."""

from collections.abc import Mapping
from dataclasses import dataclass

from seawall.api.views import ChangeView, CheckView, GuardView, ProblemView
from seawall.ids import Digest
from seawall.site.problem import Location


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
class Prepared:
    """A release that passed every check and is not stored yet.

    Attributes:
        bundle: encoded.
        locations: where each subject was written, to lead Envoy's words back.
        warnings: problems that do not refuse the file.
        same: the content is current already.
    """

    bundle: bytes
    digest: Digest
    locations: Mapping[str, Location]
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
