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
        code: stable identifier in kebab case, for programs.
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
    """The result of checking a site file.

    Attributes:
        ok: whether no problem is an error.
        problems: errors first, each in the order of the files; limited in number.
        problems_hidden: how many more there are.
        sites: sites of the file; 0 if it was refused.
        routes: routes of all sites; 0 if refused.
        origins: origins; 0 if refused.
        compared_with: the current release, or null; errors that it already has become warnings.
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
    """One difference in the compiled result, in words.

    Attributes:
        subject: for example `route shop/api`.
        text: for example `timeout 15 s -> 30 s`.
        drains: this change gracefully closes the open connections of a listener.
        restarts: this change needs a new Envoy process to take effect.
    """

    action: Literal["added", "removed", "changed"]
    subject: str
    text: str
    drains: bool
    restarts: bool


@dataclass(frozen=True, slots=True)
class GuardLineView:
    """The mass-change arithmetic for one kind of thing.

    Attributes:
        kind: `sites`, `routes`, ...; also the name to force it with.
        before: how many the current release has.
        after: how many the new release has.
        removed: how many of the current ones are gone.
        changed: how many of the current ones differ.
        share: (removed, changed or added) / before; 0 if there were none.
        share_max: the largest share that is allowed.
        refused: whether `share` is too large and was not forced.
        text: the arithmetic in one sentence.
        added: how many are new, for kinds where that is limited.
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
    """The result of the whole mass-change guard. `force` lists the names that would let it pass."""

    ok: bool
    lines: tuple[GuardLineView, ...]
    force: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TurnedAwayView:
    """What changed bot rules and address lists would do to recently recorded requests.

    Attributes:
        sites: those whose rules change.
        lines: the same in words, and what could not be measured.
        code: why `apply` would refuse; empty if it would not.
        force: the name for `--force` after a refusal.
        fleet: which nodes sent records; null if the records are from this machine.
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
        check: the result of the check; if it is not ok, the rest is empty.
        current: the release that was compared with; null before the first.
        changes: limited in number; `changes_hidden` counts the others.
        identical: whether nothing would change.
        digest: of the content that `apply` would release; empty if the check failed.
        made_before: the current release, or else the newest one rolled out, that was made of
            exactly these files.
        turned_away: null if neither bot rules nor address lists change.
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
    """A release in a list.

    Attributes:
        id: `rN`.
        kind: `site`, `certificates`, `feed` or `switch`.
        parent: the release that was current when this one was made.
        quarantined: why its content may not be rolled out again; empty if it may.
        current: whether the edge is meant to serve it.
        serving: whether a node serves it now.
        last_known_good: whether a node keeps it on disk as good.
        rollout: state of its newest rollout, such as `canary`, `done` or `rolled-back`; `none` if
            no rollout is remembered. Given when a single release is asked for; otherwise null.
        signed: whether author, message, time, parent and digest are as signed; or null, as above.
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
    """One page of releases, newest first. `next_before` gets the next; null on the last."""

    releases: tuple[ReleaseView, ...]
    next_before: str | None = None


@dataclass(frozen=True, slots=True)
class SourceView:
    """One site file as released. `path` is its path on the machine that released it."""

    path: str
    content: str


@dataclass(frozen=True, slots=True)
class GateStepView:
    """A step that a release passed through before it was stored, and how long it took.

    Attributes:
        stage: `limits`, `compatibility`, `guard`, `scores`, `clients`, `validate` or `taster`;
            older versions of Seawall wrote others too.
        text: one line for people.
        outcome: `passed`, `forced` or `skipped`; `refused` if the release was not stored.
        lines: the arithmetic and the findings.
        remedy: what to do after a refusal.
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
        changes: compared with its parent; limited in number. Empty if the parent was deleted.
        compared_with: the parent compared with; null if there is none.
        resources: number of compiled resources by type.
        size_bytes: of the stored bundle.
        seawall_version: the version that compiled it.
        envoy_version: the version that validated it.
        bundle_kept: false if the stored content can no longer be read.
        gate: the steps of the gate; empty for a release of an older Seawall.
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
        release: what serves now; null for a dry run, which releases nothing.
        changed: false if the content was already current, so that nothing was released.
        dry_run: everything was done except the release itself.
        previous: the release that was current before.
        node_generation: of the assignment that serves.
        notes: useful information, for example a warning of the check.
        withdrawn: the release under way that a rollback withdrew; empty if there was none.
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
    """Envoy's refusal of one resource, with the place in the site file that caused it.

    Attributes:
        owner: for example `route shop/api`, or `edge`.
        file: where the owner is in the site file; empty, with `line` 0, if unknown.
        envoy_words: Envoy's own message.
    """

    owner: str
    resource: str
    file: str
    line: int
    envoy_words: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The end of an apply or rollback that was refused; what served before still serves.

    Attributes:
        stage: where it was refused.
        code: as in `ErrorView`.
        problems: of the site file, if `stage` is `check`.
        guard: the arithmetic, if `stage` is `guard`.
        envoy: Envoy's own messages, if `stage` is `validate` or `commit`.
        release: the release that was made and then refused by a node; null if none was made.
        serving: what the edge still serves; null if it serves nothing yet.
        gate: the stages of the gate, including the one that refused; empty before the gate.
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
