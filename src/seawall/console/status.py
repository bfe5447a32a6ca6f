"""The whole edge on one screen, and the story of one request."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from seawall.api.status_views import (
    CERTIFICATE_ENDED,
    BotsView,
    CertificateView,
    NodeView,
    ShadowView,
    StatusView,
    TrafficView,
    WhyView,
)
from seawall.console.hands import frozen_line, rollout_line
from seawall.console.output import joined, styled
from seawall.console.releases import pairs, plain_table
from seawall.console.words import age, count, duration, rate, share, size
from seawall.limits import STATUS_NODES_SHOWN_MAX

_STATES = {
    "serving": "bold green",
    "working": "bold cyan",
    "degraded": "bold yellow",
    "down": "bold red",
    "empty": "bold yellow",
    "standby": "bold cyan",
}
_PHASES = {"good": "green", "rejected": "bold red"}
_EXPIRY_SHOWN_DAYS = 30


def status(view: StatusView, *, cut: bool = False) -> RenderableType:
    """Release, nodes, traffic, certificates near their end, notices.

    Args:
        view: what to draw.
        cut: the end may not be seen, as on a screen that does not scroll: notices come first.
    """
    colour = _STATES.get(view.state, "bold yellow")  # a newer control may know more states
    state = joined(styled(view.state, colour), styled(f"  {view.summary}"))
    notices = list(_notices(view))
    parts: list[RenderableType] = [pairs(_overview(view))]
    if view.edge.requests or view.sites:
        parts += [styled(""), _traffic(view)]
    told = any(notice.code == CERTIFICATE_ENDED for notice in view.notices)
    for certificate in view.certificates:
        if certificate.days_left <= _EXPIRY_SHOWN_DAYS and not (told and certificate.days_left < 0):
            parts.append(_ending(certificate))
    if cut and notices:
        return Group(state, *notices, styled(""), *parts)
    return Group(state, *parts, *notices)


def _ending(certificate: CertificateView) -> Text:
    if certificate.days_left < 0:
        return styled(f"certificate {certificate.name} has expired: browsers refuse it", "red")
    left = count(certificate.days_left, "day")
    return styled(f"certificate {certificate.name} ends in {left}", "yellow")


def _notices(view: StatusView) -> Iterator[Text]:
    for notice in view.notices:
        colour = "bold red" if notice.severity == "error" else "bold yellow"
        yield joined(styled(f"\n{notice.severity}: ", colour), styled(notice.text))
        if notice.remedy:
            yield joined(styled("  do:  ", "bold"), styled(notice.remedy))


def why(view: WhyView) -> RenderableType:
    """The story of one request, one sentence a line, then what to do."""
    parts: list[RenderableType] = [styled(view.title, "bold")]
    parts += [styled(f"  {sentence}") for sentence in view.story]
    if view.remedy:
        parts.append(joined(styled("  do:  ", "bold"), styled(view.remedy)))
    return Group(*parts)


def _overview(view: StatusView) -> list[tuple[str, Text]]:
    rows: list[tuple[str, Text]] = []
    if view.urls:
        rows.append(("open", styled("  ".join(view.urls))))
    if view.current is not None:
        release = view.current
        text = f"  {release.message}" if release.message else ""
        by = f"  by {release.author}, {age(release.created_s, view.now_s)}"
        rows.append(
            ("release", joined(styled(release.id, "bold"), styled(text), styled(by, "dim")))
        )
    rows += _hands(view)
    rows += _nodes(view)
    if view.config_differs:
        hint = "the site file on disk differs: seawall diff, then seawall apply"
        rows.append(("config", styled(hint, "yellow")))
    rows += _bots(view.bots)
    control = view.control
    words = f"Seawall {control.version}, pid {control.pid}, up {duration(control.uptime_s)}"
    rows.append(("control", styled(f"{words}, {size(control.memory_bytes)}")))
    return rows


def _bots(bots: BotsView | None) -> list[tuple[str, Text]]:
    """One line: what is done about bots, and how much of the traffic is of a known kind."""
    if bots is None or not (bots.requests or bots.errors):
        return []
    faults = styled(f", {count(bots.errors, 'fault')}", "bold yellow" if bots.errors else "dim")
    if bots.sampled_unknown_tls_share is None:
        unknown = "too few records to say how many handshakes are unknown"
    else:
        unknown = f"{share(bots.sampled_unknown_tls_share)} of handshakes unknown"
    words = (
        f"{share(bots.scored_share)} scored, {share(bots.challenged_share)} challenged, "
        f"{share(bots.refused_share)} refused"
    )
    rows = [("bots", joined(styled(words), faults, styled(f"  {unknown}", "dim")))]
    if bots.shadow is not None:
        rows.append(("shadow", _shadow(bots.shadow)))
    return rows


def _shadow(shadow: ShadowView) -> Text:
    """A model that decides nothing, and how it compares."""
    name = f"{shadow.name} ({shadow.id})" if shadow.name else shadow.id
    if shadow.compared is None:
        told = "; no node reports how it compares"
    elif not shadow.compared:
        told = "; no request scored by both yet"
    else:
        told = f"; agrees on {share(shadow.agreed_share)} of {count(shadow.compared, 'request')}"
    faults = styled(f", {count(shadow.errors, 'fault')}", "bold yellow" if shadow.errors else "dim")
    return joined(styled(name), styled(told), faults, styled("  it decides nothing", "dim"))


def _hands(view: StatusView) -> list[tuple[str, Text]]:
    """What somebody, or control by itself, is doing to the edge now."""
    rows = [
        (
            "killed",
            joined(
                styled(f"{one.feature} ", "bold yellow"),
                styled(f"{'of ' + one.site if one.site else 'everywhere'}, "),
                styled(f"back in {duration(one.left_s)}  by {one.actor}"),
                styled(f": {one.reason}" if one.reason else ""),
            ),
        )
        for one in view.switches
    ]
    if view.rollouts is None:
        return rows
    frozen, running = view.rollouts.frozen, view.rollouts.running
    if frozen is not None:
        words = frozen_line(frozen.actor, frozen.reason, frozen.since_s, view.now_s)
        rows.append(("releases", words))
    if running is not None:
        rows.append(("rollout", rollout_line(running, view.now_s)))
        if running.verdict:
            rows.append(("judge", styled(running.verdict)))
        for label, text in (("held", running.held), ("paused", running.paused_by)):
            if text:
                rows.append((label, styled(text, "yellow")))
    rows += [("waits", styled(f"{one.release} ({one.speed})")) for one in view.rollouts.waiting]
    return rows


def _nodes(view: StatusView) -> list[tuple[str, Text]]:
    """Each node of a few; of many how they are, and a few of those that are not well."""
    if len(view.nodes) <= STATUS_NODES_SHOWN_MAX:
        return [row for node in view.nodes for row in _node(node)]
    release = view.current.id if view.current is not None else ""
    unwell = [node for node in view.nodes if not _is_well(node, release)]
    well = len(view.nodes) - len(unwell)
    words = f"{well:,} of {len(view.nodes):,} serve {release or 'nothing'}  seawall nodes list"
    rows = [("nodes", styled(words, "" if not unwell else "bold yellow"))]
    for node in unwell[:STATUS_NODES_SHOWN_MAX]:
        rows += _node(node)[:2]
    if more := len(unwell) - STATUS_NODES_SHOWN_MAX:
        rows += [("", styled(f"and {more:,} more that do not", "yellow"))] if more > 0 else []
    return rows


def _is_well(node: NodeView, release: str) -> bool:
    live = node.envoy is not None and node.envoy.live
    return node.connected and live and node.release == release


def _node(node: NodeView) -> list[tuple[str, Text]]:
    seen = f"heard {duration(node.seen_s_ago)} ago" if node.seen_s_ago is not None else "not heard"
    line = joined(
        styled(f"{node.name}  serves "),
        styled(node.release or "nothing", "bold"),
        styled("  "),
        styled(node.phase or "starting", _PHASES.get(node.phase, "cyan")),
        styled(f"  {seen}", "dim" if node.connected else "bold red"),
        styled(f"  {node.message}" if node.message else ""),
    )
    rows = [("node", line)]
    if node.envoy is not None:
        envoy = node.envoy
        words = f"{envoy.version}, pid {envoy.pid}, up {duration(envoy.uptime_s)}"
        words += f", {size(envoy.memory_bytes)}, {count(envoy.restarts, 'restart')}"
        live = styled("" if envoy.live else "  does not answer", "bold red")
        rows.append(("envoy", joined(styled(words), live)))
    if node.listeners:
        rows.append(("listens", styled(", ".join(node.listeners))))
    if node.last_known_good:
        rows.append(("good", styled(", ".join(node.last_known_good))))
    return rows


def _traffic(view: StatusView) -> Table:
    table = plain_table("site", "requests/s", "5xx", "4xx", "p50", "p95")
    for column in table.columns[1:]:
        column.justify = "right"
    rows = [("all", view.edge), *((site.site, site) for site in view.sites)]
    for name, traffic in rows:
        table.add_row(*_traffic_row(name, traffic))
    if view.sites_hidden:
        table.add_row(styled(f"... {count(view.sites_hidden, 'more site')}", "dim"))
    return table


def _traffic_row(name: str, traffic: TrafficView) -> tuple[Text, ...]:
    errors = traffic.error_share
    return (
        styled(name),
        styled(rate(traffic.requests_per_s)),
        styled(share(errors), "bold red" if errors else ""),
        styled(share(traffic.client_error_share)),
        styled(duration(traffic.latency_p50_s)),
        styled(duration(traffic.latency_p95_s)),
    )
