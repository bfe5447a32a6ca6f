"""The stage that looks at whom changed bot rules turn away, on requests that were recorded.

A rule that compares the wrong way round is valid, and Envoy takes it; golden requests come from the
node and are never turned away. Only real clients would tell, by going. So the rules are tried on
the requests of the last hour first. Where there is nothing to try them on, that is said.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from seawall import limits
from seawall.errors import RefusedError
from seawall.gate.probes import time_s
from seawall.model import BotDo, BotMode
from seawall.telemetry import records
from seawall.telemetry.rehearsal import Rehearsal, RehearsalState, RuleTurns

Rehearse = Callable[[], Sequence[Rehearsal] | None]
"""Tries the rules that changed; none when no rules did, None when that is not known. Blocks."""
FORCE_BOT_RULES: Final = "bot-rules"
"""What `--force` names to go on past clients that would be turned away."""
_RULES_NAMED_MAX: Final = 3
_DOES: Final = {
    BotDo.BLOCK: "blocks",
    BotDo.CHALLENGE: "challenges",
    BotDo.PAYMENT: "asks payment for",
    BotDo.RATE: "slows",
}
_UNKNOWN: Final = (
    "Whom changed bot rules turn away is not measured: the site file of the current release cannot "
    "be loaded any more."
)


@dataclass(frozen=True, slots=True)
class BotRulesReport:
    """What came of the stage.

    Attributes:
        refusal: why the release may not go on unless somebody says that it is meant.
        notes: what whoever releases it should know: that nothing could be measured.
    """

    summary: str
    lines: tuple[str, ...] = ()
    refusal: RefusedError | None = None
    notes: tuple[str, ...] = ()


def read_recent(access_file: Path, now_s: float) -> Iterator[records.AccessRecord]:
    """The records of this machine that rules are tried on, newest first."""
    found = records.newest(records.files(access_file), limits.BOT_REHEARSAL_READ_BYTES)
    age_s_max = limits.BOT_REHEARSAL_AGE_S
    return (record for record in found if 0 <= now_s - time_s(record.time) <= age_s_max)


def judge_bot_rules(found: Sequence[Rehearsal] | None) -> BotRulesReport:
    """Decide on what changed rules would do to recorded requests.

    Args:
        found: one for each site whose rules changed; None when that is not known.
    """
    if found is None:
        return BotRulesReport(_UNKNOWN, notes=(_UNKNOWN,))
    if not found:
        return BotRulesReport("no bot rules changed")
    lines = tuple(line for each in found for line in rehearsal_lines(each))
    over = [each for each in found if each.over]
    if over:
        return BotRulesReport(f"{len(over)} site(s) over the bound", lines, _refusal(over))
    unmeasured = [
        each
        for each in found
        if each.state is not RehearsalState.MEASURED and each.mode == BotMode.ENFORCE
    ]
    notes = tuple(_too_few(each) for each in unmeasured)
    return BotRulesReport(f"bot rules of {len(found)} site(s)", lines, notes=notes)


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
    does = f"would {rule.do}" if found.mode == BotMode.OBSERVE else _DOES[BotDo(rule.do)]
    return (
        f"rule {rule.rule} {does} {rule.requests:,} of {found.requests:,} requests, "
        f"{rule.clients:,} of {found.clients:,} clients; {rule.new_clients:,} of them are let in "
        f"now. For example: seawall why {rule.example}"
    )


def _too_few(found: Rehearsal) -> str:
    if found.state is RehearsalState.NO_RECORDS:
        what = "no request to it is recorded on this machine of late"
    else:
        what = (
            f"{found.requests:,} requests of {found.clients:,} clients are recorded on this "
            f"machine of late, {limits.BOT_REHEARSAL_REQUESTS_MIN:,} of "
            f"{limits.BOT_REHEARSAL_CLIENTS_MIN:,} are needed"
        )
    return f"{found.site}: whom its bot rules turn away is not measured: {what}."


def _refusal(over: Sequence[Rehearsal]) -> RefusedError:
    first = max(over, key=lambda each: each.share or 0.0)
    most = sorted(first.rules, key=lambda rule: -rule.new_clients)[:_RULES_NAMED_MAX]
    rules = ", ".join(
        f"{rule.rule} ({rule.do}) {rule.new_clients:,}" for rule in most if rule.new_clients
    )
    more = f" The same holds for {len(over) - 1} more site(s)." if len(over) > 1 else ""
    return RefusedError(
        "bot-rules-turn-away",
        f"The bot rules of {first.site} would turn away {first.new_clients:,} of {first.clients:,} "
        f"clients ({first.share or 0.0:.0%}) that are let in now, of the requests recorded since "
        f"{first.since}; {limits.BOT_REHEARSAL_TURNED_SHARE_MAX:.0%} may be. By rule: {rules}."
        f"{more}",
        remedy=f"See `seawall diff` for requests to ask `seawall why` about. If it is meant: "
        f"--force {FORCE_BOT_RULES}. With `mode: observe` nobody is turned away, and records name "
        "whom the rules would meet.",
    )
