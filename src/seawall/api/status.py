"""What `status` says: one look at everything, and one word for it.

The word is the worst that is true: `down` before `degraded` before `working` before `serving`.
A notice says what is wrong and what to do; a missing report is never taken for health.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from seawall.api.bot_status import NO_MODEL, bot_notices, bots_view
from seawall.api.fleet import ElsewhereError
from seawall.api.nodes import Seen
from seawall.api.releases import out_of_step_back
from seawall.api.roster import LOCAL
from seawall.api.status_views import (
    CERTIFICATE_ENDED,
    CertificateView,
    ControlView,
    EnvoyView,
    NodeView,
    NoticeView,
    StatusView,
)
from seawall.api.traffic import edge_traffic, measures, site_traffic
from seawall.api.views import ReleaseView
from seawall.api.work import ModelFacts
from seawall.ids import NodeName
from seawall.limits import STATUS_NAMES_TOLD_MAX
from seawall.phrases import few
from seawall.rollout.ports import NodeReport, Phase
from seawall.telemetry.bot_sample import BotSample
from seawall.telemetry.window import Window

State = Literal["serving", "working", "degraded", "down", "empty", "standby"]
_ANY: Final = ("0.0.0.0", "[::]")  # noqa: S104 - compared with, not bound to
_UNHEARD: Final = "node-unheard"
_SILENT_REMEDY: Final = (
    "The edge still serves by itself. See logs/node.log in its data directory. If the machine "
    "is gone for good: seawall nodes remove NAME."
)
_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}


@dataclass(frozen=True)
class Look:
    """What a status is made of.

    Attributes:
        busy: what is being released now; empty when nothing is.
        notices: of control itself.
        listeners: what the current release listens on, for example `http 0.0.0.0:80`.
        sample: of the newest records of the nodes.
        shadow: the shadow model of the current release, if it has one.
        twins: nodes that two machines say they are.
        unheard: nodes that were assigned something, and never said anything to this process.
    """

    now_s: float
    monotonic_s: float
    current: ReleaseView | None
    nodes: Sequence[tuple[Seen, bool]]
    windows: Sequence[Window]
    certificates: tuple[CertificateView, ...]
    notices: Sequence[NoticeView]
    control: ControlView
    config_differs: bool | None
    busy: str
    listeners: Sequence[str]
    sample: BotSample = field(default_factory=BotSample)
    shadow: ModelFacts = NO_MODEL
    twins: Sequence[NodeName] = ()
    unheard: Sequence[NodeName] = ()


def status_view(look: Look) -> StatusView:
    """Put a look into words."""
    bots = bots_view(look.windows, look.sample, look.shadow)
    notices = (
        *look.notices,
        *_ended_certificates(look),
        *_node_notices(look),
        *bot_notices(bots, look.sample),
    )
    state, summary = _judge(look, notices)
    sites, hidden = site_traffic(look.windows)
    return StatusView(
        state=state,
        summary=summary,
        current=look.current,
        nodes=tuple(_node_view(seen, look.monotonic_s, connected=c) for seen, c in look.nodes),
        edge=edge_traffic(look.windows),
        sites=sites,
        sites_hidden=hidden,
        certificates=look.certificates,
        notices=notices,
        control=look.control,
        config_differs=look.config_differs,
        measures=measures(look.windows),
        now_s=look.now_s,
        urls=urls(look.listeners),
        bots=bots,
    )


def in_fleet(view: StatusView, elsewhere: ElsewhereError | None) -> StatusView:
    """The status of a control process whose nodes are other machines.

    Args:
        view: of what this process knows.
        elsewhere: why it does not lead; None when it does.
    """
    view = replace(view, urls=())  # nobody listens on this machine
    if elsewhere is None:
        return view
    others = tuple(notice for notice in view.notices if notice.code != _UNHEARD)
    view = replace(view, notices=others)  # nodes report to the one that leads
    if not elsewhere.leader:
        unknown = "This control process does not know which one leads."
        words = " ".join(filter(None, (unknown, elsewhere.why, "The edge still serves.")))
        return replace(view, state="degraded", summary=words, nodes=())
    should = f"{view.current.id} should serve" if view.current else "there is no release yet"
    words = (
        f"{elsewhere.leader} leads and is in contact with the nodes: ask there for their state; "
        f"{should}."
    )
    return replace(view, state="standby", summary=words, nodes=())


def urls(listeners: Sequence[str]) -> tuple[str, ...]:
    """Where a person on this machine can reach the listeners, each place once."""
    return tuple(dict.fromkeys(_urls(listeners)))


def _urls(listeners: Sequence[str]) -> Iterator[str]:
    for listener in listeners:
        scheme, _, address = listener.partition(" ")
        host, _, port = address.rpartition(":")
        shown = "localhost" if host in _ANY else host
        yield f"{scheme}://{shown}" + ("" if port == _DEFAULT_PORTS.get(scheme) else f":{port}")


def _judge(look: Look, notices: Sequence[NoticeView]) -> tuple[State, str]:
    current = look.current
    reports = [seen.report for seen, connected in look.nodes if connected]
    live = [report for report in reports if _lives(report)]
    if current is None:
        return "empty", look.busy or "There is no release yet."
    if not reports:
        return (
            "degraded",
            "No node reports. The last release that nodes served probably still serves.",
        )
    served = any(report.release for report in reports)  # otherwise it is only about to
    if not live and (served or not look.busy):
        return "down", f"No Envoy serves; {current.id} should."
    errors = [notice for notice in notices if notice.severity == "error"]
    if look.busy:
        told = f"{look.busy}; {_serving(live)} serves."
        return ("degraded", f"{told} {errors[0].text}") if errors else ("working", told)
    return _judge_serving(current, live, errors)


def _judge_serving(
    current: ReleaseView, live: Sequence[NodeReport], errors: Sequence[NoticeView]
) -> tuple[State, str]:
    wrong = [r for r in live if r.release != current.id]
    if wrong:
        coming = wrong[0].phase in {Phase.FETCHING, Phase.COMMITTING}
        return (
            "working" if coming else "degraded",
            f"{current.id} should serve, but {_serving(wrong)} does.",
        )
    if errors:
        return "degraded", f"{current.id} serves. {errors[0].text}"
    baking = any(report.phase is Phase.BAKING for report in live)
    return "serving", f"{current.id} serves{' and is baking' if baking else ''}."


def _lives(report: NodeReport) -> bool:
    return report.envoy is not None and report.envoy.live


def _serving(reports: Sequence[NodeReport]) -> str:
    return (reports[0].release if reports else None) or "nothing"


def _node_notices(look: Look) -> Iterator[NoticeView]:
    """What nodes say; of a fleet with who says it, and once where many say the same."""
    silent = [seen for seen, connected in look.nodes if not connected]
    if silent:
        longest_s = max(look.monotonic_s - seen.at_s for seen in silent)
        names = names_text([seen.report.node for seen in silent])
        has = "has" if len(silent) == 1 else "have"
        yield NoticeView(
            "error",
            "node-silent",
            f"{names} {has} been silent for {longest_s:.0f} s.",
            _SILENT_REMEDY,
        )
    if look.unheard:
        names = names_text(look.unheard)
        has = "has" if len(look.unheard) == 1 else "have"
        yield NoticeView(
            "error",
            _UNHEARD,
            f"{names} {has} not been heard from since this control process started, "
            f"{look.control.uptime_s:.0f} s ago.",
            _SILENT_REMEDY,
        )
    yield from _dead_envoys([seen.report for seen, connected in look.nodes if connected])
    said: dict[tuple[str, str, str], list[NodeName]] = {}
    for seen, _ in look.nodes:
        report = seen.report
        texts = [("node-notice", text, "") for text in report.notices]
        if report.phase is Phase.REJECTED and report.message:
            texts.append(("release-rejected", report.message, _rejected_remedy(look, report)))
        for each in dict.fromkeys(texts):
            said.setdefault(each, []).append(report.node)
    for (code, text, remedy), nodes in said.items():
        whose = "" if nodes == [LOCAL] else f"{names_text(nodes)}: "
        yield NoticeView("warning", code, f"{whose}{text}", remedy)
    for name in look.twins:
        yield NoticeView(
            "error",
            "node-twice",
            f"Two machines report as node {name}: one is a clone, or has a copy of the data "
            "directory. Both serve the node's release, but their reports are mixed up.",
            "On the copy: stop `seawall node`, empty its data directory, and join it under "
            "another name.",
        )


def _rejected_remedy(look: Look, report: NodeReport) -> str:
    """While a release is on its way, control itself sees to a node that refuses it."""
    if look.current is None or look.busy or report.release in {None, look.current.id}:
        return ""
    return out_of_step_back(look.current.id, str(report.release))


def _ended_certificates(look: Look) -> Iterator[NoticeView]:
    """Certificates that are served, and that no browser takes any more."""
    ended = [one.name for one in look.certificates if one.not_after_s <= look.now_s]
    if ended:
        what = "Certificate" if len(ended) == 1 else "Certificates"
        has, it = ("has", "it") if len(ended) == 1 else ("have", "them")
        yield NoticeView(
            "error",
            CERTIFICATE_ENDED,
            f"{what} {few(ended, STATUS_NAMES_TOLD_MAX)} {has} expired: browsers refuse sites that "
            f"show {it}.",
            "Replace it on disk: Seawall picks the new one up by itself.",
        )


def _dead_envoys(reports: Sequence[NodeReport]) -> Iterator[NoticeView]:
    """Nodes that were given a release and whose Envoy does not serve, while that of others does."""
    dead = [report.node for report in reports if report.release and not _lives(report)]
    if dead and any(map(_lives, reports)):
        yield NoticeView(
            "error",
            "envoy-down",
            f"{names_text(dead)}: Envoy does not serve there.",
            "The agent restarts Envoy by itself. For the reason, see node/stable/envoy.log and "
            "logs/node.log in the node's data directory.",
        )


def names_text(nodes: Sequence[NodeName]) -> str:
    """Nodes by name, a few of many: `Node a`, `Nodes a, b and 7 more`."""
    return f"{'Node' if len(nodes) == 1 else 'Nodes'} {few(nodes, STATUS_NAMES_TOLD_MAX)}"


def _node_view(seen: Seen, monotonic_s: float, *, connected: bool) -> NodeView:
    report = seen.report
    envoy = report.envoy
    return NodeView(
        name=report.node,
        connected=connected,
        seen_s_ago=round(monotonic_s - seen.at_s, 1),
        release=report.release,
        generation=report.generation,
        phase=report.phase.value,
        message=report.message,
        envoy=None
        if envoy is None
        else EnvoyView(
            pid=envoy.pid,
            version=envoy.version,
            uptime_s=envoy.uptime_s,
            restarts=envoy.restarts,
            live=envoy.live and connected,
            memory_bytes=envoy.memory_bytes,
        ),
        last_known_good=report.last_known_good,
        listeners=report.listeners,
        agent_pid=report.agent_pid,
        names=report.names,
    )
