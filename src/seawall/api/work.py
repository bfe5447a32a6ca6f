"""What the workbench hands back: plain values, cheap to carry and free of large libraries."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from seawall.api.status_views import CertificateView
from seawall.api.views import ChangeView, CheckView, GuardView, ProblemView, TurnedAwayView
from seawall.gate.report import GateReport
from seawall.ids import Digest, ListName
from seawall.model import DEFAULT_POLICY, RolloutPolicy, Switch
from seawall.model.jobs import NO_JOBS, Jobs
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
    """What the guard says; `notes` tell what was forced, `turned_away` whom it would meet."""

    changes: Changes
    guard: GuardView
    notes: tuple[str, ...]
    turned_away: TurnedAwayView | None = None


@dataclass(frozen=True, slots=True)
class FeedFacts:
    """A list of the site file.

    Attributes:
        path: of its file; empty for one that is pushed.
        entries: None when no site uses it.
        pushed_bytes: of what was pushed last; None before the first.
        fetched_s: of published ranges, when their operator last said so, Unix seconds; None where
            that is not known.
    """

    name: ListName
    path: str
    entries: int | None
    pushed_bytes: int | None
    fetched_s: float | None = None


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """The bot model of a release.

    Attributes:
        path: of its file; empty when it was pushed or is the starter model.
        id: first digits of its digest; empty when requests are not scored.
        source: `pushed`, `file` or `starter`; empty when there is none.
        name: empty, like all that follows, when its file is not there any more.
        metrics: what it was accepted with.
    """

    path: str = ""
    id: str = ""
    source: str = ""
    name: str = ""
    created: str = ""
    features: int = 0
    trees: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)


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
        switches: kill switches that are on.
        feeds: the address lists of its site file.
        model: what scores requests.
        shadow: what scores beside it; known by its content also while bots are killed.
        clearance_keys_s: when the key that signs clearances was made, Unix seconds; None when
            nothing is signed.
        jobs: what control does by itself at intervals.
        sites: those it serves, by name.
    """

    sources: SourceSet
    files: tuple[FileDigest, ...]
    certificates: tuple[CertificateView, ...]
    listeners: tuple[str, ...]
    resources: Mapping[str, int]
    seawall_version: str
    envoy_version: str
    switches: tuple[Switch, ...] = ()
    feeds: tuple[FeedFacts, ...] = ()
    model: ModelFacts = ModelFacts()
    shadow: ModelFacts = ModelFacts()
    clearance_keys_s: float | None = None
    jobs: Jobs = NO_JOBS
    sites: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Prepared:
    """A release that passed every check and is not stored yet.

    Attributes:
        bundle: encoded.
        locations: file, line and column of each subject, to lead Envoy's words back.
        warnings: problems that do not refuse the file.
        same: the content is current already.
        policy: how the release wants to be brought out.
        report: of the gate; without stages when there was nothing to judge.
    """

    bundle: bytes
    digest: Digest
    facts: Facts
    locations: Places
    warnings: tuple[ProblemView, ...]
    same: bool
    verdict: Verdict
    policy: RolloutPolicy = DEFAULT_POLICY
    report: GateReport = field(default_factory=GateReport)


@dataclass(frozen=True, slots=True)
class Compared:
    """A site file compared with the current release; `verdict` is None when it was refused."""

    view: CheckView
    digest: str
    same: bool
    verdict: Verdict | None
