"""The JSON shapes of looking at a running edge: status, the story of a request, tokens, audit.

Same rules as `seawall.api.views`: standard library only, units last, unknown numbers are null.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from seawall.api.hand_views import SwitchView
from seawall.api.rollout_views import RolloutsView
from seawall.api.views import ReleaseView
from seawall.telemetry.origin_names import NamesReport

CERTIFICATE_ENDED: Final = "certificate-ended"
"""Code of the notice that tells of certificates that are over."""


@dataclass(frozen=True, slots=True)
class EnvoyView:
    """The Envoy process as its agent saw it last."""

    pid: int
    version: str
    uptime_s: float
    restarts: int
    live: bool
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class NodeView:
    """One node.

    Attributes:
        connected: a report came within the last few report intervals.
        seen_s_ago: age of its last report; None before the first.
        release: what it serves; None before the first.
        generation: newest assignment it knows.
        phase: `fetching`, `committing`, `baking`, `good`, `rejected`, or empty before a report.
        message: one sentence of the node when it has something to say.
        last_known_good: releases on its disk, newest first.
        listeners: addresses Envoy listens on now, for example `0.0.0.0:443`.
        names: how it answers its Envoys' questions for the names of origins; null when it does not
            say.
    """

    name: str
    connected: bool
    seen_s_ago: float | None
    release: str | None
    generation: int
    phase: str
    message: str
    envoy: EnvoyView | None
    last_known_good: tuple[str, ...]
    listeners: tuple[str, ...]
    agent_pid: int = 0
    names: NamesReport | None = None


@dataclass(frozen=True, slots=True)
class TrafficView:
    """Requests over the last `span_s` seconds of one site, or of the whole edge.

    Attributes:
        site: site name; empty for the whole edge.
        requests_per_s: null when nothing was measured in the span.
        error_share: answers of 5xx among all; null without answers.
        client_error_share: answers of 4xx among all; null without answers.
        latency_p50_s: of whole requests; null when too few.
        latency_p95_s: as above.
    """

    site: str
    span_s: float
    requests: int
    requests_per_s: float | None
    error_share: float | None
    client_error_share: float | None
    latency_p50_s: float | None
    latency_p95_s: float | None


@dataclass(frozen=True, slots=True)
class ShadowView:
    """The shadow model over the span of `edge`.

    Attributes:
        id: first digits of the digest of its file.
        name: empty when its file is not there any more.
        compared: requests that both models scored; null while no node counts them, which an older
            version does not.
        agreed_share: of these, on the same side of the usual bounds; null without any.
        errors: requests that it should have scored and could not.
    """

    id: str
    name: str
    compared: int | None
    agreed_share: float | None
    errors: int


@dataclass(frozen=True, slots=True)
class BotsView:
    """Bots on the whole edge, over the span of `edge` and in the newest records.

    Attributes:
        requests: that were looked at.
        scored_share: of these; null without any, as all shares.
        challenged_share: whose policy wanted a challenge.
        refused_share: answered with 402, 403 or 429 by policy.
        unavailable: challenges that could not be shown.
        errors: faults of the bot filter; such requests passed unscored.
        sampled: newest records of the nodes that say something of bots.
        sampled_unscored_share: of these; null when they are too few.
        sampled_unknown_tls_share: handshakes of no known client among them; null when too few.
        shadow: null when there is none.
    """

    requests: int
    scored_share: float | None
    challenged_share: float | None
    refused_share: float | None
    unavailable: int
    errors: int
    sampled: int
    sampled_unscored_share: float | None
    sampled_unknown_tls_share: float | None
    shadow: ShadowView | None = None


@dataclass(frozen=True, slots=True)
class CertificateView:
    """One certificate slot of the current release."""

    name: str
    dns_names: tuple[str, ...]
    not_after_s: float
    days_left: int
    serial: str


@dataclass(frozen=True, slots=True)
class NoticeView:
    """A standing warning: what is wrong now, and what to do."""

    severity: Literal["warning", "error"]
    code: str
    text: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class ControlView:
    """The control process itself."""

    pid: int
    version: str
    uptime_s: float
    memory_bytes: int
    config: str
    data_dir: str


@dataclass(frozen=True, slots=True)
class StatusView:
    """Everything `seawall status` shows.

    Attributes:
        state: `serving` (the current release serves and nothing is wrong), `working` (a release
            is on its way), `degraded` (serving, with a notice of severity error, or a node serves
            something else than it should), `down` (no Envoy serves), `empty` (no release yet),
            `standby` (another control process leads, and nodes report to that one).
        summary: one sentence for people.
        current: what the edge is meant to serve.
        sites: traffic by site, busiest first, bounded; `sites_hidden` counts the rest.
        config_differs: the site file on disk differs from the current release; None if unknown.
        measures: process-wide counters and gauges of the newest window, by documented name.
        now_s: when this was put together.
        switches: kill switches that are on.
        rollouts: releases on their way, and the freeze; None where there are no rollouts.
        bots: None when nothing was measured of bots.
    """

    state: Literal["serving", "working", "degraded", "down", "empty", "standby"]
    summary: str
    current: ReleaseView | None
    nodes: tuple[NodeView, ...]
    edge: TrafficView
    sites: tuple[TrafficView, ...]
    sites_hidden: int
    certificates: tuple[CertificateView, ...]
    notices: tuple[NoticeView, ...]
    control: ControlView
    config_differs: bool | None
    measures: Mapping[str, float]
    now_s: float
    urls: tuple[str, ...] = ()
    switches: tuple[SwitchView, ...] = ()
    rollouts: RolloutsView | None = None
    bots: BotsView | None = None


@dataclass(frozen=True, slots=True)
class RuleFactView:
    """What a rule for bots asked for, and what it stood for in the request.

    Attributes:
        name: as in the rule language.
        state: `told`; `absent`, which no comparison meets; or `not-recorded`.
        value: null unless it is told. Of requests of a client from 8 on, the least that it was.
        words: the same for people; may be empty.
    """

    rule: str
    name: str
    state: Literal["told", "absent", "not-recorded"]
    value: int | str | None
    words: str


@dataclass(frozen=True, slots=True)
class WhyView:
    """The story of one request.

    Attributes:
        title: one line, for example `GET shop.example.com/api answered 503 in 2 ms`.
        story: what happened, one sentence each, in order.
        remedy: what to do about it; may be empty.
        record: the access record as written by Envoy.
        node: that has the record; empty for the machine that answers.
        also: other nodes that have a record of the same id.
        facts: what the rules for bots asked for that held, noted ones before the one that decided.
    """

    request_id: str
    title: str
    story: tuple[str, ...]
    remedy: str
    record: Mapping[str, str | int | float | bool | None]
    node: str = ""
    also: tuple[str, ...] = ()
    facts: tuple[RuleFactView, ...] = ()


@dataclass(frozen=True, slots=True)
class TokenView:
    """An API token without its value. `scopes` are `read` and `write`."""

    id: str
    name: str
    scopes: tuple[str, ...]
    created_s: float
    last_used_s: float | None
    expires_s: float | None
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class TokensView:
    """All tokens, newest first."""

    tokens: tuple[TokenView, ...]


@dataclass(frozen=True, slots=True)
class TokenCreated:
    """A new token. `token` is the only copy: it is stored hashed and never shown again."""

    view: TokenView
    token: str


@dataclass(frozen=True, slots=True)
class AuditEntryView:
    """Something somebody did, or tried to do."""

    at_s: float
    who: str
    what: str
    subject: str
    outcome: str


@dataclass(frozen=True, slots=True)
class AuditView:
    """The newest audit entries, newest first."""

    entries: tuple[AuditEntryView, ...]


@dataclass(frozen=True, slots=True)
class HealthView:
    """Answer of `/healthz`: the control process works and its store answers."""

    ok: bool
    version: str
