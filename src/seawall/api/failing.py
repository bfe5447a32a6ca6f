"""What `status` says of sites that answer with errors: how many, since when, and what to do."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from seawall.api.status_views import NoticeView
from seawall.judge.failing import Failing, Turned
from seawall.limits import FAILING_RECORDS_SIZE_BYTES, FAILING_SITES_TOLD_MAX
from seawall.telemetry import records

_MINUTE_S: Final = 60.0


def failing_notices(
    found: Sequence[Failing], release: str, examples: Mapping[str, str], now_s: float
) -> Iterator[NoticeView]:
    """One notice for each of the worst sites, and one for all others.

    Args:
        found: the worst first.
        release: what should serve.
        examples: the id of a failed request, by site, where one is known.
        now_s: Unix seconds.
    """
    for one in found[:FAILING_SITES_TOLD_MAX]:
        remedy = _remedy(one, release, examples.get(one.site, ""))
        yield NoticeView("warning", "site-errors", _told(one, release, now_s), remedy)
    if more := found[FAILING_SITES_TOLD_MAX:]:
        few = ", ".join(one.site for one in more[:FAILING_SITES_TOLD_MAX])
        yield NoticeView(
            "warning",
            "site-errors",
            f"So do {len(more)} more sites, among them {few}.",
            "When many sites fail at once, first check what they share: a release, an origin, "
            "DNS, the network.",
        )


def turned_notice(found: Turned, release: str, now_s: float) -> NoticeView:
    """That bot rules turn away far more since `release` serves."""
    bad, of = found.before
    usual = f"before that {bad:,} of {of:,}" if of else "before that there were no requests"
    ago = _minutes(now_s - found.since_s)
    return NoticeView(
        "warning",
        "bots-turn-away",
        f"Since {release} serves, for {ago} min, bot rules turned away or challenged "
        f"{found.bad:,} of {found.of:,} requests, {found.bad / found.of:.0%}; {usual}.",
        f"Run `seawall why` on such a request to see the rule. If {release} is to blame: "
        "`seawall rollback`. `seawall kill bots --reason WHY` lets everybody in for a while.",
    )


def failed_requests(path: Path, sites: Iterable[str]) -> Mapping[str, str]:
    """The id of the newest failed request of each site in the newest records; blocks on the disk.

    Args:
        path: the access records of this machine; there are none where nodes are elsewhere.
        sites: by name.
    """
    wanted, found = set(sites), dict[str, str]()
    for record in records.recent(path, FAILING_RECORDS_SIZE_BYTES):
        if record.site in wanted and record.failed and record.request_id:
            found[record.site] = record.request_id
            wanted.discard(record.site)
    return found


def _told(one: Failing, release: str, now_s: float) -> str:
    minutes = round(one.span_s / _MINUTE_S)
    span = "minute" if minutes == 1 else f"{minutes} minutes"
    text = (
        f"Site {one.site}: {one.bad:,} of {one.of:,} requests to its origins in the last {span} "
        f"were answered with 5xx, {one.bad / one.of:.0%}."
    )
    if one.since_s is None:
        return f"{text} No release began to serve in the period for which there are measurements."
    ago = _minutes(now_s - one.since_s)
    bad, of = one.before
    usual = f"{bad:,} of {of:,} were" if of else "there were no requests"
    return f"{text} Before {release}, which began to serve {ago} min ago, {usual}."


def _minutes(span_s: float) -> int:
    return max(1, round(span_s / _MINUTE_S))


def _remedy(one: Failing, release: str, example: str) -> str:
    look = (
        f"`seawall why {example}` shows what happened to one of them."
        if example
        else "Take the `x-request-id` of such a response: `seawall why ID` shows what happened."
    )
    return f"{look} If {release} is to blame: `seawall rollback`." if one.began else look
