"""A shadow model beside the model, as people read it: advice first, then what it rests on."""

from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from seawall.console.output import joined, styled
from seawall.console.releases import pairs, plain_table
from seawall.console.words import count
from seawall.telemetry.shadow_report import Advice, ShadowReport

_WORDS: Final = {
    Advice.WAIT: ("wait", "bold cyan"),
    Advice.LOOK: ("look before you promote it", "bold yellow"),
    Advice.KEEP_BACK: ("do not promote it", "bold red"),
    Advice.PROMOTE: ("ready: seawall bots promote", "bold green"),
}
_BAR_CHARS: Final = 30


def report(found: ShadowReport) -> RenderableType:
    """The comparison of a model with its shadow."""
    if found.advice is None:
        return Group(*(styled(reason) for reason in found.reasons))
    words, style = _WORDS[found.advice]
    parts: list[RenderableType] = [
        joined(
            styled(words, style), styled(f"  shadow {found.shadow} next to model {found.model}")
        ),
        *(styled(f"  {reason}") for reason in found.reasons),
        pairs(_counts(found)),
    ]
    if found.compared:
        parts += [styled(""), _sides(found), styled(""), _differences(found)]
    if found.families:
        parts += [styled(""), _families(found)]
    return Group(*parts)


def _counts(found: ShadowReport) -> list[tuple[str, Text]]:
    rows = [
        (
            "compared",
            styled(f"{count(found.compared, 'request')} of {count(found.clients, 'client')}"),
        )
    ]
    if found.since:
        rows.append(("from", styled(f"{found.since} to {found.until}")))
    left_out = (
        (found.repeated, "of clients that had already sent enough requests"),
        (found.unscored, "scored by neither"),
        (found.faults, "that the shadow could not score"),
        (found.others, "of other models"),
    )
    words = ", ".join(f"{number:,} {what}" for number, what in left_out if number)
    if words:
        rows.append(("left out", styled(words, "yellow" if found.faults else "dim")))
    if found.mean_points is not None and found.psi is not None:
        far = f"{found.mean_points:.2f} points on average, stability index {found.psi:.3f}"
        rows.append(("differ by", styled(far)))
    return rows


def _sides(found: ShadowReport) -> Table:
    table = plain_table("at or below", "model", "shadow", "caught anew", "no longer caught")
    for side in found.sides:
        table.add_row(
            styled(str(side.score), "bold"),
            styled(f"{side.model_requests:,}"),
            styled(f"{side.shadow_requests:,}"),
            styled(_clients(side.caught_requests, side.caught_clients)),
            styled(_clients(side.spared_requests, side.spared_clients)),
        )
    return table


def _clients(requests: int, clients: int) -> str:
    return f"{requests:,} of {count(clients, 'client')}" if requests else "none"


def _differences(found: ShadowReport) -> Table:
    table = plain_table("shadow minus model", "requests", "")
    most = max((each.requests for each in found.differences), default=0) or 1
    for each in found.differences:
        span = f"{each.least:+d} to {each.most:+d}" if each.least != each.most else "the same"
        bar = "#" * max(1, round(each.requests / most * _BAR_CHARS)) if each.requests else ""
        table.add_row(styled(span), styled(f"{each.requests:,}"), styled(bar, "blue"))
    return table


def _families(found: ShadowReport) -> Table:
    table = plain_table("says it is", "requests", "mean shift", "decided otherwise")
    for each in found.families:
        table.add_row(
            styled(each.family, "bold"),
            styled(f"{each.requests:,}"),
            styled(f"{each.mean_points:+.1f}"),
            styled(f"{each.otherwise_requests:,}"),
        )
    return table
