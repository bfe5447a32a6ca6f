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
    """The Envoy process as its agent last saw it."""

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
        connected: whether a report came within the last few report intervals.
        seen_s_ago: age of its last report; null before the first.
        release: what it serves; null before the first.
        generation: the newest assignment that it knows.
        phase: `fetching`, `committing`, `baking`, `good`, `rejected`; empty before the first
            report.
        message: one sentence from the node, if it has something to report.
        last_known_good: releases on its disk, newest first.
        listeners: addresses that Envoy listens on now, for example `0.0.0.0:443`.
        names: how it answers its Envoys' DNS queries for origins; null if the node does not report
            it.
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
    """Requests of one site, or of the whole edge, over the last `span_s` seconds.

    Attributes:
        site: site name; empty for the whole edge.
        requests_per_s: null if nothing was measured in this time.
        error_share: share of responses that are 5xx; null without responses.
        client_error_share: share of responses that are 4xx; null without responses.
        latency_p50_s: median duration of whole requests; null if there were too few.
        latency_p95_s: the same, 95th percentile.
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
    """The shadow model, over the same time as `edge`.

    Attributes:
        id: first digits of its file's digest.
        name: empty if its file no longer exists.
        compared: requests that both models scored; null if no node counts them, as with an older
            version.
        agreed_share: share of these on the same side of the usual thresholds; null if there are
            none.
        errors: requests that it should have scored but could not.
    """

    id: str
    name: str
    compared: int | None
    agreed_share: float | None
    errors: int


@dataclass(frozen=True, slots=True)
class BotsView:
    """Bots on the whole edge, over the same time as `edge` and in the newest records.

    Attributes:
        requests: requests that the bot filter saw.
        scored_share: share of these with a score. All shares are null without requests.
        challenged_share: share for which the policy wanted a challenge.
        refused_share: share that the policy answered with 402, 403 or 429.
        unavailable: challenges that could not be shown.
        errors: failures of the bot filter; such requests passed without a score.
        sampled: newest records of the nodes that contain a bot verdict.
        sampled_unscored_share: share of these without a score; null if they are too few.
        sampled_unknown_tls_share: share of their TLS handshakes that match no known client; null if
            they are too few.
        shadow: null if there is no shadow model.
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
    not_before_s: float = 0.0


@dataclass(frozen=True, slots=True)
class NoticeView:
    """A standing warning: what is wrong now, and what to do about it."""

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
    """Everything that `seawall status` shows.

    Attributes:
        state: `serving` (the current release serves and nothing is wrong), `working` (a release is
            under way), `degraded` (it serves, but there is a notice of severity error, or a node
            serves something else than it should), `down` (no Envoy serves), `empty` (no release
            yet), or `standby` (another control process leads and receives the nodes' reports).
        summary: one sentence for people.
        current: the release that the edge is meant to serve.
        sites: traffic by site, busiest first, limited in number; `sites_hidden` counts the others.
        config_differs: whether the site file on disk differs from the current release; null if
            unknown.
        measures: process-wide counters and gauges of the newest window, by documented name.
        now_s: when this status was put together.
        switches: kill switches that are on.
        rollouts: releases under way, and the freeze; null if there are no rollouts.
        bots: null if nothing was measured about bots.
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
    """A fact that a bot rule asked for, and its value in the request.

    Attributes:
        name: as in the rule language.
        state: `told` (the value is known), `absent` (no comparison is true) or `not-recorded`.
        value: null unless `state` is `told`. Counts of a client's requests from 8 on are lower
            bounds.
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
        record: the access record as Envoy wrote it.
        node: the node that has the record; empty for the machine that answers.
        also: other nodes that have a record with the same id.
        facts: facts that matching bot rules asked for; those of noted rules come before those of
            the deciding one.
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
    """A new token. `token` is the only copy: Seawall stores only its hash."""

    view: TokenView
    token: str


@dataclass(frozen=True, slots=True)
class AuditEntryView:
    """Something that somebody did or tried to do."""

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
