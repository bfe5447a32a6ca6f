"""The stage that looks at whom a release would turn away, on requests that were recorded.

A bot rule that compares the wrong way round is valid, and so is an address list with the network
of an own office; golden requests come from the node and are never turned away. Only real clients
would tell, by going. So what changed is tried on the requests of the last hour first. Where there
is nothing to try it on, that is said.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from seawall import limits
from seawall.errors import RefusedError
from seawall.gate.report import StageFinding
from seawall.model import BotDo, BotMode
from seawall.telemetry.rehearsal import (
    DENY,
    GARBLED,
    LATE,
    OLD,
    SILENT,
    NodesAsked,
    NodeTurns,
    Rehearsal,
    RehearsalState,
    Rehearsed,
    RuleTurns,
    is_enough,
)

Rehearse = Callable[[], Rehearsed | None]
"""Tries the rules that changed; no site when no rules did, None when that is not known. Blocks."""
FORCE_CLIENTS: Final = "clients"
"""What `--force` names to go on past clients that would be turned away."""
_RULES_NAMED_MAX: Final = 3
_SITES_NOTED_MAX: Final = 3
_DOES: Final = {
    BotDo.BLOCK: "blocks",
    BotDo.CHALLENGE: "challenges",
    BotDo.PAYMENT: "asks payment for",
    BotDo.RATE: "slows",
}
_NODES_NAMED_MAX: Final = 3
_MISSING: Final = (
    (LATE, "Did not answer in time"),
    (SILENT, "Not connected here"),
    (OLD, "Of an older version that cannot answer this question"),
    (GARBLED, "Sent an unusable answer"),
)
_UNKNOWN: Final = (
    "Whom this release turns away was not measured: the site file of the current release can no "
    "longer be loaded."
)


def judge_clients(found: Rehearsed | None) -> StageFinding:
    """Decide on what changed rules would do to recorded requests.

    Args:
        found: one site for each whose rules changed; None when that is not known.
    """
    if found is None:
        return StageFinding(_UNKNOWN, notes=(_UNKNOWN,))
    if not found.sites:
        return StageFinding("no bot rules and no address lists changed")
    fleet = found.fleet
    lines = (  # who was asked comes first: of many lines the last ones are not kept
        *(() if fleet is None else (fleet_line(fleet),)),
        *(line for each in found.sites for line in rehearsal_lines(each, fleet=fleet is not None)),
    )
    over = [each for each in found.sites if each.over]
    if over:
        return StageFinding(
            f"{len(over)} site(s) turn away too many clients", lines, _refusal(over)
        )
    few = [each for each in found.sites if each.really and not (_measured(each) and _sure(each))]
    notes = [_note(each, fleet=fleet is not None) for each in few[:_SITES_NOTED_MAX]]
    if more := len(few) - len(notes):
        notes.append(f"The same holds for {more} more site(s).")
    if fleet is not None and (fleet.missing or not fleet.nodes):
        notes.append(fleet_line(fleet))
    on = "" if fleet is None else f", with records of {fleet.answered} of {fleet.nodes} node(s)"
    return StageFinding(f"{len(found.sites)} site(s) looked at{on}", lines, notes=tuple(notes))


def rehearsal_lines(found: Rehearsal, *, fleet: bool = False) -> Iterator[str]:
    """What is known of one site, for people; `fleet` when nodes were asked for the records."""
    if not _measured(found):
        yield _too_few(found, fleet=fleet)
    for rule in found.rules:
        yield f"{found.site}: {_rule_line(found, rule)}"
    if _measured(found) and not found.rules:
        yield (
            f"{found.site}: none of {found.clients:,} clients would be turned away "
            f"({found.requests:,} requests since {found.since})."
        )
    for node in found.nodes:
        if node.new_clients:
            yield f"{found.site}: {_node_line(node)}"
    if found.freed_requests:
        yield f"{found.site}: {found.freed_requests:,} requests that are turned away now get in."
    if found.unsure:
        yield _unsure(found)


def fleet_line(fleet: NodesAsked) -> str:
    """How many nodes told what they have seen, and which did not."""
    if not fleet.nodes:
        return "The fleet has no nodes to ask for recent requests."
    part = "" if fleet.asked == fleet.nodes else f", of {fleet.nodes:,} in the fleet"
    counts = f"{fleet.answered:,} of {fleet.asked:,} asked{part}"
    words = f"Nodes that sent their recent requests: {counts}."
    for state, head in _MISSING:
        names = fleet.missing.get(state, ())
        if names:
            more = fleet.missing_count.get(state, len(names)) - len(names)
            words += f" {head}: {', '.join(names)}{f' and {more:,} more' if more else ''}."
    return words


def _measured(found: Rehearsal) -> bool:
    return found.state is RehearsalState.MEASURED


def _node_line(node: NodeTurns) -> str:
    words = (
        f"on node {node.node} {node.new_clients:,} of {node.clients:,} clients that are let in "
        "now would be turned away or challenged"
    )
    if node.share is None:
        return f"{words}; it has recorded too few requests to give a share."
    return f"{words}, {node.share:.0%}."


def _rule_line(found: Rehearsal, rule: RuleTurns) -> str:
    if rule.do == DENY:
        does = f"address list {rule.rule} turns away"
    elif found.mode == BotMode.OBSERVE:
        does = f"rule {rule.rule} would {rule.do}"
    else:
        does = f"rule {rule.rule} {_DOES[BotDo(rule.do)]}"
    return (
        f"{does} {rule.requests:,} of {found.requests:,} requests, "
        f"{rule.clients:,} of {found.clients:,} clients; {rule.new_clients:,} of them are let in "
        f"now. For example: seawall why {rule.example}"
    )


def _too_few(found: Rehearsal, *, fleet: bool) -> str:
    where = "by the nodes that answered" if fleet else "on this machine"
    if found.state is RehearsalState.NO_RECORDS:
        what = f"no recent request to it is recorded {where}"
    else:
        what = (
            f"only {found.requests:,} recent requests of {found.clients:,} clients are recorded "
            f"{where}; {limits.REHEARSAL_REQUESTS_MIN:,} requests of "
            f"{limits.REHEARSAL_CLIENTS_MIN:,} clients are needed"
        )
    return f"{found.site}: whom the change turns away was not measured: {what}."


def _sure(found: Rehearsal) -> bool:
    """Whether fewer requests hang on what records do not hold than may be turned away."""
    most = limits.REHEARSAL_TURNED_SHARE_MAX * (found.requests + found.unsure)
    return found.unsure <= most


def _note(found: Rehearsal, *, fleet: bool) -> str:
    """What is not known of whom a site would turn away."""
    words = [] if _measured(found) else [_too_few(found, fleet=fleet)]
    if not _sure(found):
        words.append(_unsure(found))
    return " ".join(words)


def _unsure(found: Rehearsal) -> str:
    return (
        f"{found.site}: {found.unsure:,} requests are not counted, because the outcome depends "
        "on data that their records do not contain."
    )


def _refusal(over: Sequence[Rehearsal]) -> RefusedError:
    first = max(over, key=lambda each: _worst(each).share or 0.0)
    worst = _worst(first)
    most = sorted(worst.rules, key=lambda rule: -rule.new_clients)[:_RULES_NAMED_MAX]
    rules = ", ".join(
        f"{rule.rule} ({rule.do}) {rule.new_clients:,}" for rule in most if rule.new_clients
    )
    more = f" The same holds for {len(over) - 1} more site(s)." if len(over) > 1 else ""
    return RefusedError(
        "clients-turned-away",
        f"Site {first.site} would turn away {worst.new_clients:,} of {worst.clients:,} clients "
        f"({worst.share or 0.0:.0%}) that are let in now{_where(first)}, judged by the requests "
        f"recorded since {worst.since}; at most {_may_be(worst):.0%} are allowed. By rule or "
        f"list: {rules}.{more}",
        remedy="Run `seawall why` on the requests that are named. If this is intended: --force "
        f"{FORCE_CLIENTS}. To try bot rules safely, set `mode: observe`: they turn nobody "
        "away, and the access records show which requests they would.",
    )


def _worst(found: Rehearsal) -> Rehearsal | NodeTurns:
    """What is over the bound: one node, where one is, else all of them together."""
    return found.nodes[0] if found.nodes and found.nodes[0].over else found


def _may_be(worst: Rehearsal | NodeTurns) -> float:
    if is_enough(worst.requests, worst.clients):
        return limits.REHEARSAL_TURNED_SHARE_MAX
    return limits.REHEARSAL_FEW_TURNED_SHARE_MAX


def _where(found: Rehearsal) -> str:
    over = [node.node for node in found.nodes if node.over]
    if not over:
        return ""
    others = ", ".join(over[1:_NODES_NAMED_MAX])
    hidden = len(over) - _NODES_NAMED_MAX
    more = f" and {hidden} more" if hidden > 0 else ""
    return f" on node {over[0]}" + (f" (and on {others}{more} likewise)" if others else "")
