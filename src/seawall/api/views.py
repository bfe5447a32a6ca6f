"""The JSON shapes of the HTTP API, as frozen values: what the service says and clients render.

One definition serves all: the service builds these, `codec` turns them into JSON and back, the
OpenAPI document is made from their fields and docstrings, and the CLI draws them. Units stand
last in each name; times are Unix seconds; shares are 0 to 1; an unknown number is null, never 0.
This file needs nothing but the standard library, so that reading an answer stays cheap. Fields
are added, never renamed or removed. Values here are for people and scripts: no secret is ever put
into one, except the token in `TokenCreated`, which is shown exactly once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from seawall.telemetry.rehearsal import NodesAsked, Rehearsal

NO_ROLLOUT: Final = "none"
"""In place of where a rollout stands: none of that release is remembered."""


@dataclass(frozen=True, slots=True)
class ErrorView:
    """Any failure of any operation.

    Attributes:
        code: stable kebab-case identifier for machines.
        message: what is wrong, where, and why.
        remedy: what to do next; may be empty.
    """

    code: str
    message: str
    remedy: str = ""


# --- Checking and comparing --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ProblemView:
    """One problem of a site file. `line` and `column` count from 1; 0 means the whole file."""

    id: str
    severity: Literal["error", "warning"]
    file: str
    line: int
    column: int
    subject: str
    what: str
    why: str
    remedy: str


@dataclass(frozen=True, slots=True)
class CheckView:
    """The verdict on a site file.

    Attributes:
        ok: no problem is an error.
        problems: errors first, each in the order of the files; bounded.
        problems_hidden: how many more there are than shown.
        sites: sites of the file; 0 when it was refused.
        routes: routes over all sites; 0 when refused.
        origins: origins; 0 when refused.
        compared_with: the release that serves: what is wrong there already is a warning, as when
            the file is applied; None when nothing serves.
    """

    ok: bool
    problems: tuple[ProblemView, ...]
    problems_hidden: int = 0
    sites: int = 0
    routes: int = 0
    origins: int = 0
    compared_with: str | None = None


@dataclass(frozen=True, slots=True)
class ChangeView:
    """One difference of the compiled result, in words.

    Attributes:
        subject: for example `route shop/api`.
        text: for example `timeout 15 s -> 30 s`.
        drains: open connections of a listener are closed gracefully by this change.
        restarts: takes effect only with a new Envoy process.
    """

    action: Literal["added", "removed", "changed"]
    subject: str
    text: str
    drains: bool
    restarts: bool


@dataclass(frozen=True, slots=True)
class GuardLineView:
    """The mass-change arithmetic of one kind of thing.

    Attributes:
        kind: `sites`, `routes`, ...: also the name that forces it.
        before: how many the current release has.
        after: how many the new one has.
        removed: how many of those before are gone.
        changed: how many of those before differ.
        share: (removed, changed or added) / before; 0 when there were none.
        share_max: the bound.
        refused: the bound is crossed and was not forced.
        text: the arithmetic in one sentence.
        added: how many are new, where that is bounded.
    """

    kind: str
    before: int
    after: int
    removed: int
    changed: int
    share: float
    share_max: float
    refused: bool
    text: str
    added: int = 0


@dataclass(frozen=True, slots=True)
class GuardView:
    """The whole mass-change guard. `force` lists the names that would let it pass."""

    ok: bool
    lines: tuple[GuardLineView, ...]
    force: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TurnedAwayView:
    """What changed bot rules and address lists would do to the requests recorded of late.

    Attributes:
        sites: those whose rules change.
        lines: the same in words, and what could not be measured.
        code: why `apply` would refuse; empty when it would not.
        force: name for `--force` when it is refused.
        fleet: which nodes told what they have seen; None where the records are this machine's own.
    """

    sites: tuple[Rehearsal, ...]
    lines: tuple[str, ...]
    code: str = ""
    message: str = ""
    remedy: str = ""
    force: str = ""
    fleet: NodesAsked | None = None


@dataclass(frozen=True, slots=True)
class DiffView:
    """What applying these sources would change.

    Attributes:
        check: the verdict on the file; when not ok the rest is empty.
        current: release compared with; None before the first.
        changes: bounded; `changes_hidden` counts the rest.
        identical: nothing would change at all.
        digest: of the content that `apply` would release; empty when the check failed.
        made_before: the current release or the newest that went out, made of these very files.
        turned_away: None when neither bot rules nor address lists change.
    """

    check: CheckView
    current: str | None
    identical: bool
    changes: tuple[ChangeView, ...]
    changes_hidden: int
    guard: GuardView | None
    digest: str = ""
    made_before: str | None = None
    turned_away: TurnedAwayView | None = None


# --- Releases ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReleaseView:
    """A release as listed.

    Attributes:
        id: `rN`.
        kind: `site`, `certificates`, `feed` or `switch`.
        parent: what was current when it was made.
        quarantined: why its content may not be rolled out again; empty when it may.
        current: it is what the edge is meant to serve.
        serving: a node serves it now.
        last_known_good: a node keeps it on disk as good.
        rollout: where its newest rollout stands, such as `canary`, `done` or `rolled-back`;
            `none` when none is remembered. Told of releases that are looked up; null elsewhere.
        signed: author, message, time, parent and digest are as they were signed; null likewise.
    """

    id: str
    digest: str
    kind: str
    parent: str | None
    author: str
    message: str
    created_s: float
    quarantined: str
    current: bool
    serving: bool
    last_known_good: bool
    rollout: str | None = None
    signed: bool | None = None


@dataclass(frozen=True, slots=True)
class ReleasesView:
    """One page of releases, newest first. `next_before` continues it; None at the end."""

    releases: tuple[ReleaseView, ...]
    next_before: str | None = None


@dataclass(frozen=True, slots=True)
class SourceView:
    """One site file as released. `path` is where it stood on the machine that released it."""

    path: str
    content: str


@dataclass(frozen=True, slots=True)
class GateStepView:
    """A step that a release went through before it was stored, and how long it took.

    Attributes:
        stage: of the gate: `limits`, `compatibility`, `guard`, `scores`, `clients`, `validate`,
            `taster`; an older Seawall wrote others, too.
        text: one line for people.
        outcome: `passed`, `forced` or `skipped`; `refused` for a release that was not stored.
        lines: the arithmetic, and what was found.
        remedy: of a refusal.
    """

    stage: str
    text: str
    duration_s: float
    outcome: str = "passed"
    lines: tuple[str, ...] = ()
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class ReleaseDetailView:
    """One release in full.

    Attributes:
        sources: the site files, root first.
        changes: against its parent, bounded; empty when the parent is no longer retained.
        compared_with: the parent compared with; None when there is none to compare.
        resources: compiled resources by type.
        size_bytes: of the stored bundle.
        seawall_version: that compiled it.
        envoy_version: that validated it.
        bundle_kept: false when the stored content can no longer be read.
        gate: what the release went through; empty for one of an older Seawall.
    """

    release: ReleaseView
    sources: tuple[SourceView, ...]
    changes: tuple[ChangeView, ...]
    changes_hidden: int
    compared_with: str | None
    resources: Mapping[str, int]
    size_bytes: int
    seawall_version: str
    envoy_version: str
    bundle_kept: bool = True
    gate: tuple[GateStepView, ...] = ()


# --- The progress of apply and rollback: one JSON object a line ----------------------------------

Stage = Literal[
    "check",
    "compile",
    "limits",
    "compatibility",
    "guard",
    "scores",
    "clients",
    "validate",
    "taster",
    "store",
    "assign",
    "fetch",
    "taste",
    "canary",
    "commit",
    "serve",
    "bake",
]
"""The steps of a release in order. `apply` ends after `serve`; `bake` goes on by itself."""


@dataclass(frozen=True, slots=True)
class Progress:
    """A step began, went on, or ended.

    Attributes:
        state: `started`, then `done` or `failed`.
        text: one line for people; may be empty.
        elapsed_s: since the operation began.
    """

    stage: Stage
    state: Literal["started", "done", "failed"]
    text: str
    elapsed_s: float
    event: Literal["progress"] = "progress"


@dataclass(frozen=True, slots=True)
class Applied:
    """The end of a successful apply or rollback.

    Attributes:
        release: what serves now; None for a dry run, which releases nothing.
        changed: false when the content was already current and nothing was released.
        dry_run: everything but the release itself was done.
        previous: what was current before.
        node_generation: of the assignment that serves.
        notes: things worth knowing, for example a warning of the check.
        withdrawn: the release that was on its way, when a rollback took it back; empty otherwise.
    """

    release: ReleaseView | None
    changed: bool
    dry_run: bool
    previous: str | None
    elapsed_s: float
    changes: tuple[ChangeView, ...] = ()
    changes_hidden: int = 0
    guard: GuardView | None = None
    problems: tuple[ProblemView, ...] = ()
    notes: tuple[str, ...] = ()
    node_generation: int = 0
    withdrawn: str = ""
    event: Literal["applied"] = "applied"


@dataclass(frozen=True, slots=True)
class EnvoyRefusalView:
    """Envoy's refusal of one resource, led back to where it was written.

    Attributes:
        owner: for example `route shop/api`, or `edge`.
        file: place of the owner in the site file; empty with `line` 0 when unknown.
        envoy_words: Envoy's own message.
    """

    owner: str
    resource: str
    file: str
    line: int
    envoy_words: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The end of an apply or rollback that was refused; what served before serves on.

    Attributes:
        stage: where it was refused.
        code: as in `ErrorView`.
        problems: of the site file, when `stage` is `check`.
        guard: the arithmetic, when `stage` is `guard`.
        envoy: Envoy's words, when `stage` is `validate` or `commit`.
        release: the release that was made and then refused by a node; None when none was made.
        serving: what the edge goes on serving; None when it serves nothing yet.
        gate: the stages of the gate up to the one that refused; empty before the gate.
    """

    stage: Stage
    code: str
    message: str
    remedy: str
    elapsed_s: float
    problems: tuple[ProblemView, ...] = ()
    problems_hidden: int = 0
    guard: GuardView | None = None
    envoy: tuple[EnvoyRefusalView, ...] = ()
    release: str | None = None
    serving: str | None = None
    gate: tuple[GateStepView, ...] = ()
    event: Literal["refused"] = "refused"


ApplyEvent = Progress | Applied | Refused
"""A line of the apply stream; `event` tells which. The last one is `applied` or `refused`."""
