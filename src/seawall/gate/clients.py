"""The stage that looks at whom a release would turn away, on requests that were recorded.

A bot rule that compares the wrong way round is valid, and so is an address list with the network
of an own office; golden requests come from the node and are never turned away. Only real clients
would tell, by going. So what changed is tried on the requests of the last hour first. Where there
is nothing to try it on, that is said.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from seawall import limits
from seawall.errors import RefusedError
from seawall.gate.report import StageFinding
from seawall.model import BotDo, BotMode
from seawall.telemetry import records
from seawall.telemetry.rehearsal import DENY, Rehearsal, RehearsalState, RuleTurns

Rehearse = Callable[[], Sequence[Rehearsal] | None]
"""Tries the rules that changed; none when no rules did, None when that is not known. Blocks."""
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
_UNKNOWN: Final = (
    "Whom it turns away is not measured: the site file of the current release cannot be loaded any "
    "more."
)


def read_recent(access_file: Path, now_s: float) -> Iterator[records.AccessRecord]:
    """The records of this machine that rules are tried on, newest first."""
    found = records.newest(records.files(access_file), limits.REHEARSAL_READ_BYTES)
    age_s_max = limits.REHEARSAL_AGE_S
    return (record for record in found if 0 <= now_s - records.time_s(record.time) <= age_s_max)


def judge_clients(found: Sequence[Rehearsal] | None) -> StageFinding:
    """Decide on what changed rules would do to recorded requests.

    Args:
        found: one for each site whose rules changed; None when that is not known.
    """
    if found is None:
        return StageFinding(_UNKNOWN, notes=(_UNKNOWN,))
    if not found:
        return StageFinding("no bot rules and no address lists changed")
    lines = tuple(line for each in found for line in rehearsal_lines(each))
    over = [each for each in found if each.over]
    if over:
        return StageFinding(f"{len(over)} site(s) over the bound", lines, _refusal(over))
    few = [each for each in found if each.really and each.state is not RehearsalState.MEASURED]
    notes = [_too_few(each) for each in few[:_SITES_NOTED_MAX]]
    if more := len(few) - len(notes):
        notes.append(f"The same holds for {more} more site(s).")
    return StageFinding(f"{len(found)} site(s) looked at", lines, notes=tuple(notes))


def rehearsal_lines(found: Rehearsal) -> Iterator[str]:
    """What is known of one site, for people."""
    if found.state is not RehearsalState.MEASURED:
        yield _too_few(found)
    for rule in found.rules:
        yield f"{found.site}: {_rule_line(found, rule)}"
    if found.state is RehearsalState.MEASURED and not found.rules:
        yield (
            f"{found.site}: nobody of {found.clients:,} clients is turned away, of "
            f"{found.requests:,} requests since {found.since}."
        )
    if found.freed_requests:
        yield f"{found.site}: {found.freed_requests:,} requests that were turned away get in."
    if found.unsure:
        yield (
            f"{found.site}: {found.unsure:,} requests hang on what records do not hold, and are "
            "not counted."
        )


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


def _too_few(found: Rehearsal) -> str:
    if found.state is RehearsalState.NO_RECORDS:
        what = "no request to it is recorded on this machine of late"
    else:
        what = (
            f"{found.requests:,} requests of {found.clients:,} clients are recorded on this "
            f"machine of late, {limits.REHEARSAL_REQUESTS_MIN:,} of "
            f"{limits.REHEARSAL_CLIENTS_MIN:,} are needed"
        )
    return f"{found.site}: whom it turns away is not measured: {what}."


def _refusal(over: Sequence[Rehearsal]) -> RefusedError:
    first = max(over, key=lambda each: each.share or 0.0)
    most = sorted(first.rules, key=lambda rule: -rule.new_clients)[:_RULES_NAMED_MAX]
    rules = ", ".join(
        f"{rule.rule} ({rule.do}) {rule.new_clients:,}" for rule in most if rule.new_clients
    )
    more = f" The same holds for {len(over) - 1} more site(s)." if len(over) > 1 else ""
    return RefusedError(
        "clients-turned-away",
        f"Site {first.site} would turn away {first.new_clients:,} of {first.clients:,} "
        f"clients ({first.share or 0.0:.0%}) that are let in now, of the requests recorded since "
        f"{first.since}; {limits.REHEARSAL_TURNED_SHARE_MAX:.0%} may be. By what: {rules}."
        f"{more}",
        remedy="Ask `seawall why` about the requests that are named. If it is meant: "
        f"--force {FORCE_CLIENTS}. Bot rules in `mode: observe` turn nobody away, and records name "
        "whom they would meet.",
    )
